"""Both halves of time: the size of the values in each, beside what taking the half away does to the answer. Gradients of recurrent networks fade towards the past; the influence need not."""

from __future__ import annotations

import numpy as np

from tenuto.explain.players import Players
from tenuto.explain.question import Question
from tenuto.explain.trust.measures import Halves, early_and_late
from tenuto.explain.trust.removal import game_of


def halves_of(question: Question, row: int, values: np.ndarray, references: int) -> Halves | None:
    """The halves of a row whose values are [T, F]; None where there is one step.

    Args:
        references: as in `removal_of`.

    A step in the middle counts half: the influence of a half is the mean of that with this step and that without.
    """
    steps, width = values.shape
    if steps < 2:
        return None
    half, odd = divmod(steps, 2)
    places = np.repeat(np.repeat(np.arange(3), [half, odd, half])[:, None], width, axis=1)  # early, the middle, late
    game = game_of(question, row, Players(("early", "middle", "late"), places), references)
    present = np.ones((5, game.count), dtype=bool)
    for number, gone in enumerate(([], [0], [0, 1], [2], [1, 2])):
        present[number, gone] = False
    found = game.values(present)
    changed = np.abs(found[1:] - found[0])
    (early, late), sums = early_and_late(np.abs(values).sum(1)), early_and_late(values.sum(1))
    return Halves(early, late, abs(sums[0]), abs(sums[1]), float(changed[:2].mean()), float(changed[2:].mean()))
