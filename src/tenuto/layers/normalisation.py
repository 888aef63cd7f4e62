"""Layer normalisation whose derivatives are right to every order.

torch's own takes mean and deviation for constants from the third derivative on, and in gradients of tangents (torch 2.13), and says nothing:
https://github.com/pytorch/pytorch/issues/175754, https://github.com/pytorch/pytorch/issues/196700. Its first gradient is right, and fast.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from tenuto.activations import layer_norm
from tenuto.engines import members
from tenuto.engines.autograd import by_operations, ordinary


class LayerNorm(nn.LayerNorm):
    """`torch.nn.LayerNorm` over the last axis."""

    def forward(self, input: Tensor) -> Tensor:
        tensors = (input, self.weight, self.bias)
        if members.transformed() or by_operations(tensors):
            return _normalised(*tensors, self.eps)
        if ordinary(tensors) and not torch.is_autocast_enabled(input.device.type) and len({tensor.dtype for tensor in tensors}) == 1:
            return _Normalised.apply(*tensors, self.eps)  # type: ignore[no-any-return]
        return super().forward(input)  # in torch's graphs, which have no such derivatives


def _normalised(x: Tensor, weight: Tensor, bias: Tensor, eps: float) -> Tensor:
    return layer_norm(x, eps) * weight + bias


class _Normalised(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor, eps: float) -> Tensor:
        result, *moments = torch.native_layer_norm(x, x.shape[-1:], weight, bias, eps)
        ctx.eps = eps
        ctx.save_for_backward(x, weight, bias, *moments)
        return result

    @staticmethod
    def backward(ctx: Any, d_result: Tensor) -> tuple[Tensor | None, ...]:
        x, weight, bias, *moments = ctx.saved_tensors
        needed = ctx.needs_input_grad[:3]
        if not (torch.is_grad_enabled() or members.transformed() or members.hidden() or by_operations((x, d_result))):
            return *torch.ops.aten.native_layer_norm_backward(d_result, x, x.shape[-1:], *moments, weight, bias, list(needed)), None
        sources = [tensor.view_as(tensor) if need else tensor for tensor, need in zip((x, weight, bias), needed, strict=True)]
        with torch.enable_grad():
            result = _normalised(sources[0], sources[1], sources[2], ctx.eps)
        asked = [source for source, need in zip(sources, needed, strict=True) if need]
        found = iter(torch.autograd.grad(result, asked, d_result, create_graph=torch.is_grad_enabled()))
        return *(next(found) if need else None for need in needed), None
