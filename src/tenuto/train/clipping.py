"""Gradients cut down before a step: each number, each weight, each row beside its weights, and all together by their norm.

Sources:    Pascanu, Mikolov, Bengio 2013, algorithm 1 (norm); Brock, De, Smith, Simonyan 2021, "High-performance large-scale image recognition without normalization", eq. 3 (rows:
            adaptive clipping; they leave out the last linear layer, here no weight is left out).
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn

from tenuto.train.launch import Launch, total
from tenuto.train.options import TrainingOptions
from tenuto.train.shared_out import own_part, whole

LEAST = 1e-3  # the norm that a row of weights counts as having, at least, so that rows of zeros learn


def clip(parameters: Iterable[nn.Parameter], options: TrainingOptions, launch: Launch) -> tuple[float, bool]:
    """Cut the gradients as the options say: `clip_value`, `clip_each`, `clip_ratio`, and then `clip_norm`.

    Returns:
        Their norm before anything is cut, over all processes; and whether anything was cut.
    """
    parameters = [parameter for parameter in parameters if parameter.grad is not None]
    first = options.clip_value is not None or options.clip_each is not None or options.clip_ratio is not None
    norm = _number(launch.clip_grad_norm_(parameters, math.inf if options.clip_norm is None or first else options.clip_norm))
    clipped = options.clip_norm is not None and norm > options.clip_norm
    if options.clip_value is not None:
        own = [own_part(parameter.grad) for parameter in parameters]  # type: ignore[arg-type]  # None was left out
        beyond = any(part.numel() and part.abs().max().item() > options.clip_value for part in own)
        clipped = clipped or total(launch, [beyond]) > [0]
        torch.nn.utils.clip_grad_value_(parameters, options.clip_value)
    if options.clip_each is not None:
        beyond = any([_to_norm(_gradient(parameter), options.clip_each) for parameter in parameters])
        clipped = clipped or beyond
    if options.clip_ratio is not None:
        beyond = any([_to_ratio(parameter, options.clip_ratio) for parameter in parameters])
        clipped = clipped or total(launch, [beyond]) > [0]
    if first and options.clip_norm is not None:
        launch.clip_grad_norm_(parameters, options.clip_norm)
    return norm, clipped


def _gradient(parameter: nn.Parameter) -> Tensor:
    assert parameter.grad is not None
    return parameter.grad


def _to_norm(gradient: Tensor, limit: float) -> bool:
    """Scales a gradient down to a norm. Whether it did; every process comes to the same."""
    norm = float(whole(gradient.norm()))
    if not norm > limit:
        return False
    gradient.mul_(limit / norm)
    return True


def _to_ratio(parameter: nn.Parameter, ratio: float) -> bool:
    """Scales each row of a gradient down to a share of the norm of its row of weights; of weights with one axis, all of it. Whether it did, in this process."""
    gradient = _gradient(parameter)
    if parameter.ndim < 2:
        limit = ratio * max(float(whole(parameter.detach().norm())), LEAST)
        return _to_norm(gradient, limit)
    weight, own = own_part(parameter.detach()), own_part(gradient)  # shared out by rows
    if not weight.numel():
        return False
    limits = ratio * weight.flatten(1).norm(dim=1).clamp(min=LEAST)
    norms = own.flatten(1).norm(dim=1)
    above = norms > limits
    own.mul_(torch.where(above, limits / norms, torch.ones_like(norms)).view(-1, *[1] * (own.ndim - 1)))
    return bool(above.any())


def _number(norm: Any) -> float:
    if norm is None:
        return math.nan
    return float(whole(norm))
