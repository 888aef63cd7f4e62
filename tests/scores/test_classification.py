"""The numbers of a classification, against scikit-learn's where it has them."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tenuto.scores.classification import by_class, classification_result, confusion_matrix, log_softmax, softmax, wilson_interval

NAMES = ["a", "b", "c"]


@given(pairs=st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2)), min_size=1, max_size=30))
def test_confusion_and_scores_are_scikit_learns(pairs):
    metrics = pytest.importorskip("sklearn.metrics")
    truth, predicted = np.array(pairs).T
    confusion = confusion_matrix(truth, predicted, 3)
    np.testing.assert_array_equal(confusion, metrics.confusion_matrix(truth, predicted, labels=[0, 1, 2]))
    precision, recall, f1, support = metrics.precision_recall_fscore_support(truth, predicted, labels=[0, 1, 2], zero_division=0)
    rows = by_class(confusion, NAMES)
    np.testing.assert_allclose([row["precision"] or 0 for row in rows], precision)
    np.testing.assert_allclose([row["recall"] or 0 for row in rows], recall)
    np.testing.assert_allclose([row["f1"] or 0 for row in rows], f1)
    assert [row["support"] for row in rows] == support.tolist()


def test_what_is_not_defined_is_none():
    rows = by_class(confusion_matrix(np.array([0, 0]), np.array([1, 0]), 3), NAMES)
    assert (rows[1]["precision"], rows[1]["recall"], rows[1]["f1"]) == (0.0, None, 0.0)
    assert (rows[2]["precision"], rows[2]["recall"], rows[2]["f1"]) == (None, None, None)


def test_a_result_names_its_mistakes_most_confident_first():
    probabilities = np.array([[0.9, 0.1, 0.0], [0.6, 0.3, 0.1], [0.8, 0.1, 0.1], [0.1, 0.2, 0.7]])
    result = classification_result(probabilities, np.array([0, 1, 2, 2]), NAMES, ("p", "q", "r", "s"))
    assert result["accuracy"] == 0.5
    assert result["majority_accuracy"] == 0.5
    assert result["loss"] == pytest.approx(-np.log([0.9, 0.3, 0.1, 0.7]).mean())
    assert [(m["id"], m["label"], m["predicted"], m["probability"]) for m in result["mistakes"]] == [("r", "c", "a", 0.8), ("q", "b", "a", 0.6)]
    low, high = result["accuracy_interval"]
    assert low < 0.5 < high
    assert classification_result(np.eye(3), np.arange(3)[::-1].copy(), NAMES, ("p", "q", "r"))["loss"] < 1e3


def test_the_interval_stays_inside_zero_and_one():
    assert wilson_interval(0, 5)[0] == 0.0
    assert wilson_interval(5, 5)[1] == pytest.approx(1.0)


def test_softmax_works_with_large_logits():
    np.testing.assert_allclose(softmax(np.array([[1e4, 0.0], [-1e4, -1e4]], dtype=np.float32)), [[1, 0], [0.5, 0.5]])


@given(rows=st.lists(st.tuples(st.integers(0, 2), st.lists(st.floats(-5, 5), min_size=3, max_size=3), st.integers(0, 3)), min_size=1, max_size=20))
def test_weights_count_rows_as_often_as_they_say(rows):
    targets, logits, weights = np.array([row[0] for row in rows]), np.array([row[1] for row in rows]), np.array([float(row[2]) for row in rows])
    if not weights.any():
        return
    many = np.repeat(np.arange(len(rows)), weights.astype(int))
    ids = tuple(str(row) for row in range(len(rows)))
    found = classification_result(softmax(logits), targets, NAMES, ids, weights)
    expected = classification_result(softmax(logits)[many], targets[many], NAMES, tuple(ids[row] for row in many))
    for name in ("loss", "accuracy", "macro_f1", "balanced_accuracy", "majority_accuracy"):
        assert found[name] == pytest.approx(expected[name]), name
    for one, other in zip(found["classes"], expected["classes"]):
        assert [one[name] for name in ("precision", "recall", "f1")] == pytest.approx([other[name] for name in ("precision", "recall", "f1")])
    assert found["sequences"] == len(rows) == np.sum(found["confusion"]) and 1 <= found["effective_sequences"] <= len(rows) + 1e-9


def test_logarithms_of_large_logits_are_finite():
    np.testing.assert_array_equal(log_softmax(np.array([[1e4, 0.0], [-3e38, 0]], dtype=np.float32)), [[0, -1e4], [np.float32(-3e38), 0]])
