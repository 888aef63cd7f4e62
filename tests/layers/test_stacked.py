"""Stacks of encoders, hybrids, two encoders from both ends, and the rows of states: T steps = chunks = stream, lengths, resets, derivatives, errors."""

import pytest
import torch
from torch import nn

from tenuto import cells
from tenuto.errors import ArgumentError, ShapeError
from tenuto.layers import DNC, NTM, BothWays, FastWeights, Hybrid, Recurrent, Stacked, StackedState, Transformer
from tenuto.layers.rows import chosen_rows, copied, joined_rows, repeated_rows, with_rows
from tests.layers.chunks import in_chunks
from tests.zoo import Leaking

pytestmark = pytest.mark.usefixtures("reference_engine")

STEPS, ROWS = 11, 3
MADE = {
    "hybrid": lambda **options: Hybrid(cells.GRU(), 2, 8, 2, heads=2, window=4, **options),
    "deep hybrid": lambda **options: Hybrid(cells.LSTM(), 2, 8, 3, heads=2, window=3, expansion=0, **options),
    "over all states": lambda **options: Hybrid(cells.Elman(), 2, 8, 1, heads=2, window=None, **options),
    "fast weights": lambda **options: Stacked(2, 8, [FastWeights(8, 8, heads=2), FastWeights(8, 6, heads=2)], **options),
    "of all kinds": lambda **options: Stacked(2, 8, [Recurrent(cells.MGU(), 8, 5), NTM(cells.GRU(), 8, 4, rows=5, width=3), DNC(cells.GRU(), 8, 4, rows=5, width=3, read_heads=2)], **options),
}


def made(kind, **options):
    torch.manual_seed(0)
    model = MADE[kind](**options).double().eval()
    with torch.no_grad():
        for weight in model.parameters():
            weight.add_(0.3 * torch.randn_like(weight))
    return model


def drawn(*shape):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


def leaves(state):
    return torch.utils._pytree.tree_leaves(state)


@pytest.mark.parametrize("kind", MADE)
@pytest.mark.parametrize("lengths", [None, [11, 4, 0]])
@pytest.mark.parametrize("resets", [False, True])
def test_at_once_in_chunks_and_as_a_stream(kind, lengths, resets):
    model, x = made(kind), drawn(STEPS, ROWS, 2)
    flags = torch.rand(STEPS, ROWS, generator=torch.Generator().manual_seed(2)) < 0.25 if resets else None
    for row, length in enumerate(lengths or ()):
        x[length:, row] = float("nan")
    whole = model(x, lengths=lengths, resets=flags)
    for sizes in ((4, 7), (1, 0, 10)):  # across the edges of windows of 3 and 4
        output, _ = in_chunks(model, x, sizes, lengths, resets=flags)
        torch.testing.assert_close(output, whole.output)
    if lengths is None and not resets:
        stream = model.stream(ROWS)
        torch.testing.assert_close(torch.stack([model.step(one, stream) for one in x]), whole.output)
        going_on = model.stream(ROWS, model(x[:4]).state)
        torch.testing.assert_close(model.step(x[4], going_on), whole.output[4])


@pytest.mark.parametrize("kind", MADE)
def test_padding_is_never_read(kind):
    model, x, lengths = made(kind), drawn(STEPS, ROWS, 2), [11, 4, 0]
    for row, length in enumerate(lengths):
        x[length:, row] = float("nan")
    found = model(x, lengths=lengths)
    for row, length in enumerate(lengths):
        torch.testing.assert_close(found.output[:length, [row]], model(x[:length, [row]]).output)
        assert not found.output[length:, row].any()
    found.output.square().sum().backward()
    assert all(torch.isfinite(weight.grad).all() for weight in model.parameters() if weight.grad is not None)


@pytest.mark.parametrize("kind", ["hybrid", "over all states"])
def test_both_directions_see_all_steps(kind):
    model, x, lengths = made(kind, bidirectional=True), drawn(STEPS, ROWS, 2), [11, 4, 0]
    for row, length in enumerate(lengths):
        x[length:, row] = float("nan")
    found = model(x, lengths=lengths)
    assert found.state is None and not found.output[4:, 1].any()
    torch.testing.assert_close(found.output[:4, [1]], model(x[:4, [1]]).output)
    for call in (lambda: model.stream(ROWS), lambda: model(x, StackedState(())), lambda: model(x, resets=torch.zeros(STEPS, ROWS, dtype=torch.bool))):
        with pytest.raises(ArgumentError, match="each step sees later ones"):
            call()


def test_far_steps_are_carried_by_the_recurrent_layers_alone():
    local, whole = made("hybrid"), made("over all states")
    x = drawn(STEPS, 1, 2)
    y = x.clone()
    y[0] += 1
    assert not torch.equal(local(x).output[-1], local(y).output[-1])
    kinds = [type(layer).__name__ for layer in made("deep hybrid").layers]
    assert kinds == ["Recurrent", "Recurrent", "Attending", "Recurrent", "Attending"] and len(whole.layers) == 2
    assert whole(x).state.layers[1].keys.shape[2] == STEPS and local(x).state.layers[2].keys.shape[2] == 3


@pytest.mark.parametrize("kind", ["hybrid", "over all states", "fast weights"])
def test_derivatives(kind):
    model, x = made(kind), drawn(3, 2, 2).requires_grad_()
    names, weights = zip(*model.named_parameters())
    state = model(drawn(2, 2, 2)).state.detach()

    def call(x, *weights):
        return torch.func.functional_call(model, dict(zip(names, weights)), (x, state), {"lengths": [3, 2]}).output

    assert torch.autograd.gradcheck(call, (x, *weights), fast_mode=True)


@pytest.mark.parametrize("kind", MADE)
def test_batch_first(kind):
    model, other, x = made(kind), made(kind, batch_first=True), drawn(STEPS, ROWS, 2)
    whole = model(x)
    torch.testing.assert_close(other(x.transpose(0, 1)).output.transpose(0, 1), whole.output)
    assert str(model.engine_report(x)) and str(other.engine_report(x.transpose(0, 1))) and "batch_first" in repr(other)
    assert whole.output.shape[-1] == model.output_width * model.directions


@pytest.mark.parametrize("make", [lambda: FastWeights(2, 4, heads=2), lambda: NTM(cells.GRU(), 2, 4, rows=5, width=3)])
def test_two_encoders_from_both_ends(make):
    torch.manual_seed(0)
    model, x, lengths = BothWays(make(), make()).double().eval(), drawn(STEPS, ROWS, 2), [11, 4, 0]
    for row, length in enumerate(lengths):
        x[length:, row] = float("nan")
    found = model(x, lengths=lengths)
    width = model.output_width
    for row, length in enumerate(lengths):
        own = x[:length, [row]]
        torch.testing.assert_close(found.output[:length, [row], :width], model.ahead(own).output)
        torch.testing.assert_close(found.output[:length, [row], width:], model.back(own.flip(0)).output.flip(0))
        assert not found.output[length:, row].any()
    assert found.state is None and model.directions == 2 and str(model.engine_report(x))
    torch.testing.assert_close(model(x[:, :1]).output, found.output[:, :1])
    for call in (lambda: model(x, ()), lambda: model.stream()):
        with pytest.raises(ArgumentError, match="each step sees later ones"):
            call()


@pytest.mark.parametrize("kind", ["hybrid", "of all kinds"])
def test_rows_of_a_state(kind):
    model, x = made(kind), drawn(STEPS, ROWS, 2)
    with torch.no_grad():
        short, long = model(x[:2, :1]).state, model(x[:, 1:]).state
        both, after = joined_rows([short, long]), x[:, :, :] * 2
        found = model(after, both).output
        torch.testing.assert_close(found[:, :1], model(after[:, :1], short).output)
        torch.testing.assert_close(found[:, 1:], model(after[:, 1:], long).output)
        torch.testing.assert_close(model(after[:, [2, 0]], chosen_rows(both, torch.tensor([2, 0]))).output, found[:, [2, 0]])
        twice = repeated_rows(both, 2)
        torch.testing.assert_close(model(after.repeat_interleave(2, 1), twice).output, found.repeat_interleave(2, 1))
        put = with_rows(copied(both), torch.tensor([0, 1]), chosen_rows(long, torch.tensor([1, 0])))
        torch.testing.assert_close(model(after, put).output[:, 0], model(after[:, [0]], chosen_rows(long, slice(1, 2))).output[:, 0])
        torch.testing.assert_close(model(after, put).output[:, 2:], found[:, 2:])


def test_rows_of_a_transformer_that_have_read_different_numbers_of_steps():
    torch.manual_seed(0)
    model, x = Transformer(2, 8, 2, heads=2).double().eval(), drawn(STEPS, 2, 2)
    with torch.no_grad():
        short, long = model(x[:3, :1]).state, model(x[:9, 1:]).state
        found = model(x, joined_rows([short, long])).output
        torch.testing.assert_close(found[:, :1], model(x[:, :1], short).output)
        torch.testing.assert_close(found[:, 1:], model(x[:, 1:], long).output)


def test_what_cannot_be_is_said_in_words():
    with pytest.raises(ArgumentError, match=r"Hybrid: 4 heads do not divide a width of 10"):
        Hybrid(cells.GRU(), 2, 10)
    with pytest.raises(ArgumentError, match=r"Hybrid: window is 0\."):
        Hybrid(cells.GRU(), 2, 8, window=0)
    with pytest.raises(ArgumentError, match="expansion is -1"):
        Hybrid(cells.GRU(), 2, 8, expansion=-1)
    with pytest.raises(ArgumentError, match="Hybrid: the cell takes the stream 'dt'"):
        Hybrid(Leaking(), 2, 8)
    with pytest.raises(ArgumentError, match=r"Stacked: an encoder does not fit\.\n  expected  one or more encoders of input_size 8, time first\n  received  FastWeights of input_size 4"):
        Stacked(2, 8, [FastWeights(4, 8)])
    with pytest.raises(ArgumentError, match="received  none"):
        Stacked(2, 8, [])
    model, x = made("hybrid"), drawn(STEPS, ROWS, 2)
    with pytest.raises(ArgumentError, match="Hybrid: the state is that of another encoder"):
        model(x, Transformer(2, 8, 2).double()(x).state)
    with pytest.raises(ShapeError, match="the states of 3 encoders"):
        model(x, StackedState(()))
    with pytest.raises(ShapeError, match="keys and values"):
        model(x[:, :2], model(x).state._replace(layers=(None, None, model(x).state.layers[2])))
    with pytest.raises(ShapeError, match="x does not fit"):
        model(x[..., :1])
    with pytest.raises(ArgumentError, match=r"Hybrid\.stream: the model is in training mode"):
        made("hybrid").train().stream()
    with pytest.raises(ArgumentError, match="checkpoint_every is 12, and the sequences have 11 steps"):
        made("hybrid", checkpoint_every=12).train()(x.requires_grad_())


def test_time_may_be_recomputed():
    plain, again, x = made("hybrid"), made("hybrid", checkpoint_every=3), drawn(STEPS, ROWS, 2)
    for model in (plain, again):
        nn.utils.parameters_to_vector(model.parameters())
        model(x).output.square().sum().backward()
    for one, other in zip(plain.parameters(), again.parameters()):
        torch.testing.assert_close(other.grad, one.grad)
