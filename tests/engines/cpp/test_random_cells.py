"""Randomly drawn legal cells (tests/random_cells.py) on the CPU engine and on the reference: every kind of value, in every form of call."""

from __future__ import annotations

import pytest
import torch

from tenuto.activations import mean
from tenuto.cell import Cell, State
from tests.engines.cpp.drawn import check, compare

pytestmark = pytest.mark.cpp
EXACT, SMOOTH = (torch.float64, 1e-11, 1e-10), (torch.float32, 1e-5, 1e-4)


@pytest.mark.parametrize("first", range(0, 200, 100))
def test_drawn_cells(first):
    check(first, 100, False, *EXACT)


@pytest.mark.parametrize("seed", [1014, 3105])
def test_draws_that_were_wrong(seed):
    """A product of one number a row, whose activation took its place before a wider pass had read it."""
    check(seed, 1, False, *EXACT)


class Spiking(Cell):
    """Its spikes have no derivative, and are made after a mean over the activation that would take the product's place."""

    gates = "a"
    state = "h k"
    products = "m"

    def step(self, x, U, s):
        before = U.m @ s.h
        active = torch.sigmoid(before)
        return State(h=torch.tanh(active - mean(active) + x.a), k=mean(active).detach() + (before > 0.2).to(before.dtype))


@pytest.mark.parametrize("number", range(3))
def test_a_condition_is_asked_of_the_product_itself(number):
    compare(Spiking(), number, *EXACT)


def test_drawn_smooth_cells_in_float32():
    check(10**6, 50, True, *SMOOTH)


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize(("first", "smooth", "bounds"), [(1000, False, EXACT), (2 * 10**6, True, SMOOTH)], ids=["float64", "smooth in float32"])
def test_a_thousand_drawn_cells(first, smooth, bounds):
    """As they run for users; ten thousand more run in test_sanitizers.py."""
    check(first, 1000, smooth, *bounds)
