"""How good keywords are spotted in a stream: misses against false alarms per hour, with what so many hours prove."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np


class Occurrence(NamedTuple):
    """Where a keyword is said: from `start` on, in seconds; an alarm up to `end` finds it."""

    keyword: str
    start: float
    end: float


class Alarm(NamedTuple):
    """A keyword that was spotted at `time`, in seconds."""

    keyword: str
    time: float


class Matched(NamedTuple):
    """Which alarms found which occurrences.

    Attributes:
        found: [O] bool, of each occurrence. false: the places of the alarms that found nothing new: those at another place, of another keyword, or a second one.
    """

    found: np.ndarray
    false: list[int]


def matched(occurrences: Sequence[Occurrence], alarms: Sequence[Alarm]) -> Matched:
    """Each alarm finds the first occurrence of its keyword, not found before, in whose time it lies.

    Example:
        >>> matched([Occurrence("yes", 1.0, 2.0)], [Alarm("yes", 1.5), Alarm("yes", 1.9), Alarm("no", 1.5)])
        Matched(found=array([ True]), false=[1, 2])
    """
    found, false = np.zeros(len(occurrences), dtype=bool), []
    by_name: dict[str, list[int]] = {}
    for place in sorted(range(len(occurrences)), key=lambda place: occurrences[place].start):
        by_name.setdefault(occurrences[place].keyword, []).append(place)
    for number in sorted(range(len(alarms)), key=lambda number: alarms[number].time):
        alarm = alarms[number]
        here = (place for place in by_name.get(alarm.keyword, ()) if not found[place] and occurrences[place].start <= alarm.time <= occurrences[place].end)
        hit = next(here, None)
        if hit is None:
            false.append(number)
        else:
            found[hit] = True
    return Matched(found, sorted(false))


def most_events(count: int) -> float:
    """The largest mean of a Poisson number at which `count` or fewer still come with a probability of 5 %: the upper 95 % limit. For none it is 3.0 (the rule of three).

    Source:     Garwood 1936, "Fiducial limits for the Poisson distribution", one-sided; Hanley & Lippman-Hand 1983 for none.
    Example:
        >>> [round(most_events(count), 2) for count in (0, 1, 10)]
        [3.0, 4.74, 16.96]
    """
    low, high = float(count), 10.0 + 2 * count + 6 * math.sqrt(count + 1)
    while high - low > 1e-9 * high:
        middle = (low + high) / 2
        terms = [-middle + number * math.log(middle) - math.lgamma(number + 1) for number in range(count + 1)]
        top = max(terms)
        at_most = math.exp(top) * sum(math.exp(term - top) for term in terms)
        low, high = (middle, high) if at_most > 0.05 else (low, middle)
    return (low + high) / 2


def proven(alarms: int, hours: float) -> str:
    """What so many false alarms in so many hours prove, in words.

    Example:
        >>> proven(0, 2.0)
        'no false alarm in 2 hours, which proves 1.5 an hour at most (95 %)'
    """
    said = "no false alarm" if not alarms else f"{alarms} false alarm{'s' * (alarms > 1)}"
    rate, limit = (float(f"{value / hours:.2g}") for value in (alarms, most_events(alarms)))
    told = f", {rate:g} an hour" if alarms else ""
    return f"{said} in {hours:.3g} hour{'s' * (f'{hours:.3g}' != '1')}{told}, which proves {limit:g} an hour at most (95 %)"
