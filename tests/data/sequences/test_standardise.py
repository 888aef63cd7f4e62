"""Standardisation: compared with numpy on the concatenated steps, and the three rules for missing values."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tenuto.data import Sequences, Standardiser
from tenuto.errors import ArgumentError, DataError, ShapeError

NAN = np.nan


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10**6), offset=st.sampled_from([0.0, 1e4]), count=st.integers(1, 5))
def test_mean_and_deviation_are_those_of_all_steps(seed, offset, count):
    generator = np.random.default_rng(seed)
    arrays = [(generator.normal(size=(generator.integers(1, 9), 3)) + offset).astype(np.float32) for _ in range(count)]
    whole = np.concatenate(arrays).astype(np.float64)
    standardiser = Standardiser.learn(Sequences(arrays))
    np.testing.assert_allclose(standardiser.mean, whole.mean(0), rtol=1e-12)
    if len(whole) > 1:
        np.testing.assert_allclose(standardiser.deviation, whole.std(0), rtol=1e-9)
    np.testing.assert_array_equal(standardiser.minimum, whole.min(0))
    np.testing.assert_array_equal(standardiser.maximum, whole.max(0))


def test_a_constant_channel_becomes_zero():
    standardiser = Standardiser.learn(Sequences([np.full((4, 1), 7.1)]))
    assert standardiser.deviation.tolist() == [1.0]
    np.testing.assert_allclose(standardiser.apply(np.full((2, 1), 7.1, dtype=np.float32)), 0, atol=1e-6)


def test_missing_values_do_not_count_and_are_filled_by_the_rule():
    values = np.array([[NAN, 1.0], [2.0, NAN], [NAN, NAN], [4.0, 3.0]], dtype=np.float32)
    data = Sequences([values])
    forward = Standardiser.learn(data, missing="forward")
    np.testing.assert_array_equal(forward.mean, [3.0, 2.0])
    np.testing.assert_array_equal(forward.deviation, [1.0, 1.0])
    np.testing.assert_array_equal(forward.apply(values), [[0, -1], [-1, -1], [-1, -1], [1, 1]])
    mean = Standardiser.learn(data, missing="mean")
    np.testing.assert_array_equal(mean.apply(values), [[0, -1], [-1, 0], [0, 0], [1, 1]])


def test_missing_values_are_refused_by_default_with_their_place():
    values = np.ones((4, 2), dtype=np.float32)
    values[3, 1] = NAN
    data = Sequences([np.ones((2, 2)), values], ids=["first", "second"], channels=["u", "v"])
    with pytest.raises(DataError, match="sequence 'second' has a missing value .NaN. at step 3, v"):
        Standardiser.learn(data)
    with pytest.raises(DataError, match="missing='forward'"):
        Standardiser.learn(Sequences([np.ones((2, 2))])).check(data)


def test_a_channel_without_any_value_is_named():
    with pytest.raises(DataError, match="v has no value"):
        Standardiser.learn(Sequences([np.array([[1.0, NAN]])], channels=["u", "v"]), missing="mean")


def test_another_number_of_channels_is_named():
    standardiser = Standardiser.learn(Sequences([np.ones((2, 2))], channels=["u", "v"]))
    with pytest.raises(ShapeError, match=r"has 3 channels but the model was trained on 2(.|\n)*u, v"):
        standardiser.check(Sequences([np.ones((2, 3))]))


def test_it_is_plain_data_and_back_bit_for_bit():
    generator = np.random.default_rng(0)
    standardiser = Standardiser.learn(Sequences([generator.normal(size=(9, 3))]), missing="mean")
    again = Standardiser.from_data(json.loads(json.dumps(standardiser.to_data())))
    values = generator.normal(size=(5, 3)).astype(np.float32)
    np.testing.assert_array_equal(again.apply(values), standardiser.apply(values))
    assert (again.channels, again.missing) == (standardiser.channels, "mean")


def test_an_unknown_rule_is_refused():
    with pytest.raises(ArgumentError, match=r"error \| forward \| mean"):
        Standardiser.learn(Sequences([np.ones((2, 2))]), missing="drop")
