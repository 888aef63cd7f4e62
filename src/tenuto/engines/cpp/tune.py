"""How a loop's work is shared among threads: learnt from the calls themselves.

Every way gives the same bits, so the choice may follow the clock: the first calls of a kind try each way that makes sense, later
ones use the fastest, and now and then another is tried again, since what else the machine does changes. Nothing runs twice.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Hashable
from dataclasses import dataclass, field

from tenuto.errors import ArgumentError

ENVIRONMENT = "TENUTO_CPP_SPLIT"
TRIALS = 3  # calls of each way before one is preferred
MEMORY = 5  # the last times of each way; the middle one counts, so that a call which the system held up does not
PERIOD = 20  # calls until the other ways are looked at again, TRIALS times in a row; doubled after each look
LONGEST = 640
GAIN = 0.9  # threads must win by this much: on a busy machine each waits for the slowest
SHORT = 1e-4  # seconds: a call that one thread finishes sooner is not worth waking another


@dataclass(frozen=True)
class Way:
    """A number of threads, and whether they share each step's units (with a barrier a step) or the rows of the batch."""

    threads: int
    by_units: bool


@dataclass
class _Record:
    times: dict[Way, list[float]] = field(default_factory=dict)
    calls: int = 0
    looks: int = 0  # how often the other ways were looked at again
    next_look: int = PERIOD
    other: Way | None = None  # the way that is looked at now

    def middle(self, way: Way) -> float:
        times = sorted(self.times[way])
        return times[len(times) // 2] / (GAIN if way.threads > 1 else 1)

    def look_again(self, ranked: list[Way]) -> Way | None:
        """Another way than the fastest, for a few calls in a row, when it is time."""
        if self.calls >= self.next_look:
            if self.other is None:
                self.other = ranked[1 + self.looks % (len(ranked) - 1)]
            if self.calls < self.next_look + TRIALS:
                return self.other
            self.looks, self.other = self.looks + 1, None
            self.next_look = self.calls + min(PERIOD << self.looks, LONGEST)
        return None


_records: dict[Hashable, _Record] = {}
_lock = threading.Lock()


def ways(batch_size: int, threads: int, units_can_split: bool) -> list[Way]:
    """The ways worth trying, or the one that TENUTO_CPP_SPLIT asks for.

    Raises:
        ArgumentError: TENUTO_CPP_SPLIT is neither "rows" nor "units".
    """
    forced = os.environ.get(ENVIRONMENT)
    if forced not in (None, "", "rows", "units"):
        raise ArgumentError(f"{ENVIRONMENT} is {forced!r}", expected="rows or units")
    if threads == 1:
        return [Way(1, False)]
    if forced:
        return [Way(threads, forced == "units" and units_can_split)]
    found = [Way(1, False)]
    if batch_size > 1:
        found.append(Way(threads, False))
    if units_can_split and batch_size < 12 * threads:  # with more rows, each thread's tiles are full
        found.append(Way(threads, True))
    return found


def choose(key: Hashable, candidates: list[Way], rows: int) -> Way:
    """The way for the next call of this kind, over so many rows."""
    if len(candidates) == 1:
        return candidates[0]
    with _lock:
        record = _records.setdefault(key, _Record())
        record.calls += 1
        alone = candidates[0]
        if len(record.times.get(alone, ())) < TRIALS or record.middle(alone) * rows < SHORT:
            return alone
        untried = [way for way in candidates if len(record.times.get(way, ())) < TRIALS]
        if untried:
            return min(untried, key=lambda way: len(record.times.get(way, ())))
        ranked = sorted(candidates, key=record.middle)
        return record.look_again(ranked) or ranked[0]


def learn(key: Hashable, way: Way, seconds_per_row: float) -> None:
    """Remembers how long a call took."""
    with _lock:
        times = _records.setdefault(key, _Record()).times.setdefault(way, [])
        times.append(seconds_per_row)
        del times[:-MEMORY]
