"""Random numbers of their own for fits that run in several threads of one process.

Dropout, shuffling and initial weights draw from the global generators, which all threads share. So fits take turns: one computes at a
time, and passes its turn on after a step. Its numbers are then those of a fit that is alone, and the caller's generators stay as they
were. Two fits at once would not be faster: torch's operations use all processors already.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch

from tenuto import process
from tenuto.train.generators import generator_states, restore_generators, restore_torch, torch_states


class _Queue:
    """The threads that are fitting, in the order in which they have a turn; the first one has it now."""

    def __init__(self) -> None:
        self.condition, self.waiting = threading.Condition(), deque[int]()
        self.outside: Any = None  # torch's generators as they were before the first of them

    def join(self) -> None:
        """Waits for a turn."""
        me = threading.get_ident()
        with self.condition:
            if not self.waiting:
                self.outside = torch_states()
            self.waiting.append(me)
            try:
                self.condition.wait_for(lambda: self.waiting[0] == me)
            except BaseException:  # interrupted while it waits
                self.waiting.remove(me)
                self.condition.notify_all()
                raise

    def leave(self) -> None:
        """Ends this thread's turn."""
        with self.condition:
            self.waiting.remove(threading.get_ident())
            if not self.waiting:
                restore_torch(self.outside)
            self.condition.notify_all()

    def mine(self) -> bool:
        """Whether this thread has the turn."""
        return bool(self.waiting) and self.waiting[0] == threading.get_ident()


_queue = _Queue()


@process.in_child
def _renew() -> None:
    """A child has one thread, which fits nothing yet."""
    global _queue
    _queue = _Queue()


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """A turn of this thread, with torch's generators seeded; afterwards they are as they were before.

    A fit inside another one's turn, as in an observer, is part of that turn.
    """
    if _queue.mine():
        before = torch_states()
        torch.manual_seed(seed)
        try:
            yield
        finally:
            restore_torch(before)
        return
    _queue.join()
    try:
        torch.manual_seed(seed)
        yield
    finally:
        _queue.leave()


def pass_on() -> None:
    """Lets other threads have their turn, if any wait; then this one goes on with its own random numbers."""
    if len(_queue.waiting) < 2 or not _queue.mine():
        return
    own = generator_states()
    _queue.leave()
    _queue.join()
    restore_generators(own)
