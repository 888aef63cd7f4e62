"""The Transformer as an encoder: against attention written out, and the contract of T steps = chunks = stream, across windows, lengths and resets."""

import math

import pytest
import torch
from torch import nn

from tenuto.errors import ArgumentError, ShapeError
from tenuto.layers import Transformer, TransformerState
from tenuto.layers.attention import turned
from tests.layers.chunks import in_chunks

STEPS, ROWS = 11, 3


def made(**options):
    torch.manual_seed(0)
    model = Transformer(2, 8, 2, heads=2, **options).double().eval()
    with torch.no_grad():
        for weight in model.parameters():
            weight.add_(0.3 * torch.randn_like(weight))  # biases and norms that do something
    return model


def drawn(*shape):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


def written_out(model, x, window, ahead=False):
    """One row [T, I], query by query, with complex numbers for the turns."""
    y, steps = model.enter(x), len(x)
    norm = lambda v, part: nn.functional.layer_norm(v, v.shape[-1:], part.weight, part.bias)  # noqa: E731
    for layer, around in zip(model.layers, model.connections):
        q, k, v = (layer.project(norm(y, around.norm))).chunk(3, -1)
        out = torch.zeros_like(y)
        for head in range(2):
            own = slice(4 * head, 4 * head + 4)
            turn = lambda part, place, own=own: torch.complex(part[own][:2], part[own][2:]) * torch.exp(1j * place * 10_000.0 ** -(torch.arange(2, dtype=torch.float64) / 2))  # noqa: E731
            for t in range(steps):
                sees = range(steps) if ahead else range(0 if window is None else max(0, t - window + 1), t + 1)
                scores = torch.stack([(turn(q[t], t) * turn(k[s], s).conj()).real.sum() / math.sqrt(4) for s in sees])
                out[t, own] = (scores.softmax(0)[:, None] * v[list(sees), own]).sum(0)
        y = y + around.project(out)
        y = y + around.contract(nn.functional.gelu(around.expand(norm(y, around.wide_norm))))
    return norm(y, model.leave)


@pytest.mark.parametrize("window", [None, 1, 4])
def test_it_is_attention_written_out(window):
    model, x = made(window=window), drawn(STEPS, ROWS, 2)
    torch.testing.assert_close(model(x).output[:, 1], written_out(model, x[:, 1], window))


def test_both_directions():
    model, x = made(bidirectional=True), drawn(STEPS, ROWS, 2)
    found = model(x)
    torch.testing.assert_close(found.output[:, 1], written_out(model, x[:, 1], None, ahead=True))
    assert found.state is None


def test_turns_depend_on_the_distance_alone():
    q, k = drawn(1, 6), drawn(1, 6)
    near, far = ((turned(q, torch.tensor([place + 5])) * turned(k, torch.tensor([place]))).sum() for place in (0, 1_000_000))
    torch.testing.assert_close(near, far, rtol=1e-8, atol=1e-8)


@pytest.mark.parametrize("window", [None, 1, 2, 4, 5, 30])
@pytest.mark.parametrize("lengths", [None, [11, 4, 0]])
@pytest.mark.parametrize("resets", [False, True])
def test_at_once_in_chunks_and_as_a_stream(window, lengths, resets):
    model, x = made(window=window), drawn(STEPS, ROWS, 2)
    flags = torch.rand(STEPS, ROWS, generator=torch.Generator().manual_seed(2)) < 0.25 if resets else None
    if lengths is not None:
        for row, length in enumerate(lengths):
            x[length:, row] = float("nan")
    whole = model(x, lengths=lengths, resets=flags)
    for sizes in ((4, 7), (1, 2, 8), (5, 0, 6), (1,) * STEPS):
        output, state = in_chunks(model, x, sizes, lengths, resets=flags)
        torch.testing.assert_close(output, whole.output)
        torch.testing.assert_close(state.steps, whole.state.steps)
        going_on = drawn(3, ROWS, 2)
        torch.testing.assert_close(model(going_on, state).output, model(going_on, whole.state).output)
    if lengths is None and not resets:
        stream = model.stream(ROWS)
        torch.testing.assert_close(torch.stack([model.step(one, stream) for one in x]), whole.output)
        assert window is None or stream.state.keys.shape[2] <= window - 1 or window == 1


def test_many_queries_are_the_same_as_few(monkeypatch):
    x, found = drawn(STEPS, ROWS, 2), []
    for window in (None, 3):
        model = made(window=window)
        whole = model(x).output
        monkeypatch.setattr("tenuto.layers.attention.AT_ONCE", 2)
        torch.testing.assert_close(model(x).output, whole)
        monkeypatch.undo()
        found.append(whole)
    assert not torch.allclose(*found)


@pytest.mark.parametrize("bidirectional", [False, True])
def test_padding_is_never_read(bidirectional):
    model, x, lengths = made(bidirectional=bidirectional), drawn(STEPS, ROWS, 2), [11, 4, 0]
    for row, length in enumerate(lengths):
        x[length:, row] = float("nan")
    found = model(x, lengths=lengths)
    for row, length in enumerate(lengths):
        assert not found.output[length:, row].any()
        if length:
            torch.testing.assert_close(found.output[:length, [row]], model(x[:length, [row]]).output)
    found.output.square().sum().backward()
    assert all(torch.isfinite(weight.grad).all() for weight in model.parameters())


def test_resets_are_beginnings():
    model, x = made(), drawn(8, 1, 2)
    flags = torch.zeros(8, 1, dtype=torch.bool)
    flags[5] = True
    torch.testing.assert_close(model(x, resets=flags).output[5:], model(x[5:]).output)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_narrow_numbers_go_on_in_chunks(dtype):
    model, x = made(window=4).to(dtype), drawn(STEPS, ROWS, 2).to(dtype)
    whole = model(x).output
    first = model(x[:5])
    second = model(x[5:], first.state)
    tolerance = {torch.float32: 1e-5, torch.bfloat16: 5e-2}[dtype]
    torch.testing.assert_close(torch.cat([first.output, second.output]), whole, rtol=tolerance, atol=tolerance)
    assert first.state.keys.dtype == dtype


def test_derivatives_through_the_state():
    model, x = made(window=3), drawn(5, 2, 2).requires_grad_()

    def chunked(x):
        first = model(x[:2], lengths=[2, 1])
        return model(x[2:], first.state).output

    assert torch.autograd.gradcheck(chunked, x)


def test_batch_first():
    model, x = made(), drawn(STEPS, ROWS, 2)
    whole = model(x)
    model.batch_first = True
    torch.testing.assert_close(model(x.transpose(0, 1)).output.transpose(0, 1), whole.output)
    stream = model.stream(ROWS)
    torch.testing.assert_close(torch.stack([model.step(one, stream) for one in x]), whole.output)


def test_what_is_wrong_is_said_in_words():
    with pytest.raises(ArgumentError, match=r"Transformer: 3 heads do not divide a width of 8 .*\n  expected  a multiple of twice the heads\n.*fix       a width of 6"):
        Transformer(2, 8, heads=3)
    with pytest.raises(ArgumentError, match="window is 0"):
        Transformer(2, 8, window=0)
    with pytest.raises(ArgumentError, match="window is 3.\n  expected  None, where each step sees later ones"):
        Transformer(2, 8, window=3, bidirectional=True)
    with pytest.raises(ArgumentError, match="expansion is -1"):
        Transformer(2, 8, expansion=-1)
    model, x = made(), drawn(4, 2, 2)
    with pytest.raises(ShapeError, match=r"Transformer: x does not fit\.\n  expected  x \[T, B, 2\]"):
        model(drawn(4, 2, 3))
    with pytest.raises(ArgumentError, match="the state is that of another encoder"):
        model(x, (drawn(1, 2, 8),))
    state = model(x).state
    assert isinstance(state, TransformerState) and not state.detach().keys.requires_grad
    with pytest.raises(ShapeError, match="the state does not fit"):
        model(drawn(4, 3, 2), state)
    both = made(bidirectional=True)
    with pytest.raises(ArgumentError, match="each step sees later ones, so there is no state"):
        both(x, state)
    with pytest.raises(ArgumentError, match="each step sees later ones, and a live stream has none"):
        both.stream()
    with pytest.raises(ArgumentError, match="training mode"):
        made().train().stream()
    assert "heads=2" in repr(model)
