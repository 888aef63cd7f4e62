"""Cells that are linear in their states: h_t = scale_t * h_(t-1) + shift_t, channel by channel, where neither scale nor shift reads that state.

Then all scales and shifts are known before the first step, and the sequence needs no step after another. A cell with several states is linear if they can
be solved one after the other: scale and shift of one may read those that were solved before it, their old values and their new ones.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from tenuto.cell import Width
from tenuto.program.grammar import KINDS
from tenuto.program.graph import Builder, Node
from tenuto.program.trace import Traced


@dataclass(frozen=True)
class Stage:
    """One state: `scale` and `shift` are numbers of values, `new` is that of the state after the step."""

    state: str
    scale: int
    shift: int
    new: int


@dataclass(frozen=True)
class Linear:
    """A step as stages in the order in which they can be solved.

    `nodes` begins with the nodes of the forward program under their own numbers; scales and shifts come after these.
    """

    nodes: tuple[Node, ...]
    stages: tuple[Stage, ...]


def linear(traced: Traced) -> Linear | None:
    """The stages of a cell; None where it is not linear in its states.

    Example:
        >>> from tenuto import cells
        >>> from tenuto.program import trace
        >>> linear(trace(cells.GRU())) is None
        True
    """
    forward, builder = traced.forward, Builder()
    for number, node in enumerate(forward.nodes):
        if builder.put(node) != number:
            return None
    results = {name: number for (role, name), number in forward.outputs if role == "state"}
    operands = {product: stack.operand for stack in traced.stacks for product in stack.products}
    left, stages = dict(results), list[Stage]()
    while left:
        for state, new in left.items():
            found = _Forms(builder, operands, {results[stage.state] for stage in stages}, set(left), state).of(new)
            if found is not None:
                scale, shift = (builder.constant(0.0) if part is None else part for part in found)
                stages.append(Stage(state, scale, shift, new))
                break
        else:
            return None
        del left[stages[-1].state]
    return Linear(tuple(builder.nodes), tuple(stages))


_Form = tuple["int | None", "int | None"]  # scale and shift of a value; None where it is zero


class _Forms:
    """Values as scale * state + shift.

    Args:
        operands: what each product multiplies. solved: numbers of the states after the step that are known. unknown: the states that are not; `state` is one.
    """

    def __init__(self, builder: Builder, operands: Mapping[str, int], solved: set[int], unknown: set[str], state: str) -> None:
        self.builder, self.operands, self.solved, self.unknown, self.state = builder, operands, solved, unknown, state
        self._known: dict[int, _Form | None] = {}

    def of(self, number: int) -> _Form | None:
        """The form of a value; None where it has none."""
        if number not in self._known:
            self._known[number] = self._found(number, self.builder.nodes[number])
        return self._known[number]

    def _found(self, number: int, node: Node) -> _Form | None:
        itself = None, number
        if number in self.solved or node.kind == "const":
            return itself
        if node.name is not None:
            role, name = node.name
            if role == "state" and name in self.unknown:
                return (self.builder.constant(1.0), None) if name == self.state else None
            if role == "product":
                operand = self.of(self.operands[name])
                return itself if operand is not None and operand[0] is None else None
            return itself
        args = [self.of(arg) for arg in node.args]
        if any(arg is None for arg in args):
            return None
        forms = [arg for arg in args if arg is not None]
        return itself if all(scale is None for scale, _ in forms) else self._of_kind(node, forms)

    def _of_kind(self, node: Node, forms: list[_Form]) -> _Form | None:
        """The form of a value of whose arguments one at least has a scale."""
        kind = node.kind
        if kind == "neg":
            return self._both(lambda part: self._put("neg", part), forms[0])
        if kind in ("add", "sub"):
            (a, b), (c, d) = forms
            return self._sum(kind, a, c), self._sum(kind, b, d)
        if kind == "mul":
            varying, steady = forms if forms[1][0] is None else reversed(forms)
            return self._both(lambda part: self._put("mul", part, self._number(steady[1])), varying) if steady[0] is None else None
        if kind == "div" and forms[1][0] is None:
            return self._both(lambda part: self._put("div", part, self._number(forms[1][1])), forms[0])
        if kind == "where" and forms[0][0] is None:
            condition, (a, b), (c, d) = node.args[0], *forms[1:]
            return self._put("where", condition, self._number(a), self._number(c)), self._put("where", condition, self._number(b), self._number(d))
        return None

    def _both(self, write, form: _Form) -> _Form:  # type: ignore[no-untyped-def]
        return tuple(None if part is None else write(part) for part in form)  # type: ignore[return-value]

    def _number(self, part: int | None) -> int:
        return self.builder.constant(0.0) if part is None else part

    def _sum(self, kind: str, first: int | None, second: int | None) -> int | None:
        if second is None:
            return first
        if first is None:
            return second if kind == "add" else self._put("neg", second)
        return self._put(kind, first, second)

    def _put(self, kind: str, *args: int) -> int:
        widths: list[Width] = [self.builder.nodes[arg].width for arg in args]
        assert KINDS[kind].gives == "real"
        return self.builder.apply(kind, args, next((width for width in widths if width != 1), 1))
