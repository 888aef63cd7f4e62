"""One layer in one direction: its tensors by name, widening of 16-bit tensors, the choice of engine, the call."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor

from tenuto import engines, process
from tenuto.cell import Cell, state_type
from tenuto.engines import Form, Problem, autograd, members, operation
from tenuto.engines.problem import NOT_DIFFERENTIABLE, STATIC
from tenuto.errors import ShapeError, describe
from tenuto.layers import again
from tenuto.layers.arrays import check_lengths, check_resets
from tenuto.layers.checks import check_shapes, check_states, check_streams, check_weight, dtypes, sizes_of_states
from tenuto.layers.recording import refuse_onnx, tracing
from tenuto.layers.states import listed
from tenuto.program import Traced, handle_of, traced_of

Weights = Mapping[str, Any]
_WEIGHTS = ("weight_ih", "bias", "U.", "p.")


def recurrent(
    cell: Cell,
    x: Tensor,
    weights: Weights,
    initial_state: Any = None,
    *,
    lengths: Any = None,
    resets: Any = None,
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
        lengths: [B] int, in steps, 0..T. Later steps keep the state and give zeros; x and resets there are never read.
        resets: [T, B] bool. Where true, the state returns to `reset_state` before that step.
        reset_state: [B, W] tensors, or None for zeros.
        streams: the cell's streams by name, each [T, B, W], or [1, B, W] where every step has the same.
        reverse: runs from the last step of each sequence to the first; the output stays in the order of time.
        engine: "auto", or an engine's name.
    Returns:
        output [T, B, W]; the final state, a named tuple of [B, W].
    Raises:
        ShapeError: a tensor does not fit; says what would.
        ArgumentError: a stream that the cell does not declare.
        EngineError: the engine asked for cannot run this.
    Note:
        16-bit tensors, and all under autocast, are widened to float32, in which states and sums are kept; the output has x's dtype (autocast's under
        autocast). Of bfloat16, what is multiplied is rounded to bfloat16 where the processor multiplies that (AVX512-BF16): `layer.engine_report(x)` says so.
    """
    check_streams(streams or {}, cell.widths("streams"))
    U, stacks = weights["U"], Form(cell).traced.stacks
    own = layer_weights(
        weights["weight_ih"],
        weights.get("bias"),
        {stack.name: _stacked([U[name] for name in stack.products]) for stack in stacks},
        weights.get("parameters") or {},
        streams or {},
    )
    if x.dim() != 3:
        raise ShapeError("x has the wrong number of axes.", expected="x [T, B, I]", received=f"x {describe(x)}")
    steps, rows = x.shape[:2]
    lengths = None if lengths is None else check_lengths(lengths, rows, steps, x.device)
    resets = None if resets is None else check_resets(resets, (steps, rows), x.device)
    states = tuple(cell.widths("state"))
    start, back = ([] if given is None else listed(given, states, call="initial_state={}") for given in (initial_state, reset_state))
    output, *final = run_layer(handle_of(cell), layer_tensors(own, x, lengths, resets), start, back, reverse, engine)
    return released(output), state_type(states)(*final)


def released(output: Tensor) -> Tensor:
    """A layer's output as an ordinary tensor that the user may write into (`output.relu_()`): backward reads the layer's own."""
    return output.clone() if output.requires_grad or tracing() else output  # a trace may run with gradients later


def _stacked(parts: list[Tensor]) -> Tensor:
    return parts[0] if len(parts) == 1 else torch.cat(parts)


def layer_weights(
    weight_ih: Tensor,
    bias: Tensor | None,
    products: Mapping[str, Tensor],
    parameters: Mapping[str, Tensor],
    streams: Mapping[str, Tensor],
) -> dict[str, Tensor]:
    """A layer's weights and streams by the engines' names (see `engines.problem`)."""
    weights = {"weight_ih": weight_ih}
    if bias is not None:
        weights["bias"] = bias
    for prefix, tensors in (("U.", products), ("p.", parameters), ("stream.", streams)):
        for name, tensor in tensors.items():
            weights[prefix + name] = tensor
    return weights


def layer_tensors(
    weights: Mapping[str, Tensor], x: Tensor, lengths: Tensor | None = None, resets: Tensor | None = None, batch_sizes: Tensor | None = None
) -> dict[str, Tensor]:
    """All of a layer's tensors except the states, by the engines' names; `weights` are from `layer_weights`."""
    masks = {"lengths": lengths, "batch_sizes": batch_sizes, "resets": resets}
    return {"x": x, **weights, **{name: mask for name, mask in masks.items() if mask is not None}}


def run_layer(
    handle: str,
    tensors: dict[str, Tensor],
    initial_state: list[Tensor],
    reset_state: list[Tensor],
    reverse: bool,
    engine: str,
) -> list[Tensor]:
    """As `recurrent`, on tensors by the engines' names and the cell's handle (`program.handle_of`); empty lists of states mean zeros.

    With "batch_sizes" among the tensors, rows are packed. Then `initial_state` is given, which alone tells how many sequences there are.

    Returns:
        the output, then the final states.
    """
    if torch.compiler.is_compiling():
        _tell_dynamo()
    return _run(handle, tensors, initial_state, reset_state, reverse, engines.settled(engine))


def _run(
    handle: str,
    tensors: dict[str, Tensor],
    initial_state: list[Tensor],
    reset_state: list[Tensor],
    reverse: bool,
    engine: str,
) -> list[Tensor]:
    key = again.key_of(handle, tensors, initial_state, reverse, engine) if again.ordinary() else None
    if key is not None and (results := again.run(key, tensors, initial_state)) is not None:
        return results
    form, inputs, result_dtype = bind(traced_of(handle), tensors, initial_state, reset_state, reverse)
    with autograd.exact(inputs["x"].device):
        output, final = _loop(form, inputs, engine, result_dtype, key)
    if output.dtype == result_dtype:
        return [output, *final]
    return [value.to(result_dtype) for value in (output, *final)]


def _loop(form: Form, inputs: dict[str, Tensor], engine: str, result_dtype: torch.dtype, key: Hashable | None) -> tuple[Tensor, list[Tensor]]:
    if autograd.by_operations(inputs.values()):
        engines.refuse_operations(engine)
    elif operation.listened(inputs.values()):
        refuse_onnx()
        return operation.call(form, engines.narrowed(engine, inputs["x"].dtype, result_dtype), inputs)
    gradients = engines.needs_gradients(inputs)
    if engine == "auto" and members.many(form, inputs):
        engine = engines.wanted(engine, otherwise="reference")
    chosen = engines.choose(Problem.of(form, inputs, gradients, result_dtype), engine)
    results = engines.time_loop(form, chosen, inputs, gradients)
    if key is not None:
        again.remember(key, form, inputs, chosen, gradients)
    return results


def _tell_dynamo() -> bool:
    """Keeps Dynamo from looking deeper than `_run`, below which are cells, caches and engines, not tensors.

    Dynamo calls this itself when it comes to a layer. Telling it at import, or with the first layer, would mean loading it,
    which takes longer (1.7 s) than loading all of tenuto.
    """
    torch._dynamo.allow_in_graph(_run)
    return True


_tell_dynamo._dynamo_marked_constant = True  # type: ignore[attr-defined]  # as torch.compiler.assume_constant_result does, which loads Dynamo


@lru_cache(maxsize=4096)
def _form(traced: Traced, *flags: Any) -> Form:
    """One object per form, so that other tables find it without comparing cells."""
    return Form(traced.cell, *flags, traced=traced)


def bind(
    traced: Traced, tensors: Mapping[str, Tensor], initial_state: list[Tensor], reset_state: list[Tensor], reverse: bool
) -> tuple[Form, dict[str, Tensor], torch.dtype]:
    """The engine's inputs by name, checked and in one dtype; and the dtype that the output is to have.

    Raises:
        ShapeError: a tensor is missing or does not fit.
    """
    process.tell_torch()
    x, weight_ih, packed = tensors["x"], tensors["weight_ih"], "batch_sizes" in tensors
    integers = "scale.weight_ih" in tensors
    static = next((bits for bits in STATIC if f"most{bits}.weight_ih" in tensors), 0) if integers else 0
    form = _form(traced, "bias" in tensors, packed or "lengths" in tensors, "resets" in tensors, reverse, packed, integers, static, "blocks" in tensors)
    if x.dim() != (2 if packed else 3):
        raise ShapeError("x has the wrong number of axes.", expected="packed rows [N, I]" if packed else "x [T, B, I]", received=f"x {describe(x)}")
    batch_size = initial_state[0].shape[0] if packed else x.shape[1]
    compute, result = dtypes(x, tensors["scale.weight_ih"] if integers else weight_ih)
    hidden = weight_ih.shape[0] // form.gates
    states, inputs = sizes_of_states(form, hidden), dict(tensors)
    for prefix, given in (("s.", initial_state), ("r.", reset_state)) if form.resets else (("s.", initial_state),):
        if given:
            named = {prefix + name: state for (name, _), state in zip(states, given)}
            check_states(named, x, compute)
            inputs.update(named)
        else:
            inputs.update((prefix + name, x.new_zeros(batch_size, size)) for name, size in states)
    try:
        inputs = {name: inputs[name] for name in form.names}
    except KeyError as missing:
        raise _missing(traced.cell, missing.args[0], inputs) from None
    if packed:
        inputs["batch_sizes"] = inputs["batch_sizes"].to(device="cpu", dtype=torch.int64)
    check_shapes(form, inputs, hidden)
    if form.resets and form.lengths and not packed:  # padding may hold anything, resets included
        inputs["resets"] = inputs["resets"] & (torch.arange(x.shape[0], device=x.device)[:, None] < inputs["lengths"])
    for name, tensor in inputs.items():
        if tensor.dtype != compute and name not in NOT_DIFFERENTIABLE and tensor.dtype != torch.int8:
            if name.startswith(_WEIGHTS):
                check_weight(name, tensor, compute)
            inputs[name] = tensor.to(compute)
    return form, inputs, result


def _missing(cell: Cell, name: str, inputs: Mapping[str, Tensor]) -> ShapeError:
    role, _, rest = name.partition(".")
    wanted = f"streams={{{rest!r}: a tensor [T, B, {cell.widths('streams').get(rest)}]}}"
    return ShapeError(
        f"the {role} {rest!r} is missing.", expected=wanted if role == "stream" else None, received=", ".join(sorted(inputs))
    )
