"""When steps were: gaps by hand, and as the published recursion; times that are refused."""

import numpy as np
import pytest

from tenuto.data import Columns, Sequences, Standardiser, read_sequences
from tenuto.data.sequences.moments import instants
from tenuto.data.sequences.times import as_times, distinct, elapsed, gaps, mean_step
from tenuto.errors import DataError, ShapeError

NAN = np.nan


def published(times, mask):
    """Che et al. 2018: d_1 = 0; d_t = s_t - s_{t-1}, and d_{t-1} more where the step before measured nothing."""
    found = np.zeros(mask.shape)
    for t in range(1, len(times)):
        found[t] = times[t] - times[t - 1] + np.where(mask[t - 1], 0, found[t - 1])
    return found


def test_a_gap_is_built_from_the_mask_of_the_step_before():
    """The example in figure 2 of the paper: s = 0, 0.1, 0.6, 1.6, 2.2, 2.5, 3.1 and two variables."""
    times = np.array([0, 0.1, 0.6, 1.6, 2.2, 2.5, 3.1])
    mask = np.array([[0, 1, 0, 0, 0, 1, 0], [1, 0, 0, 1, 0, 0, 1]], dtype=bool).T
    expected = np.array([[0.0, 0.1, 0.5, 1.5, 2.1, 2.4, 0.6], [0.0, 0.1, 0.6, 1.6, 0.6, 0.9, 1.5]]).T
    np.testing.assert_allclose(gaps(times, mask), expected, atol=1e-12)
    draw = np.random.default_rng(0)
    times, mask = np.cumsum(draw.exponential(size=40)), draw.random((40, 5)) < 0.3
    np.testing.assert_allclose(gaps(times, mask), published(times, mask), atol=1e-9)


def test_the_arrays_that_are_given_stay_as_they_were():
    times, mask = np.array([0.0, 1.0, 4.0]), np.array([[True], [False], [True]])
    before = times.copy(), mask.copy()
    found = gaps(times, mask)
    found += 1
    np.testing.assert_array_equal(times, before[0])
    np.testing.assert_array_equal(mask, before[1])


def test_what_stands_beside_the_values_by_hand():
    """Times 0, 2, 6, so the mean step is 3. A channel is measured at 0 and 6, another never."""
    values = np.array([[1.0, NAN], [NAN, NAN], [5.0, NAN]])
    data = Sequences([values, np.array([[3.0, 2.0]])], times=[[0, 2, 6], [9]])
    kinds = ("mask", "gap", "gap_reverse", "recency", "elapsed", "elapsed_reverse")
    standardiser = Standardiser.learn(data, missing="mean", beside=kinds)
    assert (standardiser.span, standardiser.mean.tolist()) == (3.0, [3.0, 2.0])
    found = standardiser.apply(values, data.times[0]).astype(np.float64)
    part = {kind: found[:, list(places)] for kind, places in standardiser.places.items()}
    np.testing.assert_array_equal(part["value"][:, 0], part["value"][0, 0] * np.array([1, 0, -1]))
    np.testing.assert_array_equal(part["mask"], [[1, 0], [0, 0], [1, 0]])
    np.testing.assert_allclose(part["gap"] * 3, [[0, 0], [2, 2], [6, 6]], atol=1e-6)
    np.testing.assert_allclose(part["gap_reverse"] * 3, [[6, 6], [4, 4], [0, 0]], atol=1e-6)
    np.testing.assert_allclose(part["recency"], [[1, 1], [0.6, 0.6], [1 / 3, 1 / 3]], atol=1e-6)
    np.testing.assert_allclose(part["elapsed"][:, 0] * 3, [0, 2, 4], atol=1e-6)
    np.testing.assert_allclose(part["elapsed_reverse"][:, 0] * 3, [2, 4, 0], atol=1e-6)
    again = Standardiser.from_data(standardiser.to_data())
    np.testing.assert_array_equal(again.apply(values, data.times[0]), standardiser.apply(values, data.times[0]))


def test_a_sequence_without_times_has_one_unit_from_step_to_step():
    values = np.array([[1.0], [NAN], [2.0]])
    standardiser = Standardiser.learn(Sequences([values]), missing="mean", beside=("gap",))
    assert standardiser.span is None
    np.testing.assert_array_equal(standardiser.apply(values)[:, 1], [0, 1, 2])
    with pytest.raises(DataError, match="known here, but were not in training"):
        standardiser.check(Sequences([values], times=[[0, 1, 2]]))
    timed = Standardiser.learn(Sequences([values], times=[[0, 1, 5]]), missing="mean", beside=("gap",))
    with pytest.raises(DataError, match=r"known in training, but not here(.|\n)*times="):
        timed.check(Sequences([values]))


def test_steps_are_counted_by_weight():
    assert mean_step([np.array([0.0, 1.0]), np.array([0.0, 4.0])], np.array([3.0, 1.0])) == pytest.approx(7 / 4)
    assert elapsed(np.array([5.0])).tolist() == [0.0]


@pytest.mark.parametrize(
    ("times", "words", "error"),
    [
        ([[0, 1]], "not as many arrays of times", ShapeError),
        ([[0, 1], [0]], "times of sequence '1' do not fit", ShapeError),
        ([[0, 1], [1, 1]], "step 1 of sequence '1' is not later", DataError),
        ([[0, 1], [1, np.inf]], "step 1 of sequence '1' is no number", DataError),
        ([[0, 1], [NAN, 1]], "step 0 of sequence '1' is no number", DataError),
    ],
)
def test_times_that_do_not_fit(times, words, error):
    with pytest.raises(error, match=words):
        as_times(times, [np.zeros((2, 1))] * 2, ["0", "1"])


def test_times_stay_with_their_sequences():
    data = Sequences([np.zeros((2, 1)), np.ones((1, 1))], labels=["a", "b"], times=[[0, 3], [7]])
    assert data.select([1]).times[0].tolist() == [7] and data.labelled(["c", "d"]).times[0].tolist() == [0, 3]
    assert data.sha256 != Sequences([np.zeros((2, 1)), np.ones((1, 1))], labels=["a", "b"], times=[[0, 4], [7]]).sha256


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        (["0", "0.5", "2"], [0, 0.5, 2]),
        (["2026-01-01T00:00:00", "2026-01-01T00:00:30", "2026-01-02T00:00:00"], [0, 30, 86400]),
        (["2026-01-01", "2026-01-02 12:00:00.5", "2026-01-03"], [0, 129600.5, 172800]),
        (["2026-01-01T00:00+02:00", "2025-12-31T22:00:01Z", "2026-01-01T00:00:02+02:00"], [0, 1, 2]),
        (["9:30", "9:45", "12:00"], [0, 900, 9000]),
        (["0 days 00:00:00", "0 days 01:00:00", "2 days"], [0, 3600, 172800]),
    ],
)
def test_how_much_time_has_passed(cells, expected, tmp_path):
    np.testing.assert_allclose(instants(cells, "time", str).times, expected, rtol=1e-12)
    path = tmp_path / "toy.csv"
    path.write_text("id,time,v\n" + "".join(f"a,{cell},1\n" for cell in reversed(cells)), encoding="utf-8")
    np.testing.assert_allclose(read_sequences(path).times[0], expected, rtol=1e-12)


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns", "m", "10s"])
def test_the_unit_of_dates_in_arrays_does_not_matter(unit):
    dates = np.array(["2026-01-01T00:00", "2026-01-01T00:01", "2026-01-01T01:00"], dtype=f"datetime64[{unit}]")
    np.testing.assert_allclose(instants(dates, "time", str).times, [0, 60, 3600])
    np.testing.assert_allclose(instants(dates - dates[0], "time", str).times, [0, 60, 3600])


def test_times_that_float64_cannot_tell_apart_are_an_order_alone(tmp_path):
    path = tmp_path / "toy.csv"
    path.write_text("id,time,v\na,1700000000000000001,2\na,1700000000000000000,1\n", encoding="utf-8")
    data = read_sequences(path, columns=Columns())
    assert data.values[0].ravel().tolist() == [1, 2] and data.times is None
    assert distinct([np.array([0.0, 0.0])]) is None
