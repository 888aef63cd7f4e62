"""Deletion, insertion and joint removal: the answer while parts of an item are taken away in the order of their values, beside random orders.

Source:     Samek et al. 2017 and Petsiuk et al. 2018 (deletion, insertion); Jang et al. 2025 (TIMING: CPD and CPP, joint scores in which values of both signs cannot cancel).
            Differs: beside random order, with a rank among such orders; and CPD and CPP end after half of the parts, since after all of them every order of a linear model has the same sum.
Shapes: P parts, C points, O orders, R references.
"""

from __future__ import annotations

import numpy as np
import torch

from tenuto.explain.coalitions import Coalitions
from tenuto.explain.players import Players
from tenuto.explain.question import Question
from tenuto.explain.trust.measures import Removal, area
from tenuto.explain.trust.parts import Parts

POINTS = 20  # of a curve, after the first
MOST_STEPS = 50  # parts that are taken away one by one


def game_of(question: Question, row: int, players: Players, references: int) -> Coalitions:
    """The answers to what is left of a row, with at most so many references, spread evenly over the background."""
    game = Coalitions(question, row, players)
    if len(game.references) > references:
        chosen = torch.linspace(0, len(game.references) - 1, references).round().long()
        game.references = game.references[chosen.to(game.references.device)]
    return game


def removal_of(question: Question, row: int, parts: Parts, *, signed: bool, orders: int, references: int, seed: int) -> Removal | None:
    """The curves of a row; None where there is only one part.

    Args:
        signed: whether a value says what its part adds. orders: how many random ones. references: see `game_of`.
        seed: of the random orders, which are the same for every item with as many parts.
    """
    count = parts.count
    if count < 2:
        return None
    game = game_of(question, row, parts.players(), references)
    points = np.unique(np.round(np.linspace(0, count, min(POINTS, count) + 1)).astype(int))
    steps = min((count + 1) // 2, MOST_STEPS)
    amounts = np.union1d(points, np.arange(steps + 1))
    on_curve, one_by_one = np.isin(amounts, points), amounts <= steps

    def answers(order: np.ndarray) -> np.ndarray:
        """The answer [C] after so many parts of an order were taken away."""
        rank = np.empty(count, dtype=int)
        rank[order] = np.arange(count)
        present = np.ones((len(amounts), game.count), dtype=bool)  # a carried state is always there
        present[:, :count] = rank >= amounts[:, None]
        return game.values(present)

    def curve(found: np.ndarray) -> np.ndarray:
        return (found if signed else found[0] - np.abs(found - found[0]))[on_curve]

    def changes(found: np.ndarray) -> float:
        return float(np.abs(np.diff(found[one_by_one])).sum())

    sizes = np.abs(parts.values)
    by_value, by_size = (np.argsort(-values, kind="stable") for values in (parts.values if signed else sizes, sizes))
    large, small = answers(by_value), answers(by_value[::-1])
    same = np.array_equal(by_value, by_size)
    large_sizes, small_sizes = (large, small) if same else (answers(by_size), answers(by_size[::-1]))
    generator = np.random.default_rng([seed, count])
    by_chance = [answers(generator.permutation(count)) for _ in range(orders)]
    curves, shares = np.stack([curve(found) for found in by_chance]), points / count
    return Removal(
        count, tuple(shares.tolist()), tuple(curve(large).tolist()), tuple(curve(small).tolist()), tuple(curves.mean(0).tolist()),
        tuple((curves.std(0, ddof=1) / np.sqrt(orders)).tolist()), tuple(area(shares, one) for one in curves),
        steps, changes(large_sizes), changes(small_sizes), tuple(changes(found) for found in by_chance),
    )  # fmt: skip
