"""A cell that runs twice side by side, on x and on a reference; its derivative's place is taken by the step's multipliers.

The reference run has names of its own: states and products "reference_NAME". Its gate inputs W x0_t + b come as streams, since one large
product makes them for all steps; so do its streams. Any engine's time loop runs the pair, and its backward loop, which hands a cotangent
through each step, then hands the multipliers of the new states to those of gates, products and old states of the first run.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

from tenuto.cell import Cell, Width, state_type
from tenuto.process import kept_property
from tenuto.program.grammar import KINDS
from tenuto.program.graph import Builder, Key, Program
from tenuto.program.multipliers import Terms, multipliers, of_largest
from tenuto.program.trace import Traced, alone, trace

_ROLES = {"gates": "stream", "state": "state", "products": "product", "streams": "stream"}


class Pair(Cell):
    """Two runs of a cell, with the same weights. The output and the first states are those of the first run.

    Args:
        cell: the maths of one step.
    """

    cell: Cell

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "heads", self.cell.heads)
        object.__setattr__(self, "rank", self.cell.rank)

    @property
    def prefix(self) -> str:
        """What the names of the reference run begin with, so that each name is new."""
        taken = {name for declaration in ("gates", "state", "products", "parameters", "streams") for name in self.cell.widths(declaration)}
        prefix = "reference_"
        while any(name.startswith(prefix) for name in taken):
            prefix += "0_"
        return prefix

    def _twice(self, *declared: str) -> str:
        return " ".join([*declared, *(self.prefix + name for names in declared for name in names.split())])

    @property
    def gates(self):  # type: ignore[override]
        return self.cell.gates

    @property
    def state(self):  # type: ignore[override]
        return self._twice(self.cell.state)

    @property
    def products(self):  # type: ignore[override]
        gates = " ".join(self.prefix + name for name in self.cell.gates.split() if name.partition(":")[0] in self._multiplied)
        return f"{self._twice(self.cell.products)} {gates}"

    @property
    def parameters(self):  # type: ignore[override]
        return self.cell.parameters

    @property
    def streams(self):  # type: ignore[override]
        return f"{self._twice(self.cell.streams)} {' '.join(self.prefix + name for name in self.cell.gates.split())}"

    @kept_property
    def _multiplied(self) -> frozenset[str]:
        return frozenset(name for stack in trace(self.cell).stacks for name in stack.products)

    def width(self, declared):
        return self.cell.width(declared)

    def initial_parameter(self, name, values):
        return self.cell.initial_parameter(name, values)

    def output(self, s):
        return self.cell.output(self._first(s))

    def _first(self, s: Any) -> Any:
        names = tuple(self.cell.widths("state"))
        return state_type(names)(*(getattr(s, name) for name in names))

    def step(self, x, U, s, **streams):
        prefix, cell = self.prefix, self.cell.bind(vars(self.p))
        names = tuple(cell.widths("state"))
        own = {name: streams[name] for name in cell.widths("streams")}
        new = cell.step(x, U, self._first(s), **own)
        x0 = SimpleNamespace(**{name: streams[prefix + name] for name in cell.widths("gates")})
        s0 = state_type(names)(*(getattr(s, prefix + name) for name in names))
        new0 = cell.step(x0, _Prefixed(U, prefix), s0, **{name: streams[prefix + name] for name in own})
        both = {name: getattr(new, name) for name in names} | {prefix + name: getattr(new0, name) for name in names}
        return state_type(tuple(both))(**both)


class _Prefixed:
    """The recurrent weights of the reference run: U.NAME is U.prefixNAME."""

    def __init__(self, weights: Any, prefix: str) -> None:
        self._weights, self._prefix = weights, prefix

    def __getattr__(self, name: str) -> Any:
        return getattr(self._weights, self._prefix + name)


_paired: dict[Traced, Traced] = {}


def paired(traced: Traced) -> Traced:
    """The programs of the pair of a cell: both runs' step, and in the place of its derivative the first run's multipliers."""
    known = _paired.get(traced)
    if known is not None and known.reading.holds():
        return known
    with alone():
        both = trace(Pair(traced.cell))
        _paired[traced] = made = replace(both, backward=_contributions(traced, both), rule="contributions")
    return made


def _contributions(traced: Traced, both: Traced) -> Program:
    """The pair's backward program: from the multipliers of the first run's results to those of its inputs; all others are zero."""
    builder = Builder()
    for node in both.forward.nodes:
        builder.put(node)
    f, inputs = Terms(builder), dict(both.forward.inputs)
    arriving = _arriving(traced, both, builder)
    pairs = _two_runs(traced, both, builder)
    found: dict[int, Any] = {}

    def arrive(number: int, part: Any) -> None:
        found[number] = part if number not in found else found[number] + part

    for key, number in traced.forward.outputs:
        if key in arriving:
            arrive(number, f.term(arriving[key]))
    hidden_choice = _behind_choices(traced.forward)
    for number in range(len(traced.forward.nodes) - 1, -1, -1):
        node = traced.forward.nodes[number]
        if number not in found or node.name is not None or node.kind == "const":
            continue
        args, args0 = ([f.term(pairs[arg][run]) for arg in node.args] for run in (0, 1))
        y, y0 = (f.term(pairs[number][run]) for run in (0, 1))
        for arg, part in zip(node.args, _parts(f, node.kind, found[number], args, args0, y, y0, traced.forward.nodes[node.args[0]].width)):
            if part is None or pairs[arg][0] == pairs[arg][1]:
                continue
            if number in hidden_choice:  # what was not chosen counts for nothing, even if its slope is no number
                part = f("where", f("eq", found[number], 0.0), 0.0, part)
            if traced.forward.nodes[arg].width == 1 and builder.nodes[part.number].width != 1:
                part = f("sum", part)
            arrive(arg, part)
    own = {key: found[number].number for key, number in traced.forward.inputs.items() if number in found}
    results = [((f"d_{role}", name), own.get((role, name), builder.constant(0.0, builder.nodes[number].width))) for (role, name), number in inputs.items()]
    return builder.program(f"{traced.cell!r}: how the difference to a reference run goes through one step", results)


def _parts(f: Terms, kind: str, m: Any, args: Any, args0: Any, y: Any, y0: Any, width: Width) -> tuple[Any, ...]:
    """What arrives at each argument of a node when m arrives at the node."""
    if kind in ("sum", "mean", "expand", "spread"):  # linear: their adjoints
        back = {"sum": "expand", "mean": "spread", "expand": "sum", "spread": "mean"}[kind]
        wide = {"expand": 1, "spread": 1}.get(kind, width)
        return (f.term(f.builder.apply(back, (m.number,), wide)),)
    if kind == "amax":
        return (m * of_largest(f, args[0], args0[0], y, y0),)
    parts = []
    for rule in multipliers(f, kind, args, args0, y, y0):
        plain = isinstance(rule, float)
        parts.append(None if rule is None else m if plain and rule == 1.0 else -m if plain and rule == -1.0 else m * rule)
    return tuple(parts)


def _arriving(traced: Traced, both: Traced, builder: Builder) -> dict[Key, int]:
    """The multipliers that come in, by the result of the single step that they belong to. (All of the pair's are inputs, as of a derivative.)"""
    arriving: dict[Key, int] = {}
    for name, width in both.cell.widths("state").items():
        arriving["state", name] = builder.input(("d_state", name), width)
    if both.output_state is None:
        number = dict(both.forward.outputs)["output", "output"]
        arriving["output", "output"] = builder.input(("d_output", "output"), both.forward.nodes[number].width)
    own = {name: stack for stack in both.stacks for name in stack.products}
    numbers = {stack.name: builder.input(("d_operand", stack.name), stack.width_in) for stack in both.stacks}
    return arriving | {("operand", stack.name): numbers[own[stack.products[0]].name] for stack in traced.stacks}


def _two_runs(traced: Traced, both: Traced, builder: Builder) -> list[tuple[int, int]]:
    """By number of a value of the single step, its numbers in the first and in the reference run of the pair."""
    inputs, pairs = both.forward.inputs, list[tuple[int, int]]()
    other = _reference_names(traced, both)
    for node in traced.forward.nodes:
        if node.name is not None:
            pairs.append((inputs[node.name], inputs[other[node.name]]))
        else:
            numbers = []
            for run in (0, 1):
                args = tuple(pairs[arg][run] for arg in node.args)
                kind = KINDS.get(node.kind)
                if kind is not None and kind.commutes:
                    args = tuple(sorted(args))
                numbers.append(builder.put(replace(node, args=args)))
            pairs.append((numbers[0], numbers[1]))
    return pairs


def _reference_names(traced: Traced, both: Traced) -> Mapping[Key, Key]:
    """Inputs of the single step to those of the reference run."""
    pair = both.cell
    assert isinstance(pair, Pair)
    low = {name for stack in traced.stacks for name in stack.products if name.startswith("low_rank")}
    other: dict[Key, Key] = {}
    for role, name in traced.forward.inputs:
        if role == "parameter":
            other[role, name] = role, name
        elif role == "product" and name in low - set(traced.cell.widths("products")):
            other[role, name] = role, reference_product(traced, both, name)
        else:
            other[role, name] = ("stream" if role == "gate" else role), pair.prefix + name
    return other


def reference_product(traced: Traced, both: Traced, name: str) -> str:
    """What a product of the cell is called in the reference run; the low-rank halves are numbered on."""
    declared = {**traced.cell.widths("gates"), **traced.cell.widths("products")}
    if name in declared:
        pair = both.cell
        assert isinstance(pair, Pair)
        return pair.prefix + name
    halves = [product for stack in traced.stacks for product in stack.products if product not in declared]
    return f"low_rank{int(name.removeprefix('low_rank')) + len(halves)}"


def weights_of(traced: Traced, both: Traced) -> dict[str, list[str]]:
    """Where the pair's weights come from: for each of its stacks, the products of the single cell that stand in it, in order."""
    single = [name for stack in traced.stacks for name in stack.products]
    origin = {name: name for name in single} | {reference_product(traced, both, name): name for name in single}
    return {stack.name: [origin[name] for name in stack.products] for stack in both.stacks}


def _behind_choices(program: Program) -> set[int]:
    """The values that reach a result through a choice."""
    found: set[int] = set()
    for number in range(len(program.nodes) - 1, -1, -1):
        node = program.nodes[number]
        if node.kind == "where":
            found.update(node.args[1:])
        if number in found:
            found.update(node.args)
    return found
