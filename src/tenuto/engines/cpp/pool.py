"""Memory that is used again: large tensors whose pages are already there.

A fresh large tensor is newly mapped and its pages fault in one by one, which can cost more than the arithmetic that fills it. Blocks
come from here instead, and return when the last tensor on them dies. The pool keeps at most `limit_bytes` of free blocks, and those
that nobody has taken for `idle_seconds` go back to the system when the pool is next used.

The memory is private to the process: what a child that was forked writes, its parent does not see. It is in huge pages where the
system has them: the first touch of 64 MB takes 11 ms in these, 49 ms in small ones, 84 ms where it is shared, which never has
them (EPYC, Linux 6.18).
"""

from __future__ import annotations

import ctypes
import math
import mmap
import os
import threading
import time
import weakref
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor

from tenuto import process
from tenuto.engines.cpp.allowance import allowed_bytes
from tenuto.engines.cpp.memory import empty
from tenuto.errors import ArgumentError

ENVIRONMENT = "TENUTO_POOL_BYTES"
SMALLEST = 1 << 20  # below this, malloc has warm memory of its own
SHARE = 16  # one part in so many of the memory that this process may use may lie free
MOST = 1 << 30  # a large step of training (an LSTM 256 wide, 512 steps of 128 sequences) lets go of 420 MB
IDLE_SECONDS = 10.0  # to touch MOST again takes 0.2 s, which is little for calls that come so rarely
_HUGE_PAGE = 1 << 21


@dataclass(frozen=True)
class PoolReport:
    """What the pool holds: blocks that wait for the next tensor, and the bytes in tensors that are alive."""

    free_blocks: int
    free_bytes: int
    used_bytes: int
    limit_bytes: int


class _Block:
    """Mapped memory of `size` bytes from `offset`, which is where a huge page begins."""

    def __init__(self, size: int) -> None:
        # One page more than is used, since older Linux kernels map at any address: what is never touched takes no memory.
        self.memory, self.size = _mapped(size + _HUGE_PAGE), size
        self.offset = -ctypes.addressof(ctypes.c_char.from_buffer(self.memory)) % _HUGE_PAGE
        self.free_since = 0.0


def _mapped(size: int) -> mmap.mmap:
    if not hasattr(mmap, "MAP_PRIVATE"):
        return mmap.mmap(-1, size)  # Windows, which does not fork
    memory = mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    if hasattr(mmap, "MADV_HUGEPAGE"):
        try:
            memory.madvise(mmap.MADV_HUGEPAGE)
        except OSError:
            pass  # a kernel without huge pages: only slower
    return memory


class Pool:
    """Blocks of memory by size; safe to use from any thread.

    Args:
        limit_bytes: how much memory may lie free; the block that was not used for longest goes first.
        idle_seconds: how long a block may lie free.
        clock: the time in seconds.
    """

    def __init__(self, limit_bytes: int, idle_seconds: float = IDLE_SECONDS, clock: Callable[[], float] = time.monotonic) -> None:
        self.limit_bytes, self.idle_seconds, self._clock = limit_bytes, idle_seconds, clock
        self._used_bytes = 0
        self._begin()
        process.in_child(self._begin)

    def _begin(self) -> None:
        """Nothing is free, and nobody holds the lock. (A child does not use its parent's free blocks: each page would be copied first.)"""
        self._lock = threading.RLock()  # a finaliser may run inside of `empty`
        self._free: dict[int, deque[_Block]] = {}  # by size, each from the longest unused to the last used
        self._free_bytes = 0

    def empty(self, rows: int, width: int, dtype: torch.dtype) -> Tensor:
        """An uninitialised tensor [rows, width]."""
        size = rows * width * dtype.itemsize
        if size < SMALLEST:
            return empty(rows, width, dtype=dtype)
        with self._lock:
            self._let_go_of_idle()
            block = self._take(-(-size // _HUGE_PAGE) * _HUGE_PAGE)
            self._used_bytes += block.size
        view = memoryview(block.memory)[block.offset : block.offset + size]
        weakref.finalize(view, self._give_back, block).atexit = False
        return torch.frombuffer(view, dtype=dtype, count=rows * width).view(rows, width)

    def _take(self, size: int) -> _Block:
        fitting = [free for free in self._free if size <= free <= size * 5 // 4]
        return self._remove(min(fitting), last_used=True) if fitting else _Block(size)

    def _give_back(self, block: _Block) -> None:
        with self._lock:
            self._used_bytes -= block.size
            if block.size <= self.limit_bytes:
                block.free_since = self._clock()
                self._free.setdefault(block.size, deque()).append(block)
                self._free_bytes += block.size
            while self._free_bytes > self.limit_bytes:
                self._remove(self._longest_unused(), last_used=False)
            self._let_go_of_idle()

    def _let_go_of_idle(self) -> None:
        idle_since = self._clock() - self.idle_seconds
        while self._free and self._free[size := self._longest_unused()][0].free_since < idle_since:
            self._remove(size, last_used=False)

    def _longest_unused(self) -> int:
        """The size of the free block that was not used for longest."""
        return min(self._free, key=lambda size: self._free[size][0].free_since)

    def _remove(self, size: int, last_used: bool) -> _Block:
        """Takes out a free block of this size: the one used last, or the one not used for longest."""
        blocks = self._free[size]
        block = blocks.pop() if last_used else blocks.popleft()
        if not blocks:
            del self._free[size]
        self._free_bytes -= size
        return block

    def report(self) -> PoolReport:
        """What is in the pool."""
        with self._lock:
            count = sum(map(len, self._free.values()))
            return PoolReport(count, self._free_bytes, self._used_bytes, self.limit_bytes)

    def clear(self) -> None:
        """Gives all free blocks back to the system."""
        with self._lock:
            self._free.clear()
            self._free_bytes = 0


def of_shape(shape: Sequence[int], dtype: torch.dtype) -> Tensor:
    """An uninitialised tensor of any shape from the pool of this process."""
    return shared().empty(1, math.prod(shape), dtype).view(shape)


@lru_cache(maxsize=1)
def shared() -> Pool:
    """The pool of this process. It keeps a sixteenth of the memory that the process may use, at most 1 GiB; or TENUTO_POOL_BYTES.

    Raises:
        ArgumentError: TENUTO_POOL_BYTES is not a number.
    """
    named = os.environ.get(ENVIRONMENT)
    if named is None:
        allowed = allowed_bytes()
        return Pool(MOST // 4 if allowed is None else min(allowed // SHARE, MOST))
    if not named.isdigit():
        raise ArgumentError(f"{ENVIRONMENT} is {named!r}.", expected="a number of bytes, 0 for no pool")
    return Pool(int(named))
