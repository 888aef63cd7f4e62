"""torch's operations before they become words of the grammar: what is kept whole (means over the channels), and what is taken apart."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from functools import lru_cache, partial
from typing import Any

import torch
from torch import Tensor, _decomp
from torch._decomp import get_decompositions
from torch.library import Library

# --- the mean as an operation of its own, and its adjoint, so that no trace holds a division by the width it ran with ----

_library = Library("tenuto_program", "DEF")
_library.define("mean(Tensor v) -> Tensor")
_library.define("spread(Tensor v, int width) -> Tensor")
_library.impl("mean", lambda v: v.mean(-1, keepdim=True), "CompositeExplicitAutograd")
_library.impl("spread", lambda v, width: (v / width).expand(*v.shape[:-1], width).clone(), "CompositeExplicitAutograd")


class _Mean(torch.autograd.Function):
    @staticmethod
    def forward(v: Tensor) -> Tensor:
        return torch.ops.tenuto_program.mean(v)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor], output: Tensor) -> None:
        ctx.width = inputs[0].shape[-1]

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        return torch.ops.tenuto_program.spread(gradient, ctx.width)


def mean(v: Tensor) -> Tensor:
    """The mean over the channels, as one operation in the trace."""
    return _Mean.apply(v)


def primitive(func: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Callable[[], Tensor] | None:
    """What to do instead of a torch call that would fix the width of the trace: for means and normalisations over the channels."""
    if not args or not isinstance(args[0], Tensor) or args[0].dim() != 2:
        return None
    v, options = args[0], dict(kwargs)
    dims = options.get("dim", args[1] if len(args) > 1 else None)
    last = not isinstance(dims, Tensor) and dims in (-1, 1, [-1], (-1,), [1], (1,))
    if func in (torch.mean, Tensor.mean) and last and (options.get("keepdim") or args[2:] == (True,)):
        return partial(mean, v)
    if func in (torch.nn.functional.layer_norm, torch.layer_norm):
        weight = options.get("weight", args[2] if len(args) > 2 else None)
        bias = options.get("bias", args[3] if len(args) > 3 else None)
        return partial(_layer_norm, v, weight, bias, options.get("eps", args[4] if len(args) > 4 else 1e-5))
    if func in (torch.softmax, torch.nn.functional.softmax, Tensor.softmax) and last:
        return partial(_softmax, v)
    return None


def _layer_norm(v: Tensor, weight: Tensor | None, bias: Tensor | None, eps: float) -> Tensor:
    from tenuto.activations import layer_norm

    scaled = layer_norm(v, eps) if weight is None else layer_norm(v, eps) * weight
    return scaled if bias is None else scaled + bias


def _softmax(v: Tensor) -> Tensor:
    from tenuto.activations import softmax

    return softmax(v)


# --- what is taken apart -----------------------------------------------------------------------------------------------------------

_BEYOND_CORE = """addcdiv addcmul celu clamp clamp_max clamp_min elu elu_backward gelu gelu_backward hardshrink hardsigmoid
hardsigmoid_backward hardswish hardswish_backward hardtanh hardtanh_backward leaky_relu leaky_relu_backward lerp log_sigmoid_backward
log_sigmoid_forward logaddexp mish mish_backward rsub selu sigmoid_backward silu softplus softplus_backward
softshrink softsign square tanh_backward threshold threshold_backward logit logit_backward"""


def _round(v: Tensor) -> Tensor:
    """To the nearest whole number; a half goes to the even one."""
    up = torch.floor(v + 0.5)
    odd = up - 2 * torch.floor(up / 2) == 1
    return torch.where((up - v == 0.5) & odd, up - 1, up)


def _asin(v: Tensor) -> Tensor:
    return torch.atan(v / torch.sqrt(1 - v * v))


def _asinh(v: Tensor) -> Tensor:
    size = torch.abs(v)
    return torch.sign(v) * torch.log1p(size + size * size / (1 + torch.sqrt(size * size + 1)))


# Operations that the grammar has no word for, written with the words that it has; and two that nearly every cell has.
_IN_OTHER_WORDS: dict[str, Callable[..., Tensor]] = {
    "ceil.default": lambda v: -torch.floor(-v),
    "trunc.default": lambda v: torch.sign(v) * torch.floor(torch.abs(v)),
    "round.default": _round,
    "tan.default": lambda v: torch.sin(v) / torch.cos(v),
    "asin.default": _asin,
    "acos.default": lambda v: math.pi / 2 - _asin(v),
    "sinh.default": lambda v: (torch.expm1(v) - torch.expm1(-v)) / 2,
    "cosh.default": lambda v: (torch.exp(v) + torch.exp(-v)) / 2,
    "asinh.default": _asinh,
    "acosh.default": lambda v: torch.log(v + torch.sqrt(v * v - 1)),
    "atanh.default": lambda v: (torch.log1p(v) - torch.log1p(-v)) / 2,
    "exp2.default": lambda v: torch.exp(v * math.log(2)),
    "log2.default": lambda v: torch.log(v) / math.log(2),
    "log10.default": lambda v: torch.log(v) / math.log(10),
    "erfc.default": lambda v: 1 - torch.erf(v),
    "hypot.default": lambda v, w: torch.sqrt(v * v + w * w),
    "copysign.Tensor": lambda v, w: torch.where(w < 0, -torch.abs(v), torch.abs(v)),
    "div.Tensor_mode": lambda v, w, rounding_mode: {None: lambda q: q, "floor": torch.floor, "trunc": torch.trunc}[rounding_mode](v / w),
    "sigmoid_backward.default": lambda d, y: d * (y * (1 - y)),  # torch's own says the same, and imports sympy to say it (0.3 s; torch 2.13)
    "tanh_backward.default": lambda d, y: d * (1 - y * y),
    "silu_backward.default": lambda d, v: d * torch.sigmoid(v) * (1 + v * (1 - torch.sigmoid(v))),
    "hardshrink_backward.default": lambda d, v, size: torch.where((v >= -size) & (v <= size), torch.zeros_like(d), d),
    "softshrink_backward.default": lambda d, v, size: torch.where((v >= -size) & (v <= size), torch.zeros_like(d), d),
    "remainder.Scalar": lambda v, w: v - w * torch.floor(v / w),
    "remainder.Tensor": lambda v, w: v - w * torch.floor(v / w),
}


# torch's own table: the public function looks through every operation of torch to make the same (0.2 s; torch 2.13).
_core = getattr(_decomp, "_core_aten_decompositions_post_autograd", _decomp.core_aten_decompositions)


@lru_cache(maxsize=None)
def decompositions() -> dict[Any, Callable[..., Any]]:
    """How torch's operations are made of simpler ones, by operation."""
    packets = [getattr(torch.ops.aten, name) for name in _BEYOND_CORE.split() if hasattr(torch.ops.aten, name)]
    other = {getattr(getattr(torch.ops.aten, name.split(".")[0]), name.split(".")[1]): made for name, made in _IN_OTHER_WORDS.items()}
    return {**_core(), **get_decompositions(packets), **other}
