"""Encoders on other scales of time: T steps = chunks = stream across every phase, lengths, values by hand, derivatives, errors."""

import pytest
import torch

from tenuto import cells
from tenuto.errors import ArgumentError, ShapeError
from tenuto.layers import Clockwork, Dilated, FastWeights, Recurrent, Slowed, Stacked, TimeReduced
from tests.layers.chunks import in_chunks

pytestmark = pytest.mark.usefixtures("reference_engine")

STEPS, ROWS = 11, 3
MADE = {
    "dilated": lambda: Dilated(Recurrent(cells.GRU(), 2, 4), 3),
    "dilated memory": lambda: Dilated(FastWeights(2, 4, heads=2), 2),
    "slowed": lambda: Slowed(Recurrent(cells.LSTM(), 2, 4), 3),
    "time reduced": lambda: TimeReduced(Recurrent(cells.GRU(), 6, 4), 3),
    "clockwork": lambda: Clockwork(cells.Elman(), 2, 6, periods=(4, 2, 1)),
    "a stack of all": lambda: Stacked(2, 6, [Dilated(Recurrent(cells.Elman(), 6, 6), 2), TimeReduced(Recurrent(cells.Elman(), 12, 4), 2), Clockwork(cells.Elman(), 6, 4, periods=(2, 1))]),
}


def made(kind):
    torch.manual_seed(0)
    model = MADE[kind]().double().eval()
    with torch.no_grad():
        for weight in model.parameters():
            weight.add_(0.3 * torch.randn_like(weight))
    return model


def drawn(*shape):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


@pytest.mark.parametrize("kind", MADE)
@pytest.mark.parametrize("lengths", [None, [11, 4, 0]])
def test_at_once_in_chunks_and_as_a_stream(kind, lengths):
    model, x = made(kind), drawn(STEPS, ROWS, 2)
    for row, length in enumerate(lengths or ()):
        x[length:, row] = float("nan")
    whole = model(x, lengths=lengths)
    for sizes in ((4, 7), (1, 0, 10), (2, 2, 2, 5)):
        output, _ = in_chunks(model, x, sizes, lengths)
        torch.testing.assert_close(output, whole.output)
    if lengths is None:
        stream = model.stream(ROWS)
        torch.testing.assert_close(torch.stack([model.step(one, stream) for one in x]), whole.output)
    else:
        for row, length in enumerate(lengths):
            torch.testing.assert_close(whole.output[:length, [row]], model(x[:length, [row]]).output)
            assert not whole.output[length:, row].any()
    whole.output.square().sum().backward()
    assert all(torch.isfinite(weight.grad).all() for weight in model.parameters() if weight.grad is not None)


def test_values_by_hand():
    layer = Recurrent(cells.GRU(), 2, 4).double()
    x = drawn(STEPS, ROWS, 2)
    torch.testing.assert_close(Dilated(layer, 1)(x).output, layer(x).output)
    found = Dilated(layer, 3)(x).output
    for phase in range(3):
        torch.testing.assert_close(found[phase::3], layer(x[phase::3]).output)
    slow = Slowed(layer, 4)(x).output
    torch.testing.assert_close(slow, layer(x[::4]).output.repeat_interleave(4, 0)[:STEPS])
    wide = Recurrent(cells.GRU(), 4, 3).double()
    reduced = TimeReduced(wide, 2)(x).output
    inside = wide(torch.cat([x[0:10:2], x[1:10:2]], -1)).output
    torch.testing.assert_close(reduced[1:], inside.repeat_interleave(2, 0))
    assert not reduced[0].any()


def test_a_clockwork_reads_the_slower_layers():
    model, x = made("clockwork"), drawn(STEPS, 1, 2)
    output = model(x).output
    assert model.output_width == 6 and torch.equal(output[1, :, :2], output[0, :, :2]) and not torch.equal(output[1, :, 4:], output[0, :, 4:])
    y = x.clone()
    y[5] += 1  # no tick of the slowest layer, whose steps are 0, 4, 8
    other = model(y).output
    torch.testing.assert_close(other[..., :2], output[..., :2])
    assert not torch.equal(other[5, :, 4:], output[5, :, 4:])


@pytest.mark.parametrize("kind", ["dilated", "slowed", "time reduced", "clockwork"])
def test_derivatives(kind):
    model, x = made(kind), drawn(5, 2, 2).requires_grad_()
    names, weights = zip(*model.named_parameters())

    def call(x, *weights):
        return torch.func.functional_call(model, dict(zip(names, weights)), (x,), {"lengths": [5, 3]}).output

    assert torch.autograd.gradcheck(call, (x, *weights), fast_mode=True)


def test_what_cannot_be_is_said_in_words():
    for make in (lambda: Dilated(Recurrent(cells.GRU(), 2, 4, bidirectional=True), 2), lambda: Slowed(Recurrent(cells.GRU(), 2, 4, batch_first=True), 2)):
        with pytest.raises(ArgumentError, match=r"the encoder does not fit\.\n  expected  an encoder that reads forward only, time first"):
            make()
    with pytest.raises(ArgumentError, match="dilation"):
        Dilated(Recurrent(cells.GRU(), 2, 4), 0)
    with pytest.raises(ArgumentError, match="TimeReduced: 3 steps do not make 4 inputs"):
        TimeReduced(Recurrent(cells.GRU(), 4, 4), 3)
    with pytest.raises(ArgumentError, match=r"periods are \(1, 2\)"):
        Clockwork(cells.GRU(), 2, 4, periods=(1, 2))
    with pytest.raises(ArgumentError, match=r"3 periods do not divide 4 units"):
        Clockwork(cells.GRU(), 2, 4, periods=(4, 2, 1))
    model, x = made("dilated"), drawn(STEPS, ROWS, 2)
    with pytest.raises(ArgumentError, match="Dilated: the state is that of another encoder"):
        model(x, made("slowed")(x).state)
    with pytest.raises(ArgumentError, match="Clockwork: the state is that of another encoder"):
        made("clockwork")(x, ())
    with pytest.raises(ShapeError, match="x does not fit"):
        model(x[..., :1])
    assert str(model.engine_report(x)) and str(made("clockwork").engine_report(x))
