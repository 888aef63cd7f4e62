"""The share of variance that classes explain, against values worked out by hand, and by chance."""

import numpy as np

from tenuto.scores.explained import share_explained


def test_against_values_by_hand():
    values, classes = np.array([[0.0, 1.0], [2.0, 1.0], [4.0, 5.0], [6.0, 5.0]]), np.array([0, 0, 1, 1])
    assert share_explained(values, classes) == 1 - (4 / 2) / (36 / 3)  # within: 2 + 2; in all: 20 + 16
    assert share_explained(values[:, 1:], classes) == 1.0


def test_classes_that_say_nothing_explain_nothing_however_many_they_are():
    rng = np.random.default_rng(0)
    values = rng.normal(size=(200, 5))
    assert share_explained(values, rng.integers(50, size=200)) < 0.1
    assert share_explained(np.ones((4, 2)), np.array([0, 0, 1, 1])) == share_explained(values[:3], np.arange(3)) == 1.0
