"""From probabilities at each step to keywords: so many steps in a row above a keyword's threshold tell it, and then it is not told for a while.

Shapes: T steps, K keywords; answer 0 says nothing, 1..K are the keywords.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from tenuto.data.plain import array_of, plain_array
from tenuto.networks.exact import log_probabilities

SUREST = 30.0  # log-odds are cut there: rounding leaves no more


@dataclass(frozen=True)
class Rule:
    """When a keyword is told.

    Args:
        boosts: [K], added to the keywords' logits before they are compared with thresholds. thresholds: [K], log-odds.
        consecutive: steps in a row. refractory: steps after a keyword was told that do not count for it.
    """

    boosts: np.ndarray
    thresholds: np.ndarray
    consecutive: int
    refractory: int


class Told(NamedTuple):
    """A keyword, 0..K - 1, that was told at a step. score: the geometric mean of its probability, without boost, in the steps that told it."""

    keyword: int
    step: int
    score: float


class Detector:
    """What reads probabilities step by step, in chunks of any sizes. What it keeps does not grow.

    Attributes:
        steps: how many were read.
    """

    def __init__(self, rule: Rule) -> None:
        self.rule, self.steps = rule, 0
        count = len(rule.thresholds)
        self._running = np.zeros(count, dtype=np.int64)  # steps in a row above the threshold
        self._rest = np.zeros(count, dtype=np.int64)  # steps that do not count
        self._last = np.zeros((rule.consecutive, count))  # log-probabilities of the last steps; those of step t stand in row t modulo `consecutive`

    def accept(self, rows: np.ndarray) -> Iterator[Told]:
        """Read log-probabilities [T, 1 + K] float64; the keywords that are told in them."""
        above = odds(rows, self.rule.boosts) >= self.rule.thresholds
        rule = self.rule
        for row, passes in zip(rows, above):
            self._last[self.steps % rule.consecutive] = row[1:]
            self._running = np.where(passes & (self._rest == 0), self._running + 1, 0)
            self._rest = np.maximum(self._rest - 1, 0)
            if self._running.max(initial=0) >= rule.consecutive:
                for keyword in np.flatnonzero(self._running >= rule.consecutive).tolist():
                    ordered = self._last[(self.steps + 1 + np.arange(rule.consecutive)) % rule.consecutive, keyword]  # oldest first: the same sum in any chunk
                    yield Told(keyword, self.steps, float(np.exp(ordered.sum() / rule.consecutive)))
                    self._running[keyword], self._rest[keyword] = 0, rule.refractory
            self.steps += 1

    def kept(self) -> dict[str, Any]:
        """All that it keeps, as plain data."""
        return {"steps": self.steps, "running": plain_array(self._running), "rest": plain_array(self._rest), "last": plain_array(self._last)}

    def resume(self, kept: Mapping[str, Any]) -> None:
        """Go on from what `kept` of a detector with the same rule gave."""
        self.steps = kept["steps"]
        self._running, self._rest, self._last = (array_of(kept[name]) for name in ("running", "rest", "last"))


def odds(rows: np.ndarray, boosts: Sequence[float] | np.ndarray) -> np.ndarray:
    """[T, K] log-odds of each keyword against all else, boosts added to the keywords' logits, from log-probabilities [T, 1 + K].

    Example:
        >>> odds(np.log([[0.5, 0.25, 0.25]]), [0.0, 0.0]).round(4).tolist()
        [[-1.0986, -1.0986]]
    """
    boosted = log_probabilities(rows + np.concatenate([[0.0], np.asarray(boosts, dtype=np.float64)]))[:, 1:]
    return np.clip(boosted - np.log(np.maximum(-np.expm1(boosted), 1e-14)), -SUREST, SUREST)


def lowest_running(values: np.ndarray, consecutive: int) -> np.ndarray:
    """[T] the least of each value [T] and those before it, `consecutive` in all; minus infinity where these are too few."""
    found = np.full(len(values), -np.inf)
    if len(values) >= consecutive:
        found[consecutive - 1 :] = np.lib.stride_tricks.sliding_window_view(values, consecutive).min(1)
    return found


def told_steps(lowest: np.ndarray, threshold: float, consecutive: int, refractory: int) -> list[int]:
    """The steps at which a `Detector` with this threshold tells a keyword, from what `lowest_running` gives of its log-odds."""
    places, found, free = np.flatnonzero(lowest >= threshold), list[int](), 0
    while (at := int(np.searchsorted(places, free))) < len(places):
        found.append(int(places[at]))
        free = found[-1] + refractory + consecutive
    return found
