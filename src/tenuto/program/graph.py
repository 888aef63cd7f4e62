"""Programs: frozen, hashable, printable graphs of one time step or of its derivative.

A program's values are numbered; value k is what node k gives. Inputs and constants are nodes too, so every value has a number.
"""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from tenuto.cell import HIDDEN, Width
from tenuto.process import kept_property
from tenuto.program.grammar import KINDS

Key = tuple[str, str]  # what an input or output is (its role) and its name: ("gate", "i"), ("state", "h"), ("d_product", "f")


@dataclass(frozen=True)
class Node:
    """One value: an input (`name` says which), a constant (`value`), or a kind of the grammar applied to earlier values."""

    kind: str
    args: tuple[int, ...] = ()
    width: Width = HIDDEN
    name: Key | None = None
    value: float = 0.0
    gives: str = "real"
    source: str = ""  # the user's file and line; not part of the node's identity

    @property
    def identity(self) -> tuple[object, ...]:
        """Two nodes with the same identity give the same value."""
        return self.kind, self.args, self.width, self.name, repr(self.value), self.gives


@dataclass(frozen=True)
class Stack:
    """The recurrent products of one value: one stacked matrix product `[B, width_in] @ [width_in, sum of widths]`.

    `operand` is the value's number in the forward program; `state` names it where it is a state as it came in.
    """

    name: str
    products: tuple[str, ...]
    widths: tuple[Width, ...]
    width_in: Width
    phase: int
    operand: int
    state: str | None
    heads: int = 1


@dataclass(frozen=True)
class Program:
    """A step (or its derivative) as a list of nodes, with named inputs and outputs.

    Call it with a dictionary of tensors `[B, W]` by key to run it in torch; print it to read it.
    """

    title: str
    nodes: tuple[Node, ...]
    outputs: tuple[tuple[Key, int], ...]

    @kept_property
    def inputs(self) -> dict[Key, int]:
        """The numbers of the inputs by key, in the order of declaration."""
        return {node.name: number for number, node in enumerate(self.nodes) if node.name is not None}

    @kept_property
    def digest(self) -> str:
        """Names what the program computes: equal for equal programs, whatever cell and file they come from."""
        text = repr([node.identity for node in self.nodes]) + repr(self.outputs)
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def __call__(self, values: Mapping[Key, Tensor], hidden_size: int) -> dict[Key, Tensor]:
        """Runs the nodes in torch: the printers are tested against this, and it checks the trace."""
        like = next(iter(values.values()))
        results: list[Tensor] = []
        for node in self.nodes:
            shape = like.shape[0], hidden_size if node.width == HIDDEN else int(node.width)
            if node.name is not None:
                results.append(values[node.name])
            elif node.kind == "const":
                results.append(like.new_full(shape, node.value))
            else:
                args: list[Tensor | int] = [results[arg] for arg in node.args]
                if node.kind in ("spread", "expand"):
                    args.append(shape[1])
                results.append(KINDS[node.kind].meaning(*args).expand(shape))
        return {key: results[number] for key, number in self.outputs}

    @kept_property
    def names(self) -> dict[int, str]:
        """What each value is called where the program is printed: an input by its name, a constant by its number, others v1, v2, ..."""
        names = {number: label(node.name) for number, node in enumerate(self.nodes) if node.name is not None}
        names |= {number: f"{node.value:g}" for number, node in enumerate(self.nodes) if node.kind == "const"}
        steps = [number for number in range(len(self.nodes)) if number not in names]
        return names | {number: f"v{k}" for k, number in enumerate(steps, 1)}

    def __str__(self) -> str:
        names = self.names
        steps = [number for number, node in enumerate(self.nodes) if node.name is None and node.kind != "const"]
        rows = [(f"{names[number]} = {expression(self.nodes[number], names)}", self.nodes[number]) for number in steps]
        rows += [(f"{label(key, new=True)} = {names[number]}", self.nodes[number]) for key, number in self.outputs]
        column = max((len(text) for text, _ in rows), default=0) + 3
        body = [f"  {text:<{column}}{_shape(node)}  {node.source}".rstrip() for text, node in rows]
        taken = "  takes " + ", ".join(names[number] for number in self.inputs.values())
        return "\n".join([self.title, taken, *body])


def label(key: Key, new: bool = False) -> str:
    """A key as maths writes it: x.i, U.i @, s.h, p.u; outputs of a step with a prime: s.h'."""
    role, name = key
    texts = {
        "gate": f"x.{name}",
        "product": f"(U.{name} @)",
        "state": f"s.{name}" + ("'" if new else ""),
        "parameter": f"p.{name}",
        "stream": f"{name}_t",
        "output": "y",
        "operand": f"operand[{name}]",
        "d_gate": f"d x.{name}",
        "d_product": f"d (U.{name} @)",
        "d_state": f"d s.{name}" + ("" if new else "'"),
        "d_parameter": f"d p.{name}",
        "d_stream": f"d {name}_t",
        "d_output": "d y",
        "d_operand": f"d operand[{name}]",
    }
    if role.startswith("t_"):
        return f"change of {label((role.removeprefix('t_'), name), new)}"
    return texts[role]


def expression(node: Node, names: Mapping[int, str]) -> str:
    """A node as maths writes it, its arguments by these names."""
    kind, args = KINDS[node.kind], [names[arg] for arg in node.args]
    if kind.sign and kind.arity == 2:
        return f"{args[0]} {kind.sign} {args[1]}"
    if kind.sign:
        return f"{kind.sign}{args[0]}"
    return f"{node.kind}({', '.join(args)})"


def _shape(node: Node) -> str:
    return f"[B, {node.width}]" + (" bool" if node.gives == "bool" else "")


class Builder:
    """Collects nodes into a program: equal values become one, arithmetic on constants is done, trivial steps vanish."""

    def __init__(self) -> None:
        self.nodes: list[Node] = []
        self._numbers: dict[tuple[object, ...], int] = {}

    def put(self, node: Node) -> int:
        """The number of this value, new or known."""
        known = self._numbers.get(node.identity)
        if known is None:
            known = self._numbers[node.identity] = len(self.nodes)
            self.nodes.append(node)
        return known

    def input(self, key: Key, width: Width) -> int:
        """An input by key."""
        return self.put(Node("input", width=width, name=key))

    def constant(self, value: float, width: Width = 1) -> int:
        """A number, the same in all of `width` channels."""
        return self.put(Node("const", width=width, value=float(value)))

    def real(self, number: int) -> int:
        """A value as a number: a condition becomes one or zero."""
        node = self.nodes[number]
        return number if node.gives == "real" else self.apply("where", (number, self.constant(1.0), self.constant(0.0)), node.width)

    def condition(self, number: int) -> int:
        """A value as a condition: a number holds where it is not zero."""
        node = self.nodes[number]
        return number if node.gives == "bool" else self.apply("ne", (number, self.constant(0.0)), node.width)

    def apply(self, kind: str, args: tuple[int, ...], width: Width, source: str = "") -> int:
        """The value of a kind applied to values, simplified where that changes no result; numbers and conditions as the kind takes them."""
        fits = {"real": (self.real,), "bool": (self.condition,), "any": (self.condition, self.real, self.real)}[KINDS[kind].takes]
        args = tuple(fit(arg) for fit, arg in zip(itertools.cycle(fits), args))
        simple = self._simplify(kind, args, width)
        if simple is not None:
            return simple
        if KINDS[kind].commutes:
            args = tuple(sorted(args))
        return self.put(Node(kind, args, width, gives=KINDS[kind].gives, source=source))

    def _simplify(self, kind: str, args: tuple[int, ...], width: Width) -> int | None:
        values = [self.nodes[arg].value if self.nodes[arg].kind == "const" else None for arg in args]
        same: Callable[[int], bool] = lambda k: self.nodes[args[k]].width == width  # noqa: E731
        if KINDS[kind].reduces or kind in ("spread", "expand"):
            return self._simplify_across(kind, args[0], width)
        if None not in values and KINDS[kind].gives == "real":
            exact = [torch.tensor([[value]], dtype=torch.float64) for value in values]
            return self.constant(KINDS[kind].meaning(*exact).item(), width)
        if kind == "mul" and 1.0 in values and same(1 - values.index(1.0)):
            return args[1 - values.index(1.0)]
        if kind == "add" and 0.0 in values and same(1 - values.index(0.0)):
            return args[1 - values.index(0.0)]
        if kind in ("sub", "div") and values[1] == (0.0 if kind == "sub" else 1.0) and same(0):
            return args[0]
        if kind == "neg" and self.nodes[args[0]].kind == "neg":
            return self.nodes[args[0]].args[0]
        if kind == "pow" and values[1] in (1.0, 2.0, 3.0):
            square = args[0] if values[1] == 1.0 else self.apply("mul", (args[0], args[0]), width)
            return square if values[1] != 3.0 else self.apply("mul", (square, args[0]), width)
        if kind == "pow" and values[1] == 0.5:
            return self.apply("sqrt", args[:1], width)
        if kind == "pow" and values[1] == -1.0:
            return self.apply("reciprocal", args[:1], width)
        return None

    def _simplify_across(self, kind: str, arg: int, width: Width) -> int | None:
        """Reductions and their adjoints: over one channel they change nothing; of a constant the result is often known."""
        node = self.nodes[arg]
        wide = node.width if KINDS[kind].reduces else width
        if wide == 1 or (kind == "expand" and node.width == width):
            return arg
        if node.kind != "const" or (wide == HIDDEN and kind in ("sum", "spread")):
            return None
        factor = {"sum": float(wide), "spread": 1.0 / float(wide)}.get(kind, 1.0) if wide != HIDDEN else 1.0
        return self.constant(node.value * factor, width)

    def program(self, title: str, outputs: list[tuple[Key, int]]) -> Program:
        """The finished program: all inputs, and of the rest only what an output needs."""
        needed = {number for _, number in outputs}
        for number in range(len(self.nodes) - 1, -1, -1):
            if number in needed:
                needed.update(self.nodes[number].args)
        kept = [k for k, node in enumerate(self.nodes) if k in needed or node.name is not None]
        kept.sort(key=lambda k: self.nodes[k].name is None)  # inputs first; otherwise as written
        renumbered = {old: new for new, old in enumerate(kept)}
        nodes = tuple(_renumber(self.nodes[k], renumbered) for k in kept)
        return check_types(Program(title, nodes, tuple((key, renumbered[number]) for key, number in outputs)))


def check_types(program: Program) -> Program:
    """Returns the program after a check that all its values have the types that their kinds ask for, on which engines and printers rely.

    A value has one row for each sequence, is `width` channels wide, and is a number or a condition. An elementwise kind takes
    values as wide as its own, or one wide; a reduction gives one channel; its adjoint takes one. Results are numbers.
    """
    for number, node in enumerate(program.nodes):
        if node.name is not None or node.kind == "const":
            assert node.gives == "real", (program.title, number, node)
            continue
        kind, args = KINDS[node.kind], [program.nodes[arg] for arg in node.args]
        takes = ("bool", "real", "real") if kind.takes == "any" else (kind.takes,) * kind.arity
        assert node.gives == kind.gives and tuple(arg.gives for arg in args) == takes, (program.title, number, node)
        allowed = {1, node.width} if not (kind.reduces or node.kind in ("spread", "expand")) else {args[0].width} if kind.reduces else {1}
        assert all(arg.width in allowed for arg in args), (program.title, number, node)
        assert not kind.reduces or node.width == 1, (program.title, number, node)
    assert all(program.nodes[number].gives == "real" for _, number in program.outputs), program.title
    return program


def _renumber(node: Node, numbers: Mapping[int, int]) -> Node:
    args = tuple(numbers[arg] for arg in node.args)
    return Node(node.kind, args, node.width, node.name, node.value, node.gives, node.source)
