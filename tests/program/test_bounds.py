"""Which states a cell keeps between -1 and 1, and which operands; the bounds of single nodes are tested where ONNX reads them (tests/export/test_onnx_linear.py)."""

import pytest
import torch

from tenuto.cell import Cell, State
from tenuto.program import trace
from tenuto.program.bounds import bounded
from tests.zoo import CELLS


def held(cell):
    program = trace(cell).forward
    return {" ".join(key) for key in bounded(program.nodes, program.outputs)}


class Other(Cell):
    """The mixture as papers write it, with an activation that may grow, or not."""

    gates = "z n"
    state = "h"
    grows: bool = False

    def step(self, x, U, s):
        z = torch.sigmoid(x.z + U.z @ s.h)
        n = x.n + U.n @ (z * s.h)
        return State(h=(1 - z) * (n if self.grows else n.tanh()) + z * s.h)


class Leaning(Cell):
    """One state is bounded only while the other is, which is not."""

    gates = "a b"
    state = "a b"

    def step(self, x, U, s):
        return State(a=s.b * torch.tanh(x.a + U.a @ s.b), b=s.b + torch.tanh(x.b))


@pytest.mark.parametrize("name", ["lstm", "gru", "reset_before", "mgu", "elman", "highway", "peephole", "coupled"])
def test_cells_of_the_zoo_that_are_bounded(name):
    assert any(one.startswith("state h") for one in held(CELLS[name])) and any(one.startswith("operand") for one in held(CELLS[name]))


@pytest.mark.parametrize("name", ["lstm_relu", "elman_gelu", "ind_rnn"])
def test_cells_of_the_zoo_that_are_not(name):
    assert not any(one.startswith(("operand", "output")) for one in held(CELLS[name]))


def test_a_mixture_of_bounded_values_is_bounded():
    assert "state h" in held(Other()) and {one.partition(" ")[0] for one in held(Other())} == {"state", "output", "operand"}
    assert "state h" not in held(Other(grows=True)) and "output output" not in held(Other(grows=True))


def test_what_rests_on_an_unbounded_state_is_not():
    assert held(Leaning()) == set()
