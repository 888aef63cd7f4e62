"""Splits by class: every class on both sides, the same for the same seed."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tenuto.data import Sequences, stratified_split
from tenuto.errors import ArgumentError, DataError


def labelled(labels):
    return Sequences([np.full((1, 1), float(index)) for index in range(len(labels))], labels=labels)


@settings(max_examples=40, deadline=None)
@given(
    counts=st.lists(st.integers(2, 12), min_size=1, max_size=5), fraction=st.floats(0.01, 0.99), seed=st.integers(0, 2**31)
)
def test_every_sequence_is_in_one_part_and_every_class_in_both(counts, fraction, seed):
    data = labelled([label for label, count in enumerate(counts) for _ in range(count)])
    first, second = stratified_split(data, fraction, seed=seed)
    assert sorted(first.ids + second.ids, key=int) == list(data.ids)
    for label, count in enumerate(counts):
        assert second.class_counts[label] == min(max(round(fraction * count), 1), count - 1)
        assert first.class_counts[label] + second.class_counts[label] == count
    again = stratified_split(data, fraction, seed=seed)
    assert again[1].ids == second.ids


def test_seeds_differ():
    data = labelled(["a"] * 20)
    assert stratified_split(data, 0.5, seed=0)[0].ids != stratified_split(data, 0.5, seed=1)[0].ids


def test_a_class_with_one_member_is_named():
    with pytest.raises(DataError, match=r"class 'b' has only one member(.|\n)*fix"):
        stratified_split(labelled(["a", "a", "b"]), 0.5, seed=0)


@pytest.mark.parametrize("fraction", [0.0, 1.0, -1.0, float("nan")])
def test_fractions_out_of_range_are_refused(fraction):
    with pytest.raises(ArgumentError, match="between 0 and 1"):
        stratified_split(labelled(["a", "a"]), fraction, seed=0)


def test_a_split_needs_labels():
    with pytest.raises(DataError, match="needs labels"):
        stratified_split(Sequences([np.ones((1, 1))]), 0.5, seed=0)
