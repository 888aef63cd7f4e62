"""Sequences: made from the arrays that users have, checked once, never copied or padded."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tenuto.data import Sequences
from tenuto.errors import DataError, ShapeError


def ragged(lengths, channels=2):
    return [np.arange(length * channels, dtype=np.float32).reshape(length, channels) for length in lengths]


def test_float32_values_are_kept_as_they_are_not_copied():
    arrays = ragged([3, 1, 5])
    data = Sequences(arrays, labels=["a", "b", "a"])
    assert all(np.shares_memory(given, kept) for given, kept in zip(arrays, data.values))
    assert data.lengths.tolist() == [3, 1, 5]
    assert data.class_counts == {"a": 2, "b": 1}
    assert data.channels == ("channel 0", "channel 1")
    assert data[2] is data.values[2]
    assert len(data) == 3


def test_a_part_shares_values_and_keeps_ids_and_labels():
    data = Sequences(ragged([3, 1, 5]), labels=[1, 2, 1], ids=["x", "y", "z"])
    part = data.select([2, 0], origin="chosen")
    assert part.ids == ("z", "x")
    assert part.labels.tolist() == [1, 1]
    assert part.values[0] is data.values[2]
    assert (part.origin, data.origin) == ("chosen", "given")


@settings(max_examples=30, deadline=None)
@given(lengths=st.lists(st.integers(1, 9), min_size=1, max_size=6), pad=st.integers(0, 3))
def test_a_padded_array_with_lengths_is_the_list_of_its_sequences(lengths, pad):
    arrays = ragged(lengths)
    padded = np.full((len(lengths), max(lengths) + pad, 2), np.nan, dtype=np.float32)
    for row, array in enumerate(arrays):
        padded[row, : len(array)] = array
    data = Sequences.from_arrays(padded, lengths=lengths)
    for kept, array in zip(data.values, arrays):
        np.testing.assert_array_equal(kept, array)
    assert data.missing_values == 0
    assert data.sha256 == Sequences(arrays).sha256


def test_tensors_and_sequences_are_accepted_too():
    x = torch.randn(2, 4, 3)
    data = Sequences.from_arrays(x, torch.tensor([0, 1]))
    np.testing.assert_array_equal(data.values[1], x[1].numpy())
    assert Sequences.from_arrays([x[0], x[1]]).values[0].shape == (4, 3)
    assert Sequences.from_arrays(data) is data
    assert Sequences.from_arrays(data, ["p", "q"]).labels.tolist() == ["p", "q"]


def test_the_digest_tells_values_lengths_labels_and_channels_apart():
    base = ragged([2, 3])
    digests = {
        Sequences(base).sha256,
        Sequences(base, labels=[0, 1]).sha256,
        Sequences(base, channels=["u", "v"]).sha256,
        Sequences([array + 1 for array in base]).sha256,
        Sequences([np.concatenate(base)[:3], np.concatenate(base)[3:]]).sha256,
    }
    assert len(digests) == 5


@pytest.mark.parametrize(
    ("values", "error", "words"),
    [
        ([], DataError, "there are no sequences"),
        ([np.ones((2, 2)), np.ones((0, 2))], DataError, "sequence '1' is empty"),
        ([np.ones((2, 2)), np.ones((2, 3))], ShapeError, "sequence '1' has 3 channels, but sequence '0' has 2"),
        ([np.ones(4)], ShapeError, r"x\[:, None\]"),
        ([[["a", "b"]]], DataError, "not made of numbers"),
        ([np.array([[1.0, 2.0], [3.0, np.inf]])], DataError, "sequence '0' has an infinite value at step 1, channel 1"),
        ([np.array([[1e300]])], DataError, "infinite value at step 0"),
    ],
)
def test_bad_values_are_named(values, error, words):
    with pytest.raises(error, match=words):
        Sequences(values)


@pytest.mark.parametrize(
    ("lengths", "error", "words"),
    [
        ([2, 4], DataError, "position 1 has length 4, but x has 3 steps"),
        ([2, 0], DataError, "position 1 has length 0"),
        ([2], ShapeError, r"lengths \[2\] of integers"),
        ([2.0, 1.0], ShapeError, "float64"),
    ],
)
def test_lengths_that_do_not_fit_are_named(lengths, error, words):
    with pytest.raises(error, match=words):
        Sequences.from_arrays(np.ones((2, 3, 1)), lengths=lengths)


def test_lengths_belong_to_padded_arrays_alone():
    with pytest.raises(DataError, match="padded array"):
        Sequences.from_arrays(ragged([2]), lengths=[2])
    with pytest.raises(DataError, match="know their own"):
        Sequences.from_arrays(Sequences(ragged([2])), lengths=[2])
    with pytest.raises(ShapeError, match=r"x\[None\]"):
        Sequences.from_arrays(np.ones((3, 2)))


@pytest.mark.parametrize(
    ("labels", "words"),
    [
        (["a"], "not as many labels as sequences"),
        (["a", 1], "more than one kind"),
        (["a", None], "label at position 1 is missing"),
        ([1.0, float("nan")], "label at position 1 is missing"),
        ([b"a", b"b"], "cannot be saved"),
    ],
)
def test_bad_labels_are_named(labels, words):
    with pytest.raises(DataError, match=words):
        Sequences(ragged([2, 3]), labels=labels)


def test_ids_and_channel_names_must_fit():
    with pytest.raises(DataError, match="not as many ids as sequences"):
        Sequences(ragged([2, 3]), ids="abc")
    with pytest.raises(DataError, match="not as many channel names as channels"):
        Sequences(ragged([2, 3]), channels=["u"])


def test_the_first_missing_value_is_found():
    arrays = ragged([2, 3])
    arrays[1][2, 0] = np.nan
    data = Sequences(arrays)
    assert data.first_missing() == (1, 2, 0)
    assert data.missing_values == 1
    assert Sequences(ragged([2])).first_missing() is None
