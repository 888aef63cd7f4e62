"""The numbers of a translation, counted by hand."""

import numpy as np
import pytest

from tenuto.tasks.translate.scores import coverage, translation_result


def test_answers_count_against_the_nearest_of_their_references():
    sources = [tuple("cat"), tuple("dog"), tuple("a")]
    answers = [("K", "AE", "T"), ("D", "AO"), ("EY",)]
    references = [[("K", "AA", "T"), ("K", "AE", "T")], [("D", "AO", "G"), ("T", "AO", "G", "Z")], [("AH",), ("EY",)]]
    result = translation_result(sources, answers, references, ["1", "2", "3"])
    assert (result["sources"], result["references"]) == (3, 6)
    assert result["exact"] == pytest.approx(2 / 3)
    assert result["error_rate"] == pytest.approx(1 / (3 + 3 + 1))
    assert result["mistakes"] == [
        {"id": "2", "source": list("dog"), "target": ["D", "AO", "G"], "predicted": ["D", "AO"], "edits": 1},
    ]
    assert sum(row["pairs"] for row in result["by_length"]) == 3
    assert [(row["length_min"], row["exact"]) for row in result["by_length"]] == [(1, 1.0), (3, 0.5)]


def test_sources_of_one_length_have_one_row():
    result = translation_result([("a",)] * 3, [("b",)] * 3, [[("b",)]] * 3, "123")
    assert [(row["length_min"], row["length_max"], row["pairs"]) for row in result["by_length"]] == [(1, 1, 3)]
    assert result["mistakes"] == [] and result["exact_interval"][1] == 1.0


def test_coverage_is_at_most_one_for_each_symbol():
    weights = [np.array([[0.9, 0.1], [0.8, 0.2]]), np.array([[0.4, 0.6]])]
    found = coverage([("a", "b"), ("a", "c")], weights, least=1)
    assert found["mean"] == pytest.approx((1.0 + 0.3 + 0.4 + 0.6) / 4)
    assert found["uncovered"] == 0.5
    assert [row["token"] for row in found["least_read"]] == ["b", "c", "a"]
    assert found["least_read"][2]["weight"] == pytest.approx(0.7)
    assert [row["token"] for row in coverage([("a", "b"), ("a", "c")], weights, least=2)["least_read"]] == ["a"]
