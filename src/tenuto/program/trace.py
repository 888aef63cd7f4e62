"""From a cell's step to its programs.

The step runs once on marker tensors, and a recorder (recording.py) notes what it does. `U.i @ v` becomes an input (the product) and an
output (the operand v), so that a program holds no matrix products, and their phases follow from what depends on what.
The derivative is traced in the same way in gradient.py. The markers' hidden size is no declared width: a width is recognised by its size.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, fields, replace
from typing import Any

import torch
from torch import Tensor

from tenuto import process
from tenuto.cell import HIDDEN, Cell, Width
from tenuto.declaration import check_cell, place_of_step
from tenuto.errors import TenutoError, TraceError
from tenuto.process import kept_property
from tenuto.program import aten
from tenuto.program.calls import Calls
from tenuto.program.check import explain
from tenuto.program.graph import Builder, Key, Program, Stack
from tenuto.program.identity import description
from tenuto.program.reads import Reading
from tenuto.program.recording import apart, record
from tenuto.program.step import new_state, run_step
from tenuto.program.translate import Translation

ROWS = 5  # the batch size of the markers


@dataclass(frozen=True, eq=False)
class Traced:
    """A cell's step and its derivative as programs, and its recurrent products grouped by operand, in order of phase.

    `forward` maps gates, products, states, parameters and streams to new states ("state"), the "output", and the operand of
    each stack ("operand", stack name). `backward` takes the same and a cotangent for each of these results ("d_state",
    "d_output" if the output is no state, "d_operand"), and gives the cotangents of all inputs.
    `output_state` names the new state that is the output, if it is one. `reading` is what the step read beside its arguments.
    `rule`: what `backward` is, the step's "derivative" or another program in its place ("contributions", see pair.py).
    Two are equal where the cells are, their maths is the same, and their products stand in the same order: what is made for one does for the other.
    """

    cell: Cell
    forward: Program
    backward: Program
    stacks: tuple[Stack, ...]
    output_state: str | None
    reading: Reading
    rule: str = "derivative"

    @kept_property
    def maths(self) -> dict[str, Any]:
        """What the cell is, as plain data (identity.py): what is kept with weights that were trained with it."""
        operands = {stack.name: " ".join(sorted(stack.products)) for stack in self.stacks}
        return description(self.cell, self.forward, self.backward, operands)

    @kept_property
    def layout(self) -> list[list[str]]:
        """The stacks of products as the engines take them, name and products of each."""
        return [[stack.name, *stack.products] for stack in self.stacks]

    @kept_property
    def _key(self) -> tuple[object, ...]:
        return self.cell, self.maths["digest"], tuple(map(tuple, self.layout))

    @kept_property
    def _hash(self) -> int:
        return hash(self._key)

    def __hash__(self) -> int:
        return self._hash

    def __eq__(self, other: object) -> bool:
        return self is other or (isinstance(other, Traced) and self._key == other._key)

    def __str__(self) -> str:
        products = [f"  {line}" for line in self.products()]
        return "\n\n".join([str(self.forward), "\n".join(["products", *products]), str(self.backward)])

    def products(self) -> list[str]:
        """The recurrent products, a line for each operand, which has the name that the forward program prints it with."""
        names = self.forward.names
        return [
            f"phase {stack.phase}: " + " ".join(f"U.{name}" for name in stack.products) + f" @ {names[stack.operand]}"
            + (f"   ({stack.heads} blocks)" if stack.heads > 1 else "")
            for stack in self.stacks
        ]


_traced: dict[Cell, Traced] = {}
_MOST = 4096  # cells that are remembered
_lock = threading.RLock()  # tracing a cell may trace the cells in its fields


@process.in_child
def _begin_child() -> None:
    global _lock
    _lock = threading.RLock()


@contextmanager
def alone() -> Iterator[None]:
    """One thread at a time is inside: those that use a cell first at the same time make one trace of it, and one handle."""
    with _lock:
        yield


def trace(cell: Cell) -> Traced:
    """The programs of a cell; traced once and remembered, until something that its step reads is another (reads.py).

    Raises:
        TraceError: the step does something that no program can hold; says where in the user's file, and what to write instead.
    """
    known = _traced.get(cell)
    if known is not None and known.reading.holds():
        return known
    with alone():
        known = _traced.get(cell)
        return known if known is not None and known.reading.holds() else _trace_anew(cell)


def _trace_anew(cell: Cell) -> Traced:
    check_cell(cell)
    with apart():
        try:
            found = _trace(cell)
        except TraceError:
            for name in (field.name for field in fields(cell)):
                if isinstance(getattr(cell, name), Cell):  # the error names the cell that is wrong, not the one around it
                    trace(getattr(cell, name))
            raise
    if len(_traced) >= _MOST:
        _traced.clear()
    _traced[cell] = found
    return found


def _trace(cell: Cell) -> Traced:
    from tenuto.program.gradient import derive  # gradient builds on this file

    markers = Markers(cell, 13)
    reading = Reading(cell)
    products, _ = discover(cell, markers)
    builder, keys = Builder(), markers.input_keys(products)
    numbers = [builder.input(key, markers.width_of(key, products)) for key in keys]
    step, outputs = flat_step(cell, keys, products)
    with explained(cell, markers) as calls:
        recorded = record(step, markers.values(keys, products), aten.decompositions(), calls)
        values = Translation(builder, markers.rows, markers.label).run(recorded, numbers)
    results = {key: value for key, value in zip(outputs, values, strict=True) if value is not None}
    stacks = _stacks(cell, builder, results, products)
    states = tuple(cell.widths("state"))
    final: list[tuple[Key, int]] = [(("state", name), results["state", name]) for name in states]
    final.append((("output", "output"), results["output", "output"]))
    output_state = next((name for name in states if results["state", name] == results["output", "output"]), None)
    forward = builder.program(
        f"{cell!r}: one step", final + [(("operand", stack.name), stack.operand) for stack in stacks]
    )
    operands = {key[1]: number for key, number in forward.outputs if key[0] == "operand"}
    stacks = tuple(replace(stack, operand=operands[stack.name]) for stack in stacks)
    backward = derive(cell, markers, products, stacks, output_state)
    traced = Traced(cell, forward, backward, stacks, output_state, reading)
    _verify(traced, Markers(cell, 17), "hidden size", "use tenuto.activations' mean, layer_norm, rms_norm or softmax instead of dividing by the width")
    for rows in (1, 3):
        _verify(traced, Markers(cell, 13, rows), "size of the batch", "write maths that treats each sequence alone: no v.shape[0], no len(v), no squeeze")
    return traced


# --- markers -----------------------------------------------------------------------------------------------------------


class Markers:
    """Marker sizes for tracing a cell: a batch, and a hidden size that is no declared width and divides into the cell's heads."""

    def __init__(self, cell: Cell, prime: int, rows: int = ROWS) -> None:
        self.cell, self.rows = cell, rows
        declared = {w for declaration in ("state", "products", "streams", "parameters") for w in cell.widths(declaration).values()}
        declared |= {cell.rank or 1, 1}
        self.hidden = next(h for h in range(prime * cell.heads, 10**6, cell.heads) if h not in declared)

    def size(self, width: Width) -> int:
        """The size that stands for a width."""
        return self.hidden if width == HIDDEN else int(width)

    def label(self, size: int) -> Width:
        """The width that a size stands for."""
        return HIDDEN if size == self.hidden else size

    def shown(self, value: Tensor) -> str:
        """A value's shape as messages say it, "[B, H]"."""
        if not value.dim():
            return "a lone number"
        first, *others = value.shape
        return "[" + ", ".join(map(str, ["B" if first == self.rows else first, *map(self.label, others)])) + "]"

    def input_keys(self, products: Mapping[str, tuple[Width, Width]]) -> list[Key]:
        """The inputs of the forward program, in order."""
        declarations = (("gate", "gates"), ("product", ""), ("state", "state"), ("parameter", "parameters"), ("stream", "streams"))
        return [
            (role, name) for role, declaration in declarations for name in (self.cell.widths(declaration) if declaration else products)
        ]

    def width_of(self, key: Key, products: Mapping[str, tuple[Width, Width]]) -> Width:
        """An input's width."""
        role, name = key
        if role == "product":
            return products[name][1]
        declaration = {"gate": "gates", "state": "state", "parameter": "parameters", "stream": "streams"}[role]
        return self.cell.widths(declaration)[name]

    def values(self, keys: list[Key], products: Mapping[str, tuple[Width, Width]]) -> list[Tensor]:
        """A fresh random tensor for each input (never one for two inputs: the tracer would take these for the same)."""
        generator = torch.Generator().manual_seed(0)
        return [
            torch.randn(self.rows, self.size(self.width_of(key, products)), generator=generator, dtype=torch.float64)
            for key in keys
        ]


# --- what a step does ----------------------------------------------------------------------------------------------------


def discover(cell: Cell, markers: Markers) -> tuple[dict[str, tuple[Width, Width]], dict[str, Tensor]]:
    """The recurrent products that a step makes: the width of the operand and of the result, by name; and the operands."""
    found: dict[str, tuple[Width, Width]] = {}
    operands: dict[str, Tensor] = {}
    out = {**cell.widths("gates"), **cell.widths("products")}

    def multiply(name: str, value: Tensor) -> Tensor:
        width = cell.rank if name not in out else out[name]
        assert width is not None
        check_value(f"the value that U.{name} is multiplied with", value, markers, None)
        if name in operands and not torch.equal(operands[name], value):
            raise TraceError(
                f"U.{name} is multiplied with two different values in one step.",
                fix="give the second product a name of its own in products",
            )
        known = name in operands
        operands[name] = value
        found[name] = (markers.label(value.shape[1]), width)
        fresh = torch.Generator().manual_seed(len(found) if not known else list(found).index(name) + 1)
        return torch.randn(markers.rows, markers.size(width), generator=fresh, dtype=torch.float64)

    keys = markers.input_keys({})
    values = dict(zip(keys, markers.values(keys, {}), strict=True))
    before = {key: value.clone() for key, value in values.items()}
    with explained(cell, markers):
        bound, new = new_state(cell, values, multiply)
        for key, value in values.items():
            if not torch.equal(value, before[key]):
                raise TraceError(
                    f"the step writes into its argument {key[1]!r}.", fix="make a new tensor: v = v + 1, not v += 1 or v.add_(1)"
                )
        check_names(cell, new)
        check_shapes(cell, markers, new, bound.output(new))
    return found, operands


def check_names(cell: Cell, new: Any) -> None:
    """Says what is wrong with the names of the states that a step returned."""
    declared = cell.widths("state")
    names = getattr(new, "_fields", None)
    if names is None or set(names) != set(declared):
        raise TraceError(
            f"the step returned {names or type(new).__name__}, but the cell declares the states {tuple(declared)}.",
            fix="return State(" + ", ".join(f"{name}=..." for name in declared) + ")",
        )


def check_shapes(cell: Cell, markers: Markers, new: Any, output: Tensor) -> None:
    """Says what is wrong with the shapes of what a step returned."""
    for name, width in cell.widths("state").items():
        check_value(f"the step's new {name}", getattr(new, name), markers, width)
    check_value("the step's output", output, markers, None)


def check_value(what: str, value: Any, markers: Markers, width: Width | None) -> None:
    """Says what is wrong with a value that leaves the step: its shape, or that it holds no real numbers."""
    size = markers.size(width) if width is not None else None
    if not isinstance(value, Tensor) or value.dim() != 2 or value.shape[0] != markers.rows or size not in (None, value.shape[1]):
        raise TraceError(
            f"{what} has the wrong shape.", expected=f"[B, {width or 'W'}]",
            received=markers.shown(value) if isinstance(value, Tensor) else type(value).__name__,
            fix="keep the batch axis, and for reductions over the channels keepdim=True",
        )
    if not value.is_floating_point():
        raise TraceError(
            f"{what} holds {'conditions' if value.dtype == torch.bool else 'no real numbers'}.", expected="real numbers",
            received=str(value.dtype), fix="write torch.where(condition, 1.0, 0.0) for a condition, v.to(s.dtype) for whole numbers",
        )


# --- recording ----------------------------------------------------------------------------------------------------------


@contextmanager
def explained(cell: Cell, markers: Markers) -> Iterator[Calls]:
    """Turns whatever goes wrong inside a step into a TraceError that names the user's line."""
    try:
        with Calls(markers) as calls:
            yield calls
    except Exception as error:
        raise explain(error, cell) from (None if isinstance(error, TenutoError) else error)


def flat_step(
    cell: Cell, keys: list[Key], products: Mapping[str, tuple[Width, Width]]
) -> tuple[Callable[..., tuple[Tensor, ...]], list[Key]]:
    """The step as a function of a flat list of tensors, and the keys of the flat list that it returns."""
    outputs: list[Key] = [("state", name) for name in cell.widths("state")]
    outputs += [("output", "output"), *(("operand", name) for name in products)]

    def step(*flat: Tensor) -> tuple[Tensor, ...]:
        values = dict(zip(keys, flat, strict=True))
        operands: dict[str, Tensor] = {}

        def multiply(name: str, value: Tensor) -> Tensor:
            operands.setdefault(name, value)
            return values["product", name]

        new, output = run_step(cell, values, multiply)
        return tuple(getattr(new, name) for role, name in outputs if role == "state") + (
            output, *(operands[name] for name in products))

    return step, outputs


def _stacks(
    cell: Cell, builder: Builder, results: Mapping[Key, int], products: Mapping[str, tuple[Width, Width]]
) -> tuple[Stack, ...]:
    """Groups the products by operand and numbers their phases."""
    by_operand: dict[int, list[str]] = {}
    for name in products:
        by_operand.setdefault(results["operand", name], []).append(name)
    phase_of: dict[str, int] = {}

    def phase(number: int) -> int:
        node = builder.nodes[number]
        if node.name and node.name[0] == "product":
            owner = results["operand", node.name[1]]
            return phase_of.setdefault(node.name[1], phase(owner)) + 1
        return max((phase(arg) for arg in node.args), default=0)

    stacks: list[Stack] = []
    for operand, names in by_operand.items():
        node = builder.nodes[operand]
        state = node.name[1] if node.name and node.name[0] == "state" else None
        widths, width_in = tuple(products[name][1] for name in names), products[names[0]][0]
        heads = cell.heads if cell.rank is None else 1
        taken = [*cell.widths("state"), *(stack.name for stack in stacks)]
        stacks.append(Stack(state or _free(f"of_{names[0]}", taken), tuple(names), widths, width_in, phase(operand), operand, state, heads))
    return tuple(sorted(stacks, key=lambda stack: stack.phase))


def _free(name: str, taken: Collection[str]) -> str:
    """The name, with as many underscores as it takes not to be one of those taken."""
    return name if name not in taken else _free(name + "_", taken)


def _verify(traced: Traced, markers: Markers, what: str, fix: str) -> None:
    """Runs the program beside the step at another size (`what`): this finds a step that uses a size as a number."""
    products = {name: (stack.width_in, w) for stack in traced.stacks for name, w in zip(stack.products, stack.widths, strict=True)}
    keys = markers.input_keys(products)
    values = dict(zip(keys, markers.values(keys, products), strict=True))
    with explained(traced.cell, markers):
        new, output = run_step(traced.cell, values, lambda name, value: values["product", name])
        check_shapes(traced.cell, markers, new, output)
    ours = traced.forward(values, markers.hidden)
    expected = {**{("state", name): getattr(new, name) for name in new._fields}, ("output", "output"): output}
    for key, value in expected.items():
        if not torch.allclose(ours[key].expand_as(value), value.to(ours[key].dtype), rtol=1e-9, atol=1e-12, equal_nan=True):
            error = TraceError(f"{type(traced.cell).__name__}.step depends on the {what} as a number ({key[1]!r} differs at another size).", fix=fix)
            place = place_of_step(type(traced.cell))
            raise error.at(place.told) if place else error
