"""`torch.autograd.grad` for some of a layer's inputs, and derivatives of those: each against torch.nn, or the steps in Python."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import tenuto
from tenuto import cells


def pair(kind, **options):
    """Our layer in float64, and what has the same weights and is differentiable by torch alone."""
    torch.manual_seed(0)
    if kind in ("LSTM", "GRU", "RNN"):
        ours, theirs = getattr(tenuto, kind)(3, 4, **options), getattr(torch.nn, kind)(3, 4, **options)
    else:
        cell = getattr(cells, kind)
        ours, theirs = (tenuto.Recurrent(cell(), 3, 4, engine=engine, **options) for engine in ("auto", "reference"))
    ours, theirs = ours.double(), theirs.double()
    theirs.load_state_dict(ours.state_dict())
    return ours, theirs


def gradients(layer, made, names, order):
    """The gradients of what is named ("x" or a weight), `order` times over; x is a leaf, or was `made`."""
    x = torch.randn(6, 2, 3, generator=torch.Generator().manual_seed(1), dtype=torch.float64, requires_grad=True)
    given = x * 1 if made else x
    inputs = {"x": given, **dict(layer.named_parameters())}
    value = layer(given)[0].sin().sum()
    for k in range(order):
        found = torch.autograd.grad(value, [inputs[name] for name in names], create_graph=k + 1 < order, retain_graph=True)
        value = sum(gradient.square().sum() for gradient in found)
    return found


NAMES = {"LSTM": ["x", "weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0"], "MGU": ["x", "weight_ih_l0", "weight_hh_l0", "bias_l0"]}


@pytest.mark.parametrize("kind", ["LSTM", "GRU", "RNN", "MGU"])
@given(chosen=st.integers(1, 31), made=st.booleans(), order=st.integers(1, 3), num_layers=st.integers(1, 2), bidirectional=st.booleans())
@settings(max_examples=25)
def test_some_of_the_inputs(kind, chosen, made, order, num_layers, bidirectional):
    ours, theirs = pair(kind, num_layers=num_layers, bidirectional=bidirectional)
    known = NAMES.get(kind, NAMES["LSTM"])
    names = [name for k, name in enumerate(known) if chosen >> k & 1] or ["x"]
    for name, a, e in zip(names, gradients(ours, made, names, order), gradients(theirs, made, names, order), strict=True):
        torch.testing.assert_close(a, e, rtol=1e-8, atol=1e-8 * e.abs().max().item(), msg=lambda text, name=name: f"{name}: {text}")


@pytest.mark.parametrize("kind", ["LSTM", "GRU", "RNN", "MGU"])
@pytest.mark.parametrize("autocast", [False, True])
def test_a_penalty_on_the_gradient_of_the_input(kind, autocast):
    """As in WGAN-GP: the norm of dy/dx is trained, every weight by its second derivative."""
    found = []
    for layer in pair(kind):
        x = torch.randn(6, 2, 3, generator=torch.Generator().manual_seed(1), dtype=torch.float64, requires_grad=True)
        (gradient,) = torch.autograd.grad(layer(x)[0].sum(), x, create_graph=True)
        with torch.autocast("cpu", enabled=autocast):
            loss = (gradient.flatten(1).norm(dim=1) - 1).square().mean()
            loss.backward()
        found.append([loss.detach(), x.grad, *(parameter.grad for parameter in layer.parameters())])
    for a, e in zip(*found, strict=True):
        assert (a is None) == (e is None)
        if e is not None:
            torch.testing.assert_close(a, e, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("kind", ["LSTM", "GRU"])
def test_the_third_derivative_in_float32(kind):
    """torch's float32 LSTM is oneDNN's, which has a derivative of its own."""
    layer, _ = pair(kind)
    expected = gradients(layer, False, ["x"], 3)[0]
    x = torch.randn(6, 2, 3, generator=torch.Generator().manual_seed(1), dtype=torch.float64).float().requires_grad_()
    value = layer.float()(x)[0].sin().sum()
    for _ in range(3):
        (found,) = torch.autograd.grad(value, x, create_graph=True)
        value = found.square().sum()
    torch.testing.assert_close(found.double() / expected.norm(), expected / expected.norm(), rtol=0, atol=1e-5)


def test_the_weights_are_left_alone_where_only_x_is_asked_for(monkeypatch):
    """The engine is asked for what autograd needs, no more."""
    from tenuto.engines import autograd

    asked, backward = [], autograd._backward
    monkeypatch.setattr(autograd, "_backward", lambda *a: asked.append(set(a[-1])) or backward(*a))
    layer, x = tenuto.GRU(3, 4, num_layers=2), torch.randn(5, 2, 3, requires_grad=True)
    torch.autograd.grad(layer(x)[0].sum(), x)
    assert asked == [{"x"}, {"x"}]
