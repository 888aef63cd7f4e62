"""Blocks: each connection against its formula, the contract of an encoder, and twenty layers that learn."""

import pytest
import torch
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from tenuto import Recurrent, cells
from tenuto.errors import ArgumentError, ShapeError
from tenuto.layers import Blocks, Init
from tenuto.layers.connections import CONNECTIONS
from tests.zoo import Leaking

pytestmark = pytest.mark.usefixtures("reference_engine")

STEPS, ROWS, WIDTH = 9, 3, 6


def made(connection="pre-norm", cell=None, layers=3, **options):
    torch.manual_seed(0)
    return Blocks(cell or cells.LSTM(), 2, WIDTH, layers, connection=connection, **options).double().eval()


def drawn(*shape):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


@pytest.mark.parametrize("connection", CONNECTIONS)
@pytest.mark.parametrize("bidirectional", [False, True])
def test_each_connection_is_its_formula(connection, bidirectional):
    stack, x = made(connection, bidirectional=bidirectional), drawn(STEPS, ROWS, 2)
    y = x @ stack.enter.weight.T + stack.enter.bias
    norm = lambda v, part: nn.functional.layer_norm(v, v.shape[-1:], part.weight, part.bias)  # noqa: E731
    for layer, around in zip(stack.layers, stack.connections):
        if connection == "pre-norm":
            y = y + around.project(layer(norm(y, around.norm)).output)
            y = y + around.contract(nn.functional.gelu(around.expand(norm(y, around.wide_norm))))
        elif connection == "residual":
            y = y + (around.project(layer(y).output) if bidirectional else layer(y).output)
        elif connection == "highway":
            gate = 1 / (1 + torch.exp(-(y @ around.gate.weight.T + around.gate.bias)))
            y = gate * around.project(layer(y).output) + (1 - gate) * y
            assert around.gate.bias.unique().tolist() == [-2.0]
        else:
            y = torch.cat([y, layer(y).output], -1)
    y = norm(y, stack.leave) if connection == "pre-norm" else y
    found = stack(x)
    torch.testing.assert_close(found.output, y)
    assert found.output.shape[-1] == stack.output_width == (WIDTH + 3 * WIDTH * (1 + bidirectional) if connection == "dense" else WIDTH)


@pytest.mark.parametrize("connection", CONNECTIONS)
@pytest.mark.parametrize("cell", [cells.LSTM(), cells.GRU(), cells.RecurrentHighway(depth=2), cells.ProjectionLSTM(projection=4)], ids=repr)
def test_at_once_in_chunks_and_as_a_stream(connection, cell):
    stack, x = made(connection, cell, learned_state=True), drawn(STEPS, ROWS, 2)
    with torch.no_grad():
        for name, value in stack.named_parameters():
            if "initial" in name:
                value.copy_(drawn(*value.shape))
        whole = stack(x)
        first = stack(x[:4])
        second = stack(x[4:], first.state)
        torch.testing.assert_close(torch.cat([first.output, second.output]), whole.output)
        stream = stack.stream(ROWS)
        outputs = [stack.step(one, stream).clone() for one in x]
        torch.testing.assert_close(torch.stack(outputs), whole.output)
        for one, other, streamed in zip(whole.state, second.state, stream.state, strict=True):
            torch.testing.assert_close(other, one)
            torch.testing.assert_close(streamed, one)
        going_on = stack.stream(ROWS, first.state)
        torch.testing.assert_close(stack.step(x[4], going_on), whole.output[4])


@pytest.mark.parametrize("connection", CONNECTIONS)
@pytest.mark.parametrize("bidirectional", [False, True])
def test_padding_is_never_read(connection, bidirectional):
    stack, x, lengths = made(connection, bidirectional=bidirectional), drawn(STEPS, ROWS, 2), [9, 4, 1]
    for row, length in enumerate(lengths):
        x[length:, row] = float("nan")
    found = stack(x, lengths=lengths)
    for row, length in enumerate(lengths):
        alone = stack(x[:length, [row]])
        torch.testing.assert_close(found.output[:length, [row]], alone.output)
        assert not found.output[length:, row].any()
        torch.testing.assert_close(found.state.c[:, [row]], alone.state.c)
    found.output.square().sum().backward()
    assert all(torch.isfinite(weight.grad).all() for weight in stack.parameters() if weight.grad is not None)
    packed = stack(pack_padded_sequence(x, torch.tensor(lengths)))
    torch.testing.assert_close(pad_packed_sequence(packed.output)[0], found.output)
    torch.testing.assert_close(packed.state.h, found.state.h)


def test_batch_first_resets_and_streams():
    stack, x = made(cell=Leaking(), batch_first=True), drawn(ROWS, STEPS, 2)
    streams, resets = {"dt": drawn(ROWS, STEPS, 1).abs()}, torch.rand(ROWS, STEPS) < 0.3
    found = stack(x, resets=resets, streams=streams)
    stack.batch_first = False
    other = stack(x.transpose(0, 1), resets=resets.T, streams={"dt": streams["dt"].transpose(0, 1)})
    torch.testing.assert_close(found.output.transpose(0, 1), other.output)
    stream = stack.stream(ROWS)
    unset = stack(x.transpose(0, 1), streams={"dt": streams["dt"].transpose(0, 1)}).output
    for t in range(STEPS):
        torch.testing.assert_close(stack.step(x[:, t], stream, streams={"dt": streams["dt"][:, t]}), unset[t])


@pytest.mark.parametrize("connection", CONNECTIONS)
def test_derivatives(connection):
    stack = made(connection, cells.GRU(), layers=2)
    stack.layers[0].init = Init()
    x = drawn(4, 2, 2).requires_grad_()
    state = drawn(2, 2, WIDTH).requires_grad_()
    assert torch.autograd.gradcheck(lambda x, h: stack(x, (h,), lengths=[4, 2]).output, (x, state))


def test_recomputed_time_has_the_same_gradients():
    x, found = drawn(STEPS, ROWS, 2), []
    for every in (None, 4):
        stack = made(checkpoint_every=every)
        found.append(torch.autograd.grad(stack(x).output.square().sum(), list(stack.parameters())))
    for one, other in zip(*found, strict=True):
        torch.testing.assert_close(one, other)


class Last(nn.Module):
    def __init__(self, encoder):
        super().__init__()
        self.encoder, self.head = encoder, nn.Linear(16, 2)

    def forward(self, x):
        return self.head(self.encoder(x).output[-1])


def loss_after(encoder, steps=60):
    """Of telling by the first of six steps, after training on 64 sequences."""
    model, chance = Last(encoder), torch.Generator().manual_seed(3)
    x = torch.randn(6, 64, 3, generator=chance)
    y = (x[0, :, 0] > 0).long()
    optimiser = torch.optim.Adam(model.parameters(), 3e-3)
    for _ in range(steps):
        optimiser.zero_grad()
        loss = nn.functional.cross_entropy(model(x), y)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
    return float(loss.detach())


def test_twenty_layers_learn_what_a_plain_stack_does_not():
    """Of three seeds the plain stack ended at 0.685 each, where chance is 0.693, and the blocks at 0.004, 0.062 and 0.009."""
    torch.manual_seed(0)
    assert loss_after(Recurrent(cells.LSTM(), 3, 16, 20)) > 0.65
    assert loss_after(Blocks(cells.LSTM(), 3, 16, 20, expansion=1)) < 0.15


def test_what_is_wrong_is_said_in_words():
    with pytest.raises(ArgumentError, match="connection"):
        Blocks(cells.GRU(), 2, 3, 2, connection="resdiual")
    with pytest.raises(ArgumentError, match="expansion is -1"):
        Blocks(cells.GRU(), 2, 3, 2, expansion=-1)
    stack = made()
    with pytest.raises(ShapeError, match=r"Blocks\(LSTM\): x does not fit\.\n  expected  x \[T, B, 2\]"):
        stack(drawn(4, 2, 3))
    with pytest.raises(ShapeError, match="the state does not fit"):
        stack(drawn(4, 2, 2), (drawn(2, 2, WIDTH), drawn(2, 2, WIDTH)))
    with pytest.raises(ArgumentError, match="runs in reverse"):
        made(bidirectional=True).stream()
    assert "connection='pre-norm'" in repr(stack)
