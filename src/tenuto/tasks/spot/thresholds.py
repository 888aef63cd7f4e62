"""Boosts and thresholds of keywords, from what was held out alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

from tenuto.scores.spotting import Alarm, Occurrence, matched
from tenuto.tasks.spot.detector import lowest_running, odds, told_steps

DEVIATION = 1.0  # of a boost, beforehand: most lie between -2 and 2
USUAL = 0.0  # the log-odds of a threshold where nothing was held out to learn it from
FARTHEST = 6.0  # a threshold lies between minus this and this
MOST_CANDIDATES = 60


def fitted_boosts(keywords: int, losses: Callable[[Tensor], Tensor]) -> np.ndarray:
    """[K]: what is added to the keywords' logits so that what was held out is most likely, if boosts are thought normal beforehand.

    Args:
        losses: from boosts [1 + K] float64, of which the first is 0, to the sum of the losses of what was held out.
    """
    boosts = torch.zeros(keywords, dtype=torch.float64, requires_grad=True)
    search = torch.optim.LBFGS([boosts], max_iter=40, line_search_fn="strong_wolfe")

    def unlikely() -> Tensor:
        search.zero_grad()
        found = losses(torch.cat([boosts.new_zeros(1), boosts])) + 0.5 * (boosts / DEVIATION).square().sum()
        found.backward()  # type: ignore[no-untyped-call]
        return found

    search.step(unlikely)  # type: ignore[arg-type]
    return boosts.detach().numpy()


def fitted_threshold(lowest: np.ndarray, mine: Sequence[Occurrence], alarms_of: Callable[[float], list[Alarm]], allowed: float) -> float:
    """The log-odds with the fewest misses, of those with at most `allowed` false alarms; of several as good, the middle between the lowest and the highest.

    Args:
        lowest: [T], of the keyword. mine: its occurrences. alarms_of: what is told with a threshold.
    """
    inside = lowest[lowest > -FARTHEST]
    candidates = np.unique(np.concatenate([[-FARTHEST, FARTHEST], np.linspace(-FARTHEST, FARTHEST, 25), np.quantile(inside, np.linspace(0.5, 1, MOST_CANDIDATES)) if len(inside) else []]))
    candidates = np.clip(candidates, -FARTHEST, FARTHEST)
    scored = []
    for one in np.unique(candidates).tolist():
        found = matched(mine, alarms_of(one))
        scored.append((one, int((~found.found).sum()), len(found.false)))
    within = [each for each in scored if each[2] <= allowed] or scored[-1:]
    fewest = min(misses for _, misses, _ in within)
    best = [one for one, misses, _ in within if misses == fewest]
    lowest_best = best[0]
    highest = max(one for one in best if all(misses == fewest for each, misses, _ in scored if lowest_best <= each <= one))
    return (lowest_best + highest) / 2


def fitted_thresholds(
    rows: np.ndarray, boosts: np.ndarray, occurrences: Sequence[Occurrence], keywords: Sequence[str], *, step_seconds: float, consecutive: int, refractory: int, allowed: float
) -> np.ndarray:
    """[K] log-odds, each by `fitted_threshold`, from log-probabilities [T, 1 + K] of what was held out; `USUAL` for a keyword that was not said in it."""
    found, each = np.full(len(keywords), USUAL), odds(rows, boosts)
    for number, name in enumerate(keywords):
        mine = [one for one in occurrences if one.keyword == name]
        lowest = lowest_running(each[:, number], consecutive)

        def alarms(threshold: float, lowest: np.ndarray = lowest, name: str = name) -> list[Alarm]:
            return [Alarm(name, (step + 1) * step_seconds) for step in told_steps(lowest, threshold, consecutive, refractory)]

        if mine:
            found[number] = fitted_threshold(lowest, mine, alarms, allowed)
    return found
