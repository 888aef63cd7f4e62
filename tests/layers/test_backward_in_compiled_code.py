"""Code that torch.compile runs and that calls `backward` on what a layer gave outside of it."""

import pytest
import torch

from tenuto import GRU, LSTM

# Dynamo looks at `.grad` of every tensor it is given.
pytestmark = pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor:UserWarning")


@pytest.mark.parametrize("layer", [LSTM(3, 4), GRU(3, 4)], ids=["LSTM", "GRU"])
@pytest.mark.parametrize("twice", [False, True], ids=["first", "second derivative"])
def test_dynamo_does_not_read_a_layers_backward_pass(layer, twice):
    torch._dynamo.reset()
    outside = torch._dynamo.disable(lambda x: layer(x)[0])

    def step(x):
        loss = (outside(x) ** 2).sum()
        if twice:
            (d_x,) = torch.autograd.grad(loss, x, create_graph=True)
            loss = (d_x**2).sum()
        loss.backward()
        return loss

    compiled = torch.compile(step, backend="eager")
    for rows in (2, 3, 5):
        gradients = []
        for run in (compiled, step):
            layer.zero_grad()
            loss = run(torch.ones(4, rows, 3, requires_grad=True))
            gradients.append([loss, *(weight.grad.clone() for weight in layer.parameters() if weight.grad is not None)])
        torch.testing.assert_close(*gradients)
