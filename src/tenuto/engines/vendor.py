"""The vendor engine: torch's own LSTM, GRU and RNN (oneDNN and cuDNN underneath), for the cells that they compute.

On the CPU torch has an explicit forward and backward operation only for the float32 LSTM; for the rest autograd records
torch's function, or, in compiled code, runs it again.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from tenuto.cells import GRU, LSTM, Elman, ProjectionLSTM
from tenuto.engines import members, packed
from tenuto.engines.problem import Buffers, Form, No, Problem, Result, Stepper, Yes, empty_result, hidden_size
from tenuto.engines.reference import replay
from tenuto.engines.stepping import Repeated

_LSTM_MODE = 2  # at::native's code for an LSTM in mkldnn_rnn_layer


@lru_cache(maxsize=None)
def kernel_of(form: Form) -> str:
    """The name of torch's function for this cell ("lstm", "gru", "rnn_tanh", "rnn_relu"), or "" if it has none."""
    cell = form.cell
    if cell.heads != 1 or cell.rank is not None:
        return ""
    gates = (getattr(cell, "activation", ""), getattr(cell, "recurrent_activation", "sigmoid"))
    if type(cell) is Elman and cell.activation in ("tanh", "relu"):
        return f"rnn_{cell.activation}"
    if gates != ("tanh", "sigmoid"):
        return ""
    return {LSTM: "lstm", ProjectionLSTM: "lstm", GRU: "gru"}.get(type(cell), "")


class Vendor:
    """Calls the kernels that torch ships."""

    name = "vendor"

    def supports(self, problem: Problem) -> Yes | No:
        kernel = kernel_of(problem.form)
        if not kernel:
            return No(f"torch has no kernel for {problem.form.cell!r}")
        if problem.form.integers:
            return No("torch's kernels do not multiply whole numbers")
        if problem.form.sparse:
            return No("torch's kernels multiply with blocks of zeros too")
        if problem.form.resets:
            return No("torch's kernels cannot reset the state within a sequence")
        if not problem.symbolic and 0 in (problem.time_steps, problem.batch_size):
            return No("torch's kernels take no empty batch or sequence")
        return Yes(f"torch.{kernel}" + (" on packed sequences" if problem.form.lengths else ""))

    def rivals(self, problem: Problem) -> bool:
        """Whether torch's kernel is fused, so that it can be faster than ours; on the CPU the LSTM's alone is."""
        return problem.narrow is None and kernel_of(problem.form) == "lstm"

    def over_time(self, form: Form, inputs: Buffers, result: Result, state: str) -> None:
        return None

    def stepper(self, form: Form, inputs: Buffers) -> Stepper:
        return Repeated(self, form, inputs)

    def measurements(self) -> Path | None:
        return None

    def recorded(self, form: Form, inputs: Mapping[str, Tensor]) -> bool:
        return not _has_explicit_operation(form, inputs) and not members.transformed()  # torch.vmap does not know torch.lstm

    def foretells(self, form: Form, inputs: Mapping[str, Tensor]) -> bool:
        """Not how large oneDNN's workspace will be, where sizes are symbols."""
        return not _has_explicit_operation(form, inputs) or not Problem.of(form, inputs, True).symbolic

    def forward(self, form: Form, inputs: Buffers, keep: bool, foretold: bool = False) -> Result:
        if keep and _has_explicit_operation(form, inputs):
            return _onednn_forward(form, inputs)
        output, final = run(form, inputs)
        return Result(output, final, [])

    def again(self, form: Form, inputs: Buffers) -> None:
        return None

    def empty(self, form: Form, inputs: Buffers, keep: bool) -> Result:
        result = empty_result(form, inputs)
        if keep and _has_explicit_operation(form, inputs):
            size, dtype = _empty_workspace(*(int(n) for n in inputs["x"].shape), hidden_size(form, inputs))
            states = (inputs[name].new_empty(inputs[name].shape) for name in ("s.h", "s.c"))
            result.saved.extend((inputs["x"].new_empty(size, dtype=dtype), *states))
        return result

    def backward(
        self,
        form: Form,
        inputs: Buffers,
        result: Result,
        d_output: Tensor,
        d_final: list[Tensor],
        needs: frozenset[str],
    ) -> Buffers:
        if result.saved:  # which users' hooks on saved tensors may have given back with gaps
            result = Result(result.output.contiguous(), [t.contiguous() for t in result.final], [t.contiguous() for t in result.saved])
            return _onednn_backward(form, inputs, result, d_output, d_final, needs)
        return replay(run, form, inputs, d_output, d_final, needs)


class NarrowVendor(Vendor):
    """The same kernels in 16 bits, for 16-bit layers and under autocast: on processors that have such units they can beat float32.

    Args:
        dtype: torch.bfloat16 or torch.float16.
    """

    def __init__(self, dtype: torch.dtype) -> None:
        self.name = f"vendor in {str(dtype).removeprefix('torch.')}"
        self._dtype = dtype

    def supports(self, problem: Problem) -> Yes | No:
        if problem.narrow != self._dtype or problem.device.type != "cpu":
            return No(f"nothing is {str(self._dtype).removeprefix('torch.')} on a CPU here")
        return super().supports(problem)

    def rivals(self, problem: Problem) -> bool:
        return problem.narrow == self._dtype and kernel_of(problem.form) != ""

    def recorded(self, form: Form, inputs: Mapping[str, Tensor]) -> bool:
        return True

    def forward(self, form: Form, inputs: Buffers, keep: bool, foretold: bool = False) -> Result:
        output, final = self._run(form, inputs)
        return Result(output, final, [])

    def backward(
        self, form: Form, inputs: Buffers, result: Result, d_output: Tensor, d_final: list[Tensor], needs: frozenset[str]
    ) -> Buffers:
        return replay(self._run, form, inputs, d_output, d_final, needs)

    def _run(self, form: Form, inputs: Mapping[str, Tensor]) -> tuple[Tensor, list[Tensor]]:
        return run(form, {name: tensor.to(self._dtype) if tensor.is_floating_point() else tensor for name, tensor in inputs.items()})


def run(form: Form, inputs: Mapping[str, Tensor]) -> tuple[Tensor, list[Tensor]]:
    """Output and final states by torch's function; differentiable once on every device."""
    kernel, names = kernel_of(form), tuple(form.cell.widths("state"))
    start = [inputs[f"s.{name}"] for name in names]
    weights = _weights(form, inputs)
    x, function = inputs["x"], getattr(torch, kernel)
    if form.packed:
        packed.check(inputs["batch_sizes"], x.shape[0], start[0].shape[0])
        return _run_packed(form, x, inputs["batch_sizes"], start, weights)
    if form.lengths:
        return _run_lengths(form, inputs, start, weights)
    state = _as_torch(form, start)
    if form.reverse:
        x = x.flip(0)
    with warnings.catch_warnings():  # torch says once that oneDNN has no projections; the report says which engine runs
        warnings.filterwarnings("ignore", "LSTM with projections is not supported with oneDNN")
        output, *final = function(x, state, weights, True, 1, 0.0, False, False, False)
    return (output.flip(0) if form.reverse else output), [value[0] for value in final]


def run_to_any_order(form: Form, inputs: Mapping[str, Tensor]) -> tuple[Tensor, list[Tensor]] | None:
    """As `run`, differentiable any number of times; None where torch has no such loop.

    cuDNN's kernels have no second derivative, and that of the packed form takes time by the square of the steps.
    """
    problem = Problem.of(form, inputs, True)
    return run(form, inputs) if problem.device.type == "cpu" and not form.lengths and Vendor().supports(problem) else None


def _as_torch(form: Form, start: list[Tensor]) -> Any:
    """States [B, W] as torch's function takes them."""
    return tuple(value[None] for value in start) if kernel_of(form) == "lstm" else start[0][None]


def _run_lengths(form: Form, inputs: Mapping[str, Tensor], start: list[Tensor], weights: list[Tensor]) -> tuple[Tensor, list[Tensor]]:
    """As `run`, on padded sequences of different lengths; rows of length 0 keep their state."""
    lengths, x = inputs["lengths"], inputs["x"]
    sequences = pack_padded_sequence(x, lengths.clamp(min=1).cpu(), enforce_sorted=False)
    order, undo = sequences.sorted_indices, sequences.unsorted_indices
    data, final = _run_packed(form, sequences.data, sequences.batch_sizes, [value[order] for value in start], weights)  # type: ignore[index]
    output, _ = pad_packed_sequence(sequences._replace(data=data), total_length=x.shape[0])
    some = (lengths > 0)[:, None]
    ends = [torch.where(some, value[undo], before) for value, before in zip(final, start, strict=True)]  # type: ignore[index]
    return torch.where(some, output, 0), ends


def _run_packed(form: Form, x: Tensor, batch_sizes: Tensor, start: list[Tensor], weights: list[Tensor]) -> tuple[Tensor, list[Tensor]]:
    """As `run`, on packed sequences: x [N, I]. Those of no steps, the last ones, keep their state."""
    some = int(batch_sizes[0])
    turned = packed.backwards(batch_sizes, x.shape[0], start[0].shape[0]).to(x.device) if form.reverse else None
    x = x if turned is None else x[turned]
    output, *final = getattr(torch, kernel_of(form))(x, batch_sizes, _as_torch(form, [value[:some] for value in start]), weights, True, 1, 0.0, False, False)
    ends = [torch.cat([value[0], before[some:]]) for value, before in zip(final, start, strict=True)]
    return (output if turned is None else output[turned]), ends


def _weights(form: Form, inputs: Mapping[str, Tensor]) -> list[Tensor]:
    """torch's list of weights: W, U, both biases, and the projection of an LSTM that has one."""
    weight_ih, stacks = inputs["weight_ih"], form.traced.stacks
    zeros = weight_ih.new_zeros(weight_ih.shape[0])
    recurrent_bias = zeros
    if isinstance(form.cell, GRU):
        recurrent_bias = torch.cat([zeros[: 2 * hidden_size(form, inputs)], inputs["p.recurrent_bias"]])
    weights = [weight_ih, inputs[f"U.{stacks[0].name}"], inputs.get("bias", zeros), recurrent_bias]
    return weights + [inputs[f"U.{stack.name}"] for stack in stacks[1:]]


# --- the float32 LSTM of oneDNN, explicitly -------------------------------------------------------------------------------


def _has_explicit_operation(form: Form, inputs: Mapping[str, Tensor]) -> bool:
    x = inputs["x"]
    plain = type(form.cell) is LSTM and not form.lengths and x.device.type == "cpu" and x.dtype == torch.float32
    return plain and torch.backends.mkldnn.is_available()


@lru_cache(maxsize=None)
def _empty_workspace(time_steps: int, batch_size: int, input_size: int, hidden: int) -> tuple[int, torch.dtype]:
    """The size and dtype of oneDNN's workspace for a shape, which only oneDNN knows."""
    with torch.utils._python_dispatch._disable_current_modes():
        zeros = partial(torch.zeros, dtype=torch.float32, device="cpu")
        weights = [zeros(4 * hidden, n) for n in (input_size, hidden)] + [zeros(4 * hidden)] * 2
        x, start = zeros(time_steps, batch_size, input_size), zeros(batch_size, hidden)
        workspace = _onednn(x, weights, start, start, False, hidden)[3]
    return workspace.numel(), workspace.dtype


def _onednn(x, weights, h, c, reverse, hidden):  # type: ignore[no-untyped-def]
    with torch.enable_grad():  # the gradient mode decides whether oneDNN keeps its workspace, whatever its argument `train` says
        return torch.ops.aten.mkldnn_rnn_layer(
            x, *weights, h, c, reverse, [], _LSTM_MODE, hidden, 1, True, False, False, True
        )


def _call_onednn(form: Form, inputs: Mapping[str, Tensor]) -> tuple[Tensor, ...]:
    hidden = hidden_size(form, inputs)
    weights = [weight.contiguous() for weight in _weights(form, inputs)]
    start = inputs["s.h"].contiguous(), inputs["s.c"].contiguous()
    return _onednn(inputs["x"].contiguous(), weights, *start, form.reverse, hidden)


def _onednn_forward(form: Form, inputs: Buffers) -> Result:
    output, h, c, workspace = _call_onednn(form, inputs)
    h, c = h.view_as(inputs["s.h"]), c.view_as(inputs["s.c"])
    return Result(output, [h.clone(), c.clone()], [workspace, h, c])  # backward reads the states, and the user may write into his


def _onednn_backward(form, inputs, result, d_output, d_final, needs):  # type: ignore[no-untyped-def]
    weights = [weight.contiguous() for weight in _weights(form, inputs)]
    start = inputs["s.h"].contiguous(), inputs["s.c"].contiguous()
    workspace, h, c = result.saved
    d_x, d_w, d_u, d_b, _, d_h, d_c = torch.ops.aten.mkldnn_rnn_layer_backward(
        inputs["x"].contiguous(), *weights, *start, result.output, h, c,
        d_output.contiguous(), *(gradient.contiguous() for gradient in d_final),
        form.reverse, _LSTM_MODE, hidden_size(form, inputs), 1, True, True, False, [], False, workspace,
    )  # fmt: skip
    found = {"x": d_x, "weight_ih": d_w, "bias": d_b, f"U.{form.traced.stacks[0].name}": d_u, "s.h": d_h, "s.c": d_c}
    return {name: found[name].reshape(inputs[name].shape).contiguous() for name in needs}
