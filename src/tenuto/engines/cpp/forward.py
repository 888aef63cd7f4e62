"""The forward loop: from x, weights and the first state to the output, the last state, and what the backward loop needs."""

from __future__ import annotations

from functools import lru_cache

import torch

from tenuto.engines.cpp import library, tables
from tenuto.engines.cpp.launch import Launch, Layout, Sizes, side_by_side
from tenuto.engines.cpp.memory import zeros
from tenuto.engines.cpp.rows import gathered
from tenuto.engines.problem import Form, size_of
from tenuto.program.cell_schedule import schedule_cell
from tenuto.program.schedule import Product, Slot


def row_offsets(form: Form, stack_name: str, hidden: int) -> dict[str, int]:
    """The first row of each product within its stack's weights."""
    stack = next(stack for stack in form.traced.stacks if stack.name == stack_name)
    offsets, row = {}, 0
    for name, width in zip(stack.products, stack.widths):
        offsets[name] = row
        row += size_of(width, hidden)
    return offsets


def weight_strides(form: Form, sizes: Sizes) -> tuple[int, int]:
    """How far it is in the input's weight from row to row and from column to column, in numbers."""
    return sizes.strides("weight_ih", sum(map(sizes.width, form.cell.widths("gates").values())), sizes.input_size)


def lay_out_inputs(launch: Launch, form: Form, fixed_streams: frozenset[str]) -> None:
    """What forward and backward read alike: parameters, streams, and the states before each step.

    With resets, "old" is a copy in which the rows of a new episode have returned to their initial value.
    """
    cell, size = form.cell, launch.sizes
    for name in cell.widths("parameters"):
        launch.layouts[f"p.{name}"] = Layout("FIXED", 0)
    for name, width in cell.widths("streams").items():
        launch.layouts[f"stream.{name}"] = Layout("FIXED" if name in fixed_streams else "STEP", size.width(width))
        if gathered(form) and name not in fixed_streams:
            launch.gather(f"stream.{name}", size.width(width))
    launch.layouts["zero"] = Layout("FIXED", 0)
    widest = max(layout.stride for layout in launch.layouts.values())
    widest = max(widest, launch.padded(size.hidden_size), launch.padded(size.input_size))  # x too: its gradient begins from zero
    launch.scratch["zero"] = zeros(widest + launch.lanes, dtype=size.dtype)
    for name, width in cell.widths("state").items():
        if form.resets:
            launch.layouts[f"before.{name}"] = launch.layouts[f"old.{name}"]
            launch.layouts[f"old.{name}"] = Layout("CHUNK", size.width(width))
            launch.layouts[f"r.{name}"] = Layout("FIXED", size.width(width))
            launch.own_chunk(f"old.{name}")
            launch.reset("ENTER", f"before.{name}", f"old.{name}", f"r.{name}", size.width(width))


@lru_cache(maxsize=1024)
def kept_strides(form: Form, hidden: int, dtype: torch.dtype) -> dict[str, int]:
    """How many numbers a row the arrays have that forward leaves for backward beside the states."""
    columns = schedule_cell(form.traced, False).forward.columns
    widths = [size_of(width, hidden) for width in columns.get("gates", ())]
    lanes = library.loop(library.bits_of(dtype)).tenuto_lanes()
    return {"gates": side_by_side(widths, "STEP", lanes, dtype).stride, "rows": max(len(columns.get("rows", ())), 1)}


def build(form: Form, sizes: Sizes, keep: bool, fixed_streams: frozenset[str]) -> Launch:
    """The tables of a forward loop; `keep`: what the backward loop needs is left in the arrays "gates", "rows" and the states."""
    cell, plan = form.cell, schedule_cell(form.traced, False)
    schedule = plan.forward if keep else plan.inference
    functions = library.passes(form.traced, False, library.bits_of(sizes.dtype), form.integers)["forward" if keep else "inference"]
    launch = Launch(schedule, tuple(cell.widths("state")), sizes, functions)
    launch.columns("gates", "STEP" if keep else "CHUNK")
    launch.columns("work", "CHUNK")
    launch.numbers("rows", "STEP" if keep else "CHUNK")
    launch.layouts["x"] = Layout("STEP", sizes.input_size)
    apart = gathered(form)
    if apart:
        launch.gather("x", sizes.input_size)
    for name, width in cell.widths("state").items():
        kept = keep or (name == form.traced.output_state and not apart)
        launch.layouts[f"new.{name}"] = Layout("STEP" if kept else "RING_NEXT", sizes.width(width))
        launch.layouts[f"old.{name}"] = Layout("PREVIOUS" if kept else "RING_PREVIOUS", sizes.width(width))
    number = dict(form.traced.forward.outputs)["output", "output"]
    output_size = sizes.width(form.traced.forward.nodes[number].width)
    launch.layouts["output"] = Layout("CHUNK" if apart else "STEP", output_size)
    launch.own_chunk(*(["work"] if keep else ["work", "gates", "rows"]))
    lay_out_inputs(launch, form, fixed_streams)
    gates = launch.layouts["gates"]
    launch.layouts["bias_row"] = Layout("FIXED", 0, gates.offsets)
    launch.scratch["bias_row"] = zeros(gates.stride + launch.lanes, dtype=sizes.dtype)
    widths = [sizes.width(width) for width in cell.widths("gates").values()]
    launch.layouts["bias"] = Layout("FIXED", 0, tuple(sum(widths[:k]) for k in range(len(widths))))
    for k, (name, width) in enumerate(zip(cell.widths("gates"), widths)) if form.bias else ():
        target = launch.buffer(Slot("bias_row", plan.gates[name].column))
        launch.add("prepare", "LINE", tables.Copy(launch.buffer(Slot("bias", k)), target, width))
    _project_input(launch, form)

    def product(operation: Product) -> None:
        rows, width_in = row_offsets(form, operation.stack.name, sizes.hidden_size), sizes.width(operation.stack.width_in)
        array, weight = launch.layouts[operation.results[0].array], f"U.{operation.stack.name}"
        per_row, per_column = sizes.strides(weight, sum(map(sizes.width, operation.stack.widths)), width_in)
        widths = dict(zip(operation.stack.products, operation.stack.widths))
        items = [(array.offsets[slot.column], sizes.width(widths[name])) for slot, name in zip(operation.results, operation.rows)]
        launch.product(
            "step", operation.operands[0], [(0, width_in)], "gates", items, "zero" if operation.fresh else "gates",
            weight, [[rows[name] * per_row for name in operation.rows]], (per_row, per_column),
        )  # fmt: skip

    launch.operations(product, {f"old.{name}" for name in cell.widths("state")})
    if apart:
        own = form.traced.output_state is None
        if own:
            launch.own_chunk("output")
        launch.scatter("step", "output" if own else f"new.{form.traced.output_state}", "caller.output", output_size, not form.packed)
    for name, width in cell.widths("state").items():
        launch.whole("finish", "LAST", f"before.{name}" if form.resets else f"old.{name}", f"final.{name}", sizes.width(width))
    return launch.finish(backward=False)


def _project_input(launch: Launch, form: Form) -> None:
    """x W^T + b for a chunk of steps at a time, straight into the gates' columns."""
    sizes, plan = launch.sizes, schedule_cell(form.traced, False)
    offsets, items, weight, row = launch.layouts["gates"].offsets, [], [], 0
    per_row, per_column = weight_strides(form, sizes)
    for name, width in form.cell.widths("gates").items():
        items.append((offsets[plan.gates[name].column], sizes.width(width)))
        weight.append(row * per_row)
        row += sizes.width(width)
    if items:
        segments = [(0, sizes.input_size)]
        launch.product("before", "x", segments, "gates", items, "bias_row", "weight_ih", [weight], (per_row, per_column))
