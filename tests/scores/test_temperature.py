"""The temperature of a classifier, against scipy's minimum and by hand."""

import numpy as np
import pytest
from scipy.optimize import minimize_scalar

from tenuto.scores.temperature import DEVIATION, temperature_of


def drawn(rows: int, classes: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Logits, and classes that are drawn by their probabilities."""
    random = np.random.default_rng(seed)
    logits = random.normal(0, 2, (rows, classes))
    powers = np.exp(logits)
    return logits, np.array([random.choice(classes, p=row / row.sum()) for row in powers])


@pytest.mark.parametrize("factor", [0.3, 1.0, 5.0])
def test_logits_that_are_too_large_or_too_small_are_set_right(factor):
    logits, targets = drawn(4000, 5, seed=1)
    assert temperature_of(logits * factor, targets) == pytest.approx(factor, rel=0.05)


@pytest.mark.parametrize(("rows", "classes"), [(1, 2), (12, 3), (200, 9)])
def test_it_is_the_minimum(rows, classes):
    logits, targets = drawn(rows, classes, seed=2)
    weights = np.random.default_rng(3).integers(1, 4, rows).astype(float)

    def unlikely(logarithm):
        shifted = logits / np.exp(logarithm)
        losses = np.log(np.exp(shifted).sum(1)) - shifted[np.arange(rows), targets]
        return (losses * weights).sum() * rows / weights.sum() + (logarithm / DEVIATION) ** 2 / 2

    expected = np.exp(minimize_scalar(unlikely, bounds=(-3, 3), method="bounded", options={"xatol": 1e-8}).x)
    assert temperature_of(logits, targets, weights) == pytest.approx(expected, rel=1e-3)


def test_few_rows_that_are_all_right_say_little():
    right = np.array([[3.0, 0.0]] * 4)
    assert 0.8 < temperature_of(right, np.zeros(4, dtype=int)) < 1
    assert temperature_of(np.zeros((0, 2)), np.zeros(0, dtype=int)) == 1
