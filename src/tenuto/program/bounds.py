"""Between which numbers a value lies, whatever goes in: intervals through the kinds of the grammar. What is not known is without bounds.

Bounds are of real arithmetic; rounding may cross one by its last bit.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

from tenuto.program.graph import Key, Node

Bounds = tuple[float, float]
ANY: Bounds = (-math.inf, math.inf)
_RISING: dict[str, Callable[[float], float]] = {  # and what they are at the ends of what they take
    "exp": lambda v: math.exp(min(v, 700.0)) if v < 700.0 else math.inf, "expm1": lambda v: math.expm1(min(v, 700.0)) if v < 700.0 else math.inf,
    "log1p": lambda v: math.log1p(v) if v > -1.0 else -math.inf, "sqrt": lambda v: math.sqrt(v) if v > 0.0 else 0.0, "relu": lambda v: max(v, 0.0),
    "sigmoid": lambda v: 0.5 + 0.5 * math.tanh(0.5 * v), "tanh": math.tanh, "erf": math.erf, "atan": math.atan, "sign": lambda v: math.copysign(1.0, v) if v else 0.0,
    "floor": lambda v: math.floor(v) if math.isfinite(v) else v,
}  # fmt: skip


def bounds(nodes: Sequence[Node], inputs: Mapping[Key, Bounds], numbers: Sequence[int]) -> list[Bounds]:
    """The bounds of these values.

    Args:
        inputs: bounds of inputs, by key; others may be anything.
    Example:
        >>> from tenuto import cells
        >>> from tenuto.program import trace
        >>> program = trace(cells.LSTM()).forward
        >>> bounds(program.nodes, {}, [number for key, number in program.outputs if key == ("state", "h")])
        [(-1.0, 1.0)]
    """
    known: dict[int, Bounds] = {}

    def of(number: int) -> Bounds:
        if number not in known:
            node = nodes[number]
            if node.name is not None:
                known[number] = inputs.get(node.name, ANY)
            elif node.kind == "const":
                known[number] = (node.value, node.value) if not math.isnan(node.value) else ANY
            else:
                known[number] = _of_kind(nodes, node, of)
        return known[number]

    return [of(number) for number in numbers]


def _of_kind(nodes: Sequence[Node], node: Node, of: Callable[[int], Bounds]) -> Bounds:
    kind, args = node.kind, node.args
    if node.gives == "bool":
        return 0.0, 1.0
    if kind == "where":
        return _either(_where(nodes, args[0], args[1], of), of(args[2]))
    (low, high), *others = (of(arg) for arg in args)
    if kind in _RISING:
        return _RISING[kind](low), _RISING[kind](high)
    if kind in ("sin", "cos"):
        return -1.0, 1.0
    if kind in ("mean", "amax", "expand"):
        return low, high
    if kind == "neg":
        return -high, -low
    if kind == "abs":
        return max(low, -high, 0.0), max(-low, high)
    if kind in ("reciprocal", "rsqrt") and low > 0.0:
        ends = 1.0 / high, 1.0 / low
        return ends if kind == "reciprocal" else (math.sqrt(ends[0]), math.sqrt(ends[1]))
    if not others:
        return ANY
    return _of_two(nodes, node, (low, high), others[0], of)


def _of_two(nodes: Sequence[Node], node: Node, first: Bounds, second: Bounds, of: Callable[[int], Bounds]) -> Bounds:
    (low, high), (least, most) = first, second
    if node.kind == "add":
        return _within(_sound(low + least, high + most), _mixed(nodes, node, of))
    if node.kind == "sub":
        return _sound(low - most, high - least)
    if node.kind == "mul":
        if node.args[0] == node.args[1]:
            ends = _times(low, low), _times(high, high)
            return (0.0 if low <= 0.0 <= high else min(ends)), max(ends)
        ends = [_times(one, other) for one in first for other in second]  # type: ignore[assignment]
        return min(ends), max(ends)
    if node.kind in ("maximum", "minimum"):
        pick = max if node.kind == "maximum" else min
        return pick(low, least), pick(high, most)
    if node.kind == "div":
        whole = nodes[node.args[1]]
        if low >= 0.0 and whole.kind == "add" and node.args[0] in whole.args and all(of(part)[0] >= 0.0 for part in whole.args):
            return 0.0, 1.0  # a part of a whole
        if least > 0.0:
            ends = [_times(one, 1.0 / other) for one in first for other in second]  # type: ignore[assignment]
            return min(ends), max(ends)
    return ANY


def _mixed(nodes: Sequence[Node], node: Node, of: Callable[[int], Bounds]) -> Bounds:
    """Of a sum that mixes two values, (1 - z) a + z b or a + z (b - a) with z between 0 and 1: it lies between them."""

    def aim(number: int, other: int) -> int | None:
        """The b of z (b - other), with z between 0 and 1."""
        for share, value in (nodes[number].args, nodes[number].args[::-1]) if nodes[number].kind == "mul" else ():
            low, high = of(share)
            if low >= 0.0 and high <= 1.0 and nodes[value].kind == "sub" and nodes[value].args[1] == other:
                return nodes[value].args[0]
        return None

    first, second = node.args
    for one, other in ((first, second), (second, first)):
        found = aim(one, other)
        if found is not None:
            return _either(of(found), of(other))
    if nodes[first].kind == nodes[second].kind == "mul":
        for share, value in (nodes[first].args, nodes[first].args[::-1]):
            for rest, another in (nodes[second].args, nodes[second].args[::-1]):
                low, high = of(share)
                if low >= 0.0 and high <= 1.0 and (_is_rest(nodes, rest, share) or _is_rest(nodes, share, rest)):
                    return _either(of(value), of(another))
    return ANY


def _is_rest(nodes: Sequence[Node], rest: int, share: int) -> bool:
    """Whether one value is 1 minus the other."""
    node = nodes[rest]
    return node.kind == "sub" and node.args[1] == share and nodes[node.args[0]].kind == "const" and nodes[node.args[0]].value == 1.0


def _within(first: Bounds, second: Bounds) -> Bounds:
    return max(first[0], second[0]), min(first[1], second[1])


def bounded(nodes: Sequence[Node], outputs: Sequence[tuple[Key, int]]) -> frozenset[Key]:
    """The results of a step that stay between -1 and 1 at every step, if the states do so before the first.

    A state counts as long as it stays there, given that all that count were there before.
    Args:
        outputs: the step's results, by key: `Program.outputs`.
    Example:
        >>> from tenuto import cells
        >>> from tenuto.program import trace
        >>> program = trace(cells.LSTM()).forward
        >>> [" ".join(key) for key, _ in program.outputs if key in bounded(program.nodes, program.outputs)]
        ['state h', 'output output', 'operand h']
    """
    keys, numbers = [key for key, _ in outputs], [number for _, number in outputs]
    states = {key for key in keys if key[0] == "state"}
    while True:
        found = bounds(nodes, dict.fromkeys(states, (-1.0, 1.0)), numbers)
        held = {key for key, (low, high) in zip(keys, found) if low >= -1.0 and high <= 1.0}
        if states <= held:
            return frozenset(held)
        states &= held


def _where(nodes: Sequence[Node], condition: int, yes: int, of: Callable[[int], Bounds]) -> Bounds:
    """The bounds of a value where a condition holds, which may be about that value: v > 20."""
    low, high = of(yes)
    asked = nodes[condition]
    if asked.kind in ("gt", "ge", "lt", "le") and asked.args[0] == yes:
        least, most = of(asked.args[1])
        return (max(low, least), high) if asked.kind in ("gt", "ge") else (low, min(high, most))
    return low, high


def _either(first: Bounds, second: Bounds) -> Bounds:
    return min(first[0], second[0]), max(first[1], second[1])


def _times(first: float, second: float) -> float:
    return 0.0 if first == 0.0 or second == 0.0 else first * second


def _sound(low: float, high: float) -> Bounds:
    return (-math.inf if math.isnan(low) else low), (math.inf if math.isnan(high) else high)
