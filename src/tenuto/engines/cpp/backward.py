"""The backward loop: from the cotangents of the output and the last state to the gradients of all inputs.

Chunks of steps run from the last to the first. After each, its gate gradients, still in the cache, give their part of the weight
gradients (an outer product over the chunk's rows), and of dx: no array holds the gate gradients of all steps.
"""

from __future__ import annotations

from tenuto.engines.cpp import library, tables
from tenuto.engines.cpp.forward import lay_out_inputs, row_offsets, weight_strides
from tenuto.engines.cpp.launch import Launch, Layout, Sizes
from tenuto.engines.cpp.rows import gathered
from tenuto.engines.problem import Form
from tenuto.program.cell_schedule import schedule_cell
from tenuto.program.schedule import Product


def build(form: Form, sizes: Sizes, needs: frozenset[str], fixed_streams: frozenset[str]) -> Launch:
    """The tables of a backward loop that gives the gradients named in `needs`."""
    cell, d_streams = form.cell, any(name.startswith("stream.") for name in needs)
    plan = schedule_cell(form.traced, d_streams)
    functions = library.passes(form.traced, d_streams, library.bits_of(sizes.dtype))["backward"]
    launch = Launch(plan.backward, tuple(cell.widths("state")), sizes, functions)
    forward = Launch(plan.forward, (), sizes, ())
    forward.columns("gates", "STEP")
    forward.numbers("rows", "STEP")
    launch.layouts |= {"gates": forward.layouts["gates"], "rows": forward.layouts["rows"]}
    launch.columns("gradients", "CHUNK")
    launch.columns("d_work", "CHUNK")
    launch.columns("operands", "CHUNK")
    launch.numbers("d_rows", "CHUNK")
    launch.own_chunk("gradients", "d_work", "operands", "d_rows")
    number = dict(form.traced.forward.outputs)["output", "output"]
    launch.layouts["d_output"] = Layout("STEP", sizes.width(form.traced.forward.nodes[number].width))
    if gathered(form):
        launch.gather("d_output", launch.layouts["d_output"].stride)
    for name, width in cell.widths("state").items():
        stride = launch.padded(sizes.width(width))
        launch.layouts[f"old.{name}"] = Layout("PREVIOUS", sizes.width(width))
        launch.layouts[f"d_carry.{name}"] = Layout("RING_PREVIOUS", stride)
        launch.layouts[f"d_next.{name}"] = Layout("RING_NEXT", stride)
        launch.share(f"d_carry.{name}", f"d_next.{name}", 2 * sizes.batch_size)
        launch.whole("prepare", "START", f"d_final.{name}", f"d_next.{name}", sizes.width(width))
        if f"s.{name}" in needs:
            launch.whole("finish", "LEAD", f"d_next.{name}", f"d_s.{name}", sizes.width(width))
        if form.resets:
            launch.layouts[f"d_start.{name}"] = Layout("FIXED", sizes.width(width))
        if f"r.{name}" in needs:
            launch.whole("finish", "LEAD", f"d_start.{name}", f"d_r.{name}", sizes.width(width))
    for name, width in cell.widths("streams").items():
        apart = gathered(form) and name not in fixed_streams  # what is the same at every step is added up afterwards
        launch.layouts[f"d_stream.{name}"] = Layout("CHUNK" if apart else "STEP", sizes.width(width))
        if apart and d_streams:
            launch.own_chunk(f"d_stream.{name}")
            launch.scatter("after", f"d_stream.{name}", f"caller.d_stream.{name}", sizes.width(width), not form.packed)
    lay_out_inputs(launch, form, fixed_streams)
    launch.operations(lambda product: _transposed(launch, form, product), {f"old.{name}" for name in cell.widths("state")})
    for name, width in cell.widths("state").items() if form.resets else ():
        launch.reset("LEAVE", f"d_next.{name}", f"d_start.{name}", "zero", sizes.width(width))
    _gradients(launch, form, needs)
    return launch.finish(backward=True)


def _transposed(launch: Launch, form: Form, operation: Product) -> None:
    """The cotangent of a stack's operand: its products' gradients times U."""
    sizes, stack, (slot,) = launch.sizes, operation.stack, operation.results
    width_in, rows = sizes.width(stack.width_in), row_offsets(form, stack.name, sizes.hidden_size)
    offsets = launch.layouts["gradients"].offsets
    segments = [(offsets[s.column], sizes.width(w)) for s, w in zip(operation.operands, stack.widths)]
    column = launch.layouts[slot.array].offsets[slot.column]
    per_row, per_column = sizes.strides(f"U.{stack.name}", sum(map(sizes.width, stack.widths)), width_in)
    weight, strides = [[rows[name] * per_row] for name in operation.rows], (per_column, per_row)
    launch.product("step", "gradients", segments, slot.array, [(column, width_in)], "zero", f"U.{stack.name}", weight, strides)


def _gradients(launch: Launch, form: Form, needs: frozenset[str]) -> None:
    """What is done with a chunk's gate gradients once all its steps have run."""
    sizes, cell = launch.sizes, form.cell
    plan = schedule_cell(form.traced, any(name.startswith("stream.") for name in needs))
    gates, row = [], 0
    for name, width in cell.widths("gates").items():
        gates.append((plan.d_gates[name], sizes.width(width), row))
        row += sizes.width(width)
    launch.layouts["x"] = Layout("STEP", sizes.input_size)
    if gathered(form) and "weight_ih" in needs:
        launch.gather("x", sizes.input_size)
    if "x" in needs and gates:
        _input_gradient(launch, form, [(launch.layouts["gradients"].offsets[s.column], w, r) for s, w, r in gates])
    if "weight_ih" in needs and gates:
        launch.outer("x", sizes.input_size, gates, "d_weight_ih", weight_strides(form, sizes))
    if "bias" in needs and gates:
        launch.column_sums(gates, "d_bias")
    for stack in plan.stacks:
        if f"U.{stack.name}" in needs:
            rows, width_in = row_offsets(form, stack.name, sizes.hidden_size), sizes.width(stack.width_in)
            items = [(plan.d_products[n], sizes.width(w), rows[n]) for n, w in zip(stack.products, stack.widths)]
            strides = sizes.strides(f"U.{stack.name}", sum(map(sizes.width, stack.widths)), width_in)
            launch.outer(plan.operands[stack.name], width_in, items, f"d_U.{stack.name}", strides)
    for name, width in cell.widths("parameters").items():
        if f"p.{name}" in needs:
            launch.column_sums([(plan.d_parameters[name], sizes.width(width), 0)], f"d_p.{name}")


def _input_gradient(launch: Launch, form: Form, gates: list[tuple[int, int, int]]) -> None:
    """dx = gate gradients times W. It goes through scratch rows where a row of x is not made of whole vectors, or the caller's rows lie apart."""
    sizes = launch.sizes
    width = sizes.input_size
    launch.layouts["d_x"] = Layout("STEP", width)
    target = "d_x"
    if width % launch.lanes or gathered(form):
        target = "d_x_wide"
        launch.layouts[target] = Layout("CHUNK", launch.padded(width))
        launch.own_chunk(target)
    per_row, per_column = weight_strides(form, sizes)
    segments, weight = [(column, depth) for column, depth, _ in gates], [[row * per_row] for _, _, row in gates]
    launch.product("after", "gradients", segments, target, [(0, width)], "zero", "weight_ih", weight, (per_column, per_row))
    if gathered(form):
        launch.scatter("after", target, "caller.d_x", width, not form.packed)
    elif target != "d_x":
        launch.add("after", "COPY", tables.Copy(launch.buffer(target), launch.buffer("d_x"), width))
