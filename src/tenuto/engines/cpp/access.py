"""Compiled steps of a memory outside the state: what the heads of a DNC or an NTM do in one step of all rows of a batch, forward and backward.

Unlike a cell's, these kernels are written by hand (kernels/dnc.cpp, ntm.cpp), since a memory is no program of channels; what a controller says comes in, and its gradient comes out.
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from ctypes import c_int64, c_void_p
from typing import NamedTuple

import torch
from torch import Tensor

from tenuto import process
from tenuto.engines.cpp import library, pool, written
from tenuto.engines.cpp.memory import address, empty

_MOST_PARTS = 8
_SIZES = ("batch", "rows", "width", "reads", "writes", "reach", "masked", "deallocating", "linked", "sharpened", "said_width", "threads", "older")
_LINK = 5  # the place of a DNC's links in its state
_EVERY = 4  # the links after every so many steps are kept; those between follow from them again, in a core's own cache


class _Access(ctypes.Structure):
    """`Access` of kernels/addressing.h, field by field."""

    _fields_ = [
        *((name, c_int64) for name in _SIZES),
        *((name, c_void_p) for name in ("said", "d_said", "kept", "scratch", "live", "resets")),
        *((name, c_void_p * _MOST_PARTS) for name in ("before", "after", "first", "d")),
    ]


class Heads(NamedTuple):
    """A memory and its heads, as a kernel is told: `kernel` is its name. `said`: how many numbers a controller says to it. The others are those of `layers.DNC` and `layers.NTM`."""

    kernel: str
    said: int
    rows: int
    width: int
    reads: int
    writes: int = 1
    reach: int = 0
    masked: bool = False
    deallocating: bool = False
    linked: bool = False
    sharpened: bool = False


def obstacle(kernel: str, dtype: torch.dtype) -> str:
    """Why there is no such kernel for this dtype, in words; "" if there is, and then it is loaded. What failed once is not tried again."""
    if dtype not in (torch.float32, torch.float64):
        return f"kernels are for float32 and float64, not {str(dtype).removeprefix('torch.')}"
    return written.obstacle(kernel, library.bits_of(dtype))


class Steps:
    """The steps of one memory for one batch. States lie in slots, a tensor [slots, B, ...] for each part, in the order of the state.

    Step t goes from slot t to slot t + 1. Without `keep` there is but one slot, and a step goes from it to itself. Of a DNC's links, which are most of what is kept, there is a slot for
    every fourth step, and one for those between.

    Args:
        heads: what the memory is. parts: the state before the first step, [B, ...] each. count: how many steps.
        keep: whether backward will follow. first: what resets return to, for each part; empty without resets.
    Attributes:
        slots: for each part.
    """

    def __init__(self, heads: Heads, parts: Sequence[Tensor], count: int, keep: bool, first: Sequence[Tensor]) -> None:
        dtype, batch_size = parts[0].dtype, len(parts[0])
        self._count, self._every = count, _EVERY if keep and heads.linked and not first else 1
        slots = []
        for number, part in enumerate(parts):
            room = 1 if not keep else count + 1 if number != _LINK or self._every == 1 else count // self._every + 2
            slots.append(pool.of_shape((room, *part.shape), dtype))
            slots[-1][0].copy_(part)
        self._library = written.load(heads.kernel, library.bits_of(dtype))
        threads = min(process.threads(), batch_size)
        sizes = {**heads._asdict(), "said_width": heads.said, "batch": batch_size, "threads": threads, "older": 0}
        self._access = access = _Access(**{name: int(sizes[name]) for name in _SIZES})
        self._where = ctypes.addressof(access)
        self._scratch = empty(threads * self._library.tenuto_scratch(self._where), dtype=dtype)
        access.scratch = address(self._scratch)
        self._width = batch_size * self._library.tenuto_kept(self._where) if keep else 0
        self._hold(slots, pool.shared().empty(max(1, count), self._width, dtype) if keep else empty(0, dtype=dtype))
        self._first = list(first)
        for number, part in enumerate(first):
            access.first[number] = address(part)
        self._parallel = library.thread_pool() if threads > 1 else library.NOBODY

    def _hold(self, slots: Sequence[Tensor], kept: Tensor) -> None:
        self.slots, self._kept = slots, kept
        self._at = [(address(slot), slot.stride(0) * slot.element_size() if len(slot) > 1 else 0) for slot in slots]

    def after(self) -> list[Tensor]:
        """The state after the last step, in the slots where it lies."""
        whole = self._count % self._every == 0
        return [slot[self._count // self._every] if number == _LINK and whole and len(slot) > 1 else slot[-1] for number, slot in enumerate(self.slots)]

    def release(self) -> list[Tensor]:
        """All that backward needs, for autograd to keep; these steps hold none of it any more."""
        found = [*self.slots, self._kept]
        self.slots, self._kept = (), empty(0, dtype=self._kept.dtype)
        return found

    def restore(self, tensors: Sequence[Tensor]) -> None:
        """What `release` gave, without gaps."""
        *slots, kept = tensors
        self._hold(slots, kept)

    def _pose(self, t: int, said: Tensor, live: Tensor | None, resets: Tensor | None, back: bool) -> None:
        access = self._access
        access.said, access.live, access.resets = address(said), None if live is None else address(live), None if resets is None else address(resets)
        access.kept = address(self._kept) + t * self._width * said.element_size() if self._width else None
        before, after, every = access.before, access.after, self._every
        for number, (base, stride) in enumerate(self._at):
            before[number], after[number] = base + t * stride, base + (t + 1) * stride
        access.older = t % every
        if every > 1:
            base, stride = self._at[_LINK]
            kept, between = base + t // every * stride, base + (self._count // every + 1) * stride
            before[_LINK] = kept if back or not access.older else between
            after[_LINK] = between if (t + 1) % every else kept + stride

    def forward(self, t: int, said: Tensor, live: Tensor | None = None, resets: Tensor | None = None) -> None:
        """Step t: said [B, S]; live and resets [B] bool, contiguous. A row that is not live stays as it is."""
        self._pose(t, said, live, resets, False)
        self._library.tenuto_forward(self._where, *self._parallel)

    def backward(self, t: int, said: Tensor, d_said: Tensor, d_state: Sequence[Tensor], live: Tensor | None = None, resets: Tensor | None = None) -> None:
        """d_state: for each part [B, ...] the gradient of slot t + 1, which becomes that of slot t (that of the vectors read becomes zero, where a row is live).

        Where a row was reset, what becomes of them is the gradient of `first`.
        """
        self._pose(t, said, live, resets, True)
        access = self._access
        access.d_said = address(d_said)
        for number, part in enumerate(d_state):
            access.d[number] = address(part)
        self._library.tenuto_backward(self._where, *self._parallel)
