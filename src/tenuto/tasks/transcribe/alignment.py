"""Where a text that is known stands in the steps of a recording: the likeliest way to write it (forced alignment)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from tenuto.errors import DataError
from tenuto.tasks.transcribe.alphabet import BLANK, needed

AT_ONCE = 1 << 26  # steps times states of which it is kept where each way comes from: 64 MiB; of more, in blocks of steps that are walked twice


class Way(NamedTuple):
    """One way to write a text. spans: of each symbol, its first step and the one after its last. score: the logarithm of its probability."""

    spans: list[tuple[int, int]]
    score: float


def aligned(log_probabilities: np.ndarray, symbols: Sequence[int]) -> Way:
    """The likeliest way to write these symbols in these steps.

    Args:
        log_probabilities: [T, V].
    Raises:
        DataError: there are fewer steps than the symbols need, or every way has probability zero.
    Example:
        >>> rows = np.log(np.array([[0.2, 0.8], [0.6, 0.4], [0.1, 0.9]]))
        >>> aligned(rows, [1, 1]).spans
        [(0, 1), (2, 3)]
    """
    steps, least = len(log_probabilities), needed(symbols)
    if steps < least:
        raise DataError("the text is longer than the recording.", expected=f"{least} steps or more, one a symbol and a blank between two that are equal", received=f"{steps} steps")
    if not steps:
        return Way([], 0.0)
    states = np.full(2 * len(symbols) + 1, BLANK)
    states[1::2] = symbols
    skips = np.zeros(len(states), dtype=bool)  # a blank may be left out between two symbols that differ
    skips[3::2] = states[3::2] != states[1:-2:2]
    block = steps if steps * len(states) <= AT_ONCE else max(1, round(steps**0.5))
    best = np.full(len(states), -np.inf)
    best[:2] = log_probabilities[0, states[:2]]
    begun = [best]  # before each block of steps
    for first in range(1, steps, block):
        best = _onwards(best, log_probabilities[first : first + block], states, skips)
        begun.append(best)
    state = len(states) - 1 if len(states) == 1 or best[-1] >= best[-2] else len(states) - 2
    score, path = float(best[state]), [state]
    if score == -np.inf:
        raise DataError("the text cannot be written here: each way to write it has probability zero.")
    for number, first in reversed(list(enumerate(range(1, steps, block)))):
        rows = log_probabilities[first : first + block]
        came = np.zeros((len(rows), len(states)), dtype=np.int8)
        _onwards(begun[number], rows, states, skips, came)
        for steps_back in came[::-1]:
            state -= int(steps_back[state])
            path.append(state)
    path.reverse()
    places = np.array(path)
    spans = []
    for number in range(len(symbols)):
        inside = np.searchsorted(places, [2 * number + 1, 2 * number + 2])
        spans.append((int(inside[0]), int(inside[1])))
    return Way(spans, score)


def _onwards(best: np.ndarray, rows: np.ndarray, states: np.ndarray, skips: np.ndarray, came: np.ndarray | None = None) -> np.ndarray:
    """The score of the likeliest way to each state after these steps, from those before them. came: [T, S], which takes from how many states before each way comes."""
    ways = np.full((3, len(states)), -np.inf)
    for step, row in enumerate(rows):
        ways[0], ways[1, 1:] = best, best[:-1]
        ways[2, 2:] = np.where(skips[2:], best[:-2], -np.inf)
        if came is not None:
            came[step] = ways.argmax(0)
        best = ways.max(0) + row[states]
    return best


def aligned_in_lattice(blanks: np.ndarray, symbols: np.ndarray) -> Way:
    """The likeliest way of a transducer to write a text; each of its symbols is written in one step.

    Args:
        blanks: [T, U + 1] log-probabilities of the blank in each step after each of the text's beginnings. symbols: [T, U], of the symbol that comes next.
    Example:
        >>> aligned_in_lattice(np.log([[0.9, 0.5, 0.1], [0.1, 0.2, 0.9]]), np.log([[0.1, 0.5], [0.9, 0.8]])).spans
        [(1, 2), (1, 2)]
    """
    steps, count = symbols.shape
    best, came = np.full(count + 1, -np.inf), np.zeros((steps, count + 1), dtype=np.int64)
    best[0] = 0.0
    for step in range(steps):
        before = np.concatenate([[0.0], np.cumsum(symbols[step])])  # to come to place u from v in this step: before[u] - before[v]
        kept = best - before
        highest = np.maximum.accumulate(kept)
        came[step] = np.maximum.accumulate(np.where(kept == highest, np.arange(count + 1), 0))
        best = highest + before + blanks[step]
    place, spans = count, list[tuple[int, int]]()
    for step in range(steps - 1, -1, -1):
        spans += [(step, step + 1)] * int(place - came[step, place])
        place = int(came[step, place])
    return Way(spans[::-1], float(best[-1]))


def aligned_one_a_step(blanks: np.ndarray, symbols: np.ndarray, again: np.ndarray, text: Sequence[int]) -> Way:
    """As `aligned_in_lattice`, of a transducer that writes one symbol at most in a step; a step with a symbol has no blank, and a symbol may go on.

    Args:
        again: [T, U], of the symbol that came last, for all beginnings but the empty one. text: its symbols; between two that are equal there is a blank.
    Raises:
        DataError: there are fewer steps than the symbols need.
    Example:
        >>> blanks, symbols, again = np.log([[0.9, 0.5, 0.1], [0.1, 0.2, 0.9], [0.2, 0.2, 0.7]]), np.log([[0.1, 0.5], [0.9, 0.8], [0.8, 0.8]]), np.log(np.full((3, 2), 0.01))
        >>> aligned_one_a_step(blanks, symbols, again, [1, 2]).spans
        [(1, 2), (2, 3)]
    """
    steps, count = symbols.shape
    if steps < (least := needed(text)):
        raise DataError("the text is longer than the recording.", expected=f"{least} steps or more, one a symbol and a blank between two that are equal", received=f"{steps} steps")
    repeated = np.array([one == before for one, before in zip(text, [BLANK, *text])], dtype=bool)
    best = np.full((2, count + 1), -np.inf)  # of ways whose last step is a blank, and a symbol
    best[0, 0] = 0.0
    from_symbol, moved = np.zeros((2, steps, count + 1), dtype=bool), np.zeros((steps, count + 1), dtype=bool)  # from_symbol: to a blank, to a new symbol
    for step in range(steps):
        either, symbol_before = best.max(0), best[1] > best[0]
        new = np.where(repeated, best[0, :-1], either[:-1]) + symbols[step]
        on = best[1, 1:] + again[step]
        from_symbol[0, step], from_symbol[1, step, 1:], moved[step, 1:] = symbol_before, ~repeated & symbol_before[:-1], new > on
        best = np.stack([either + blanks[step], np.concatenate([[-np.inf], np.maximum(on, new)])])
    place, state, spans, end = count, int(best[1, -1] > best[0, -1]), list[tuple[int, int]](), 0
    score = float(best[state, -1])
    for step in range(steps - 1, -1, -1):
        if not state:
            state = int(from_symbol[0, step, place])
            continue
        end = end or step + 1
        if moved[step, place]:
            spans.append((step, end))
            state, place, end = int(from_symbol[1, step, place]), place - 1, 0
    return Way(spans[::-1], score)
