"""Spans and their score: by hand, for well-formed and malformed IOB, and against conlleval's own rules written out."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tenuto.scores.spans import Span, has_spans, score_spans, spans_of


@pytest.mark.parametrize(
    ("tags", "spans"),
    [
        ("O O O", []),
        ("B-a", [(0, 0, "a")]),
        ("B-a I-a O B-b", [(0, 1, "a"), (3, 3, "b")]),
        ("B-a B-a", [(0, 0, "a"), (1, 1, "a")]),
        ("B-a-b I-a-b", [(0, 1, "a-b")]),
        # malformed: an I- after O, at the beginning, or after another type begins a span
        ("I-a I-a O", [(0, 1, "a")]),
        ("O I-a", [(1, 1, "a")]),
        ("B-a I-b I-b", [(0, 0, "a"), (1, 2, "b")]),
        ("I-a I-b B-b I-a", [(0, 0, "a"), (1, 1, "b"), (2, 2, "b"), (3, 3, "a")]),
        ("B-a X I-a", [(0, 0, "a"), (2, 2, "a")]),
        ("B-", []),
        # IOBES
        ("S-a B-b E-b O", [(0, 0, "a"), (1, 2, "b")]),
        ("B-a I-a E-a I-a", [(0, 2, "a"), (3, 3, "a")]),
        ("E-a S-a", [(0, 0, "a"), (1, 1, "a")]),
    ],
)
def test_spans_by_hand(tags, spans):
    assert spans_of(tags.split()) == [Span(*span) for span in spans]


def conlleval(sentences):
    """(right, predicted, true) as the script conlleval counts: in one pass, it looks for chunks that are open in both; between sentences it puts an O.

    Written from the rules of its two functions, which look at two neighbouring tags at a time.
    """

    def cut(tag):
        mark, _, kind = tag.partition("-")
        return mark, kind

    def ends(before, after):
        (mark, kind), (next_mark, next_kind) = before, after
        return mark in "BI" and (next_mark in ("B", "O") or kind != next_kind)

    def begins(before, after):
        (mark, kind), (next_mark, next_kind) = before, after
        return next_mark == "B" or (next_mark == "I" and (mark == "O" or kind != next_kind))

    right = predicted = true = 0
    both_open = False
    gold_before = guess_before = ("O", "")
    for gold, guess in [pair for rows in sentences for pair in [*zip(*rows), ("O", "O")]]:
        gold, guess = cut(gold), cut(guess)
        gold_ends, guess_ends = ends(gold_before, gold), ends(guess_before, guess)
        if both_open:
            if gold_ends and guess_ends:
                right, both_open = right + 1, False
            elif gold_ends != guess_ends or gold[1] != guess[1]:
                both_open = False
        gold_begins, guess_begins = begins(gold_before, gold), begins(guess_before, guess)
        both_open = (gold_begins and guess_begins and gold[1] == guess[1]) or both_open
        true, predicted = true + gold_begins, predicted + guess_begins
        gold_before, guess_before = gold, guess
    return right, predicted, true


tags = st.sampled_from(["O", "B-a", "I-a", "B-b", "I-b"])
pairs = st.integers(1, 7).flatmap(lambda size: st.tuples(st.lists(tags, min_size=size, max_size=size), st.lists(tags, min_size=size, max_size=size)))


@given(st.lists(pairs, min_size=1, max_size=4))
def test_counts_are_those_of_the_script_for_any_tags(sentences):
    score = score_spans([gold for gold, _ in sentences], [guess for _, guess in sentences])
    assert (score["right"], score["predicted"], score["true"]) == conlleval(sentences)
    assert sum(row["support"] for row in score["kinds"]) == score["true"]
    assert sum(row["predicted"] for row in score["kinds"]) == score["predicted"]


def test_a_score_by_hand():
    truth = ["B-city I-city O B-day".split(), "B-city O".split()]
    predicted = ["B-city I-city O O".split(), "B-city B-day".split()]
    score = score_spans(truth, predicted)
    assert (score["right"], score["predicted"], score["true"]) == (2, 3, 3)
    assert score["f1"] == score["precision"] == score["recall"] == pytest.approx(2 / 3)
    assert score["kinds"] == [
        {"name": "city", "precision": 1.0, "recall": 1.0, "f1": 1.0, "predicted": 2, "support": 2},
        {"name": "day", "precision": 0.0, "recall": 0.0, "f1": 0.0, "predicted": 1, "support": 1},
    ]


def test_nothing_to_find_and_nothing_found():
    empty = score_spans([["O"]], [["O"]])
    assert (empty["precision"], empty["recall"], empty["f1"]) == (None, None, None)
    missed = score_spans([["B-a"]], [["O"]])
    assert (missed["precision"], missed["recall"], missed["f1"]) == (None, 0.0, 0.0)
    with pytest.raises(ValueError, match="argument 2 is shorter"):
        score_spans([["O"], ["O"]], [["O"]])


@pytest.mark.parametrize(("tags", "spans"), [("O B-a I-a", True), ("I-a", True), ("O", False), ("NOUN VERB", False), ("O B-a NOUN", False), ("X-ray O", False)])
def test_which_tags_mark_spans(tags, spans):
    assert has_spans(tags.split()) is spans
