"""The loss of a transducer, compiled: what `networks/transducer.py` computes in torch, a row of the batch at a time.

Shapes: T frames, B batch, U symbols of the longest text, V symbols there are, the blank among them.
"""

from __future__ import annotations

import ctypes
from collections.abc import Mapping
from ctypes import c_int64, c_void_p

import torch
from torch import Tensor

from tenuto import process
from tenuto.engines.cpp import library, written
from tenuto.engines.cpp.memory import address, empty, in_main_memory, readable

_SIZES = ("steps", "rows", "places", "symbols", "threads", "scratch_size")
_ARRAYS = ("logits", "targets", "frames", "labels", "scratch", "losses", "kept", "weights", "gradient")


class _Posed(ctypes.Structure):
    """`Posed` of kernels/transducer.cpp, field by field."""

    _fields_ = [*((name, c_int64) for name in _SIZES), *((name, c_void_p) for name in _ARRAYS)]


def runs(logits: Tensor) -> bool:
    """Whether there is a kernel for such logits, which then is loaded: of 32 or 64 bits, without gaps, in main memory."""
    if logits.dtype not in (torch.float32, torch.float64) or not logits.is_contiguous() or not in_main_memory(logits.detach()):
        return False
    return not written.obstacle("transducer", library.bits_of(logits.dtype))


def forward(logits: Tensor, targets: Tensor, frames: Tensor, labels: Tensor, gradient: bool) -> tuple[Tensor, Tensor | None]:
    """The losses, [B] of the dtype of the logits; and what `backward` needs, if it is wanted: [3, T, B, U + 1].

    Args:
        logits: [T, B, U + 1, V], such that `runs`. targets: [B, U] int64, symbols or blanks. frames: [B] int64, 1..T. labels: [B] int64, 0..U.
    """
    steps, rows, places, _ = logits.shape
    kept = empty(3, steps, rows, places, dtype=logits.dtype) if gradient else None
    losses, threads = empty(rows, dtype=torch.float64), _threads(rows)
    size = max(3 * (frame + label) * (label + 1) + label + 2 for frame, label in zip(frames.tolist(), labels.tolist()))
    given = {"logits": logits, "targets": targets.contiguous(), "frames": frames.contiguous(), "labels": labels.contiguous(), "scratch": empty(threads, size, dtype=torch.float64), "losses": losses, "kept": kept}
    _call("tenuto_forward", given, threads, size)
    return losses.to(logits.dtype), kept


def backward(logits: Tensor, targets: Tensor, frames: Tensor, labels: Tensor, kept: Tensor, weights: Tensor) -> Tensor:
    """The gradient of the logits, of the sum of the losses by these weights, [B]. The others are those of `forward`."""
    shapes = {"logits": (*kept.shape[1:], logits.shape[-1]), "kept": (3, *logits.shape[:3])}
    found = readable({"logits": logits, "kept": kept, "weights": weights.to(logits.dtype)}, logits.dtype, shapes)  # hooks of autograd may have changed what was saved
    logits, kept, weights = (found[name].contiguous() for name in ("logits", "kept", "weights"))
    gradient = torch.empty_like(logits)
    given = {"logits": logits, "targets": targets.contiguous(), "frames": frames.contiguous(), "labels": labels.contiguous(), "kept": kept, "weights": weights, "gradient": gradient}
    _call("tenuto_backward", given, _threads(len(frames)), 0)
    return gradient


def _threads(rows: int) -> int:
    return min(process.threads(), rows)


def _call(function: str, given: Mapping[str, Tensor | None], threads: int, size: int) -> None:
    logits = given["logits"]
    assert logits is not None
    kernel = written.load("transducer", library.bits_of(logits.dtype))
    arrays = {name: None if tensor is None else address(tensor) for name, tensor in given.items()}
    posed = _Posed(*logits.shape, threads, size, **arrays)
    getattr(kernel, function)(ctypes.addressof(posed), *(library.thread_pool() if threads > 1 else library.NOBODY))
