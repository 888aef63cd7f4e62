"""A layer of a cell that is linear in its states, for all steps at once: h_t = scale_t * h_(t-1) + shift_t, where scales and shifts are known before (`program/linear.py`).

Where no scale is larger than 1, the recurrence has no loop at all: blocks of steps, whose ends are a recurrence of fewer steps. Products of scales then never
overflow. (Quotients of running products, the shorter form, divide zero by zero where a gate closes.) Any other recurrence is a Scan over one product and one sum.

Letters: T time, B batch, W a state's width, K steps of a block, C blocks.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from tenuto.engines.problem import size_of
from tenuto.export.onnx.parts import Parts
from tenuto.export.onnx.scribe import INT, Scribe
from tenuto.export.onnx.step import StepPrinter
from tenuto.program.bounds import bounds
from tenuto.program.linear import Linear

# Steps of a block, and how often blocks are made of the ends of blocks: 4096 steps are one block of the last kind. With more, the last ends are taken in pairs,
# which costs C³: at a million steps 16 numbers for each that goes in. Measured on an Intel Xeon, ONNX Runtime 1.31, one thread, a layer of 64 units as in minGRU, beside
# a Scan over one product and one sum, B = 1: 30 steps 0.28 ms for 0.14, 100 in the same time, 1000 1.9 ms for 5.0, 4000 8.5 for 22.9; with B = 16, 1000 steps 40 ms for 27.
BLOCK, TIMES = 16, 3
_END = np.iinfo(np.int64).max


def at_once(scribe: Scribe, parts: Parts, found: Linear, weights: Mapping[str, np.ndarray]) -> list[str]:
    """The names of the output [T, B, W] and the final states [B, W]."""
    form, traced = parts.form, parts.form.traced
    steps = {name: _turned(scribe, value) for name, value in parts.steps.items()} if form.reverse else dict(parts.steps)
    rows = scribe.op("Shape", steps["gates"], start=0, end=2)
    inputs = parts.values(scribe, steps)
    printer = StepPrinter(scribe, traced, parts.hidden, inputs, parts.matrices, rows, found.nodes)
    known = {("parameter", name): (float(value.min()), float(value.max())) for name in form.cell.widths("parameters") if (value := weights[f"p.{name}"]).size}
    scales = bounds(found.nodes, known, [stage.scale for stage in found.stages])
    final: dict[str, str] = {}
    for stage, (least, most) in zip(found.stages, scales, strict=True):
        width, start = size_of(form.cell.widths("state")[stage.state], parts.hidden), parts.start[stage.state]
        scale, shift = (_wide(scribe, printer, number, width, rows) for number in (stage.scale, stage.shift))
        if form.lengths:  # past a sequence's end the state stays as it is
            scale = scribe.op("Where", steps["live"], scale, scribe.constant(1.0))
            shift = scribe.op("Where", steps["live"], shift, scribe.constant(0.0))
        if -1.0 <= least and most <= 1.0:
            new = _blocks(scribe, scale, shift, start, TIMES)
        else:
            new = _scan(scribe, scale, shift, start, width)
        printer.give(stage.new, new)
        inputs["state", stage.state] = _before(scribe, new, start)
        final[stage.state] = scribe.op("Squeeze", _slice(scribe, new, -1, _END), scribe.whole(0))
    output = printer.full(dict(traced.forward.outputs)["output", "output"])
    if form.lengths:
        output = scribe.op("Where", steps["live"], output, scribe.constant(0.0))
    return [_turned(scribe, output) if form.reverse else output, *(final[name] for name in parts.start)]


def _wide(scribe: Scribe, printer: StepPrinter, number: int, width: int, rows: str) -> str:
    """A value with all channels of its state: one that is the same in all of them may have one alone."""
    name = printer.full(number)
    same = printer.nodes[number].width == 1 and width != 1
    return scribe.op("Expand", name, scribe.op("Concat", rows, scribe.whole(width), axis=0)) if same else name


def _blocks(scribe: Scribe, scale: str, shift: str, start: str, times: int) -> str:
    """The states after each step, [T, B, W]."""
    if not times:
        return _pairs(scribe, scale, shift, start)
    steps, others = scribe.size(scale, 0), scribe.op("Shape", scale, start=1)
    more = scribe.op("Mod", scribe.op("Neg", steps), scribe.whole(BLOCK))  # so many steps are missing in the last block
    ends = scribe.op("Concat", scribe.whole(0, 0, 0), more, scribe.whole(0, 0), axis=0)
    shape = scribe.op("Concat", scribe.whole(-1, BLOCK), others, axis=0)
    parted = []
    for value, filled in ((scale, 1.0), (shift, 0.0)):
        blocks = scribe.op("Reshape", scribe.op("Pad", value, ends, scribe.constant(filled)), shape)  # [C, K, B, W]
        parted.append(scribe.ops("Split", [blocks, scribe.whole(*[1] * BLOCK)], BLOCK, axis=1))
    scales, states = [parted[0][0]], [parted[1][0]]  # of each step in a block that begins with zeros
    for one, other in zip(parted[0][1:], parted[1][1:]):
        states.append(scribe.op("Add", scribe.op("Mul", one, states[-1]), other))
        scales.append(scribe.op("Mul", one, scales[-1]))
    last_scale, last_state = (scribe.op("Squeeze", values[-1], scribe.whole(1)) for values in (scales, states))  # [C, B, W]
    begin = _before(scribe, _blocks(scribe, last_scale, last_state, start, times - 1), start)
    from_begin = scribe.op("Mul", scribe.op("Concat", *scales, axis=1), scribe.op("Unsqueeze", begin, scribe.whole(1)))
    whole = scribe.op("Add", from_begin, scribe.op("Concat", *states, axis=1))
    return scribe.op("Slice", scribe.op("Reshape", whole, scribe.op("Concat", scribe.whole(-1), others, axis=0)), scribe.whole(0), steps, scribe.whole(0))


def _pairs(scribe: Scribe, scale: str, shift: str, start: str) -> str:
    """The states after each of C steps, each as the sum of all shifts until then, times the scales since: [C, B, W]."""
    first = scribe.op("Add", scribe.op("Mul", _slice(scribe, scale, 0, 1), scribe.op("Unsqueeze", start, scribe.whole(0))), _slice(scribe, shift, 0, 1))
    shift = scribe.op("Concat", first, _slice(scribe, shift, 1, _END), axis=0)
    count = scribe.op("Squeeze", scribe.size(scale, 0), scribe.whole(0))
    places = scribe.op("Range", scribe.constant(0, INT), count, scribe.constant(1, INT))
    after, source, between = (scribe.op("Unsqueeze", places, scribe.whole(*(axis for axis in range(5) if axis != at))) for at in range(3))  # step i, shift j, scale k
    since = scribe.op("And", scribe.op("Less", source, between), scribe.op("LessOrEqual", between, after))  # j < k <= i
    wide = scribe.op("Unsqueeze", scale, scribe.whole(0, 1))
    products = scribe.reduced("ReduceProd", scribe.op("Where", since, wide, scribe.constant(1.0)), [2], False)  # [C, C, B, W]
    until = scribe.op("Squeeze", scribe.op("LessOrEqual", source, after), scribe.whole(4))
    terms = scribe.op("Where", until, scribe.op("Mul", products, scribe.op("Unsqueeze", shift, scribe.whole(0))), scribe.constant(0.0))
    return scribe.reduced("ReduceSum", terms, [1], False)


def _scan(scribe: Scribe, scale: str, shift: str, start: str, width: int) -> str:
    from onnx import TensorProto, helper

    inside = scribe.inner()
    before, one, other = (inside.name(name) for name in ("before", "scale", "shift"))
    after = inside.op("Add", inside.op("Mul", one, before), other)
    info = lambda name: helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", width])  # noqa: E731
    given = inside.op("Identity", after)
    body = helper.make_graph(inside.nodes, scribe.name("linear"), [info(before), info(one), info(other)], [info(after), info(given)])
    return scribe.ops("Scan", [start, scale, shift], 2, body=body, num_scan_inputs=2)[1]


def _before(scribe: Scribe, states: str, start: str) -> str:
    """The states before each step, from those after."""
    return scribe.op("Concat", scribe.op("Unsqueeze", start, scribe.whole(0)), _slice(scribe, states, 0, -1), axis=0)


def _slice(scribe: Scribe, value: str, begin: int, end: int) -> str:
    return scribe.op("Slice", value, scribe.whole(begin), scribe.whole(end), scribe.whole(0))


def _turned(scribe: Scribe, value: str) -> str:
    """The last step first."""
    return scribe.op("Slice", value, scribe.whole(-1), scribe.whole(-_END), scribe.whole(0), scribe.whole(-1))
