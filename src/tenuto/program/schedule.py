"""What one step does, in order: products, reductions, and passes over the channels; and where every value lives meanwhile.

A step (forward, or its derivative) is cut where a value must be whole before the next can begin: at a matrix product and at a
reduction over the channels. Between two cuts stands a pass: elementwise maths that runs channel by channel in registers.
Values that cross a cut have a place: a column of an array. Nothing here knows a size; an engine fills them in (`engines/cpp/launch.py`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from tenuto.cell import Width
from tenuto.program import Stack
from tenuto.program.grammar import KINDS
from tenuto.program.graph import Node
from tenuto.program.union import Union

EXPENSIVE = frozenset("sigmoid tanh exp expm1 log log1p sin cos atan erf pow sqrt rsqrt reciprocal".split())


@dataclass(frozen=True)
class Slot:
    """A column of an array: where a value lives."""

    array: str
    column: int = 0


@dataclass(frozen=True)
class Product:
    """A stacked matrix product.

    Forward: `results[k]` = operand @ (the rows of U that belong to `rows[k]`)^T. Transposed: the one result = the sum over k of
    `operands[k]` @ (those rows). `fresh`: from zero; otherwise it is added to what the input projection put there.
    """

    stack: Stack
    operands: tuple[Slot, ...]
    results: tuple[Slot, ...]
    rows: tuple[str, ...]
    fresh: bool
    transposed: bool = False


@dataclass(frozen=True)
class Reduction:
    """A sum, mean or maximum over the channels."""

    kind: str
    source: Slot
    target: Slot
    width: Width


@dataclass(frozen=True)
class Pass:
    """Elementwise maths over the channels: loads, nodes in order, stores. `width` 1: once per row."""

    width: Width
    loads: tuple[tuple[int, Slot], ...]
    nodes: tuple[int, ...]
    stores: tuple[tuple[int, Slot], ...]


@dataclass
class Schedule:
    """A step's operations in order, and the widths of the columns of each array that it uses."""

    nodes: list[Node]
    operations: list[Product | Reduction | Pass] = field(default_factory=list)
    columns: dict[str, list[Width]] = field(default_factory=dict)

    def place(self, array: str, width: Width) -> Slot:
        """A new column."""
        self.columns.setdefault(array, []).append(width)
        return Slot(array, len(self.columns[array]) - 1)


@dataclass(frozen=True)
class Maker:
    """The products that make some values, and the values that must be whole before."""

    products: tuple[Product, ...]
    makes: tuple[int, ...]
    takes: tuple[int, ...]


class Planner:
    """Cuts a step into stages, last one first: what a stage reads tells what earlier ones must store.

    `known` are the values in memory, including those that products make. `store` says what must be stored where.
    """

    def __init__(self, union: Union, known: Mapping[int, Slot], makers: tuple[Maker, ...], rows: str, work: str) -> None:
        self.nodes, self.known, self.makers, self.rows, self.work = union.nodes, dict(known), makers, rows, work
        self.made_by = {number: maker for maker in makers for number in maker.makes}
        self.schedule = Schedule(union.nodes)
        self.kept: dict[int, Slot] = {}  # values made in this step that have a place
        self.reduced: dict[int, Slot] = {}
        self.overwritten: set[int] = set()  # known values whose place is taken by another in this step
        self._wanted: list[tuple[int, Slot, Width]] = []
        self._stores: dict[int, list[tuple[int, Slot, Width]]] = {}
        self._levels: dict[int, int] = {}
        self._turns: dict[int, int] = {}

    def store(self, number: int, slot: Slot, width: Width, keep: bool = False) -> None:
        """Has a value stored in a place; `keep`: later stages of this step may read it there."""
        if self._turns:  # while planning: earlier stages are still to come
            self._stores.setdefault(self._turns[number], []).append((number, slot, width))
        else:
            self._wanted.append((number, slot, width))
        if keep:
            self.kept.setdefault(number, slot)

    def level(self, number: int) -> int:
        """How many cuts lie before a value: the first stage that can compute it."""
        if number not in self._levels:
            node = self.nodes[number]
            if number in self.made_by:
                level = 1 + max(map(self.level, self.made_by[number].takes), default=0)
            elif number in self.known:
                level = 0
            else:
                level = max(map(self.level, node.args), default=0) + self._reduces(number)
            self._levels[number] = level
        return self._levels[number]

    def place(self, number: int) -> Slot:
        """Where a value can be read whole; gives it a place, and has it stored, if it has none."""
        if number in self.known:
            return self.known[number]
        if number not in self.kept:
            width = self.nodes[number].width
            self.store(number, self.schedule.place(self.work, width), width, keep=True)
        return self.kept[number]

    def plan(self) -> Schedule:
        """The stages, once everything wanted has been given to `store`."""
        self._take_turns()
        for entry in dict.fromkeys(self._wanted):
            self._stores.setdefault(self._turns[entry[0]], []).append(entry)
        top = max([*self._stores, *(self.level(number) for number in self.made_by), 0])
        stages: list[list[Product | Reduction | Pass]] = []
        for level in range(top, -1, -1):
            before: list[Product | Reduction | Pass] = []
            for maker in self.makers:
                if self.level(maker.makes[0]) == level:
                    before += maker.products
                    for number in maker.takes:
                        self.place(number)
            passes = self._passes(level)
            for number, target in self.reduced.items():
                if self.level(number) == level:
                    (argument,) = self.nodes[number].args
                    before.append(Reduction(self.nodes[number].kind, self.place(argument), target, self.nodes[argument].width))
            stages.append([*before, *passes])
        for stage in reversed(stages):
            self.schedule.operations += stage
        return self.schedule

    def _take_turns(self) -> None:
        """Sets the stage in which each value is computed: that of its first reader, so that little crosses a cut."""
        turns: dict[int, int] = {}

        def by(number: int, stage: int) -> None:
            turns[number] = max(min(turns.get(number, stage), stage), self.level(number))

        for number, _, _ in self._wanted:
            by(number, self.level(number))
        for maker in self.makers:
            for number in maker.takes:
                by(number, self.level(maker.makes[0]) - 1)
        for number in range(len(self.nodes) - 1, -1, -1):  # readers come after what they read
            if number not in turns:
                continue
            args = () if number in self.known else self.nodes[number].args
            if any(arg in self.overwritten for arg in args):
                turns[number] = self.level(number)
            for arg in args:
                by(arg, turns[number] if not self._reduces(number) else self.level(number) - 1)
        self._turns = turns

    def _reduces(self, number: int) -> bool:
        kind = self.nodes[number].kind
        return number not in self.known and kind in KINDS and KINDS[kind].reduces

    def _again(self, number: int) -> bool:
        """Whether a value of an earlier stage is computed again rather than stored: conditions, values that a row has once, cheap ones."""
        node = self.nodes[number]
        if any(arg in self.overwritten for arg in node.args):  # what it is computed from is gone
            return False
        if uniform(node) or node.gives != "real":
            return True
        at_hand = (arg in self.known and arg not in self.overwritten or self.nodes[arg].kind == "const" for arg in node.args)
        return node.kind not in EXPENSIVE and all(at_hand)

    def _passes(self, level: int) -> list[Pass]:
        groups: dict[Width, list[tuple[int, Slot]]] = {}
        for number, slot, width in self._stores.get(level, []):
            groups.setdefault(width, []).append((number, slot))
        # A value of one number a row may take the place of the value it is made from, which wider passes of this stage read.
        widths = sorted(groups, key=lambda width: width == 1)
        return [self._pass(level, width, tuple(groups[width])) for width in widths]

    def _pass(self, level: int, width: Width, stores: tuple[tuple[int, Slot], ...]) -> Pass:
        loads: dict[int, Slot] = {}
        body: dict[int, None] = {}

        def visit(number: int) -> None:
            node = self.nodes[number]
            if number in loads or number in body or node.kind == "const":
                return
            if number in self.known:
                loads[number] = self.known[number]
            elif self._reduces(number):
                if number not in self.reduced:
                    self.reduced[number] = self.schedule.place(self.rows, 1)
                loads[number] = self.reduced[number]
            elif self._turns[number] < level and not self._again(number):
                loads[number] = self.place(number)
            else:  # computed here
                for arg in node.args:
                    visit(arg)
                body[number] = None

        for number, _ in stores:
            visit(number)
        return Pass(width, tuple(loads.items()), tuple(body), stores)


def uniform(node: Node) -> bool:
    """Whether a value is the same in every channel of a row."""
    return node.width == 1 or node.kind in ("expand", "spread")
