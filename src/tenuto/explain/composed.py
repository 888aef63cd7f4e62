"""Operations as what they are made of, where a rule of the whole would hide how the parts work together: norms, softmax, pooling, attention.

Each function runs under the tape, which sees the operations inside. Softmax takes away the larger of both runs' maxima: a number that is the same in
both, so that no difference goes to it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import _disable_current_modes

if TYPE_CHECKING:
    from tenuto.explain.tape import Tape


def _layer_norm(tape: Tape, x: Tensor, shape: Sequence[int], weight: Tensor | None, bias: Tensor | None, eps: float) -> tuple[Tensor, ...]:
    axes = list(range(x.dim() - len(shape), x.dim()))
    centre = x.mean(axes, keepdim=True)
    centred = x - centre
    scale = torch.rsqrt((centred * centred).mean(axes, keepdim=True) + eps)
    result = centred * scale
    result = result if weight is None else result * weight
    return (result if bias is None else result + bias), centre, scale


def _group_norm(
    tape: Tape, x: Tensor, weight: Tensor | None, bias: Tensor | None, rows: int, channels: int, pixels: int, groups: int, eps: float
) -> tuple[Tensor, ...]:
    parts = x.reshape(rows, groups, -1)
    result, centre, scale = _layer_norm(tape, parts, parts.shape[-1:], None, None, eps)
    result, shape = result.reshape(x.shape), [1, channels, *[1] * (x.dim() - 2)]
    result = result if weight is None else result * weight.reshape(shape)
    return (result if bias is None else result + bias.reshape(shape)), centre.reshape(rows, groups), scale.reshape(rows, groups)


def _batch_norm(tape: Tape, x: Tensor, weight: Any, bias: Any, mean: Tensor, var: Tensor, *rest: Any) -> tuple[Tensor, ...]:
    """In evaluation: a scale and a shift for each channel."""
    shape = [1, -1, *[1] * (x.dim() - 2)]
    scale = torch.rsqrt(var + rest[-1])
    result = (x - mean.reshape(shape)) * scale.reshape(shape)
    result = result if weight is None else result * weight.reshape(shape)
    return (result if bias is None else result + bias.reshape(shape)), mean.new_empty(0), mean.new_empty(0)


def _trained_batch_norm(tape: Tape, x: Tensor, weight: Any, bias: Any, mean: Any, var: Any, training: bool, momentum: float, eps: float) -> tuple[Tensor, ...]:
    from tenuto.explain.tape import refusal

    if training and x.shape[0] == 1:  # how torch makes an instance norm: rows and channels on one axis, each normalised by itself
        shape = [1, -1, *[1] * (x.dim() - 2)]
        result, centre, scale = _layer_norm(tape, x, x.shape[2:], None, None, eps)
        result = result if weight is None else result * weight.reshape(shape)
        return (result if bias is None else result + bias.reshape(shape)), centre, scale
    if training or mean is None:
        raise refusal("a normalisation over the batch mixes the rows", "model.eval()")
    return _batch_norm(tape, x, weight, bias, mean, var, momentum, eps)


def _top(tape: Tape, x: Tensor, axes: Any) -> Tensor:
    """The larger of both runs' maxima, the same in both; zero where that is minus infinity."""
    with _disable_current_modes():
        top = torch.maximum(tape.value_of(x).amax(axes, keepdim=True), tape.reference_of(x).amax(axes, keepdim=True))
        return torch.where(torch.isfinite(top), top, 0)


def _log_sum_exp(tape: Tape, x: Tensor, axes: Any, keep: bool = False) -> Tensor:
    top = _top(tape, x, axes)
    total = torch.log(torch.exp(x - top).sum(axes, keepdim=True)) + top
    return total if keep else total.squeeze(axes)


def _log_softmax(tape: Tape, x: Tensor, axis: int, to_float: bool = False) -> Tensor:
    x = x.float() if to_float else x
    return x - _log_sum_exp(tape, x, [axis], True)


def _softmax(tape: Tape, x: Tensor, axis: int, to_float: bool = False) -> Tensor:
    return torch.exp(_log_softmax(tape, x, axis, to_float))


def _norm(tape: Tape, x: Tensor, order: float = 2, axes: Any = None, keep: bool = False, *, dtype: Any = None) -> Tensor:
    axes = list(range(x.dim())) if axes is None else axes
    if order == 1:
        return x.abs().sum(axes, keepdim=keep)
    if order != 2:
        from tenuto.explain.tape import refusal

        raise refusal(f"contributions have no rule for a norm of order {order}", "the norm of order 1 or 2")
    return torch.sqrt((x * x).sum(axes, keepdim=keep))


def _variance(tape: Tape, x: Tensor, axes: Any = None, *, correction: Any = None, keepdim: bool = False) -> Tensor:
    axes = list(range(x.dim())) if axes is None else list(axes)
    count = 1
    for axis in axes:
        count *= x.shape[axis]
    centred = x - x.mean(axes, keepdim=True)
    return (centred * centred).sum(axes, keepdim=keepdim) / (count - (1 if correction is None else correction))


def _deviation(tape: Tape, x: Tensor, axes: Any = None, *, correction: Any = None, keepdim: bool = False) -> Tensor:
    return torch.sqrt(_variance(tape, x, axes, correction=correction, keepdim=keepdim))


def _smallest(tape: Tape, x: Tensor, axes: Any = (), keep: bool = False) -> Tensor:
    return -((-x).amax(axes, keep))


def _max_pool(tape: Tape, x: Tensor, kernel: Any, stride: Any = (), padding: Any = 0, dilation: Any = 1, ceil: bool = False) -> tuple[Tensor, Tensor]:
    """Windows side by side, and the maximum of each."""
    from tenuto.explain.tape import refusal

    sides = len(kernel)
    stride = list(stride) or list(kernel)
    padding = [padding] * sides if isinstance(padding, int) else list(padding)
    dilation = [dilation] * sides if isinstance(dilation, int) else list(dilation)
    if ceil or any(d != 1 for d in dilation):
        raise refusal("contributions have no rule for max pooling with dilation or ceil_mode", "dilation=1, ceil_mode=False")
    result = torch.nn.functional.pad(x, [p for side in reversed(padding) for p in (side, side)], value=float("-inf")) if any(padding) else x
    for side in range(sides):
        result = result.unfold(x.dim() - sides + side, kernel[side], stride[side])
    result = result.amax(list(range(result.dim() - sides, result.dim())))
    return result, result.new_zeros(result.shape, dtype=torch.int64)


def _attention(
    tape: Tape, q: Tensor, k: Tensor, v: Tensor, dropout: float = 0.0, causal: bool = False, *, attn_mask: Tensor | None = None, scale: float | None = None
) -> tuple[Tensor, Tensor]:
    if dropout:
        from tenuto.explain.tape import refusal

        raise refusal("an attention drops weights at random", "model.eval()")
    scores = (q @ k.transpose(-2, -1)) * (q.shape[-1] ** -0.5 if scale is None else scale)
    if causal:
        scores = scores.masked_fill(torch.ones(scores.shape[-2:], dtype=torch.bool, device=q.device).tril().logical_not(), float("-inf"))
    scores = scores if attn_mask is None else scores + attn_mask
    return torch.softmax(scores, -1) @ v, q.new_empty(0)


def _negative_log_likelihood(tape: Tape, x: Tensor, answers: Tensor, weight: Tensor | None, reduction: int, ignored: int) -> tuple[Tensor, Tensor]:
    """Of the right answers; reduction 0, 1, 2: none, mean, sum."""
    counted = answers != ignored
    chosen = torch.where(counted, answers, 0).unsqueeze(-1)
    share = counted.to(x.dtype) if weight is None else counted * weight[chosen.squeeze(-1)]
    each, total = -(x.gather(-1, chosen).squeeze(-1) * share), share.sum()
    return (each if reduction == 0 else each.sum() / total if reduction == 1 else each.sum()), total


COMPOSED: dict[str, Callable[..., Any]] = {
    "aten.native_layer_norm.default": _layer_norm,
    "aten.native_group_norm.default": _group_norm,
    "aten._native_batch_norm_legit_no_training.default": _batch_norm,
    "aten.native_batch_norm.default": _trained_batch_norm,
    "aten._softmax.default": _softmax,
    "aten._log_softmax.default": _log_softmax,
    "aten.logsumexp.default": _log_sum_exp,
    "aten.nll_loss_forward.default": _negative_log_likelihood,
    "aten.linalg_vector_norm.default": _norm,
    "aten.var.correction": _variance,
    "aten.std.correction": _deviation,
    "aten.amin.default": _smallest,
    "aten.max_pool2d_with_indices.default": _max_pool,
    "aten._scaled_dot_product_flash_attention_for_cpu.default": _attention,
}
