"""Cells as declarations and as data."""

import pytest
import torch

from tenuto.activations import ACTIVATIONS, Activation, layer_norm, mean, register_activation, rms_norm, softmax
from tenuto.cell import Cell, State, cell_from_data, cell_to_data
from tenuto.cells import GRU, LSTM, Elman, Modifier, ProjectionLSTM, RecurrentHighway, Zoneout
from tenuto.errors import ArgumentError, CellError


class Leaky(Cell):
    gates = "h"
    state = "h"
    rate: float = 0.1
    activation: Activation = "tanh"

    def step(self, x, U, s):
        return State(h=(1 - self.rate) * s.h + self.rate * self.activation(x.h + U.h @ s.h))


def test_a_cell_can_be_compared_hashed_and_printed():
    assert Leaky(0.5) == Leaky(rate=0.5)
    assert Leaky(0.5) != Leaky(0.1)
    assert len({Leaky(0.5), Leaky(0.5), Leaky()}) == 2
    assert repr(Leaky(0.5)) == "Leaky(rate=0.5, activation='tanh')"
    assert repr(LSTM(heads=2)).startswith("LSTM(heads=2, ")
    with pytest.raises(AttributeError):
        Leaky().rate = 0.2


@pytest.mark.parametrize("cell", [Leaky(0.25), LSTM("relu", heads=2), Elman("gelu"), ProjectionLSTM(7), Zoneout(GRU(rank=3), "h")], ids=repr)
def test_a_cell_survives_as_data(cell):
    import json

    assert cell_from_data(json.loads(json.dumps(cell_to_data(cell)))) == cell


def test_data_that_names_no_known_cell():
    with pytest.raises(CellError, match="'somewhere:Cell' is not known here"):
        cell_from_data({"class": "somewhere:Cell"})
    with pytest.raises(CellError, match="no field 'colour'"):
        cell_from_data({**cell_to_data(Elman()), "colour": "red"})


def test_widths():
    assert ProjectionLSTM(5).widths("state") == {"h": 5, "c": "H"}
    assert ProjectionLSTM(5).widths("products") == {"r": 5}
    assert Zoneout(ProjectionLSTM(5)).widths("streams") == {"zoneout_h": 5, "zoneout_c": "H"}
    assert list(RecurrentHighway(3).widths("parameters")) == ["b_n2", "b_t2", "b_n3", "b_t3"]


def test_a_modifier_is_the_cell_that_it_modifies():
    class Scaled(Modifier):
        factor: float = 2.0

        def step(self, x, U, s, **streams):
            return super().step(x, U, s, **streams).map(lambda value: self.factor * value)

    cell = Scaled(ProjectionLSTM(5, heads=1), factor=3.0)
    assert (cell.gates, cell.state, cell.products) == ("i f g o", "h:projection c", "r:projection")
    assert cell.widths("state") == {"h": 5, "c": "H"}


def test_wrong_declarations():
    class Nameless(Cell):
        gates = "i i"
        state = "h"

    class Stateless(Cell):
        gates = "i"

    class Lost(Cell):
        gates = "i"
        state = "h:nowhere"

    with pytest.raises(CellError, match="the name 'i'"):
        Nameless()
    with pytest.raises(CellError, match="declares no state"):
        Stateless()
    with pytest.raises(CellError, match="a width 'nowhere'"):
        Lost().widths("state")
    with pytest.raises(CellError, match="heads is 0"):
        Elman(heads=0)
    with pytest.raises(CellError, match="defines no step"):
        Cell.step(Elman(), None, None, None)


def test_activations_are_their_names():
    assert LSTM("relu").activation == "relu"
    torch.testing.assert_close(Activation("relu")(torch.tensor([-1.0, 2.0])), torch.tensor([0.0, 2.0]))
    with pytest.raises(ArgumentError, match="no activation is called 'rleu'"):
        LSTM("rleu")


def test_registering_an_activation():
    def squash(v):
        return v / (1 + v.abs())

    register_activation("squash", squash)
    register_activation("squash", squash)
    assert Elman("squash").activation(torch.tensor(1.0)) == 0.5
    with pytest.raises(ArgumentError, match="already registered"):
        register_activation("squash", torch.tanh)
    del ACTIVATIONS["squash"]


def test_states_are_named_tuples():
    state = State(h=torch.ones(1, 2, requires_grad=True), c=torch.zeros(1, 2))
    assert state._fields == ("h", "c")
    assert type(State(h=torch.ones(1), c=torch.ones(1))) is type(state)
    assert not state.detach().h.requires_grad
    assert state.to(torch.float64).c.dtype == torch.float64
    assert state.clone().h is not state.h
    import copy

    torch.testing.assert_close(copy.deepcopy(state.detach()).h, state.h.detach())


def test_row_reductions_equal_torchs():
    v = torch.randn(3, 7, dtype=torch.float64)
    torch.testing.assert_close(mean(v), v.mean(-1, keepdim=True))
    torch.testing.assert_close(layer_norm(v), torch.nn.functional.layer_norm(v, (7,)))
    torch.testing.assert_close(rms_norm(v), torch.nn.functional.rms_norm(v, (7,), eps=1e-5))
    torch.testing.assert_close(softmax(v), torch.softmax(v, -1))
