"""Errors against scikit-learn; intervals against their definition, and against how often they are right."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics

from tenuto.scores.regression import conformal_widths, error_measures, held_out_needed, regression_result


@settings(max_examples=40, deadline=None)
@given(count=st.integers(2, 40), targets=st.integers(1, 3), seed=st.integers(0, 99), weighted=st.booleans())
def test_errors_are_those_of_scikit_learn(count, targets, seed, weighted):
    draw = np.random.default_rng(seed)
    predicted, wanted = draw.normal(size=(2, count, targets)) * 100
    weights = draw.integers(0, 4, count) + np.eye(count)[0] if weighted else None
    found = error_measures(predicted, wanted, weights)
    given_ = {"sample_weight": weights, "multioutput": "raw_values"}
    np.testing.assert_allclose(found["rmse"], metrics.root_mean_squared_error(wanted, predicted, **given_))
    np.testing.assert_allclose(found["mae"], metrics.mean_absolute_error(wanted, predicted, **given_))
    if weights is None or (weights > 0).sum() > 1:
        np.testing.assert_allclose(found["r2"], metrics.r2_score(wanted, predicted, **given_))


def test_targets_that_are_all_alike_have_no_share():
    found = error_measures(np.array([[1.0], [2.0]]), np.full((2, 1), 5.0))
    assert np.isnan(found["r2"]).all() and found["rmse"][0] == pytest.approx(np.sqrt(12.5))
    result = regression_result(
        np.array([[1.0], [2.0]]), np.ones((2, 1)), np.full((2, 1), 5.0), ["y"], ["a", "b"], usual=np.zeros(1), scale=np.ones(1), loss=1.0, widths={80: None, 95: None}
    )
    assert result["r2"] is None and result["targets"][0]["r2"] is None and result["targets"][0]["inside_80"] is None


@pytest.mark.parametrize("level", [50, 80, 95])
def test_an_interval_is_right_as_often_as_it_says(level):
    """The mean over many held-out parts is k / (V + 1) with k = ceil((V + 1) level), whatever the distribution: here, one with heavy tails."""
    draw, held_out = np.random.default_rng(0), 39
    scores = np.abs(draw.standard_t(2, size=(20_000, held_out + 1)))
    widths = conformal_widths(np.sort(scores[:, :-1], axis=1).T, level)
    exact = np.ceil((held_out + 1) * level / 100) / (held_out + 1)
    assert np.mean(scores[:, -1] <= widths) == pytest.approx(exact, abs=4 * np.sqrt(0.25 / 20_000))


@given(level=st.integers(1, 99))
def test_there_is_an_interval_as_soon_as_enough_were_held_out(level):
    enough = held_out_needed(level)
    assert conformal_widths(np.ones((enough, 1)), level) is not None
    assert enough == 1 or conformal_widths(np.ones((enough - 1, 1)), level) is None


def test_a_result_names_the_largest_errors_and_counts_what_is_inside():
    predicted, wanted = np.array([[1.0, 10.0], [2.0, 20.0], [3.0, 30.0]]), np.array([[1.5, 10.0], [2.0, 80.0], [3.0, 31.0]])
    result = regression_result(
        predicted, np.ones((3, 2)), wanted, ["a", "b"], ["x", "y", "z"], usual=np.array([2.0, 20.0]), scale=np.array([1.0, 10.0]), loss=0.0, widths={80: np.array([0.5, 1.0]), 95: None}
    )
    assert [(one["id"], one["target"]) for one in result["worst"]] == [("y", "b"), ("x", "a"), ("z", "b")]
    assert result["worst"][0]["error"] == -60.0
    first, second = result["targets"]
    assert first["inside_80"] == 1.0 and second["inside_80"] == pytest.approx(2 / 3) and first["inside_95"] is None
    assert second["rmse_range"][0] <= second["rmse"] <= second["rmse_range"][1]
    weighed = regression_result(
        predicted, np.ones((3, 2)), wanted, ["a", "b"], ["x", "y", "z"], np.array([1.0, 0.0, 1.0]), usual=np.zeros(2), scale=np.ones(2), loss=0.0, widths={80: None, 95: None}
    )
    assert "y" not in [one["id"] for one in weighed["worst"]] and weighed["effective_sequences"] == 2.0
