"""Randomly drawn legal cells (tests/random_cells.py) on the CPU engine and on the reference: every kind of value, in every form of call."""

from __future__ import annotations

import pytest
import torch

from tests.engines.cpp.drawn import check

pytestmark = pytest.mark.cpp
EXACT, SMOOTH = (torch.float64, 1e-11, 1e-10), (torch.float32, 1e-5, 1e-4)


@pytest.mark.parametrize("first", range(0, 200, 100))
def test_drawn_cells(first):
    check(first, 100, False, *EXACT)


def test_drawn_smooth_cells_in_float32():
    check(10**6, 50, True, *SMOOTH)


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("first", range(1000, 10_000, 1000))
def test_thousands_of_drawn_cells(first):
    check(first, 1000, False, *EXACT)


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_a_thousand_drawn_smooth_cells_in_float32():
    check(2 * 10**6, 1000, True, *SMOOTH)
