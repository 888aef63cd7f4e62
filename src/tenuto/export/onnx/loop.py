"""A layer in one direction in ONNX: an operator of ONNX's own where the cell is one, else Scan over the program's step, or that step alone.

Letters: T time, B batch, W a state's width.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from tenuto.engines.problem import Form, output_width, size_of
from tenuto.errors import ArgumentError
from tenuto.export.onnx.at_once import at_once
from tenuto.export.onnx.native import native
from tenuto.export.onnx.parts import Parts
from tenuto.export.onnx.scribe import INT, Scribe
from tenuto.export.onnx.step import StepPrinter, dense
from tenuto.program.graph import Key
from tenuto.program.linear import linear


class Given(NamedTuple):
    """One of a loop's inputs: its name in the graph, and its value where it does not change."""

    name: str
    value: np.ndarray | None


def loop(scribe: Scribe, form: Form, inputs: Mapping[str, Given], one_step: bool) -> list[str]:
    """The names of the output [T, B, W] and the final states [B, W].

    Args:
        inputs: by the engines' names (`tenuto.engines.problem`).
        one_step: whether T is 1 for ever: then the step stands there without a loop.
    Raises:
        ArgumentError: resets, or weights that are computed from what goes in.
    """
    if form.resets or form.packed:
        raise ArgumentError("a layer with resets cannot be exported." if form.resets else "a packed sequence cannot be exported.", fix="lengths= and a state")
    weights = {name: _known(name, one) for name, one in inputs.items() if name in ("weight_ih", "bias") or name[:2] in ("U.", "p.")}
    found = native(scribe, form, {name: one.name for name, one in inputs.items()}, weights)
    return found if found is not None else _printed(scribe, form, inputs, weights, one_step)


def _known(name: str, one: Given) -> np.ndarray:
    if one.value is None:
        raise ArgumentError(f"the weight {name} of a layer is computed from what goes in.", expected="weights that stay as they are", fix="a module whose weights are parameters or buffers")
    return one.value


def _printed(scribe: Scribe, form: Form, inputs: Mapping[str, Given], weights: Mapping[str, np.ndarray], one_step: bool) -> list[str]:
    cell, traced = form.cell, form.traced
    hidden = weights["weight_ih"].shape[0] // form.gates
    x = inputs["x"].name
    projected = scribe.op("MatMul", x, scribe.constant(weights["weight_ih"].T))  # [T, B, G * H], for all steps at once
    if "bias" in weights:
        projected = scribe.op("Add", projected, scribe.constant(weights["bias"]))
    matrices = {
        stack.name: scribe.constant(dense(weights[f"U.{stack.name}"], [size_of(width, hidden) for width in stack.widths], stack.heads)) for stack in traced.stacks
    }
    fixed: dict[Key, str] = {("parameter", name): scribe.constant(weights[f"p.{name}"][None]) for name in cell.widths("parameters")}
    steps = {"gates": projected, **{name: _stream(scribe, inputs[f"stream.{name}"], x) for name in cell.widths("streams")}}  # [T, B, ...] each
    if form.lengths:
        steps["live"] = live(scribe, x, inputs["lengths"].name)
    parts = Parts(form, hidden, fixed, matrices, steps, {name: inputs[f"s.{name}"].name for name in cell.widths("state")}, scribe.size(x, 1))
    stages = None if one_step else linear(traced)
    if stages is not None:
        return at_once(scribe, parts, stages, weights)
    if one_step:
        output, new = _step(scribe, parts, {name: scribe.op("Squeeze", value, scribe.whole(0)) for name, value in steps.items()}, parts.start)
        return [scribe.op("Unsqueeze", output, scribe.whole(0)), *new]
    return _scan(scribe, parts)


def _step(scribe: Scribe, parts: Parts, now: Mapping[str, str], before: Mapping[str, str]) -> tuple[str, list[str]]:
    """The output and the new states of a step, [B, W] each, from what there is for it and the states before it."""
    traced = parts.form.traced
    values = {**parts.values(scribe, now), **{("state", name): value for name, value in before.items()}}
    printer, results = StepPrinter(scribe, traced, parts.hidden, values, parts.matrices, parts.rows), dict(traced.forward.outputs)
    output, new = printer.full(results["output", "output"]), [printer.full(results["state", name]) for name in before]
    if "live" in now:
        output = scribe.op("Where", now["live"], output, scribe.constant(0.0))
        new = [scribe.op("Where", now["live"], after, before[name]) for name, after in zip(before, new)]
    return output, new


def _scan(scribe: Scribe, parts: Parts) -> list[str]:
    """One step an iteration. (Several were measured, cells of 16 to 128 units in ONNX Runtime 1.31: 2, 4, 8 or 16 take the same time or up to twice as much,
    since what an iteration costs is little beside its operators, and cutting and joining its steps are operators too.)"""
    from onnx import TensorProto, helper

    form, hidden, steps, start = parts.form, parts.hidden, parts.steps, parts.start
    inside, cell, width = scribe.inner(), form.cell, size_of(output_width(form), hidden)
    widths = {"gates": hidden * form.gates, "live": 1, **{name: size_of(one, hidden) for name, one in cell.widths("streams").items()}}
    before, now = {name: inside.name(name) for name in start}, {name: inside.name(name) for name in steps}
    output, new = _step(inside, parts, now, before)
    new, output = [inside.op("Identity", value) for value in new], inside.op("Identity", output)  # a result of a body has a name that nothing else has
    info = lambda name, wide, kind=TensorProto.FLOAT: helper.make_tensor_value_info(name, kind, ["batch", wide])  # noqa: E731
    sizes = {name: size_of(one, hidden) for name, one in cell.widths("state").items()}
    graph = helper.make_graph(
        inside.nodes, scribe.name("step"),
        [*(info(before[name], sizes[name]) for name in start), *(info(now[name], widths[name], TensorProto.BOOL if name == "live" else TensorProto.FLOAT) for name in steps)],
        [*(info(value, sizes[name]) for name, value in zip(start, new)), info(output, width)],
    )  # fmt: skip
    turned = {"scan_input_directions": [1] * len(steps), "scan_output_directions": [1]} if form.reverse else {}
    *final, outputs = scribe.ops("Scan", [*start.values(), *steps.values()], len(start) + 1, body=graph, num_scan_inputs=len(steps), **turned)
    return [outputs, *final]


def live(scribe: Scribe, x: str, lengths: str) -> str:
    """[T, B, 1] bool: which steps are within their sequence's length."""
    count = scribe.op("Squeeze", scribe.size(x, 0), scribe.whole(0))
    steps = scribe.op("Unsqueeze", scribe.op("Range", scribe.constant(0, INT), count, scribe.constant(1, INT)), scribe.whole(1))
    return scribe.op("Unsqueeze", scribe.op("Less", steps, scribe.op("Unsqueeze", lengths, scribe.whole(0))), scribe.whole(2))


def _stream(scribe: Scribe, given: Given, x: str) -> str:
    """A stream [T, B, W]; one that is the same at every step, [1, B, W], is repeated."""
    shape = scribe.op("Concat", scribe.op("Shape", x, start=0, end=2), scribe.size(given.name, 2), axis=0)
    return scribe.op("Expand", given.name, shape)


