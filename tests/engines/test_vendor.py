"""The vendor engine against the reference: outputs and gradients for each kernel that torch has, and the reasons where torch has none."""

import pytest
import torch

from tenuto.cells import GRU, LSTM, Elman, ProjectionLSTM
from tenuto.engines import Problem, time_loop
from tenuto.engines.problem import NOT_DIFFERENTIABLE, Form
from tenuto.engines.reference import Reference
from tenuto.engines.vendor import Vendor
from tests.engines.problems import make_form, make_inputs

TOLERANCE = {torch.float32: 1e-5, torch.float64: 1e-12}


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize("lengths", ["", "lengths", "packed"])
@pytest.mark.parametrize("reverse", [False, True], ids=["forward", "reverse"])
@pytest.mark.parametrize("cell", [LSTM(), ProjectionLSTM(3), GRU(), Elman(), Elman("relu")], ids=repr)
def test_equals_the_reference(cell, reverse, lengths, dtype):
    form = Form(cell, lengths=bool(lengths), reverse=reverse, packed=lengths == "packed")
    inputs = make_inputs(form, time_steps=5, batch_size=4, input_size=3, dtype=dtype)
    results = {}
    for engine in (Vendor(), Reference()):
        assert engine.supports(Problem.of(form, inputs, True))
        leaves = {name: tensor.detach().clone() for name, tensor in inputs.items()}
        floats = [leaves[name].requires_grad_() for name in form.names if name not in NOT_DIFFERENTIABLE]
        output, final = time_loop(form, engine, leaves, True)
        loss = (output * torch.linspace(-1, 1, output.numel(), dtype=dtype).view_as(output)).sum() + sum(
            value.square().sum() for value in final
        )
        results[engine.name] = [output, *final, *torch.autograd.grad(loss, floats)]
    bound = TOLERANCE[dtype]
    for ours, expected in zip(results["vendor"], results["reference"], strict=True):
        torch.testing.assert_close(ours, expected, rtol=bound, atol=bound)


def test_second_derivative_of_the_onednn_lstm():
    form = make_form(LSTM())
    inputs = make_inputs(form, dtype=torch.float32)
    gradients = {}
    for engine in (Vendor(), Reference()):
        output, _ = time_loop(form, engine, inputs, True)
        (first,) = torch.autograd.grad(output.square().sum(), inputs["x"], create_graph=True)
        gradients[engine.name] = torch.autograd.grad(first.square().sum(), inputs["U.h"])[0]
    torch.testing.assert_close(gradients["vendor"], gradients["reference"], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("form", "sizes", "reason"),
    [
        (Form(LSTM("relu")), {}, "torch has no kernel for LSTM(activation='relu'"),
        (Form(LSTM(heads=2)), {}, "torch has no kernel"),
        (Form(LSTM(), resets=True), {}, "cannot reset the state"),
        (Form(GRU()), {"time_steps": 0}, "no empty batch or sequence"),
        (Form(GRU()), {"batch_size": 0}, "no empty batch or sequence"),
    ],
    ids=["relu", "heads", "resets", "no steps", "no rows"],
)
def test_says_why_not(form, sizes, reason):
    answer = Vendor().supports(Problem.of(form, make_inputs(form, **sizes), True))
    assert not answer
    assert reason in answer.reason
