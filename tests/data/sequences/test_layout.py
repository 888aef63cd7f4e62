"""The layouts of arrays: what is said is done, and nothing is guessed."""

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.model_selection import cross_val_score

from tenuto.data import Sequences
from tenuto.errors import ArgumentError
from tenuto.tasks import SequenceClassifier, SequenceRegressor

PADDED = np.random.default_rng(0).normal(size=(6, 4, 3))  # 6 cases, 4 channels, 3 steps


@pytest.mark.parametrize("kind", [np.asarray, torch.tensor, list, lambda array: np.array([*array, None], dtype=object)[:-1]], ids=["array", "tensor", "list", "objects"])
def test_channels_before_steps(kind):
    found = Sequences.from_arrays(kind(PADDED), layout="case-channel-time")
    for case, values in enumerate(found.values):
        np.testing.assert_array_equal(values, PADDED[case].T)


def test_lengths_count_steps_whatever_the_layout():
    found = Sequences.from_arrays(PADDED, lengths=[3, 1, 2, 3, 1, 2], layout="case-channel-time")
    assert [len(values) for values in found.values] == [3, 1, 2, 3, 1, 2] and found.values[1].shape == (1, 4)


def test_without_a_word_steps_come_first():
    assert Sequences.from_arrays(PADDED).values[0].shape == (4, 3)


def test_a_layout_that_is_not_known_is_told():
    with pytest.raises(ArgumentError, match=r"layout='case-time-chanel'[\s\S]*did you mean"):
        Sequences.from_arrays(PADDED, layout="case-time-chanel")
    with pytest.raises(ArgumentError, match="layout"):
        SequenceClassifier(layout="ntc").fit(PADDED, [0, 1] * 3)


@pytest.mark.parametrize("kind", [SequenceClassifier, SequenceRegressor])
def test_an_estimator_keeps_its_layout(kind, tmp_path):
    few = {"hidden_size": 4, "num_layers": 1, "epochs": 1, "random_state": 0, "validation_fraction": 0.3, "engine": "reference"}
    x, y = np.random.default_rng(1).normal(size=(30, 2, 5)), np.arange(30) % 2
    turned, plain = kind(layout="case-channel-time", **few).fit(x, y), kind(**few).fit(x.swapaxes(1, 2), y)
    np.testing.assert_array_equal(turned.predict(x), plain.predict(x.swapaxes(1, 2)))
    assert turned.score(x, y) == plain.score(x.swapaxes(1, 2), y)
    assert clone(turned).layout == kind.load(turned.save(tmp_path / "run")).layout == "case-channel-time"
    assert len(cross_val_score(kind(layout="case-channel-time", **few), x, y, cv=2)) == 2
