"""NTM, DNC and fast weights as encoders: T steps = chunks = stream, lengths, resets, derivatives, and numbers that stay finite."""

import pytest
import torch
from torch import nn

from tenuto import cells
from tenuto.errors import ArgumentError, ShapeError
from tenuto.layers import DNC, NTM, DNCState, FastWeights, FastWeightState, NTMState
from tenuto.layers.memory import tensors_of
from tests.layers.chunks import in_chunks
from tests.zoo import Leaking


@pytest.fixture(autouse=True, params=["reference", pytest.param("cpp", marks=pytest.mark.cpp)])
def engine(request, monkeypatch):
    """In torch's own operations, and compiled (`layers/accessed.py`)."""
    monkeypatch.setenv("TENUTO_ENGINE", request.param)


STEPS, ROWS = 9, 3
MADE = {
    "ntm": lambda **options: NTM(cells.GRU(), 2, 5, rows=6, width=3, read_heads=2, **options),
    "deep ntm": lambda **options: NTM(cells.LSTM(), 2, 5, rows=6, width=3, write_heads=2, num_layers=2, learned_memory=True, **options),
    "dnc": lambda **options: DNC(cells.LSTM(), 2, 5, rows=6, width=3, read_heads=2, **options),
    "deep dnc": lambda **options: DNC(cells.ProjectionLSTM(projection=4), 2, 5, rows=6, width=3, num_layers=2, links=False, learned_memory=True, **options),
    "fast weights": lambda **options: FastWeights(2, 6, heads=2, **options),
}
STATES = {"ntm": NTMState, "deep ntm": NTMState, "dnc": DNCState, "deep dnc": DNCState, "fast weights": FastWeightState}


def made(kind, **options):
    torch.manual_seed(0)
    model = MADE[kind](**options).double().eval()
    with torch.no_grad():
        for weight in model.parameters():
            weight.add_(0.5 * torch.randn_like(weight))
    return model


def drawn(*shape):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


def assert_same(one, other):
    for name, value in tensors_of(one).items():
        torch.testing.assert_close(tensors_of(other)[name], value, msg=lambda said, name=name: f"{name}: {said}")


@pytest.mark.parametrize("kind", MADE)
@pytest.mark.parametrize("lengths", [None, [9, 4, 0]])
@pytest.mark.parametrize("resets", [False, True])
def test_at_once_in_chunks_and_as_a_stream(kind, lengths, resets):
    model, x = made(kind), drawn(STEPS, ROWS, 2)
    flags = torch.rand(STEPS, ROWS, generator=torch.Generator().manual_seed(2)) < 0.25 if resets else None
    for row, length in enumerate(lengths or ()):
        x[length:, row] = float("nan")
    whole = model(x, lengths=lengths, resets=flags)
    for sizes in ((4, 5), (1, 0, 8), (1,) * STEPS):
        output, state = in_chunks(model, x, sizes, lengths, resets=flags)
        torch.testing.assert_close(output, whole.output)
        assert_same(state, whole.state)
    if lengths is None and not resets:
        stream = model.stream(ROWS)
        torch.testing.assert_close(torch.stack([model.step(one, stream) for one in x]), whole.output)
        assert_same(stream.state, whole.state)
        going_on = model.stream(ROWS, model(x[:4]).state)
        torch.testing.assert_close(model.step(x[4], going_on), whole.output[4])


@pytest.mark.parametrize("kind", MADE)
def test_padding_is_never_read(kind):
    model, x, lengths = made(kind), drawn(STEPS, ROWS, 2), [9, 4, 0]
    for row, length in enumerate(lengths):
        x[length:, row] = float("nan")
    found = model(x, lengths=lengths)
    for row, length in enumerate(lengths):
        alone = model(x[:length, [row]])
        torch.testing.assert_close(found.output[:length, [row]], alone.output)
        assert not found.output[length:, row].any()
        torch.testing.assert_close(found.state.memory[[row]], alone.state.memory)
    found.output.square().sum().backward()
    assert all(torch.isfinite(weight.grad).all() for weight in model.parameters())


@pytest.mark.parametrize("kind", MADE)
def test_resets_are_beginnings(kind):
    model, x = made(kind), drawn(8, 2, 2)
    flags = torch.zeros(8, 2, dtype=torch.bool)
    flags[5, 1] = True
    found = model(x, resets=flags)
    torch.testing.assert_close(found.output[5:, 1], model(x[5:]).output[:, 1])
    torch.testing.assert_close(found.output[:, 0], model(x).output[:, 0])


@pytest.mark.parametrize("kind", MADE)
def test_batch_first(kind):
    model, other, x = made(kind), made(kind, batch_first=True), drawn(STEPS, ROWS, 2)
    whole = model(x)
    torch.testing.assert_close(other(x.transpose(0, 1)).output.transpose(0, 1), whole.output)
    stream = other.stream(ROWS)
    torch.testing.assert_close(torch.stack([other.step(one, stream) for one in x]), whole.output)
    assert str(model.engine_report(x)) and str(other.engine_report(x.transpose(0, 1)))
    assert whole.output.shape[-1] == model.output_width * model.directions


@pytest.mark.parametrize("kind", MADE)
def test_derivatives(kind):
    model, x = made(kind), drawn(3, 2, 2).requires_grad_()
    names, weights = zip(*model.named_parameters())
    state = model(drawn(3, 2, 2)).state.detach()
    memory = state.memory.clone().requires_grad_()

    def call(x, memory, *weights):
        found = torch.func.functional_call(model, dict(zip(names, weights)), (x, state._replace(memory=memory)), {"lengths": [3, 2]})
        return found.output, found.state.memory

    assert torch.autograd.gradcheck(lambda x, memory: call(x, memory, *weights), (x, memory))
    assert torch.autograd.gradcheck(call, (x, memory, *weights), fast_mode=True)

    def begun(*weights):
        return torch.func.functional_call(model, dict(zip(names, weights)), (x.detach(),)).output

    assert torch.autograd.gradcheck(begun, weights, fast_mode=True)


@pytest.mark.parametrize("kind", ["ntm", "dnc"])
def test_gradients_are_finite_at_a_memory_and_keys_of_zeros(kind):
    model = made(kind)
    with torch.no_grad():
        for weight in model.interface.parameters():
            weight.zero_()
    state = model.begin(ROWS)
    memory = torch.zeros_like(state.memory).requires_grad_()
    found = model(drawn(STEPS, ROWS, 2), state._replace(memory=memory))
    assert torch.isfinite(found.output).all()
    gradients = torch.autograd.grad(found.output.square().sum(), [memory, *model.parameters()], allow_unused=True)
    assert all(torch.isfinite(gradient).all() for gradient in gradients if gradient is not None)


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("kind", ["ntm", "dnc"])
def test_nothing_is_nan_whatever_the_weights(kind, seed):
    """In float32, with usual weights and with some that close every gate: a few very long steps of training; and forward with still larger ones."""
    torch.manual_seed(seed)
    x = torch.randn(15, ROWS, 2)
    for scale in (1, 10):
        model = scaled(MADE[kind]().float(), scale)
        optimiser = torch.optim.SGD(model.parameters(), 0.3)
        for _ in range(3):
            optimiser.zero_grad()
            found = model(x)
            found.output.square().mean().backward()
            nn.utils.clip_grad_norm_(model.parameters(), 10.0, error_if_nonfinite=True)
            optimiser.step()
            assert finite(found)
    with torch.no_grad():
        assert finite(scaled(MADE[kind]().float(), 10_000)(x))


def scaled(model, scale):
    with torch.no_grad():
        for weight in model.parameters():
            weight.mul_(scale)
    return model


def finite(found):
    return all(torch.isfinite(part).all() for part in (found.output, *tensors_of(found.state).values()))


def test_usage_and_weights_stay_within_their_bounds():
    torch.manual_seed(0)
    with torch.no_grad():
        model = scaled(MADE["dnc"]().float(), 8)
        state = model(torch.randn(600, ROWS, 2)).state
    assert -1e-6 <= state.usage.min() and state.usage.max() <= 1 + 1e-6
    assert state.write_weights.min() >= 0 and state.write_weights.sum(-1).max() <= 1 + 1e-5
    assert state.read_weights.min() >= -1e-6 and state.read_weights.sum(-1).max() <= 1 + 1e-4
    assert state.link.sum(-1).max() <= 1 + 1e-4


@pytest.mark.parametrize("kind", MADE)
def test_weights_are_kept_and_read(kind):
    model, x = made(kind), drawn(STEPS, ROWS, 2)
    other = MADE[kind]().double().eval()
    other.load_state_dict(model.state_dict())
    torch.testing.assert_close(other(x).output, model(x).output, rtol=0, atol=0)
    assert isinstance(model(x).state, STATES[kind]) and not model(x).state.detach().memory.requires_grad
    assert ("initial_memory" in dict(model.named_parameters())) == kind.startswith("deep")


def test_a_delta_rule_overwrites():
    """Of a key that is stored twice, the second value is found."""
    model = FastWeights(6, 2, heads=1).double()
    with torch.no_grad():  # key, value and question are parts of the input; keys and questions are far apart
        model.project.weight.copy_(torch.cat([torch.diag(torch.tensor([80.0, 80, 1, 1, 80, 80])), torch.zeros(1, 6)]))
        model.project.bias.copy_(torch.tensor([-40.0, -40, 0, 0, -40, -40, 40]))  # corrected at once
    told = torch.tensor([[1.0, 0, 3, 1, 1, 0], [0, 1, 5, 2, 1, 0], [1, 0, 7, 4, 1, 0], [1, 0, 7, 4, 0, 1]], dtype=torch.float64)
    expected = torch.tensor([[3.0, 1.0], [3.0, 1.0], [7.0, 4.0], [5.0, 2.0]], dtype=torch.float64)
    torch.testing.assert_close(model(told[:, None]).output[:, 0], expected)


def test_what_is_wrong_is_said_in_words():
    model, x = made("dnc"), drawn(4, 2, 2)
    with pytest.raises(ShapeError, match=r"DNC: x does not fit\.\n  expected  x \[T, B, 2\]"):
        model(drawn(4, 2, 3))
    with pytest.raises(ArgumentError, match=r"DNC: the state is that of another encoder\.\n  expected  a DNCState, as this model returned it\n  received  NTMState"):
        model(x, made("ntm")(x).state)
    with pytest.raises(ShapeError, match=r"the state does not fit\.\n  expected  memory \[3, 6, 3\], .*controller.h \[1, 3, 5\]"):
        model(drawn(4, 3, 2), model(x).state)
    with pytest.raises(ArgumentError, match="NTM: the cell takes the stream 'dt', which a controller is not given"):
        NTM(Leaking(), 2, 4)
    with pytest.raises(ArgumentError, match=r"FastWeights: 4 heads do not divide a width of 6\.\n  expected  a multiple of the heads\n  fix       a width of 8"):
        FastWeights(2, 6)
    with pytest.raises(ArgumentError, match="rows is 0"):
        DNC(cells.GRU(), 2, 4, rows=0)
    with pytest.raises(ArgumentError, match=r"DNC\.stream: the model is in training mode"):
        made("dnc").train().stream()
    assert "links=False" in repr(made("deep dnc")) and "reach=1" in repr(made("ntm")) and "heads=2" in repr(made("fast weights"))


@pytest.mark.parametrize("kind", [DNC, NTM])
def test_no_sequence_and_a_state_of_another_dtype(kind):
    encoder = kind(cells.LSTM(), 2, 5, rows=6, width=3)
    assert encoder(torch.zeros(4, 0, 2)).output.shape == (4, 0, encoder.output_width)
    encoder(torch.ones(4, 3, 2), lengths=[0, 0, 0]).output.sum().backward()
    assert not any(weight.grad.any() for weight in encoder.parameters())
    state = encoder(torch.zeros(4, 3, 2)).state
    with pytest.raises(ShapeError, match=r"memory of the state does not fit\.\n  expected  torch.float32\n  received  \[3, 6, 3\] float64"):
        encoder(torch.zeros(4, 3, 2), type(state)(state[0].double(), *state[1:]))


@pytest.mark.parametrize("seed", range(5))
def test_the_heads_of_a_new_ntm_keep_their_focus(seed):
    """A head that is not needed for a while should not be everywhere: in each step it would erase a little of every row. With biases near zero the largest weight is 0.32 or less."""
    torch.manual_seed(seed)
    state = NTM(cells.GRU(), 9, 100)(torch.randint(0, 2, (100, 4, 9)).float()).state
    assert (state.weights.amax(-1) > 0.4).all()
