"""What a layer returns is ordinary: a program may write into it, as reinforcement learning and older language models do with torch.nn's."""

from __future__ import annotations

import pytest
import torch
from torch import nn

import tenuto
from tenuto.cells import LSTM, MGU, Elman, IndRNN

LAYERS = ["LSTM", "GRU", "RNN"]
FORMS = [{}, {"batch_first": True}, {"num_layers": 2}, {"bidirectional": True}]
WRITES = {
    "activation": lambda output, states: output.relu_(),
    "sum": lambda output, states: output.add_(1.0),
    "product": lambda output, states: output.mul_(2.0),
    "dropout": lambda output, states: nn.functional.dropout(output, 1.0, True, inplace=True),
    "part of the output": lambda output, states: output[:, 0].zero_(),
    "masked": lambda output, states: output.masked_fill_(output > 0, 0.5),
    "axes": lambda output, states: output.unsqueeze_(0),
    "a state times a mask": lambda output, states: states[0].mul_(torch.tensor([1.0, 0.0, 1.0], dtype=output.dtype)[:, None]),
    "part of each state": lambda output, states: [state[:, 1].zero_() for state in states],
    "states cut off": lambda output, states: [state.detach_() for state in states],
}


def parts(result):
    """(output, states) of a layer of torch.nn or tenuto."""
    output, states = result
    return output, list(states) if isinstance(states, tuple) else [states]


def gradients(layer, x, write):
    """What comes of a training step that writes into the layer's results."""
    x = x.clone().requires_grad_()
    output, states = parts(layer(x))
    write(output, states)
    loss = (output * output).sum() + sum((state * state).sum() for state in states)
    if loss.requires_grad:
        loss.backward()
    return [loss.detach(), x.grad, *(parameter.grad for parameter in layer.parameters())]


@pytest.mark.parametrize("form", FORMS, ids=lambda form: next(iter(form), "plain"))
@pytest.mark.parametrize("write", WRITES)
@pytest.mark.parametrize("name", LAYERS)
def test_a_program_may_write_into_what_a_layer_returns(name, write, form):
    torch.manual_seed(0)
    theirs = getattr(nn, name)(4, 6, **form).double()
    ours = getattr(tenuto, name)(4, 6, **form).double()
    ours.load_state_dict(theirs.state_dict())
    x = torch.randn(3, 3, 4, dtype=torch.float64)
    torch.testing.assert_close(gradients(ours, x, WRITES[write]), gradients(theirs, x, WRITES[write]))


@pytest.mark.parametrize("write", WRITES)
@pytest.mark.parametrize("engine", ["auto", "reference"])
@pytest.mark.parametrize("cell", [LSTM(), MGU(), IndRNN(), Elman("relu")], ids=str)
def test_any_cell_on_any_engine(cell, write, engine):
    torch.manual_seed(0)
    made = tenuto.Recurrent(cell, 4, 6, engine=engine)
    x = torch.randn(5, 3, 4)
    written = gradients(made, x, WRITES[write])
    made.zero_grad()

    def copied(x):
        output, states = parts(made(x))
        return output.clone(), tuple(state.clone() for state in states)

    copied.parameters = made.parameters
    torch.testing.assert_close(written, gradients(copied, x, WRITES[write]))


@pytest.mark.parametrize("form", FORMS, ids=lambda form: next(iter(form), "plain"))
@pytest.mark.parametrize("name", LAYERS)
def test_an_output_is_cut_off_in_place(name, form):
    """torch.nn's own is a view where the batch comes first, and says so."""
    output, _ = getattr(tenuto, name)(4, 6, **form)(torch.randn(3, 2, 4))
    assert output.detach_().requires_grad is False


@pytest.mark.parametrize("name", LAYERS)
@pytest.mark.parametrize("steps", [1, 3])
def test_output_and_states_never_share_memory(name, steps):
    layer = getattr(tenuto, name)(4, 6)
    with torch.no_grad():
        output, states = parts(layer(torch.randn(steps, 2, 4)))
        before = output.clone()
        for state in states:
            state.fill_(9.0)
    torch.testing.assert_close(output, before, rtol=0, atol=0)
    assert len({state.data_ptr() for state in states}) == len(states)


def test_a_state_that_is_the_initial_one_is_a_copy():
    layer, start = tenuto.Recurrent(MGU(), 4, 6, engine="reference"), torch.ones(1, 2, 6)
    with torch.no_grad():
        _, (state,) = layer(torch.randn(0, 2, 4), (start,))
        state.zero_()
    assert start.min() == 1
