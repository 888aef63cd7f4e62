"""Calls that are like one before: the same bits as the first, with the weights and states of now, and the same gradients."""

from __future__ import annotations

import pytest
import torch

import tenuto
from tenuto import Recurrent, cells
from tenuto.errors import ShapeError
from tenuto.layers import again, functional
from tenuto.layers.functional import recurrent

pytestmark = pytest.mark.cpp
LAYERS = {
    "LSTM": lambda: tenuto.LSTM(3, 5, num_layers=2, bidirectional=True),
    "GRU": lambda: tenuto.GRU(3, 5),
    "projection": lambda: tenuto.LSTM(3, 5, proj_size=2),
    "MGU": lambda: Recurrent(cells.MGU(), 3, 5, num_layers=2),
    "relu LSTM": lambda: Recurrent(cells.LSTM(activation="relu"), 3, 5),
}


@pytest.fixture
def count(monkeypatch):
    """How many loops were made like one before."""
    monkeypatch.setattr(again, "_known", {})
    made, run = [], again.run

    def counted(key, tensors, initial_state):
        found = run(key, tensors, initial_state)
        made.append(found is not None)
        return found

    monkeypatch.setattr(again, "run", counted)
    return lambda: sum(made)


def flat(result):
    output, state = result
    return [output, *(state if isinstance(state, tuple) else (state,))]


def same(first, second):
    for a, b in zip(flat(first), flat(second), strict=True):
        assert torch.equal(a, b)


@pytest.mark.parametrize("name", LAYERS)
def test_the_bits_are_those_of_a_call_with_gradients(name, count):
    layer = LAYERS[name]()
    x = torch.randn(4, 2, 3)
    for _ in range(2):  # the second time with other weights, of which nothing was kept
        expected = layer(x)
        carried = layer(x, expected[1])
        with torch.no_grad():
            for _ in range(3):
                same(layer(x), expected)
                same(layer(x, expected[1]), carried)
        with torch.no_grad():
            for parameter in layer.parameters():
                parameter.data.mul_(-0.7)  # torch's counter of versions does not hear of this
    assert count() >= 4


@pytest.mark.parametrize("name", LAYERS)
@pytest.mark.parametrize("batch_first", [False, True])
def test_the_third_call_makes_no_checks_of_its_own(name, batch_first, monkeypatch):
    monkeypatch.setattr(again, "_known", {})  # it holds a number of calls, then all are forgotten: not between the first and the third of these
    layer = LAYERS[name]()
    layer.batch_first = batch_first
    x = torch.randn(4, 2, 3)
    with torch.no_grad():
        expected, state = layer(x), layer(x)[1]
        carried = layer(x, state)
        monkeypatch.setattr(type(layer), "_run", None)
        same(layer(x), expected)
        same(layer(x, state), carried)
        same(copied := layer(x), expected)
        assert flat(copied)[0].data_ptr() != flat(expected)[0].data_ptr()  # what an earlier call gave is not written over


def learnt(layer, x, state, **given):
    """The output, the states and every gradient."""
    layer.zero_grad()
    output, states = layer(x, state, **given)
    states = states if isinstance(states, tuple) else (states,)
    (output.square().sum() + sum(value.sum() for value in states)).backward()
    return [output, *states, *(parameter.grad.clone() for parameter in layer.parameters() if parameter.requires_grad)]


@pytest.mark.parametrize("name", LAYERS)
@pytest.mark.parametrize("batch_first", [False, True])
def test_gradients_are_those_of_the_first_call(name, batch_first, monkeypatch):
    layer = LAYERS[name]()
    layer.batch_first = batch_first
    layer.weight_hh_l0.requires_grad_(name != "GRU")
    x, lengths = torch.randn(4, 4, 3, requires_grad=name == "MGU"), [4, 2, 0, 3]
    state = layer(x.detach())[1]
    state = type(state)(*(value.detach() for value in state)) if hasattr(state, "_fields") else tuple(value.detach() for value in state) if isinstance(state, tuple) else state.detach()
    expected = [learnt(layer, x, None), learnt(layer, x, state), learnt(layer, x, None, lengths=lengths)]
    monkeypatch.setattr(type(layer), "_run", None)
    monkeypatch.setattr(functional, "bind", None)
    for one, given in zip(expected, [(None, {}), (state, {}), (None, {"lengths": lengths})], strict=True):
        found = learnt(layer, x, given[0], **given[1])
        assert all(torch.equal(a, b) for a, b in zip(found, one, strict=True))
        found[0].detach().zero_(), found[1].detach().zero_()  # they are the user's
        assert all(torch.equal(a, b) for a, b in zip(learnt(layer, x, given[0], **given[1]), one, strict=True))


@pytest.mark.parametrize("name", ["x", "weight_ih", "U", "bias", "initial_state", "nothing"])
def test_tensors_with_gaps_have_the_gradients_of_those_without(name, count):
    """Weights that lie by columns are Keras's. A call with gradients takes them as they are; one without is made anew."""
    draw = torch.Generator().manual_seed(0)
    shapes = {"x": (6, 4, 4), "weight_ih": (16, 4), "U": (16, 4), "bias": (16,), "initial_state": (2, 4)}
    whole = {key: torch.randn(shape, generator=draw).requires_grad_() for key, shape in shapes.items()}
    whole["x"] = torch.randn(6, 2, 4, generator=draw).requires_grad_()

    def gapped(key, value):
        if key != name:
            return value
        return value.repeat_interleave(2)[::2] if value.dim() == 1 else value.transpose(0, -1).contiguous().transpose(0, -1)

    def run(tensors):
        weights = {"weight_ih": tensors["weight_ih"], "bias": tensors["bias"], "U": dict(zip("ifgo", tensors["U"].split(4))), "parameters": {}}
        return recurrent(cells.LSTM(), tensors["x"], weights, (tensors["initial_state"], tensors["initial_state"]), engine="cpp")

    expected = run(whole)
    wanted = torch.autograd.grad(expected[0].square().sum() + expected[1].c.sum(), list(whole.values()))
    for _ in range(3):
        found = run({key: gapped(key, value) for key, value in whole.items()})
        same(found, expected)
        for a, b in zip(torch.autograd.grad(found[0].square().sum() + found[1].c.sum(), list(whole.values())), wanted, strict=True):
            torch.testing.assert_close(a, b)
        with torch.no_grad():
            same(run({key: gapped(key, value) for key, value in whole.items()}), expected)
    assert count() >= 2


def test_the_user_may_write_into_what_a_call_like_one_before_gives():
    layer, x = Recurrent(cells.GRU(), 3, 5), torch.randn(4, 2, 3)
    for _ in range(3):
        output, state = layer(x)
        expected = torch.autograd.grad(output.relu().sum(), layer.weight_ih_l0)[0]
        output, state = layer(x)
        assert torch.equal(torch.autograd.grad(output.relu_().sum(), layer.weight_ih_l0)[0], expected)


def test_derivatives_of_any_order_after_calls_like_one_before():
    layer, x = Recurrent(cells.MGU(), 3, 4, dtype=torch.float64), torch.randn(3, 2, 3, dtype=torch.float64, requires_grad=True)
    layer(x)
    assert torch.autograd.gradcheck(lambda value: layer(value).output, x)
    assert torch.autograd.gradgradcheck(lambda value: layer(value).output, x)


@pytest.mark.parametrize("name", LAYERS)
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16, torch.float16])
def test_every_dtype_gives_the_same_bits_each_time(name, dtype):
    layer, x = LAYERS[name]().to(dtype), torch.randn(4, 2, 3, dtype=dtype)
    expected = layer(x)
    with torch.no_grad():
        for _ in range(4):
            found = layer(x)
            same(found, expected)
            same(layer(x, found[1], lengths=[4, 2]), layer(x, expected[1], lengths=[4, 2]))
        for state in flat(found)[1:]:
            state.detach_()  # a view would refuse


def test_every_dtype_of_the_function_gives_the_same_bits_each_time():
    for dtype in (torch.bfloat16, torch.float16, torch.float64):
        torch.manual_seed(0)
        weights = {"weight_ih": torch.randn(10, 3, dtype=dtype), "bias": torch.randn(10, dtype=dtype), "U": {"f": torch.randn(5, 5, dtype=dtype), "n": torch.randn(5, 5, dtype=dtype)}}
        x = torch.randn(4, 2, 3, dtype=dtype)
        with torch.no_grad():
            first, *others = (recurrent(cells.MGU(), x, weights)[0] for _ in range(4))
        assert all(torch.equal(first, other) for other in others)


@pytest.mark.parametrize("name", LAYERS)
@pytest.mark.parametrize("batch_first", [False, True])
def test_each_call_has_its_own_lengths(name, batch_first, monkeypatch):
    layer = LAYERS[name]()
    layer.batch_first = batch_first
    x, every = torch.randn(4, 4, 3), [torch.tensor([4, 2, 3, 1]), [1, 3, 4, 4], torch.tensor([2, 0, 1, 2], dtype=torch.int32), [0, 0, 0, 0]]
    state = layer(x)[1]
    expected = [(layer(x, lengths=lengths), layer(x, state, lengths=lengths)) for lengths in every]
    with torch.no_grad():
        layer(x, lengths=every[0]), layer(x, state, lengths=every[0])
        monkeypatch.setattr(type(layer), "_run", None)
        for lengths, (alone, carried) in zip(every, expected, strict=True):
            same(layer(x, lengths=lengths), alone)
            same(layer(x, state, lengths=lengths), carried)
        with pytest.raises(ShapeError, match=r"lengths\[1\] is 5"):
            layer(x, lengths=[1, 5, 1, 1])


def test_what_a_call_depends_on_is_looked_at_each_time():
    layer, x = Recurrent(cells.MGU(), 3, 5, num_layers=2, dropout=0.5, zoneout=0.3).eval(), torch.randn(4, 2, 3)
    with torch.no_grad():
        expected = [layer(x) for _ in range(3)][-1]
        layer.train()
        assert not torch.equal(layer(x)[0], layer(x)[0])
        layer.eval()
        same(layer(x), expected)
        layer.batch_first = True
        assert layer(x)[1][0].shape == (2, 4, 5)
        layer.batch_first = False
        layer.weight_ih_l0 = torch.nn.Parameter(layer.weight_ih_l0 * 0)
        assert not torch.equal(layer(x)[0], expected[0])
    assert layer(x)[0].requires_grad


@pytest.mark.parametrize("change", ["dtype", "not contiguous", "vmap", "autocast", "engine", "invariant", "no state"])
def test_other_calls_go_the_usual_way(change, count):
    layer, x = tenuto.GRU(3, 5), torch.randn(4, 2, 3)
    with torch.no_grad():
        layer(x)
        before = count()
        if change == "dtype":
            torch.testing.assert_close(layer.double()(x.double())[0].float(), layer.float()(x)[0])
        elif change == "not contiguous":
            same(layer(x.transpose(0, 1).contiguous().transpose(0, 1)), layer(x))
        elif change == "vmap":
            torch.testing.assert_close(torch.vmap(lambda one: layer(one)[0])(x[None])[0], layer(x)[0])
        elif change == "autocast":
            with torch.autocast("cpu", torch.bfloat16):
                assert layer(x)[0].dtype == torch.bfloat16
        elif change == "engine":
            layer.engine = "reference"
            torch.testing.assert_close(layer(x)[0], tenuto.GRU.forward(layer, x)[0])
            assert count() == before
        elif change == "invariant":
            with tenuto.invariant():
                promised = layer(x)
                before = count()
                same(layer(x), promised)  # remembered too, apart from calls without the promise
                assert count() == before + 1 and torch.equal(promised[0][:, :1], layer(x[:, :1])[0])
        else:
            same(layer(x, torch.zeros(1, 2, 5)), layer(x))


def test_errors_are_said_after_a_call_that_was_remembered(count):
    layer = tenuto.GRU(3, 5)
    with torch.no_grad():
        for _ in range(2):
            layer(torch.randn(4, 2, 3))
        with pytest.raises(RuntimeError, match="input.size"):
            layer(torch.randn(4, 2, 4))
        with pytest.raises(RuntimeError, match="hidden"):
            layer(torch.randn(4, 2, 3), torch.zeros(1, 3, 5))


def test_what_is_remembered_is_bounded(count, monkeypatch):
    monkeypatch.setattr(again, "_MOST", 2)
    layer = tenuto.GRU(3, 5)
    with torch.no_grad():
        for steps in range(2, 8):
            assert layer(torch.zeros(steps, 1, 3))[0].shape[0] == steps
    assert len(again._known) <= 2


def test_long_calls_are_not_remembered(count):
    layer = tenuto.GRU(1, 1)
    with torch.no_grad():
        for _ in range(2):
            layer(torch.zeros(5000, 1, 1))
    assert not again._known and count() == 0
