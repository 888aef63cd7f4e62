"""`Comparison`: what was measured of each encoder and seed, and what follows from it."""

from __future__ import annotations

import statistics
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any, NamedTuple

from tenuto.files import write_text
from tenuto.measures import measure
from tenuto.scores.paired import holm, mean_interval, p_of

REAL = 0.05  # below this p, Holm's, a difference counts as real


class Summary(NamedTuple):
    """One encoder over its seeds.

    Attributes:
        mean, low, high: of the metric, with its interval of 95 % (Student's t). seeds: how many. weights, size_bytes: of the network.
        seconds: a training, the mean. memory_mib: what a training took at its peak, the median (of two, the lower), or None. steps_per_s: of prediction, the median, or None.
    """

    encoder: str
    mean: float
    low: float
    high: float
    seeds: int
    weights: int
    size_bytes: int
    seconds: float
    memory_mib: float | None
    steps_per_s: float | None


class Difference(NamedTuple):
    """Two encoders over the seeds that both were trained with.

    Attributes:
        mean, low, high: of better minus worse by seed, with its interval of 95 %. p: of the paired t test, two-sided, by Holm's rule for all pairs. real: whether p is below 0.05.
    """

    better: str
    worse: str
    mean: float
    low: float
    high: float
    p: float
    real: bool


@dataclass(frozen=True)
class Comparison:
    """What `compare` gives.

    Attributes:
        results: as in compare.json (`tenuto.runs.compare_folder`).
    """

    results: Mapping[str, Any]

    def values(self, encoder: str) -> dict[int, float]:
        """The metric by seed."""
        return {run["seed"]: run["value"] for run in self.results["runs"] if run["encoder"] == encoder}

    @property
    def grain(self) -> float:
        """The smallest step between two values: of a share of few items, about one of them."""
        known = sorted({run["value"] for run in self.results["runs"]})
        return min((b - a for a, b in zip(known, known[1:]) if b - a > 1e-9), default=0.0)

    @property
    def summaries(self) -> list[Summary]:
        """Each encoder that was trained, the best first."""
        found = []
        for encoder in self.results["encoders"]:
            runs = [run for run in self.results["runs"] if run["encoder"] == encoder]
            if runs:
                rates, peaks = ([run[key] for run in runs if run[key] is not None] for key in ("steps_per_s", "memory_mib"))
                mean, low, high = mean_interval([run["value"] for run in runs], rounded=self.grain)
                known = measure(self.results["metric"])
                if known.share:  # a rate of errors may be above 1: more is written than was said
                    low, high = max(low, 0.0), min(high, 1.0) if known.better == "higher" else high
                found.append(
                    Summary(
                        encoder, mean, low, high, len(runs), runs[0]["weights"], runs[0]["bytes"], statistics.fmean(run["seconds"] for run in runs),
                        statistics.median_low(peaks) if peaks else None, statistics.median(rates) if rates else None,
                    )
                )  # fmt: skip
        return sorted(found, key=lambda one: one.mean, reverse=self.results["direction"] == "maximise")

    @property
    def differences(self) -> list[Difference]:
        """Every two encoders that have two seeds in common, at least; the clearest first."""
        pairs, higher = [], self.results["direction"] == "maximise"
        for one, other in combinations([summary.encoder for summary in self.summaries], 2):  # the better mean first
            mine, theirs = self.values(one), self.values(other)
            both = [mine[seed] - theirs[seed] for seed in mine if seed in theirs]
            if len(both) >= 2:
                pairs.append((one, other, both) if (statistics.fmean(both) >= 0) == higher else (other, one, [-value for value in both]))
        chances = holm([p_of(both, rounded=self.grain) for _, _, both in pairs])
        found = [Difference(better, worse, *mean_interval(both, rounded=self.grain), p, p < REAL) for (better, worse, both), p in zip(pairs, chances)]
        return sorted(found, key=lambda one: one.p)

    def __str__(self) -> str:
        """A line for each encoder, and one for each difference."""
        known = measure(self.results["metric"])
        shown = (lambda value: f"{value:.1%}") if known.share else (lambda value: f"{value:.4g}")
        lines = [f"{known.title}, mean of the seeds with its interval of 95 %; {'higher' if known.better == 'higher' else 'lower'} is better"]
        wide = max((len(one.encoder) for one in self.summaries), default=0)
        for one in self.summaries:
            lines.append(f"{one.encoder:<{wide}}  {shown(one.mean):>8}  {shown(one.low)} to {shown(one.high)}, {one.seeds} seeds; {one.weights:,} weights, {one.seconds:.1f} s")
        for pair in self.differences:
            by = f"{100 * abs(pair.mean):.1f} points" if known.share else shown(abs(pair.mean))
            lines.append(f"{pair.better} beside {pair.worse}: {by} better, p = {pair.p:.3g}: {'real' if pair.real else 'may be chance'}")
        return "\n".join(lines)

    def to_html(self, path: str | Path) -> Path:
        """Write the page; returns its path."""
        from tenuto.compare.page import page_of

        write_text(Path(path), page_of(self, Path(path).parent))
        return Path(path)
