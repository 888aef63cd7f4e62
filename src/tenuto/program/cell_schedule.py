"""The schedules of a cell: its step for inference, its step that also keeps what the derivative needs, and the derivative.

What is kept is chosen by cost. Each gate has one column [T, B, H]; where the gate's activation is enough for the derivative, it takes
the column instead of the pre-activation, and nothing expensive is computed twice.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from tenuto.cell import Width
from tenuto.program import Stack, Traced
from tenuto.program.grammar import KINDS
from tenuto.program.schedule import EXPENSIVE, Maker, Planner, Product, Schedule, Slot
from tenuto.program.union import Union


@dataclass(frozen=True)
class Entry:
    """A column of the array "gates": a gate's input projection, a recurrent product, or the sum of both."""

    value: int
    width: Width
    gate: str | None
    product: str | None


@dataclass(frozen=True)
class CellSchedule:
    """Everything that a cell's loops do, free of sizes.

    `gates` says in which column of "gates" each gate's input projection goes; `d_gates`, `d_products`, `d_parameters` in which
    column of "gradients" their cotangents come; `operands` where the backward loop has the operand of each stack of products.
    """

    inference: Schedule
    forward: Schedule
    backward: Schedule
    gates: Mapping[str, Slot]
    d_gates: Mapping[str, Slot]
    d_products: Mapping[str, Slot]
    d_parameters: Mapping[str, Slot]
    operands: Mapping[str, Slot]
    stacks: tuple[Stack, ...]


@lru_cache(maxsize=None)
def schedule_cell(traced: Traced, d_streams: bool) -> CellSchedule:
    """The schedules of a cell; `d_streams`: with the cotangents of its streams."""
    union = Union(traced)
    entries = _entries(union)
    inference, _ = _forward(union, entries, {}, set())
    kept = _activations_to_keep(union, entries)
    reductions = _reductions_to_keep(union, entries, kept)
    forward, reduced = _forward(union, entries, kept, reductions)
    backward = _Backward(union, entries, kept, {number: reduced[number] for number in reductions}, d_streams)
    return CellSchedule(
        inference,
        forward,
        backward.schedule,
        {entry.gate: Slot("gates", k) for k, entry in enumerate(entries) if entry.gate},
        backward.columns("d_gate"),
        backward.columns("d_product"),
        backward.columns("d_parameter"),
        backward.operands,
        union.traced.stacks,
    )


def _entries(union: Union) -> list[Entry]:
    cell, entries = union.traced.cell, []
    gates = cell.widths("gates")
    for stack in union.traced.stacks:
        for name, width in zip(stack.products, stack.widths):
            if name in union.merged:
                entries.append(Entry(union.merged[name], width, name, name))
            else:
                entries.append(Entry(_input(union, "product", name), width, None, name))
    entries += [Entry(_input(union, "gate", n), width, n, None) for n, width in gates.items() if n not in union.merged]
    return entries


def _input(union: Union, role: str, name: str) -> int:
    number = union.input(role, name)
    assert number is not None, (role, name)
    return number


def _leaves(union: Union) -> dict[int, Slot]:
    """What both loops read from outside: states as they come in, parameters, streams."""
    arrays = {"state": "old", "parameter": "p", "stream": "stream"}
    return {
        number: Slot(f"{arrays[node.name[0]]}.{node.name[1]}")
        for number, node in enumerate(union.nodes)
        if node.name and node.name[0] in arrays
    }


# --- forward ---------------------------------------------------------------------------------------------------------


def _forward(union: Union, entries: list[Entry], kept: dict[int, int], reductions: set[int]) -> tuple[Schedule, dict[int, Slot]]:
    """The step's schedule. `kept`: the activation that takes an entry's column; `reductions`: those that are kept."""
    traced, columns = union.traced, {entry.product: Slot("gates", k) for k, entry in enumerate(entries) if entry.product}
    known = _leaves(union) | {entry.value: Slot("gates", k) for k, entry in enumerate(entries)}
    operand = {stack.name: union.forward["operand", stack.name] for stack in traced.stacks}
    makers = tuple(
        Maker((), tuple(e.value for e in entries if e.product in stack.products), (operand[stack.name],)) for stack in traced.stacks
    )
    planner = Planner(union, known, makers, "rows", "work")
    planner.schedule.columns["gates"] = [entry.width for entry in entries]
    merged = [entry.product for entry in entries if entry.gate and entry.product]
    planner.makers = tuple(
        Maker(_products(stack, planner.place(operand[stack.name]), columns, merged), maker.makes, maker.takes)
        for stack, maker in zip(traced.stacks, makers)
    )
    for k, value in kept.items():
        planner.overwritten.add(entries[k].value)
        planner.store(value, Slot("gates", k), entries[k].width, keep=True)
    for name, width in traced.cell.widths("state").items():
        planner.store(union.forward["state", name], Slot(f"new.{name}"), width)
    if traced.output_state is None:
        number = union.forward["output", "output"]
        planner.store(number, Slot("output"), union.nodes[number].width)
    schedule = planner.plan()
    assert reductions <= set(planner.reduced), "a kept reduction is one that the step makes"
    return schedule, planner.reduced


def _products(stack: Stack, operand: Slot, columns: Mapping[str, Slot], merged: Sequence[str | None]) -> tuple[Product, ...]:
    products = []
    for fresh in (False, True):
        rows = tuple(name for name in stack.products if (name not in merged) == fresh)
        if rows:
            products.append(Product(stack, (operand,), tuple(columns[name] for name in rows), rows, fresh))
    return tuple(products)


# --- what to keep ----------------------------------------------------------------------------------------------------


def _wanted(union: Union) -> list[int]:
    """What the backward loop must compute: all cotangents, and the operands of products with a computed operand."""
    operands = [union.forward["operand", stack.name] for stack in union.traced.stacks if stack.state is None]
    return [*union.backward.values(), *operands]


def _activations_to_keep(union: Union, entries: list[Entry]) -> dict[int, int]:
    """By entry, the expensive value from which the derivative can be computed, instead of from the entry itself."""
    kept: dict[int, int] = {}
    known = set(_leaves(union)) | {entry.value for entry in entries}
    roots = _wanted(union)
    in_step = union.live(union.forward.values())
    candidates = [n for n in sorted(in_step & union.live(roots)) if union.nodes[n].kind in EXPENSIVE and n not in known]
    levels = Planner(union, _leaves(union) | {e.value: Slot("gates") for e in entries}, _levels_only(union, entries), "", "")
    for number in candidates:
        needed = union.live(roots, known)
        if number not in needed:
            continue
        then = union.live(roots, known | {number})
        for k, entry in enumerate(entries):
            readers = [n for n in in_step if entry.value in union.nodes[n].args]
            if k in kept or entry.value not in needed or entry.value in then or entry.width != union.nodes[number].width:
                continue
            if any(union.nodes[n].gives != "real" for n in readers):  # a condition is never stored, so later stages would compute it again
                continue
            if all(levels.level(n) <= levels.level(number) for n in readers):
                kept[k] = number
                known.add(number)
                break
    return kept


def _levels_only(union: Union, entries: list[Entry]) -> tuple[Maker, ...]:
    return tuple(
        Maker((), tuple(e.value for e in entries if e.product in stack.products), (union.forward["operand", stack.name],))
        for stack in union.traced.stacks
    )


def _reductions_to_keep(union: Union, entries: list[Entry], kept: dict[int, int]) -> set[int]:
    """The step's reductions that the derivative needs: each is one number per row, so all are kept."""
    known = set(_leaves(union)) | {kept.get(k, entry.value) for k, entry in enumerate(entries)}
    needed = union.live(_wanted(union), known) & union.live(union.forward.values(), [entry.value for entry in entries])
    return {n for n in needed if union.nodes[n].kind in KINDS and KINDS[union.nodes[n].kind].reduces}


# --- backward --------------------------------------------------------------------------------------------------------


class _Backward:
    """The derivative's schedule, from what was kept and the cotangents of the new states."""

    def __init__(self, union: Union, entries: list[Entry], kept: dict[int, int], rows: dict[int, Slot], d_streams: bool) -> None:
        self.union, self.cell = union, union.traced.cell
        known = _leaves(union) | rows | {kept.get(k, entry.value): Slot("gates", k) for k, entry in enumerate(entries)}
        for number, node in enumerate(union.nodes):
            if node.name and node.name[0] in ("d_carry", "d_output"):
                known[number] = Slot(f"d_carry.{node.name[1]}" if node.name[0] == "d_carry" else "d_output")
        self.planner = Planner(union, known, (), "d_rows", "d_work")
        self._gradients = self._place_gradients()
        self._make_operands()
        for name, width in self.cell.widths("state").items():
            number, slot = union.backward["d_state", name], Slot(f"d_next.{name}")
            if self.planner.known.get(number) != slot:
                self.planner.store(number, slot, width)
        for name, width in self.cell.widths("streams").items() if d_streams else ():
            self.planner.store(union.backward["d_stream", name], Slot(f"d_stream.{name}"), width)
        for (number, width), slot in self._gradients.items():
            self.planner.store(number, slot, width, keep=True)
        self.operands = self._operands()
        self.schedule = self.planner.plan()

    def _keys(self, role: str) -> dict[str, tuple[int, Width]]:
        if role == "d_product":
            widths: Mapping[str, Width] = {n: w for stack in self.union.traced.stacks for n, w in zip(stack.products, stack.widths)}
        else:
            widths = self.cell.widths({"d_gate": "gates", "d_parameter": "parameters"}[role])
        return {name: (self.union.backward[role, name], width) for name, width in widths.items()}

    def _place_gradients(self) -> dict[tuple[int, Width], Slot]:
        """One column for each distinct cotangent: often that of a gate is that of its product too."""
        places: dict[tuple[int, Width], Slot] = {}
        for role in ("d_product", "d_gate", "d_parameter"):
            for key in self._keys(role).values():
                if key not in places:
                    places[key] = self.planner.schedule.place("gradients", key[1])
        return places

    def columns(self, role: str) -> dict[str, Slot]:
        """The column of "gradients" of each gate, product or parameter."""
        return {name: self._gradients[key] for name, key in self._keys(role).items()}

    def _make_operands(self) -> None:
        """The cotangent of each stack's operand is a product. Where it is the cotangent of a state, it goes straight there."""
        columns, makers = self.columns("d_product"), []
        for stack in self.union.traced.stacks:
            number = _input(self.union, "d_operand", stack.name)
            if number not in self.union.live(self.union.backward.values()):
                continue
            ends = [name for name in self.cell.widths("state") if self.union.backward["d_state", name] == number]
            slot = Slot(f"d_next.{ends[0]}") if ends else self.planner.schedule.place("d_work", stack.width_in)
            operands = tuple(columns[name] for name in stack.products)
            product = Product(stack, operands, (slot,), stack.products, fresh=True, transposed=True)
            takes = tuple(self.union.backward["d_product", name] for name in stack.products)
            makers.append(Maker((product,), (number,), takes))
            self.planner.known[number] = slot
            self.planner.made_by[number] = makers[-1]
        self.planner.makers = tuple(makers)

    def _operands(self) -> dict[str, Slot]:
        operands = {}
        for stack in self.union.traced.stacks:
            number = self.union.forward["operand", stack.name]
            role, _ = self.union.nodes[number].name or ("", "")
            # a parameter and a stream may have one row for all steps: weight gradients are taken over rows of steps
            if number not in self.planner.known or role in ("parameter", "stream"):
                slot = self.planner.schedule.place("operands", stack.width_in)
                self.planner.store(number, slot, stack.width_in)
                operands[stack.name] = slot
            else:
                operands[stack.name] = self.planner.known[number]
        return operands
