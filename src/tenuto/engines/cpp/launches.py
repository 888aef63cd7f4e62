"""Launches are kept: their tables and scratch memory are most of a call's fixed cost."""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable

from tenuto import process
from tenuto.engines.cpp.launch import Launch


class Launches:
    """Launches that are not running, by what they were built for; each runs one call at a time."""

    def __init__(self, most: int) -> None:
        self.most = most
        self._begin()
        process.in_child(self._begin)

    def _begin(self) -> None:
        self._free, self._lock = dict[Hashable, list[Launch]](), threading.Lock()

    def take(self, key: Hashable, build: Callable[[], Launch]) -> Launch:
        """One that is free, or a new one."""
        with self._lock:
            free = self._free.get(key)
            if free:
                return free.pop()
        return build()

    def give_back(self, key: Hashable, launch: Launch) -> None:
        """Keeps a launch for the next call; when there are too many, the one that was not used for longest goes."""
        with self._lock:
            entries = self._free.pop(key, [])
            entries.append(launch)
            self._free[key] = entries
            while len(self._free) > self.most:
                self._free.pop(next(iter(self._free)))


launches = Launches(64)
