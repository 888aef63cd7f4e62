"""Weights of the items of a set: checked, kept through selecting and splitting, and part of what a set is."""

import numpy as np
import pandas
import pytest
import torch

from tenuto.data import Sentences, Sequences, Standardiser, random_split, stratified_split
from tenuto.data.weights import as_weights, effective_count, even
from tenuto.errors import DataError

ROWS = list("abcd")
GIVEN = {
    "list": [1, 2.5, 0, 3],
    "array": np.array([1, 2.5, 0, 3], dtype=np.float32),
    "tensor": torch.tensor([1, 2.5, 0, 3]),
    "pandas": pandas.Series([1, 2.5, 0, 3]),
    "frame": pandas.DataFrame({"w": [1, 2.5, 0, 3]}),
    "text": ["1", "2.5", "0", "3"],
}


@pytest.mark.parametrize("kind", GIVEN)
def test_weights_of_every_kind(kind):
    weights = as_weights(GIVEN[kind], ROWS, "texts")
    assert weights.dtype == np.float64 and weights.tolist() == [1, 2.5, 0, 3]


def test_sets_keep_the_weights_of_their_items():
    sequences = Sequences([np.full((2, 1), float(index)) for index in range(4)], ["a", "b"] * 2, weights=GIVEN["list"])
    sentences = Sentences([[word] for word in ROWS], [["X"]] * 4, ["a", "b"] * 2, weights=GIVEN["list"])
    for data in (sequences, sentences):
        assert data.select([3, 0]).weights.tolist() == [3, 1]
        first, second = stratified_split(data, 0.5, seed=0)
        for part in (first, second, *random_split(data, 0.5, seed=0)):
            assert part.weights.tolist() == [GIVEN["list"][int(identity)] for identity in part.ids]
        assert data.select([2]).weights.tolist() == [0]
    assert sequences.labelled([0, 1, 0, 1]).weights.tolist() == GIVEN["list"]
    assert Sentences.of(sentences, None, [0, 1, 0, 1]).weights.tolist() == GIVEN["list"]
    assert Sequences.from_arrays(sequences, weights=[1, 1, 1, 2]).weights.tolist() == [1, 1, 1, 2]
    assert Sentences.of(sentences, weights=[1, 1, 1, 2]).weights.tolist() == [1, 1, 1, 2]
    assert sequences.weights.tolist() == sentences.weights.tolist() == GIVEN["list"]


def test_weights_are_part_of_what_a_set_is():
    x = [np.zeros((2, 1)), np.ones((2, 1))]
    digests = {Sequences(x, ["a", "b"], weights=weights).sha256 for weights in (None, [1, 2], [2, 1])}
    assert len(digests) == 3
    assert len({Sentences([["a"], ["b"]], weights=weights).sha256 for weights in (None, [1, 2], [2, 1])}) == 3


def test_a_part_of_zeros_counts_nothing():
    from tenuto.tasks.weighing import counting

    data = Sequences([np.zeros((2, 1))] * 3, weights=[0, 0, 1])
    assert counting(data).ids == ("2",)
    with pytest.raises(DataError, match="every one of these training sequences has the weight 0"):
        counting(data.select([0, 1]))


def test_channels_are_measured_by_weight():
    generator = np.random.default_rng(0)
    x = [generator.normal(size=(length, 2)) for length in (3, 5, 2)]
    x[1][2, 0] = np.nan
    weighted = Standardiser.learn(Sequences(x, weights=[2, 1, 3]), missing="mean")
    repeated = Standardiser.learn(Sequences([x[0], x[0], x[1], x[2], x[2], x[2]]), missing="mean")
    np.testing.assert_allclose(weighted.mean, repeated.mean, rtol=1e-12)
    np.testing.assert_allclose(weighted.deviation, repeated.deviation, rtol=1e-12)


def test_even_weights_are_no_weights():
    assert even(None) is None and even(np.full(3, 1e308)) is None
    np.testing.assert_allclose(even(np.array([1e308, 1e308, 5e307])), [1.2, 1.2, 0.6])
    assert effective_count(np.full(7, 1e308)) == pytest.approx(7)
