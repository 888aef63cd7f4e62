"""The state that a user gives: what torch.nn takes is taken, everything else is an error that names what is expected."""

from __future__ import annotations

import numpy
import pytest
import torch
from torch import nn

import tenuto
from tenuto import Recurrent, cells
from tenuto.errors import ShapeError
from tenuto.layers.functional import recurrent

LAYERS, CELLS = ["LSTM", "GRU", "RNN"], ["LSTMCell", "GRUCell", "RNNCell"]
STEPS = {"a sequence": torch.randn(5, 2, 3), "one step": torch.randn(1, 2, 3), "no batch": torch.randn(5, 3)}


def state(name: str, x: torch.Tensor) -> torch.Tensor:
    if name.endswith("Cell"):
        return torch.randn(2, 4)
    return torch.randn(1, 2, 4) if x.dim() == 3 else torch.randn(1, 4)


WRONG = {
    "three": lambda s: (s, s, s),
    "four": lambda s: [s, s, s, s],
    "none": lambda s: (),
    "an empty list": lambda s: [],
    "one in a tuple": lambda s: (s,),
    "one in a list": lambda s: [s],
    "a nested pair": lambda s: ((s, s),),
    "two of nothing": lambda s: (None, None),
    "c of nothing": lambda s: (s, None),
    "numpy": lambda s: s.numpy(),
    "two of numpy": lambda s: (s.numpy(), s.numpy()),
    "lists": lambda s: s.tolist(),
    "a number": lambda s: 0,
    "False": lambda s: False,
    "a word": lambda s: "zeros",
    "a dictionary": lambda s: {"h": s, "c": s},
    "a generator": lambda s: (value for value in (s, s)),
}
FOR_LSTM = {"one tensor": lambda s: s, "both in one tensor": lambda s: torch.stack([s, s])}
FOR_OTHERS = {"a pair": lambda s: (s, s), "a list of two": lambda s: [s, s]}


def wrong_for(name: str) -> dict:
    return {**WRONG, **(FOR_LSTM if name.startswith("LSTM") else FOR_OTHERS)}


def refused(call, name: str, expected: str, fix: str) -> None:
    with pytest.raises(ShapeError) as caught:
        call()
    text = str(caught.value)
    assert text.startswith(f"{name}: ") and f"expected  {expected}" in text and "received  " in text and "fix       " in text
    assert fix in text or "torch.as_tensor" in text or "torch.zeros" in text
    assert "  \n" not in text and not text.splitlines()[2].endswith(": ")


@pytest.mark.parametrize("kind", STEPS)
@pytest.mark.parametrize("name", LAYERS)
def test_layers_refuse_in_words_what_torch_refuses(name, kind):
    ours, theirs, x = getattr(tenuto, name)(3, 4), getattr(nn, name)(3, 4), STEPS[kind]
    expected = "(h, c), a tuple of 2 tensors" if name == "LSTM" else "h, a tensor"
    for what, make in wrong_for(name).items():
        given = make(state(name, x))
        if what == "both in one tensor" and kind == "no batch":  # torch.nn takes it
            ours.load_state_dict(theirs.state_dict())
            torch.testing.assert_close(ours(x, given), theirs(x, given))
            continue
        if kind != "no batch":  # where torch.nn drops a third state without a word
            with pytest.raises(Exception):  # noqa: B017  # torch's are of many kinds
                theirs(x, given)
        refused(lambda given=given: ours(x, given), name, expected, "layer(x, (h, c))" if name == "LSTM" else "layer(x, h)")


@pytest.mark.parametrize("name", CELLS)
def test_cells_refuse_in_words_what_torch_refuses(name):
    ours, theirs, x = getattr(tenuto, name)(3, 4), getattr(nn, name)(3, 4), torch.randn(2, 3)
    expected = "(h, c), a tuple of 2 tensors" if name == "LSTMCell" else "h, a tensor"
    for engine in ("auto", "reference"):
        ours.engine = engine
        for make in wrong_for(name).values():
            with pytest.raises(Exception):  # noqa: B017
                theirs(x, make(state(name, x)))
            refused(lambda make=make: ours(x, make(state(name, x))), name, expected, "cell(x, (h, c))" if name == "LSTMCell" else "cell(x, h)")


@pytest.mark.parametrize("name", CELLS)
def test_a_state_of_one_sequence_for_a_batch_and_the_other_way_round(name):
    ours, theirs = getattr(tenuto, name)(3, 4), getattr(nn, name)(3, 4)
    for x, h in ((torch.zeros(2, 3), torch.zeros(4)), (torch.zeros(3), torch.zeros(1, 4))):
        given = (h, h) if name == "LSTMCell" else h
        with pytest.raises((RuntimeError, IndexError)):
            theirs(x, given)
        with pytest.raises(ShapeError, match=rf"{name}: h has {h.dim()} axes, but x has {x.dim()}"):
            ours(x, given)


@pytest.mark.parametrize("cell", [cells.LSTM(), cells.GRU(), cells.MGU()], ids=repr)
def test_any_cells_layer_refuses_in_words(cell):
    layer, x = Recurrent(cell, 3, 4), torch.randn(5, 2, 3)
    names = tuple(cell.widths("state"))
    expected = "(h, c), a tuple of 2 tensors" if len(names) == 2 else "h, a tensor, alone or in a tuple"
    alone = {"one in a tuple", "one in a list"} if len(names) == 1 else set()
    for what, make in wrong_for("LSTM" if len(names) == 2 else "GRU").items():
        given = make(torch.randn(1, 2, 4))
        if what in alone:
            layer(x, given)
            continue
        refused(lambda given=given: layer(x, given), f"Recurrent({type(cell).__name__})", expected, "layer(x, ")


class Three(tenuto.Cell):
    gates = "i"
    state = "h slow slower"

    def step(self, x, U, s):
        slow = 0.9 * s.slow + 0.1 * s.h
        return tenuto.State(h=torch.tanh(x.i + U.i @ s.h), slow=slow, slower=0.9 * s.slower + 0.1 * slow)


def test_the_names_of_all_states_are_in_the_message():
    with pytest.raises(ShapeError, match=r"expected  \(h, slow, slower\), a tuple of 3 tensors\n  received  tuple of 2: .*\n  fix       layer\(x, \(h, slow, slower\)\)"):
        Recurrent(Three(), 3, 4)(torch.randn(5, 2, 3), (torch.zeros(1, 2, 4), torch.zeros(1, 2, 4)))


@pytest.mark.parametrize("name", [*LAYERS, *CELLS])
@pytest.mark.parametrize("make", [tuple, list])
def test_what_torch_takes_is_taken(name, make):
    ours, theirs = getattr(tenuto, name)(3, 4), getattr(nn, name)(3, 4)
    ours.load_state_dict(theirs.state_dict())
    x = torch.randn(2, 3) if name in CELLS else torch.randn(5, 2, 3)
    one = state(name, x)
    given = make([one, -one]) if name.startswith("LSTM") else one
    found, expected = (torch.utils._pytree.tree_leaves(module(x, given)) for module in (ours, theirs))
    for actual, wanted in zip(found, expected, strict=True):
        torch.testing.assert_close(actual, wanted)


def test_the_state_of_a_packed_sequence_a_stream_and_a_function():
    packed = nn.utils.rnn.pack_sequence([torch.randn(5, 3), torch.randn(2, 3)])
    h = torch.randn(1, 2, 4)
    refused(lambda: tenuto.LSTM(3, 4)(packed, h), "LSTM", "(h, c)", "layer(x, (h, c))")
    refused(lambda: Recurrent(cells.LSTM(), 3, 4)(packed, (h, h, h)), "Recurrent(LSTM)", "(h, c)", "layer(x, (h, c))")
    for layer in (tenuto.LSTM(3, 4).eval(), Recurrent(cells.LSTM(), 3, 4).eval()):
        with pytest.raises(ShapeError, match=r"expected  \(h, c\), a tuple of 2 tensors"):
            layer.stream(2, h)
        stream = layer.stream(2)
        with pytest.raises(ShapeError, match=r"fix       stream.state = \(h, c\)"):
            stream.state = (h, h, h)
        stream.state = stream.state
    stream = tenuto.GRU(3, 4).eval().stream(2)
    stream.state = stream.state
    weights = {"weight_ih": torch.zeros(16, 3), "bias": torch.zeros(16), "U": {gate: torch.zeros(4, 4) for gate in cells.LSTM().widths("gates")}}
    for given in ({"initial_state": h[0]}, {"initial_state": (h[0],) * 3}, {"reset_state": (h[0], None)}):
        with pytest.raises(ShapeError, match=r"expected  \(h, c\), a tuple of 2 tensors"):
            recurrent(cells.LSTM(), torch.zeros(5, 2, 3), weights, resets=numpy.zeros((5, 2), bool), **given)
