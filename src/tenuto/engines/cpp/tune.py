"""How a loop's work is shared among threads: learnt from the calls themselves.

Every way gives the same bits, so the choice may follow the clock. Of calls that are alike, the first try each way that makes sense and
later ones use the fastest. Now and then another way is tried again, since the machine's other work changes: with one call, and with more
where that one was the fastest. No call runs twice.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

from tenuto import process
from tenuto.errors import ArgumentError

ENVIRONMENT = "TENUTO_CPP_SPLIT"
TRIALS = 3  # calls of a way before it is preferred
MEMORY = 5  # how many times of each way are kept; their median counts, so that a call which the system held up does not
PERIOD = 10  # calls until another way is looked at again; doubled after each look
LONGEST = 640  # the longest such period
GAIN = 0.9  # threads must win by this much: on a busy machine each waits for the slowest
MANY_WEIGHTS = 1 << 21  # numbers: no thread's cache holds all of so many, so it may be faster if each reads only its part (LSTM of 1024 units: by a quarter)
SHORT = 1e-4  # seconds: a call that one thread finishes sooner is not worth waking another


class Way(NamedTuple):
    """A number of threads, and whether they share each step's units (with a barrier at each step) or the rows of the batch."""

    threads: int
    by_units: bool


class Record:
    """What is known of calls that are alike: the times of each way to run it."""

    def __init__(self, candidates: Sequence[Way]) -> None:
        self._candidates = candidates
        self._times: dict[Way, list[float]] = {way: [] for way in candidates}
        self._seconds = dict.fromkeys(candidates, 0.0)  # per row, as they are compared; zero until a way has been tried
        self._ranked: list[Way] = []  # empty until all have been
        self._calls = 0
        self._looks = 0  # how often the other ways were looked at again
        self._next_look = PERIOD + TRIALS * len(candidates)
        self._other: Way | None = None  # the way that is looked at now
        self._seen: list[float] = []  # its times in this look

    def choose(self, rows: int) -> Way:
        """The way for the next call, over so many rows."""
        if len(self._candidates) == 1:
            return self._candidates[0]
        with _lock:
            self._calls += 1
            alone = self._candidates[0]
            if self._seconds[alone] * rows < SHORT:
                return alone
            if not self._ranked:
                return min(self._candidates, key=lambda way: len(self._times[way]))
            if self._other is None and self._calls >= self._next_look:
                self._other = self._ranked[1 + self._looks % (len(self._ranked) - 1)]
            return self._other or self._ranked[0]

    def learn(self, way: Way, seconds_per_row: float) -> None:
        """Remembers how long a call took."""
        if len(self._candidates) == 1:
            return
        with _lock:
            if way == self._other:
                self._seen.append(seconds_per_row)
                if len(self._seen) < TRIALS and _compared(way, self._seen) < self._seconds[self._ranked[0]]:
                    return  # it may be the fastest now
                self._times[way], self._seen, self._other = self._seen, [], None
                self._looks += 1
                self._next_look = self._calls + min(PERIOD << self._looks, LONGEST)
            else:
                self._times[way].append(seconds_per_row)
                del self._times[way][:-MEMORY]
            if len(self._times[way]) >= TRIALS or self._seconds[way]:
                self._seconds[way] = _compared(way, self._times[way])
            if all(self._seconds.values()):
                self._ranked = sorted(self._candidates, key=self._seconds.__getitem__)


def _compared(way: Way, times: list[float]) -> float:
    """The seconds by which ways are compared."""
    return sorted(times)[len(times) // 2] / (GAIN if way.threads > 1 else 1)


_lock = threading.Lock()


@process.in_child
def _renew() -> None:
    """A new lock for a child. What was learnt of several threads may stay, even half written: a child's calls have one thread and one way."""
    global _lock
    _lock = threading.Lock()


_ALONE = (Way(1, False),)


@lru_cache(maxsize=1)
def forced() -> str:
    """What TENUTO_CPP_SPLIT asks for in this process: "rows", "units", or "" for what is fastest.

    Raises:
        ArgumentError: it is something else.
    """
    asked = os.environ.get(ENVIRONMENT, "")
    if asked not in ("", "rows", "units"):
        raise ArgumentError(f"{ENVIRONMENT} is {asked!r}.", expected="rows or units")
    return asked


def ways(batch_size: int, threads: int, units_can_split: bool, weights: int) -> tuple[Way, ...]:
    """The ways worth trying, or the one that TENUTO_CPP_SPLIT asks for. weights: how many numbers a step's products read."""
    if threads == 1:
        return _ALONE
    asked = forced()
    if asked:
        return (Way(threads, asked == "units" and units_can_split),)
    by_rows = (Way(threads, False),) if batch_size > 1 else ()
    few = batch_size < 12 * threads or weights >= MANY_WEIGHTS  # with more rows than this, sharing rows fills every thread's tiles
    by_units = (Way(threads, True),) if units_can_split and few else ()
    return _ALONE + by_rows + by_units
