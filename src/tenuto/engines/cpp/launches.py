"""Launches are kept: their tables and scratch memory are most of a call's fixed cost."""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable

from tenuto import process
from tenuto.engines.cpp.launch import Launch


class Launches:
    """Launches that are not running, by what they were built for; each runs one call at a time.

    Training on texts meets as many batch sizes and forms of call as there are batches: all their launches are kept as long as
    their memory is small. Those that were not used for longest go first.

    Args:
        most_bytes: how much memory they may have together.
        least: how many forms of call are kept whatever their memory: a large layer's are larger than any limit.
    """

    def __init__(self, most_bytes: int, least: int) -> None:
        self.most_bytes, self.least = most_bytes, least
        self._begin()
        process.in_child(self._begin)

    def _begin(self) -> None:
        self._free, self._bytes, self._lock = dict[Hashable, list[Launch]](), 0, threading.Lock()

    def take(self, key: Hashable, build: Callable[[], Launch]) -> Launch:
        """One that is free, or a new one."""
        with self._lock:
            free = self._free.get(key)
            if free:
                launch = free.pop()
                self._bytes -= launch.bytes
                return launch
        return build()

    def give_back(self, key: Hashable, launch: Launch) -> None:
        """Keeps a launch for the next call."""
        with self._lock:
            entries = self._free.pop(key, [])
            entries.append(launch)
            self._free[key] = entries
            self._bytes += launch.bytes
            while len(self._free) > self.least and self._bytes > self.most_bytes:
                self._bytes -= sum(old.bytes for old in self._free.pop(next(iter(self._free))))


launches = Launches(most_bytes=1 << 28, least=16)
