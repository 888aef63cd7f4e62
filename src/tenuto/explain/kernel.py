"""Shapley values of a game: exact, by all coalitions; or by weighted regression (KernelSHAP) on coalitions drawn in pairs, without replacement, with standard errors.

The estimate. Shapley values are linear in the game, and under KernelSHAP's weights the matrix of the regression is known, so for coalitions z of size s

    phi = D / P + E[c],   c = (z - s / P) d / (1 - 2a),   d = v(z) - v(not z),   a = E[z_i z_j],   D = v(all) - v(none).

Sizes s (together with P - s) are strata: small ones are taken whole, in the others pairs are drawn without replacement. First a line b with sum D is fitted to
all pairs; the rest of the game, d - (2 z - 1) b, is estimated by the formula, so phi = b + that. What is left after the line is small, and its variance within
the strata gives the standard error, with the correction for finite strata.

Source:     Lundberg & Lee 2017; Covert & Lee 2021 (paired sampling, the known matrix). Differs: strata without replacement, and the line as control.
Shapes: N coalitions, P players.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import combinations, islice
from math import comb
from typing import NamedTuple

import numpy as np

Value = Callable[[np.ndarray], np.ndarray]  # coalitions [N, P] bool → values [N]
ENUMERATED = 12  # players, up to which all coalitions are run: 4096


class Found(NamedTuple):
    """Shapley values [P], their standard errors [P], the values of no player and of all, and how many coalitions were run."""

    values: np.ndarray
    errors: np.ndarray
    none: float
    all: float
    coalitions: int


class Stratum(NamedTuple):
    """Pairs of one size: the coalitions [n, P], their share of the weight, and how many pairs there are in all."""

    chosen: np.ndarray
    weight: float
    pairs: int


def enumerated(value: Value, count: int) -> Found:
    """By all 2 ** count coalitions; no error but rounding."""
    numbers = np.arange(2**count)
    present = (numbers[:, None] >> np.arange(count)) & 1 == 1
    values, sizes = value(present), present.sum(1)
    weights = np.array([1.0 / (count * comb(count - 1, size)) for size in range(count)])
    found = np.empty(count)
    for player in range(count):
        without = numbers[~present[:, player]]
        found[player] = (weights[sizes[without]] * (values[without + (1 << player)] - values[without])).sum()
    return Found(found, np.zeros(count), float(values[0]), float(values[-1]), len(numbers))


def sampled(value: Value, count: int, *, samples: int, seed: int) -> Found:
    """By about `samples` coalitions; at least two pairs for each player, with fewer the errors are no good measure, and two of each size."""
    strata = _strata(count, max(2 * count, samples // 2 - 1), np.random.default_rng(seed))
    chosen = np.concatenate([stratum.chosen for stratum in strata])  # [n, P]
    ends = value(np.stack([np.zeros(count, dtype=bool), np.ones(count, dtype=bool)]))
    both = value(np.concatenate([chosen, ~chosen]))
    differences, total = both[: len(chosen)] - both[len(chosen) :], float(ends[1] - ends[0])
    signs = np.where(chosen, 1.0, -1.0)
    line, free = _line(signs, differences, total, np.concatenate([np.full(len(one.chosen), one.weight / len(one.chosen)) for one in strata]))
    sizes = np.arange(1, count)
    shares = 1.0 / (sizes * (count - sizes))
    together = float((shares / shares.sum() * sizes * (sizes - 1)).sum()) / (count * (count - 1))
    rest = differences - signs @ line
    each = (chosen - chosen.mean(1, keepdims=True)) * rest[:, None] / (1.0 - 2.0 * together)  # c of the rest of the game
    found, first, drawn = line + (total - line.sum()) / count, 0, []
    for stratum in strata:
        part = each[first : first + len(stratum.chosen)]
        first += len(part)
        found = found + stratum.weight * part.mean(0)
        if len(part) < stratum.pairs:
            drawn.append((stratum, part / free[first - len(part) : first, None]))
    return Found(found, _errors(drawn, count), float(ends[0]), float(ends[1]), 2 * len(chosen) + 2)


def _errors(drawn: list[tuple[Stratum, np.ndarray]], count: int) -> np.ndarray:
    """The standard errors: variances within the strata; those of few pairs are pooled."""
    if not drawn:
        return np.zeros(count)
    squares = [((part - part.mean(0)) ** 2).sum(0) for _, part in drawn]
    pooled = np.sum(squares, axis=0) / max(1, sum(len(part) - 1 for _, part in drawn))
    variance = np.zeros(count)
    for (stratum, part), square in zip(drawn, squares):
        own = square / (len(part) - 1) if len(part) >= 30 else pooled
        variance += stratum.weight**2 * (1 - len(part) / stratum.pairs) / len(part) * own
    return np.sqrt(variance)


def _line(signs: np.ndarray, differences: np.ndarray, total: float, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The line b with sum `total` that fits d = (2 z - 1) b best; and by how much each pair [N] is free of it: what it differs from the line fitted without it is
    what it differs from the line, divided by this (one minus its leverage)."""
    root = np.sqrt(weights)[:, None]
    last = signs[:, -1:]
    left, right = root * (signs[:, :-1] - last), root[:, 0] * (differences - last[:, 0] * total)
    first = np.linalg.lstsq(left, right, rcond=None)[0]
    directions, sizes, _ = np.linalg.svd(left, full_matrices=False)
    leverage = (directions[:, sizes > 1e-10 * sizes[0]] ** 2).sum(1) if sizes.size else np.zeros(len(left))
    return np.append(first, total - first.sum()), np.maximum(1.0 - leverage, 0.1)


def _strata(count: int, pairs: int, generator: np.random.Generator) -> list[Stratum]:
    """Sizes 1, 2, ... whole while there are pairs enough for their share; the others drawn, in proportion to their weight."""
    sizes = list(range(1, count // 2 + 1))
    weights = np.array([(1 if 2 * size == count else 2) / (size * (count - size)) for size in sizes])
    weights /= weights.sum()
    amounts = [comb(count, size) // (2 if 2 * size == count else 1) for size in sizes]
    strata, left, share = [], pairs, 1.0
    for place, size in enumerate(sizes):
        if amounts[place] > left * weights[place] / share + 1e-9:
            break
        strata.append(Stratum(_whole(count, size), float(weights[place]), amounts[place]))
        left, share = left - amounts[place], share - weights[place]
    for place in range(len(strata), len(sizes)):
        wanted = min(amounts[place], max(2, round(left * weights[place] / max(share, 1e-12))))
        strata.append(Stratum(_drawn(count, sizes[place], wanted, amounts[place], generator), float(weights[place]), amounts[place]))
    return strata


def _whole(count: int, size: int) -> np.ndarray:
    """All coalitions of a size; of half the players, one of each pair: that with the first player."""
    chosen = combinations(range(count), size) if 2 * size != count else ((0, *rest) for rest in combinations(range(1, count), size - 1))
    return _flags(np.array(list(chosen)), count)


def _drawn(count: int, size: int, wanted: int, pairs: int, generator: np.random.Generator) -> np.ndarray:
    if pairs <= 4 * wanted:
        whole = _whole(count, size)
        return whole[np.sort(generator.permutation(len(whole))[:wanted])]
    seen: dict[bytes, np.ndarray] = {}
    while len(seen) < wanted:
        flags = _flags(generator.permuted(np.tile(np.arange(count), (wanted, 1)), axis=1)[:, :size], count)
        flags = np.where(flags[:, :1], flags, ~flags) if 2 * size == count else flags
        for row in flags:
            seen.setdefault(row.tobytes(), row)
    return np.stack(list(islice(seen.values(), wanted)))


def _flags(chosen: np.ndarray, count: int) -> np.ndarray:
    flags = np.zeros((len(chosen), count), dtype=bool)
    np.put_along_axis(flags, chosen, True, axis=1)
    return flags
