"""How good transcripts are: word and character error rates with counts, for a whole set, by speaker and by length."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

RESAMPLES, BINS = 1000, 6
EDIT = np.int64(1) << 32
MOST_CELLS = 1 << 25  # of a table of words by words, 256 MiB: recordings with more are not looked through for confusions


class Edits(NamedTuple):
    """How a reference becomes an answer.

    Attributes:
        reference: symbols of it. hits, substitutions, deletions, insertions: how many; the first three add up to `reference`.
    """

    reference: int
    hits: int
    substitutions: int
    deletions: int
    insertions: int

    @property
    def errors(self) -> int:
        """Substitutions, deletions and insertions."""
        return self.substitutions + self.deletions + self.insertions


def edits(reference: Sequence[Hashable], answer: Sequence[Hashable]) -> Edits:
    """The fewest edits; among ways with as few, one with the most hits.

    Example:
        >>> edits("the cat sat".split(), "a cat sat down".split())
        Edits(reference=3, hits=2, substitutions=1, deletions=0, insertions=1)
    """
    for row in _costs(reference, answer):
        last = row[-1]
    fewest = int(-(-last // EDIT))
    hits = int(fewest * EDIT - last)
    # With E edits, H hits and lengths R and A: R = H + S + D, A = H + S + I, E = S + D + I.
    substitutions = len(reference) + len(answer) - 2 * hits - fewest
    return Edits(len(reference), hits, substitutions, len(reference) - hits - substitutions, len(answer) - hits - substitutions)


def _costs(reference: Sequence[Hashable], answer: Sequence[Hashable]) -> Iterator[np.ndarray]:
    """Row by row, what it costs to make each beginning of the answer of each beginning of the reference, [A + 1] int64. A cell is edits * 2**32 - hits: fewest edits first, then most hits."""
    names: dict[Hashable, int] = {}
    first, second = (np.array([names.setdefault(one, len(names)) for one in side], dtype=np.int64) for side in (reference, answer))
    places = np.arange(len(second) + 1, dtype=np.int64) * EDIT
    row = places.copy()
    yield row
    for number, symbol in enumerate(first, 1):
        fresh = np.empty_like(row)
        fresh[0] = number * EDIT
        fresh[1:] = np.minimum(row[1:] + EDIT, row[:-1] + np.where(second == symbol, -1, EDIT))
        row = np.minimum.accumulate(fresh - places) + places  # along a row, insertions are a running minimum of what came before them
        yield row


def differences(reference: Sequence[str], answer: Sequence[str]) -> list[tuple[str, str]]:
    """Pairs of what was said and what was written in its place, where they differ, of one way with the fewest edits; "" where one of them is missing.

    Example:
        >>> differences("the cat sat".split(), "a cat sat down".split())
        [('the', 'a'), ('', 'down')]
    """
    cost = list(_costs(reference, answer))
    row, column, found = len(reference), len(answer), list[tuple[str, str]]()
    while row or column:
        if row and column and cost[row][column] == cost[row - 1][column - 1] + (-1 if reference[row - 1] == answer[column - 1] else EDIT):
            row, column = row - 1, column - 1
            found += [(reference[row], answer[column])] if reference[row] != answer[column] else []
        elif row and cost[row][column] == cost[row - 1][column] + EDIT:
            row -= 1
            found.append((reference[row], ""))
        else:
            column -= 1
            found.append(("", answer[column]))
    return found[::-1]


def rate(counts: Sequence[Edits]) -> float | None:
    """Errors of a whole set, divided by the symbols of all its references; None where these have none.

    Example:
        >>> rate([edits([], ["a", "b"]), edits(["a", "b", "c", "d"], ["a", "b", "c", "d"])]), rate([edits([], ["a"])])
        (0.5, None)
    """
    symbols = sum(one.reference for one in counts)
    return sum(one.errors for one in counts) / symbols if symbols else None


def rate_interval(counts: Sequence[Edits], *, seed: int = 0) -> list[float] | None:
    """Low and high of the rate, 95 %, by drawing recordings again (a bootstrap of a thousand sets); None where there is no rate."""
    errors, symbols = np.array([one.errors for one in counts]), np.array([one.reference for one in counts])
    if not symbols.sum():
        return None
    drawn = np.random.default_rng(seed).integers(0, len(counts), size=(RESAMPLES, len(counts)))
    rates = errors[drawn].sum(1) / np.maximum(symbols[drawn].sum(1), 1)
    return [float(value) for value in np.quantile(rates, (0.025, 0.975))]


def transcription_result(
    references: Sequence[str], answers: Sequence[str], ids: Sequence[str], seconds: Sequence[float], speakers: Sequence[str] | None, *, mistakes: int = 50, confusions: int = 30
) -> dict[str, Any]:
    """How good answers are: a part of the RESULT of a run folder's evaluation.json."""
    words = [edits(one.split(), other.split()) for one, other in zip(references, answers, strict=True)]
    characters = [edits(one, other) for one, other in zip(references, answers)]
    order = sorted((row for row, one in enumerate(characters) if one.errors), key=lambda row: (-words[row].errors, -characters[row].errors, row))
    confused = Counter(pair for row in order if words[row].errors and len(references[row].split()) * len(answers[row].split()) <= MOST_CELLS for pair in differences(references[row].split(), answers[row].split()))
    by_speaker = [] if speakers is None else [_group({"speaker": name}, words, [row for row, one in enumerate(speakers) if one == name]) for name in sorted(set(speakers))]
    return {
        "recordings": len(references),
        **{f"word_{name}": sum(getattr(one, name) for one in words) for name in ("substitutions", "deletions", "insertions")},
        "words": sum(one.reference for one in words),
        "wer": rate(words),
        "wer_interval": rate_interval(words),
        "characters": sum(one.reference for one in characters),
        "character_errors": sum(one.errors for one in characters),
        "cer": rate(characters),
        "exact": sum(not one.errors for one in characters) / len(characters),
        "by_speaker": by_speaker,
        "by_length": _by_length(words, np.asarray(seconds, dtype=np.float64)),
        "confusions": [{"reference": said, "predicted": written, "count": count} for (said, written), count in sorted(confused.items(), key=lambda one: (-one[1], one[0]))[:confusions]],
        "mistakes": [{"id": ids[row], "reference": references[row], "predicted": answers[row], "word_errors": words[row].errors, "character_errors": characters[row].errors} for row in order[:mistakes]],
    }


def _by_length(words: Sequence[Edits], seconds: np.ndarray) -> list[dict[str, Any]]:
    """At most `BINS` rows by length, each of about the same number of recordings."""
    edges = sorted(set(np.quantile(seconds, np.arange(BINS) / BINS, method="lower").tolist()))
    rows = []
    for low, high in zip(edges, [*edges[1:], float("inf")]):
        inside = np.flatnonzero((seconds >= low) & (seconds < high)).tolist()
        rows.append(_group({"seconds_min": float(seconds[inside].min()), "seconds_max": float(seconds[inside].max())}, words, inside))
    return rows


def _group(named: dict[str, Any], words: Sequence[Edits], rows: Sequence[int]) -> dict[str, Any]:
    chosen = [words[row] for row in rows]
    return {**named, "recordings": len(chosen), "words": sum(one.reference for one in chosen), "errors": sum(one.errors for one in chosen), "wer": rate(chosen)}
