"""Spans in tag sequences, scored as `conlleval`, the script of the CoNLL shared tasks, scores them.

`tag_schemes.py` says what a tag marks, for each scheme. Malformed sequences count as in that script: an `I-` after `O`, at the beginning, or after another
type begins a span; a span ends before a `B-`, an `O`, or another type. A span is right when its first token, its last token and its type are right.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from tenuto.scores.tag_schemes import EVERY_MARK, find_scheme, mark_of


class Span(NamedTuple):
    """Tokens `start` to `end`, counted from 0 and both included, with the type `kind`."""

    start: int
    end: int
    kind: str


def has_spans(tags: Iterable[str]) -> bool:
    """Whether these tags mark spans, in any scheme.

    Example:
        >>> has_spans(["O", "B-city"]), has_spans(["NOUN", "VERB"]), has_spans(["O"])
        (True, False, False)
    """
    return find_scheme(tags) is not None


def spans_of(tags: Sequence[str], marks: str = EVERY_MARK) -> list[Span]:
    """The spans that a sentence's tags mark, from left to right. A tag that is neither `O` nor a mark and a type counts as `O`.

    Args:
        marks: the marks that the scheme has.
    Example:
        >>> spans_of(["O", "I-city", "I-city", "B-city", "I-day"])
        [Span(start=1, end=2, kind='city'), Span(start=3, end=3, kind='city'), Span(start=4, end=4, kind='day')]
    """
    spans: list[Span] = []
    start, kind, before = 0, "", "O"  # the open span; `before` is the mark of the last tag
    for position, tag in enumerate([*tags, "O"]):
        mark, kind_here = mark_of(tag, marks)
        goes_on = mark in "IE" and before in "BI" and kind_here == kind
        if before != "O" and not goes_on:
            spans.append(Span(start, position - 1, kind))
        if mark != "O" and not goes_on:
            start, kind = position, kind_here
        before = mark
    return spans


def score_spans(truth: Sequence[Sequence[str]], predicted: Sequence[Sequence[str]], marks: str = EVERY_MARK, *, weights: Sequence[float] | None = None) -> dict[str, Any]:
    """Precision, recall and F1 of the predicted spans, over all sentences and for each type of span.

    Precision is None if no span was predicted, and recall is None if there is no true span. F1 is 2 x right / (predicted + true): None if both are
    zero, and 0 if no span is right.

    Args:
        truth, predicted: the tags of each sentence. marks: those that the scheme has.
        weights: how much each sentence counts; precision, recall and F1 go by them, and counts are counts.
    Returns:
        {precision, recall, f1, right, predicted, true, kinds}; kinds is a list of {name, precision, recall, f1, predicted, support}, in the order
        of the names.
    Example:
        >>> score_spans([["B-a", "I-a", "O"]], [["B-a", "O", "B-b"]])["f1"]
        0.0
    """
    found = [(set(spans_of(gold, marks)), set(spans_of(guess, marks))) for gold, guess in zip(truth, predicted, strict=True)]
    counts = _counts(found, None)
    sums = counts if weights is None else _counts(found, weights)
    kinds = []
    for name in sorted(set(counts.true) | set(counts.predicted)):
        row = _shares(sums.right[name], sums.predicted[name], sums.true[name])
        kinds.append({"name": name, **row, "predicted": counts.predicted[name], "support": counts.true[name]})
    whole = _shares(*(sum(part.values()) for part in sums))
    return {**whole, **{name: sum(part.values()) for name, part in counts._asdict().items()}, "kinds": kinds}


class _Counts(NamedTuple):
    """How many spans of each kind are right, are predicted, are true; or the sums of their weights."""

    right: Counter[str]
    predicted: Counter[str]
    true: Counter[str]


def _counts(found: Sequence[tuple[set[Span], set[Span]]], weights: Sequence[float] | None) -> _Counts:
    """Args: found: the true and the predicted spans of each sentence."""
    counts = _Counts(Counter(), Counter(), Counter())
    for (gold, guess), weight in zip(found, [1] * len(found) if weights is None else weights):
        for part, spans in zip(counts, (gold & guess, guess, gold)):
            for span in spans:
                part[span.kind] += weight  # type: ignore[assignment]  # a Counter holds any numbers
    return counts


def _shares(right: float, predicted: float, true: float) -> dict[str, float | None]:
    return {
        "precision": right / predicted if predicted else None,
        "recall": right / true if true else None,
        "f1": 2 * right / (predicted + true) if predicted + true else None,
    }
