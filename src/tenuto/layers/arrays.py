"""Lengths and resets as the time loop takes them, from whatever a user has: tensors, numpy arrays, lists."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy
import torch
from torch import Tensor

from tenuto.engines.autograd import ordinary
from tenuto.errors import ShapeError, describe
from tenuto.scalars import whole


def check_lengths(lengths: Any, batch_size: int, time_steps: int, device: torch.device) -> Tensor:
    """Lengths as an int64 tensor on the device.

    Raises:
        ShapeError: not [B], not integers, or beyond 0..T (checked on a CPU and outside of graphs, where that costs little).
    """
    def expected() -> str:  # only where something is wrong: to write a size in words would fix it in a graph with sizes that are symbols
        return f"[{batch_size}] int"

    if isinstance(lengths, (list, tuple)) and any(isinstance(length, numpy.generic) for length in lengths):
        settled = [whole(length) for length in lengths]  # numpy makes floats of a list of uint64 and int64
        lengths = lengths if None in settled else settled
    tensor = _as_tensor("lengths", lengths, expected, device)
    if batch_size == 0 and tensor.numel() == 0:
        return torch.zeros(0, dtype=torch.int64, device=device)  # an empty list has no integers to be seen
    if tensor.shape != (batch_size,) or tensor.is_floating_point() or tensor.is_complex() or tensor.dtype == torch.bool:
        said = "lengths are whole numbers of steps, one for each sequence"
        raise ShapeError("lengths has the wrong shape or dtype.", expected=expected(), received=describe(tensor), fix=said)
    tensor = tensor.to(torch.int64)
    if _readable(tensor):
        low, high = (int(value) for value in tensor.aminmax())
        if low < 0 or high > time_steps:
            wrong = int((tensor < 0).logical_or(tensor > time_steps).nonzero()[0])
            raise ShapeError(
                f"lengths[{wrong}] is {int(tensor[wrong])}, but x has {time_steps} steps.",
                expected=f"values from 0 to {time_steps}", received=describe(tensor),
                fix="lengths count steps of x; pad x at its end, or clamp the lengths",
            )  # fmt: skip
    return tensor


def check_resets(resets: Any, shape: tuple[int, ...], device: torch.device) -> Tensor:
    """Resets as a bool tensor on the device.

    Args:
        shape: what they must have, in the user's order of axes.
    Raises:
        ShapeError: another shape, or values other than true and false, 0 and 1 (looked at on a CPU and outside of graphs).
    """
    def expected() -> str:  # as in `check_lengths`
        return f"{list(shape)} bool, or 0 and 1"

    tensor = _as_tensor("resets", resets, expected, device)
    if tensor.shape != shape:
        turned = len(shape) == 2 and tensor.shape == shape[::-1]
        fix = "transpose resets: its axes are x's first two" if turned else "one value for each step of each sequence"
        raise ShapeError("resets has the wrong shape.", expected=expected(), received=describe(tensor), fix=fix)
    if tensor.dtype == torch.bool:
        return tensor
    if _readable(tensor) and tensor.numel():
        other = tensor[(tensor != 0).logical_and(tensor != 1)]
        if other.numel():
            raise ShapeError(f"resets holds {other[0].item()}.", expected=expected(), received=describe(tensor), fix="resets != 0, or whatever condition is meant")
    return tensor.to(torch.bool)


def _as_tensor(name: str, value: Any, expected: Callable[[], str], device: torch.device) -> Tensor:
    if isinstance(value, Tensor):
        return value.to(device)
    if torch.compiler.is_compiling():  # Dynamo makes operations of numpy's calls
        return torch.as_tensor(value, device=device)
    if isinstance(value, (list, tuple)) and value and all(isinstance(each, Tensor) for each in value):
        if len({each.shape for each in value}) == 1:
            return torch.stack([each.to(device) for each in value])
        raise ShapeError(f"{name} has rows of different lengths.", expected=expected(), received=", ".join(map(describe, value)))
    try:
        array = numpy.array(value, order="C")  # a copy: torch takes no array that is read-only or runs backwards
        if array.dtype == object:
            array = numpy.array(array.tolist())
    except (TypeError, ValueError, OverflowError):
        array = numpy.array(None)
    if array.dtype.kind not in "biufc":
        kind = type(value).__name__
        raise ShapeError(f"{name} is no array of numbers.", expected=expected(), received=f"{kind} {value!r:.60}", fix=f"torch.as_tensor({name}), or a list")
    return torch.as_tensor(array, device=device)


def _readable(tensor: Tensor) -> bool:
    """Whether values can be looked at, at little cost."""
    return not torch.compiler.is_compiling() and tensor.device.type == "cpu" and ordinary((tensor,))
