"""The far past of an item as one player.

TimeSHAP (Bento et al. 2021): from the end of an item backwards, the past before a step is one player and the rest another. Where the past's Shapley value in
that game of two is small enough, it stays one player. What is lost is how the past's value is divided among its steps; its sum is kept.

The bound. Let delta be the most that the whole past changes the answer to any coalition of the other players. If no part of the past changes an answer by more
than the whole does, each other player's value differs by at most 2 delta from its value in the game that is not pruned: the answers to one coalition lie within
delta of each other whatever part of the past is there, and a value is a mean of differences of two answers. delta is measured on coalitions drawn at random.

Shapes: T steps of the item, c of them in the past, w = T - c, N coalitions.
"""

from __future__ import annotations

import numpy as np

from tenuto.explain.coalitions import Coalitions
from tenuto.explain.players import Players
from tenuto.explain.prefixes import Prefixes
from tenuto.explain.question import Question

CANDIDATES = 64  # places where the past may end


def far_past(question: Question, row: int, tolerance: float, prefixes: Prefixes | None) -> tuple[int, float]:
    """How many steps the far past has, and its value in the game of two; (0, 0.0) where no past is negligible.

    Args:
        tolerance: what the past's value may be, as a share of |all - nothing|. prefixes: how to run coalitions that begin alike, where the model can be run so.
    """
    steps, width = question.x(row).shape
    if steps < 2:
        return 0, 0.0
    windows = np.unique(np.round(np.geomspace(1, steps - 1, min(CANDIDATES, steps - 1))).astype(int))
    cuts = steps - windows
    between = np.searchsorted(np.sort(cuts), np.arange(steps), side="right")  # players: the steps between two places where the past may end
    game = Coalitions(question, row, Players(tuple(map(str, range(len(cuts) + 1))), np.repeat(between[:, None], width, axis=1)), states=False, prefixes=prefixes)
    past = np.arange(game.count) < np.arange(len(cuts), 0, -1)[:, None]  # [cuts, players]
    total = game.values(np.concatenate([past, ~past, np.stack([np.ones(game.count, dtype=bool), np.zeros(game.count, dtype=bool)])]))
    alone, rest, everything, nothing = total[: len(cuts)], total[len(cuts) : -2], total[-2], total[-1]
    values = 0.5 * ((alone - nothing) + (everything - rest))
    small = np.flatnonzero(np.abs(values) <= tolerance * abs(everything - nothing))
    return (int(cuts[small[0]]), float(values[small[0]])) if len(small) else (0, 0.0)


def effect_of_past(game: Coalitions, seed: int, draws: int = 32) -> float:
    """delta: the most that the first player, which is the past, changes the answer to coalitions of the others."""
    generator = np.random.default_rng(seed)
    shares = generator.random((draws, 1))
    without = generator.random((draws, game.count)) < shares
    without[:, 0], without[0, 1:], without[-1, 1:] = False, False, True
    present = without.copy()
    present[:, 0] = True
    both = game.values(np.concatenate([present, without]))
    return float(np.abs(both[:draws] - both[draws:]).max())
