"""The one autograd Function: gradients of every order and every transform, through an engine that is opaque to autograd.

The opaque engine is the reference engine, called through the operations. So these tests check the Function; test_parity checks engines.
"""

from dataclasses import replace

import pytest
import torch
from torch.autograd import gradcheck, gradgradcheck

from tenuto.cells import GRU, LSTM, ResetBeforeGRU
from tenuto.engines import autograd, time_loop
from tenuto.engines.autograd import key_of
from tenuto.engines.problem import NOT_DIFFERENTIABLE
from tenuto.engines.reference import Reference
from tests.engines.problems import make_form, make_inputs
from tests.zoo import CELLS


class Opaque(Reference):
    """The reference engine as an engine that autograd cannot look into."""

    name = "opaque"

    def recorded(self, form, inputs):
        return False


ENGINE = Opaque()
autograd.register(ENGINE)


def as_function(form, inputs):
    """The time loop as a function of its differentiable inputs, and those inputs."""
    names = [name for name in form.names if name not in NOT_DIFFERENTIABLE]

    def run(*values):
        output, final = time_loop(form, ENGINE, {**inputs, **dict(zip(names, values, strict=True))}, True)
        return output, *final

    return run, [inputs[name] for name in names]


@pytest.mark.parametrize("packed", [False, True], ids=["padded", "packed"])
@pytest.mark.parametrize("reverse", [False, True], ids=["forward", "reverse"])
@pytest.mark.parametrize("cell", CELLS.values(), ids=CELLS)
def test_first_and_second_derivatives(cell, reverse, packed):
    form = replace(make_form(cell, masks=True, reverse=reverse), packed=packed)
    run, values = as_function(form, make_inputs(form))
    assert gradcheck(run, values, fast_mode=True)
    assert gradgradcheck(run, values, fast_mode=True, atol=1e-4)


@pytest.mark.parametrize("cell", [LSTM(), ResetBeforeGRU()], ids=repr)
def test_function_transforms(cell):
    form = make_form(cell, masks=True)
    run, values = as_function(form, make_inputs(form, requires_grad=False))
    rest = values[1:]

    def loss(x):
        return run(x, *rest)[0].square().sum()

    x = values[0]
    leaf = x.clone().requires_grad_()
    loss(leaf).backward()
    gradient = torch.func.grad(loss)
    torch.testing.assert_close(gradient(x), leaf.grad)
    batch = torch.stack([x, 2 * x])
    torch.testing.assert_close(torch.func.vmap(gradient)(batch)[1], gradient(2 * x))
    tangent = torch.randn_like(x)
    _, slope = torch.func.jvp(loss, (x,), (tangent,))
    torch.testing.assert_close(slope, (leaf.grad * tangent).sum())
    hessian = torch.func.hessian(loss)(x).reshape(x.numel(), x.numel())
    torch.testing.assert_close(hessian, hessian.T)
    torch.testing.assert_close(hessian @ tangent.flatten(), torch.func.jvp(gradient, (x,), (tangent,))[1].flatten())


def test_only_the_gradients_that_are_needed():
    form = make_form(GRU())
    inputs = make_inputs(form, requires_grad=False)
    inputs["bias"].requires_grad_()
    output, _ = time_loop(form, ENGINE, inputs, True)
    output.sum().backward()
    assert inputs["bias"].grad.any()
    assert inputs["x"].grad is None


def test_weights_changed_between_forward_and_backward_are_noticed():
    form = make_form(GRU())
    inputs = make_inputs(form)
    output, _ = time_loop(form, ENGINE, inputs, True)
    with torch.no_grad():
        inputs["U.h"].mul_(2)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        output.sum().backward()


def test_operations_know_their_shapes():
    form = make_form(LSTM(), masks=True)
    inputs = make_inputs(form, requires_grad=False)
    key = key_of(form, "opaque")
    tensors = [inputs[name] for name in form.names]
    torch.library.opcheck(torch.ops.tenuto.forward.default, (key, tensors, False), test_utils=("test_schema", "test_faketensor"))
    results = torch.ops.tenuto.forward(key, tensors, False)
    cotangents = [torch.ones_like(value) for value in results]
    torch.library.opcheck(
        torch.ops.tenuto.backward.default, (key, tensors, results, cotangents, "x weight_ih"), test_utils=("test_schema", "test_faketensor")
    )
