"""`Speed`: how long two models take for the same data, and whether the second is as fast as was asked."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import islice
from statistics import median
from typing import Any

import torch

from tenuto.errors import ArgumentError
from tenuto.layers.mode import in_mode
from tenuto.tasks.estimator import Estimator
from tenuto.tongues import argument

BATCHES = 8  # of the data, at most
RUNS = 15  # of each model: the median is not moved by seven that something else on the machine has slowed down
CLOCK = time.perf_counter


@dataclass(frozen=True)
class Speed:
    """Seconds that a model takes to predict for some batches, before and after: the median of several runs of each, in turn."""

    before: float
    after: float

    @property
    def ratio(self) -> float:
        """How many times as fast the second is.

        Example:
            >>> Speed(0.5, 0.25).ratio
            2.0
        """
        return self.before / max(self.after, 1e-9)

    def __str__(self) -> str:
        return f"prediction {self.before * 1000:.4g} → {self.after * 1000:.4g} ms ({self.ratio:.3g} times as fast)"


def speed_of(before: Estimator, after: Estimator, data: Any) -> Speed:
    """Both models measured on batches of a set, or of (x, y), as `predict` makes them."""
    given = before.as_set(data)
    return in_turn([_prediction(model, list(islice(model.inputs(given), BATCHES))) for model in (before, after)])


def in_turn(calls: Sequence[Callable[[], object]]) -> Speed:
    """The median of the runs of two calls. They take turns, and the one that begins changes from turn to turn, so that a machine that becomes slower meanwhile is slow for both."""
    seconds: list[list[float]] = [[] for _ in calls]
    for call in calls:
        call()  # kernels are built, weights are unpacked
    for turn in range(RUNS):
        for place in (0, 1) if turn % 2 == 0 else (1, 0):
            started = CLOCK()
            calls[place]()
            seconds[place].append(CLOCK() - started)
    return Speed(*map(median, seconds))


def require_fast(found: Speed, least: float, said: str = "the compressed model is slower than asked") -> None:
    """Raise ArgumentError if the second model is slower than was asked."""
    if not found.ratio >= least:
        raise ArgumentError(
            f"{said}: {found}.", expected=f"at least {least:.4g} times as fast", received=f"{found.ratio:.4g} times",
            fix=f"a smaller {argument('min_speedup')}, or fewer units ({argument('units')}): these make every engine faster, and a smaller form of the weights makes a file smaller",
        )  # fmt: skip


def _prediction(model: Estimator, batches: Sequence[Any]) -> Callable[[], None]:
    """A run of the model over all batches."""

    def run() -> None:
        with in_mode(model.network_, training=False), torch.no_grad():
            for batch in batches:
                model.answer(model.forward(batch))

    return run
