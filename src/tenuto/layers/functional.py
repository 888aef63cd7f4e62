"""One layer in one direction: checks, widening of 16-bit tensors, the choice of engine, the call."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from tenuto import engines
from tenuto.cell import Cell, state_type
from tenuto.engines import Form, Problem
from tenuto.engines.problem import size_of
from tenuto.errors import ShapeError, describe
from tenuto.program import cell_of, handle_of

Weights = Mapping[str, Any]


def recurrent(
    cell: Cell,
    x: Tensor,
    weights: Weights,
    initial_state: Any = None,
    *,
    lengths: Tensor | None = None,
    resets: Tensor | None = None,
    reset_state: Any = None,
    streams: Mapping[str, Tensor] | None = None,
    reverse: bool = False,
    engine: str = "auto",
) -> tuple[Tensor, Any]:
    """Runs a cell over a sequence; differentiable to any order in every float argument.

    Args:
        cell: the maths of one step.
        x: [T, B, I] float. Padding after a sequence's length is never read.
        weights: "weight_ih" [G*H, I]; "bias" [G*H] or None; "U", a dictionary by gate or product name, each [out, in]
            ([out, in / heads] where the cell has heads); "parameters", a dictionary by name, each [H].
        initial_state: [B, W] tensors in the cell's order of states, or None for zeros.
        lengths: [B] int, in steps, 0..T. Steps beyond keep the state and put out zeros.
        resets: [T, B] bool. Where true, the state returns to `reset_state` before that step.
        reset_state: [B, W] tensors, or None for zeros.
        streams: the cell's streams by name, each [T, B, W], or [1, B, W] where every step has the same.
        reverse: from the last step of each sequence to the first; the output stays in the order of time.
        engine: "auto", or the name of one.
    Returns:
        output [T, B, W]; the final state, a named tuple of [B, W].
    Raises:
        ShapeError: a tensor does not fit, with what would.
        EngineError: the engine asked for cannot run this.
    Note:
        16-bit tensors, and all under autocast, are computed in float32; the output has x's dtype (autocast's under autocast).
    """
    U, stacks = weights["U"], Form(cell).traced.stacks
    tensors = layer_tensors(
        x,
        weights["weight_ih"],
        weights.get("bias"),
        {stack.name: _stacked([U[name] for name in stack.products]) for stack in stacks},
        weights.get("parameters") or {},
        streams or {},
        lengths=lengths,
        resets=resets,
    )
    output, *final = run_layer(handle_of(cell), tensors, list(initial_state or ()), list(reset_state or ()), reverse, engine)
    return output, state_type(tuple(cell.widths("state")))(*final)


def _stacked(parts: list[Tensor]) -> Tensor:
    return parts[0] if len(parts) == 1 else torch.cat(parts)


def layer_tensors(
    x: Tensor,
    weight_ih: Tensor,
    bias: Tensor | None,
    products: Mapping[str, Tensor],
    parameters: Mapping[str, Tensor],
    streams: Mapping[str, Tensor],
    *,
    lengths: Tensor | None,
    resets: Tensor | None,
) -> dict[str, Tensor]:
    """A layer's tensors by the engines' names (see `engines.problem`), but for the states."""
    tensors = {"x": x, "weight_ih": weight_ih}
    tensors |= {f"U.{name}": weight for name, weight in products.items()}
    tensors |= {f"p.{name}": value for name, value in parameters.items()}
    tensors |= {f"stream.{name}": value for name, value in streams.items()}
    optional = {"bias": bias, "lengths": lengths, "resets": resets}
    return tensors | {name: value for name, value in optional.items() if value is not None}


@torch._dynamo.nonstrict_trace  # Dynamo looks no deeper: below here are cells, caches and engines, not tensors
def run_layer(
    handle: str,
    tensors: dict[str, Tensor],
    initial_state: list[Tensor],
    reset_state: list[Tensor],
    reverse: bool,
    engine: str,
) -> list[Tensor]:
    """As `recurrent`, on tensors by the engines' names and the cell's handle (`program.handle_of`); no states: zeros.

    Returns:
        the output, then the final states.
    """
    form, inputs, result_dtype = bind(cell_of(handle), tensors, initial_state, reset_state, reverse)
    gradients = engines.needs_gradients(inputs)
    chosen = engines.choose(Problem.of(form, inputs, gradients), engine)
    output, final = engines.time_loop(form, chosen, inputs, gradients)
    return [value.to(result_dtype) for value in (output, *final)]


def bind(
    cell: Cell, tensors: Mapping[str, Tensor], initial_state: list[Tensor], reset_state: list[Tensor], reverse: bool
) -> tuple[Form, dict[str, Tensor], torch.dtype]:
    """The engine's inputs by name, checked and in one dtype; and the dtype that the output is to have."""
    x, weight_ih = tensors["x"], tensors["weight_ih"]
    form = Form(cell, "bias" in tensors, "lengths" in tensors, "resets" in tensors, reverse)
    if x.dim() != 3:
        raise ShapeError("x has the wrong number of axes", expected="x [T, B, I]", received=f"x {describe(x)}")
    hidden, inputs = weight_ih.shape[0] // max(1, len(cell.widths("gates"))), dict(tensors)
    for prefix, given in (("s", initial_state), *((("r", reset_state),) if form.resets else ())):
        for number, (name, width) in enumerate(cell.widths("state").items()):
            size = x.shape[1], size_of(width, hidden)
            inputs[f"{prefix}.{name}"] = given[number] if given else x.new_zeros(size)
    for name in form.names:
        if name not in inputs:
            kind, _, rest = name.partition(".")
            wanted = f"streams={{{rest!r}: a tensor [T, B, {cell.widths('streams').get(rest)}]}}"
            raise ShapeError(f"the {kind} {rest!r} is missing", expected=wanted if kind == "stream" else None,
                             received=f"{sorted(inputs)}")
    if form.lengths:
        inputs["lengths"] = inputs["lengths"].to(device=x.device, dtype=torch.int64)
    if form.resets:
        inputs["resets"] = inputs["resets"].to(device=x.device, dtype=torch.bool)
    _check_shapes(form, inputs, hidden)
    compute, result = _dtypes(x, weight_ih)
    inputs = {
        name: tensor.to(compute) if tensor.is_floating_point() and tensor.dtype != compute else tensor
        for name, tensor in inputs.items()
    }
    return form, {name: inputs[name] for name in form.names}, result


def _dtypes(x: Tensor, weight: Tensor) -> tuple[torch.dtype, torch.dtype]:
    """The dtype to compute in and the dtype to give back: 16-bit tensors are computed in float32."""
    if torch.is_autocast_enabled(x.device.type) and x.dtype != torch.float64:
        return torch.float32, torch.get_autocast_dtype(x.device.type)
    if not x.is_floating_point() or x.dtype != weight.dtype:
        raise ShapeError(
            f"x is {x.dtype}, but the weights are {weight.dtype}",
            expected=f"x of dtype {weight.dtype}", received=f"x {describe(x)}", fix=f"x.to({weight.dtype}), or layer.to({x.dtype})",
        )  # fmt: skip
    return (torch.float32 if x.dtype in (torch.float16, torch.bfloat16) else x.dtype), x.dtype


def _check_shapes(form: Form, inputs: Mapping[str, Tensor], hidden: int) -> None:
    cell, x = form.cell, inputs["x"]
    time_steps, batch_size, input_size = x.shape
    expected: dict[str, tuple[int, ...]] = {"weight_ih": (len(cell.widths("gates")) * hidden, input_size)}
    if input_size != inputs["weight_ih"].shape[-1]:
        built = inputs["weight_ih"].shape[-1]
        raise ShapeError(
            f"x has {input_size} features but the layer was built for {built}", expected=f"x [T, B, {built}]",
            received=f"x {describe(x)}", fix=f"input_size={input_size}, or project x to {built} features first",
        )  # fmt: skip
    if form.bias:
        expected["bias"] = (len(cell.widths("gates")) * hidden,)
    for stack in form.traced.stacks:
        rows = sum(size_of(width, hidden) for width in stack.widths)
        expected[f"U.{stack.name}"] = (rows, size_of(stack.width_in, hidden) // stack.heads)
    expected |= {f"p.{name}": (size_of(width, hidden),) for name, width in cell.widths("parameters").items()}
    for prefix in ("s", "r") if form.resets else ("s",):
        for name, width in cell.widths("state").items():
            expected[f"{prefix}.{name}"] = (batch_size, size_of(width, hidden))
    if form.lengths:
        expected["lengths"] = (batch_size,)
    if form.resets:
        expected["resets"] = (time_steps, batch_size)
    for name, shape in expected.items():
        if tuple(inputs[name].shape) != shape:
            raise ShapeError(
                f"{_spoken(name)} has the wrong shape", expected=str(list(shape)), received=describe(inputs[name])
            )
    for name, width in cell.widths("streams").items():
        stream, wanted = inputs[f"stream.{name}"], (batch_size, size_of(width, hidden))
        if stream.dim() != 3 or stream.shape[1:] != wanted or stream.shape[0] not in (1, time_steps):
            raise ShapeError(f"the stream {name!r} has the wrong shape", expected=f"[{time_steps}, {wanted[0]}, {wanted[1]}]",
                             received=describe(stream))
    for name, tensor in inputs.items():
        if tensor.device != x.device:
            raise ShapeError(f"{_spoken(name)} is on {tensor.device}, but x is on {x.device}", fix=f"layer.to({str(x.device)!r})")


def _spoken(name: str) -> str:
    prefix, _, rest = name.partition(".")
    kinds = {"U": "the recurrent weight", "p": "the parameter", "s": "the initial state", "r": "the reset state"}
    return f"{kinds[prefix]} {rest}" if prefix in kinds else name


def check_lengths(lengths: Any, batch_size: int, time_steps: int, device: torch.device) -> Tensor:
    """Lengths as an int64 tensor on the device.

    Raises:
        ShapeError: not [B], or beyond 0..T.
    """
    tensor = torch.as_tensor(lengths, device=device)
    if tensor.shape != (batch_size,) or tensor.is_floating_point() or tensor.dtype == torch.bool:
        raise ShapeError("lengths has the wrong shape or dtype", expected=f"[{batch_size}] int", received=describe(tensor))
    if not torch.compiler.is_compiling() and tensor.device.type == "cpu" and batch_size:
        low, high = int(tensor.min()), int(tensor.max())
        if low < 0 or high > time_steps:
            wrong = int((tensor < 0).logical_or(tensor > time_steps).nonzero()[0])
            raise ShapeError(
                f"lengths[{wrong}] is {int(tensor[wrong])}, but x has {time_steps} steps",
                expected=f"values from 0 to {time_steps}", received=describe(tensor),
            )  # fmt: skip
    return tensor.to(torch.int64)
