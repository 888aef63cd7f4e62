"""What a language model gains from earlier text: its loss by how many tokens it has read, next to the loss with nothing read and with everything read.

Windows that begin all over the text are read from a zero state. The same tokens were read with the state carried too, and only the difference of the
two is averaged: how hard a token is in itself cancels out. So the curve is the loss with the state carried, which is exact, plus a difference with little noise.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from torch import nn

from tenuto.tasks.language.scores import POSITIONS, window_nats

# The cost is bounded: at most this many windows, and at most this many times the text.
MOST_WINDOWS, TIMES_THE_TEXT = 256, 8
# The text is cut into stretches, each at least as long as a window; the spread of their means gives the band.
FEWEST_STRETCHES, MOST_STRETCHES = 10, 32


def loss_by_memory(
    network: nn.Module, tokens: np.ndarray, nats: np.ndarray, starts: np.ndarray | None = None, *, longest: int, counts: np.ndarray | None = None, device: str = "cpu"
) -> dict[str, Any] | None:
    """The loss of a token by how many tokens before it were read, from a zero state; None if the text is too short to tell.

    The band is of 95 %: Student's t times the standard error of the mean over the stretches. A stretch's mean is over the tokens of all its windows, so
    neighbouring tokens, which are alike, count as one observation. In documents, tokens count up to the end of the document in which a window begins.

    Args:
        tokens: [N]. nats: [N - 1], of all tokens but the first, with the state carried. starts: where documents begin.
        longest: the most tokens that are read.
        counts: [V], how often each symbol is in the training text.
    Returns:
        The object `memory` of the task's schema.
    """
    pairs = len(tokens) - 1
    length = min(longest, pairs // (FEWEST_STRETCHES + 2))
    if length < 2:
        return None
    room = pairs - 2 * length  # of where windows begin: not in the first `length` tokens, where the carried state has not read much either
    windows = min(MOST_WINDOWS, TIMES_THE_TEXT * pairs // length, room + 1)
    begins = np.unique(np.linspace(length, length + room, windows).astype(np.int64))
    more = window_nats(network, tokens, starts, window=length, begins=begins, device=device) - nats[begins[:, None] + np.arange(length)]  # [windows, length]
    if starts is not None:
        more[_beyond(begins, length, starts, len(tokens))] = np.nan
    stretches = min(MOST_STRETCHES, room // length)
    stretch_of = (begins - length) * stretches // (room + 1)
    shown, carried = [place for place in POSITIONS if place <= length], float(nats.mean())
    curve: dict[str, list[float]] = {"position": [], "loss": [], "low": [], "high": []}
    for before, place in zip([0, *shown], shown):
        means = np.array([mean for number in range(stretches) if not math.isnan(mean := _mean(more[stretch_of == number, before:place]))])
        if len(means) < FEWEST_STRETCHES // 2:  # few documents are so long
            break
        half = t_quantile(len(means) - 1) * float(means.std(ddof=1)) / math.sqrt(len(means))
        loss = carried + float(means.mean())
        for name, value in (("position", place), ("loss", loss), ("low", loss - half), ("high", loss + half)):
            curve[name].append(value)
    if not curve["position"]:
        return None
    return {**curve, "windows": len(begins), "stretches": stretches, "without": None if counts is None else _without(tokens, counts)}


def _beyond(begins: np.ndarray, length: int, starts: np.ndarray, amount: int) -> np.ndarray:
    """[windows, length] bool: the tokens of a window after the document in which it begins; all of them where it begins with the document, since nothing is forgotten there."""
    marks = np.zeros(amount, dtype=bool)
    marks[starts] = True
    return np.logical_or.accumulate(marks[begins[:, None] + np.arange(length)], axis=1)


def _mean(values: np.ndarray) -> float:
    known = values[~np.isnan(values)]
    return float(known.mean()) if known.size else math.nan


def _without(tokens: np.ndarray, counts: np.ndarray) -> float:
    """The loss of a model that has read nothing, and knows how often each symbol is in the training text; each count is one more, so that none is zero."""
    chances = (counts + 1) / (counts.sum() + len(counts))
    return float(-np.log(chances[tokens[1:]]).mean())


def t_quantile(freedom: int) -> float:
    """The 97.5 % quantile of Student's t.

    Source:     Abramowitz and Stegun 1964, 26.7.5; from four degrees of freedom on its error is below 0.02.
    Example:
        >>> [round(t_quantile(freedom), 2) for freedom in (4, 9, 31)]
        [2.77, 2.26, 2.04]
    """
    z = 1.959963984540054
    first = (z**3 + z) / 4
    second = (5 * z**5 + 16 * z**3 + 3 * z) / 96
    third = (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384
    return z + first / freedom + second / freedom**2 + third / freedom**3
