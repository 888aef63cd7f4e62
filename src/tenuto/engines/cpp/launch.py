"""A loop's tables filled in for given sizes, with its scratch memory; then run with the addresses of a call's tensors.

A `Launch` belongs to one cell, one loop of it and one set of sizes; lengths and number of steps may differ from call to call. It is one story:
what is laid out at the beginning is what a call at the end fills with addresses.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy
import torch
from torch import Tensor

from tenuto.cell import Width
from tenuto.engines.cpp import library, tables
from tenuto.engines.cpp.memory import address, empty, zeros
from tenuto.engines.cpp.rows import Rows, chunk_capacity
from tenuto.engines.cpp.tables import Vector
from tenuto.engines.cpp.units import VECTORS, Units
from tenuto.engines.problem import size_of
from tenuto.program.schedule import Pass, Product, Reduction, Schedule, Slot

# From kernels/matrix.h and bfloat16.h: how many float32 one part of 32 x 16 numbers fills, of how many rows an outer product holds the
# pairs at once, and how many pairs it is from one column of these to the next.
TILE, TURNED_ROWS, TURNED_STRIDE = 256, 256, 256 // 2 + 16
PARTS = {"parts": 3, "bfloat16_units": 1}  # of a number, by kind, where products are made on matrix units


def _blocks(depth: int) -> int:
    return -(-depth // 32)


@dataclass(frozen=True)
class Sizes:
    """What a loop is built for."""

    batch_size: int
    input_size: int
    hidden_size: int
    dtype: torch.dtype
    threads: int
    by_units: bool
    units: Units = VECTORS
    integers: bool = False  # the weights are whole numbers of 8 bits
    static: int = 0  # see `Form.static`
    sparse: bool = False  # see `Form.sparse`
    bfloat16: bool = False  # products are of numbers rounded to bfloat16
    transposed: frozenset[str] = frozenset()  # the weights, by name, that lie column by column in memory

    def strides(self, weight: str, rows: int, columns: int) -> tuple[int, int]:
        """From row to row and from column to column of a weight [rows, columns] and of its gradient, in numbers."""
        return (1, rows) if weight in self.transposed else (columns, 1)

    def width(self, width: Width) -> int:
        """A declared width as a number."""
        return size_of(width, self.hidden_size)

    def kind(self, weight: str, within_step: bool) -> str:
        """How numbers are multiplied (`tables.KINDS`) in the products with a weight or for its gradient, those within a step or those over a chunk of steps."""
        if self.integers:
            return "integer"
        on_units = weight in (self.units.steps if within_step else self.units.chunks)
        if self.bfloat16:
            return "bfloat16_units" if on_units else "bfloat16"
        return "parts" if on_units else "float"


@dataclass(frozen=True)
class Layout:
    """How an array's columns lie: the rule of its rows, numbers from row to row, and where each column begins."""

    rule: str
    stride: int
    offsets: tuple[int, ...] = (0,)


def side_by_side(widths: Sequence[int], rule: str, lanes: int, dtype: torch.dtype) -> Layout:
    """Columns of these widths, each in whole vectors of `lanes` numbers. Rows are kept from falling on one cache set."""
    padded = [-(-width // lanes) * lanes for width in widths]
    stride = max(sum(padded), lanes)
    if len(padded) > 1 and stride * dtype.itemsize % 1024 == 0:
        stride += lanes
    return Layout(rule, stride, tuple(sum(padded[:k]) for k in range(len(padded))))


def _of_weights(entry: tuple[int, Any]) -> bool:
    """Whether an operation depends on weights alone."""
    return tables.ACTIONS[entry[0]] in ("PACK", "LINE")


class Launch:
    """The tables of one loop. forward.py and backward.py fill it."""

    def __init__(self, schedule: Schedule, states: Sequence[str], sizes: Sizes, passes: Sequence[int]) -> None:
        self.schedule, self.states, self.sizes = schedule, states, sizes
        self._library = library.loop(library.bits_of(sizes.dtype))
        self.lanes, self.panel = self._library.tenuto_lanes(), self._library.tenuto_panel()
        self._bytes = sizes.dtype.itemsize
        self._functions = list(passes)
        self.layouts: dict[str, Layout] = {}
        self._arrays: dict[str, int] = {}  # array -> its place among the addresses of a call
        self._buffers: dict[tuple[Slot, str], int] = {}
        self._buffer_rows: list[tuple[int, int, int, str]] = []  # array, offset in bytes, stride, rule
        self._pointers: list[tuple[numpy.ndarray, numpy.ndarray, str]] = []  # addresses to fill in: offsets, of which tensor
        self._lists: dict[str, list[tuple[int, Any]]] = {name: [] for name in "prepare before step after finish".split()}
        self._alive: list[object] = []
        self.scratch: dict[str, Tensor] = {}
        self.bytes = 0  # its own memory

    # --- arrays and buffers --------------------------------------------------------------------------------------------

    def padded(self, width: int) -> int:
        """A width in whole vectors."""
        return -(-width // self.lanes) * self.lanes

    def columns(self, array: str, rule: str) -> None:
        """Lays out an array with the schedule's columns."""
        widths = [self.sizes.width(width) for width in self.schedule.columns.get(array, ())]
        self.layouts[array] = side_by_side(widths, rule, self.lanes, self.sizes.dtype)

    def numbers(self, array: str, rule: str) -> None:
        """Lays out an array of one number a row and column."""
        count = max(len(self.schedule.columns.get(array, ())), 1)
        self.layouts[array] = Layout(rule, count, tuple(range(count)))

    def own(self, array: str, rows: int) -> None:
        """Gives a laid-out array memory that lives as long as this launch."""
        self.scratch[array] = zeros(rows, self.layouts[array].stride, dtype=self.sizes.dtype)

    def own_chunk(self, *arrays: str) -> None:
        """The same for arrays that hold one chunk of steps."""
        for array in arrays:
            self.own(array, chunk_capacity(self.sizes.batch_size))

    def share(self, first: str, second: str, rows: int) -> None:
        """Gives two arrays that are laid out alike the same memory."""
        self.own(first, rows)
        self.scratch[second] = self.scratch[first]

    def array(self, name: str) -> int:
        """The place of an array among the addresses."""
        return self._arrays.setdefault(name, len(self._arrays))

    def buffer(self, slot: Slot | str) -> int:
        """The number of a buffer: a column of an array as the kernels see it."""
        slot = slot if isinstance(slot, Slot) else Slot(slot)
        layout = self.layouts[slot.array]
        key = (slot, layout.rule)
        if key not in self._buffers:
            self._buffers[key] = len(self._buffer_rows)
            offset = layout.offsets[slot.column] * self._bytes
            self._buffer_rows.append((self.array(slot.array), offset, layout.stride, layout.rule))
        return self._buffers[key]

    # --- operations ------------------------------------------------------------------------------------------------------

    def add(self, when: str, action: str, table: Any) -> None:
        """Appends an operation to one of the loop's lists."""
        self._alive.append(table)
        self._lists[when].append((tables.ACTIONS.index(action), table))

    def address(self, values: Sequence[int]) -> int:
        """The address of a table of integers."""
        array = tables.integers(values)
        self._alive.append(array)
        return array.ctypes.data

    def _where(self, offsets: Sequence[int], tensor: str, size: int | None = None) -> int:
        """A table of addresses inside a tensor, filled in at each call. `size`: of its numbers, in bytes, where they are others."""
        array = tables.integers([0] * len(offsets))
        self._pointers.append((array, tables.integers(offsets) * (size or self._bytes), tensor))
        self.array(tensor)
        return array.ctypes.data

    def _panels(self, panels: list[list[Vector]], numbers: Callable[[int], int]) -> tuple[Any, Tensor]:
        """The table of panels, and memory for what each packs: `numbers` says how many numbers so many vectors take."""
        table = (tables.Panel * max(len(panels), 1))()
        packed = 0
        for entry, vectors in zip(table, panels):
            entry.vectors, entry.column, entry.packed = len(vectors), vectors[0].column, packed
            packed += numbers(len(vectors))
        memory = zeros(packed + self.lanes, dtype=self.sizes.dtype)
        self._alive += [table, memory]
        return table, memory

    def product(
        self,
        when: str,
        operand: Slot | str,
        segments: Sequence[tuple[int, int]],
        result: str,
        items: Sequence[tuple[int, int]],
        initial: Slot | str,
        tensor: str,
        weight: Sequence[Sequence[int]],
        strides: tuple[int, int],
    ) -> None:
        """result[items] = initial + operand[segments] @ weights, packed at the start of each call.

        `segments`: column and depth in the operand; `items`: column and width in the result; `weight[segment][item]`: where in
        `tensor` the weight between their first elements stands; `strides`: how far the next channel of an item is, and that of a segment.
        """
        per_channel, per_depth = strides
        kind = "sparse" if self.sizes.sparse and len(segments) == 1 else self.sizes.kind(tensor, when == "step")
        threads = self.sizes.threads if self.sizes.by_units else 1
        panels, starts = tables.cut([c for c, _ in items], [w for _, w in items], self.lanes, self.panel, threads)
        vectors = [vector for panel in panels for vector in panel]
        table, packed = self._panels(panels, lambda vectors: self._packed(vectors, [d for _, d in segments], kind))
        offsets = [weight[s][v.item] + v.channel * per_channel for s in range(len(segments)) for v in vectors]
        scale = self._where([offset // per_channel for offset in offsets], f"scale.{tensor}") if kind == "integer" else None
        most = self._where([0], f"most{self.sizes.static}.{tensor}") if self.sizes.static else None
        product = tables.Product(
            self.buffer(operand), self.buffer(result), self.buffer(initial), len(segments),
            self.address([column for column, _ in segments]), self.address([d for _, d in segments]),
            len(panels), ctypes.addressof(table), self.address(starts), address(packed),
            self._where(offsets, tensor, 1 if kind == "integer" else None), self.address([v.lanes for v in vectors]), per_channel, per_depth,
            tables.KINDS.index(kind), scale, most, self.sizes.static,
        )  # fmt: skip
        self.add("prepare", "PACK", product)
        self.add(when, "PRODUCT", product)

    def _packed(self, vectors: int, depths: Sequence[int], kind: str) -> int:
        """How many float32 the packed weights of some vectors take (see kernels/matrix.h, integers.h, wide.h, sparse.h and bfloat16.h)."""
        if kind == "integer":
            rows = -(-sum(depths) // 2) / 2 if self.sizes.static == 16 else -(-sum(depths) // 4)
            return int((rows + 2) * vectors * self.lanes)
        if kind == "sparse":
            return (sum(depths) * vectors + 1 + 2 * vectors) * self.lanes
        if kind in PARTS:
            return self.lanes + sum(_blocks(depth) for depth in depths) * vectors * PARTS[kind] * TILE
        rows = sum(-(-depth // 2) for depth in depths) if kind == "bfloat16" else sum(depths)
        return rows * vectors * self.lanes

    def outer(
        self, operand: Slot | str, width_in: int, items: Sequence[tuple[Slot, int, int]], tensor: str, strides: tuple[int, int]
    ) -> None:
        """tensor[item] = the sum over all rows of gradient (a column of "gradients") times operand: items are column, width, row.

        `strides`: of the tensor, from one row to the next and from one column.
        """
        per_channel, per_column = strides
        offsets = self.layouts["gradients"].offsets
        columns = [offsets[slot.column] for slot, _, _ in items]
        panels, _ = tables.cut(columns, [w for _, w, _ in items], self.lanes, self.panel, 1)
        vectors = [vector for panel in panels for vector in panel]
        table, packed = self._panels(panels, lambda vectors: width_in * vectors * self.lanes)
        kind, turned = self.sizes.kind(tensor.removeprefix("d_"), False), None
        if kind != "float":
            tile = _blocks(TURNED_ROWS) * PARTS[kind] * TILE if kind in PARTS else TURNED_STRIDE * self.lanes
            turned = empty(-(-width_in // self.lanes) * tile, dtype=torch.float32)
            self._alive.append(turned)
        outer = tables.Outer(
            self.buffer(operand), self.buffer("gradients"), width_in, len(panels), ctypes.addressof(table), address(packed),
            self._where([(items[v.item][2] + v.channel) * per_channel for v in vectors], tensor),
            self.address([v.lanes for v in vectors]), per_channel, per_column,
            tables.KINDS.index(kind), None if turned is None else address(turned),
        )  # fmt: skip
        self.add("prepare", "CLEAR", outer)
        self.add("after", "OUTER", outer)
        self.add("finish", "UNPACK", outer)

    def column_sums(self, items: Sequence[tuple[Slot, int, int]], tensor: str) -> None:
        """tensor[item] = the sum over all rows of a column of "gradients": items are column, width, place in the tensor."""
        offsets = self.layouts["gradients"].offsets
        columns, widths = [offsets[slot.column] for slot, _, _ in items], [w for _, w, _ in items]
        vectors = [v for panel in tables.cut(columns, widths, self.lanes, 1, 1)[0] for v in panel]
        sums = zeros(max(len(vectors), 1) * self.lanes, dtype=self.sizes.dtype)
        self._alive.append(sums)
        table = tables.Sum(
            self.buffer("gradients"), len(vectors), self.address([v.column for v in vectors]),
            self._where([items[v.item][2] + v.channel for v in vectors], tensor),
            self.address([v.lanes for v in vectors]), address(sums),
        )  # fmt: skip
        self.add("after", "SUM", table)

    def gather(self, array: str, width: int) -> None:
        """Before its steps, a chunk's rows of an array are fetched from the caller's array, "caller.NAME"; see `rows.gathered`."""
        self.layouts |= {array: Layout("CHUNK", width), f"caller.{array}": Layout("FIXED", width)}
        self.own_chunk(array)
        self.add("before", "GATHER", tables.Copy(self.buffer(f"caller.{array}"), self.buffer(array), width))

    def scatter(self, when: str, array: str, target: str, width: int, padded: bool) -> None:
        """The rows of a step (or "after" a chunk of steps) go to the caller's array; zeros where a padded one has no step."""
        self.layouts[target] = Layout("FIXED", width)
        self.add(when, "SCATTER", tables.Copy(self.buffer(array), self.buffer(target), width))
        if padded:
            self.add("finish", "FILL", tables.Copy(0, self.buffer(target), width))

    def whole(self, when: str, action: str, source: str, target: str, width: int) -> None:
        """LAST, START or LEAD, see kernels/loop.h: the caller's array of one row per sequence is laid out here."""
        self.layouts[source if action == "START" else target] = Layout("FIXED", width)
        self.add(when, action, tables.Copy(self.buffer(source), self.buffer(target), width))

    def reset(self, action: str, source: Slot | str, target: Slot | str, initial: Slot | str, width: int) -> None:
        """ENTER or LEAVE, see kernels/loop.h; the flags come with each call."""
        self.add("step", action, tables.Reset(self.buffer(source), self.buffer(target), self.buffer(initial), width))

    def operations(self, products: Any, carried: set[str]) -> None:
        """The schedule's operations, with a barrier wherever a thread reads what others wrote (used when units are split).

        `products(product)` adds a product; `carried` are the arrays that the step before wrote.
        """
        written = set(carried)

        def read(array: str) -> None:
            if array in written:
                self.add("step", "SYNC", None)
                written.clear()

        for operation in self.schedule.operations:
            if isinstance(operation, Product):
                for slot in operation.operands:
                    read(slot.array)
                products(operation)
                written.update(slot.array for slot in operation.results)
            elif isinstance(operation, Reduction):
                read(operation.source.array)
                source, target = self.buffer(operation.source), self.buffer(operation.target)
                how = tables.REDUCTIONS[operation.kind]
                self.add("step", "REDUCE", tables.Reduction(how, source, target, self.sizes.width(operation.width)))
                written.add(operation.target.array)
            else:
                for _, slot in operation.loads:
                    if slot.array in ("rows", "d_rows"):
                        read(slot.array)
                self._pass(operation)
                written.update(slot.array for _, slot in operation.stores)

    def _pass(self, operation: Pass) -> None:
        places = [slot for _, slot in (*operation.loads, *operation.stores)]
        width = 0 if operation.width == 1 else self.sizes.width(operation.width)
        buffers = self.address([self.buffer(slot) for slot in places])
        self.add("step", "PASS", tables.Pass(self._functions.pop(0), width, buffers))

    # --- a call ----------------------------------------------------------------------------------------------------------

    def finish(self, backward: bool) -> Launch:
        """Seals the tables."""
        self._lists["prepare"].sort(key=_of_weights)  # last, so that `hold` can leave them out
        loop = tables.Loop(batch=self.sizes.batch_size, threads=self.sizes.threads, by_units=self.sizes.by_units, backward=backward)
        for name, entries in self._lists.items():
            listed = (tables.Operation * max(len(entries), 1))()
            for place, (action, table) in zip(listed, entries):
                place.action, place.data = action, None if table is None else ctypes.addressof(table)
            self._alive.append(listed)
            setattr(loop, name, tables.List(len(entries), ctypes.addressof(listed)))
        self._buffer_tables = (tables.Buffer * max(len(self._buffer_rows), 1))()
        for entry, (array, offset, stride, rule) in zip(self._buffer_tables, self._buffer_rows):
            entry.array, entry.offset, entry.stride, entry.rule = array, offset, stride, tables.RULES.index(rule)
        pointers = (tables.Pointers * max(len(self._pointers), 1))()
        for entry, (places, offsets, tensor) in zip(pointers, self._pointers):
            entry.count, entry.array, entry.offset, entry.to = len(offsets), self.array(tensor), offsets.ctypes.data, places.ctypes.data
        self._alive.append(pointers)
        self._addresses, self._firsts = (ctypes.c_int64 * len(self._arrays))(), (ctypes.c_int64 * len(self._arrays))()
        for name, memory in self.scratch.items():
            if name in self._arrays:
                self._addresses[self._arrays[name]] = address(memory)
        self._given = [(place, name) for name, place in self._arrays.items() if name not in self.scratch]
        states = [(f"s.{n}", role) for n in self.states for role in (f"old.{n}", f"before.{n}") if role in self._arrays]
        self._starts = [(self._arrays[role], name) for name, role in states]
        loop.buffers, loop.buffer = len(self._buffer_rows), ctypes.addressof(self._buffer_tables)
        loop.pointers, loop.pointer = len(self._pointers), ctypes.addressof(pointers)
        loop.address, loop.first = ctypes.addressof(self._addresses), ctypes.addressof(self._firsts)
        self._loop = loop
        self.bytes = sum(memory.nbytes for memory in (*self.scratch.values(), *self._alive) if isinstance(memory, Tensor))
        return self

    def run(self, given: Mapping[str, Tensor], rows: Rows) -> None:
        """Runs the loop. `given`: each array and tensor that is not scratch, with the rows before the first step as "s.NAME"."""
        for place, name in self._given:
            self._addresses[place] = address(given[name])
        for place, name in self._starts:
            self._firsts[place] = address(given[name])
        loop, at = self._loop, rows.addresses
        loop.steps, loop.chunks, loop.time_steps, loop.reverse = len(rows.counts), len(rows.chunks) - 1, rows.time_steps, rows.reverse
        loop.packed = rows.packing is not None and not rows.packing.padded
        loop.rows, loop.row_of, loop.chunk, loop.order, loop.length = at
        if "resets" in given:
            loop.flags = address(given["resets"])
        parallel = library.thread_pool() if self.sizes.threads > 1 else library.NOBODY
        self._library.tenuto_run(ctypes.addressof(loop), *parallel)

    def share_weights(self, other: Launch) -> None:
        """Before the first run: takes the packed weights and biases of another launch like it, which has run, and packs none itself."""
        for (_, mine), (_, theirs) in zip(self._lists["prepare"], other._lists["prepare"]):
            if isinstance(mine, tables.Product):
                mine.packed = theirs.packed
        self._addresses[self.array("bias_row")] = address(other.scratch["bias_row"])
        self._loop.prepare.count = 0
        self._alive.append(other)

    def hold(self, packed: bool) -> None:
        """After a run: from now on weights are not packed again, since they are the same; or they are, as usual."""
        entries = self._lists["prepare"]
        self._loop.prepare.count = len(entries) - packed * sum(map(_of_weights, entries))

    def again(self, array: str, turn: int) -> Callable[[int], None]:
        """After a run: a function that runs its steps once more, with the weights that were packed, and another address for one array. turn: see kernels/loop.h."""
        self._loop.prepare.count = self._loop.finish.count = 0
        self._loop.turn = turn
        number = self._arrays[array]
        addresses, run, loop = self._addresses, self._library.tenuto_run, ctypes.addressof(self._loop)
        parallel = library.thread_pool() if self.sizes.threads > 1 else library.NOBODY

        def once(address: int) -> None:
            addresses[number] = address
            run(loop, *parallel)

        return once
