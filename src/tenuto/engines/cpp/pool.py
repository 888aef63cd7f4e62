"""Memory that is used again: large tensors whose pages are already there.

A fresh large tensor is mapped anew and its pages fault in one by one, which can cost more than the arithmetic that fills it. Blocks
come from here instead, and return when the last tensor on them dies. The pool keeps at most `limit_bytes` of free blocks.
"""

from __future__ import annotations

import ctypes
import mmap
import os
import threading
import weakref
from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor

from tenuto.errors import ArgumentError

ENVIRONMENT = "TENUTO_POOL_BYTES"
SMALLEST = 1 << 20  # below this, malloc has warm memory of its own
_ROUND = 1 << 21  # a huge page


@dataclass(frozen=True)
class PoolReport:
    """What the pool holds: blocks that wait for the next tensor, and the bytes in tensors that are alive."""

    free_blocks: int
    free_bytes: int
    used_bytes: int
    limit_bytes: int


class Pool:
    """Blocks of memory by size; safe to use from any thread.

    Args:
        limit_bytes: how much memory may lie free; the block that was not used for longest goes first.
    """

    def __init__(self, limit_bytes: int) -> None:
        self.limit_bytes = limit_bytes
        self._free: dict[int, list[mmap.mmap]] = {}
        self._free_bytes = self._used_bytes = 0
        self._lock = threading.RLock()  # a finaliser may run inside of `empty`

    def empty(self, rows: int, width: int, dtype: torch.dtype) -> Tensor:
        """An uninitialised tensor [rows, width]."""
        size = rows * width * dtype.itemsize
        if size < SMALLEST:
            return torch.empty(rows, width, dtype=dtype)
        block_size = -(-size // _ROUND) * _ROUND
        with self._lock:
            block = self._take(block_size)
            self._used_bytes += len(block)
        view = (ctypes.c_char * size).from_buffer(block)
        weakref.finalize(view, self._give_back, block).atexit = False
        return torch.frombuffer(view, dtype=dtype, count=rows * width).view(rows, width)

    def _take(self, size: int) -> mmap.mmap:
        fitting = [free for free in self._free if size <= free <= size * 5 // 4]
        if fitting:
            best = min(fitting)
            blocks = self._free[best]
            block = blocks.pop()
            if not blocks:
                del self._free[best]
            self._free_bytes -= len(block)
            return block
        block = mmap.mmap(-1, size)
        if hasattr(mmap, "MADV_HUGEPAGE"):
            try:
                block.madvise(mmap.MADV_HUGEPAGE)
            except OSError:
                pass  # a kernel without huge pages: only slower
        return block

    def _give_back(self, block: mmap.mmap) -> None:
        with self._lock:
            size = len(block)
            self._used_bytes -= size
            blocks = self._free.pop(size, [])  # put back last: the order of keys is the order of use
            blocks.append(block)
            self._free[size] = blocks
            self._free_bytes += size
            while self._free_bytes > self.limit_bytes:
                oldest = next(iter(self._free))
                self._free_bytes -= len(self._free[oldest].pop())
                if not self._free[oldest]:
                    del self._free[oldest]

    def report(self) -> PoolReport:
        """What is in the pool."""
        with self._lock:
            count = sum(len(blocks) for blocks in self._free.values())
            return PoolReport(count, self._free_bytes, self._used_bytes, self.limit_bytes)

    def clear(self) -> None:
        """Gives all free blocks back to the system."""
        with self._lock:
            self._free.clear()
            self._free_bytes = 0


@lru_cache(maxsize=1)
def shared() -> Pool:
    """The pool of this process: a quarter of the machine's memory at most, or TENUTO_POOL_BYTES.

    Raises:
        ArgumentError: TENUTO_POOL_BYTES is not a number.
    """
    named = os.environ.get(ENVIRONMENT)
    if named is not None:
        if not named.isdigit():
            raise ArgumentError(f"{ENVIRONMENT} is {named!r}", expected="a number of bytes, 0 for no pool")
        return Pool(int(named))
    pages = os.sysconf("SC_PHYS_PAGES") if hasattr(os, "sysconf") else 0
    return Pool(max(pages * mmap.PAGESIZE // 4, 1 << 28))
