"""Exact contributions through layers and whole models: their sum is the difference, whatever the cell, the layer, the lengths and the state."""

import copy
import gc
import weakref

import pytest
import torch
from torch import nn

import tenuto
from tenuto import Recurrent, cells
from tenuto.engines import Form, Problem, choose
from tenuto.errors import ArgumentError, ShapeError, TenutoError
from tenuto.explain import loop
from tenuto.explain.contributions import Contributions, contributions, layer_contributions
from tests.engines.problems import make_inputs
from tests.random_cells import random_cell
from tests.zoo import CELLS, LAYER_CELLS, Leaking

pytestmark = pytest.mark.usefixtures("reference_engine")  # tests/engines/cpp/test_contributions.py compares the compiled loop with it
BOUNDS = {torch.float64: 1e-10, torch.float32: 1e-4}


def assert_adds_up(found, batch_axis=1):
    """Base and parts of each row are its prediction, as a share of the parts' sizes."""
    rows = [part.double().movedim(min(batch_axis, part.dim() - 1), 0).flatten(1) for part in found.values.values()]
    total = found.base.double() + sum(part.sum(1) for part in rows)
    size = found.base.abs() + found.prediction.abs() + sum(part.abs().sum(1) for part in rows)
    assert ((total - found.prediction).abs() <= BOUNDS[found.prediction.dtype] * size).all()
    assert (found.gap <= BOUNDS[found.prediction.dtype] * size).all()


def of_loop(cell, dtype, form=None, engine="reference", steps=5):
    """The share of a loop's difference that its parts miss, with random multipliers at its results."""
    form = form or Form(cell)
    inputs = make_inputs(form, time_steps=steps, batch_size=3, hidden=4, dtype=dtype, requires_grad=False)
    other = {name: 0.5 * torch.randn_like(value) for name, value in inputs.items() if name.split(".")[0] in ("x", "s", "r")}
    other |= {name: torch.rand_like(value) for name, value in inputs.items() if name.startswith("stream.")}
    run = choose(Problem.of(form, inputs, False), engine)
    now, before = run.forward(form, inputs, False), run.forward(form, {**inputs, **other}, False)
    d_output, d_final = torch.randn_like(now.output), [torch.randn_like(value) for value in now.final]
    found = loop.PairedLoop(form, engine, inputs, other).multipliers(d_output, d_final)
    assert set(found) == set(other)
    parts = [(found[name] * (inputs[name] - value)).double() for name, value in other.items()]
    pairs = [(d_output, now.output, before.output), *zip(d_final, now.final, before.final)]
    difference = sum((d.double() * (after.double() - value.double())).sum() for d, after, value in pairs)
    size = sum(part.abs().sum() for part in parts) + sum((d * (after - value)).double().abs().sum() for d, after, value in pairs)
    return float((sum(part.sum() for part in parts) - difference).abs() / (size + 1e-9))


@pytest.mark.parametrize("dtype", BOUNDS)
@pytest.mark.parametrize("name", [*CELLS, "leaking"])
def test_every_cell(name, dtype):
    cell = {**CELLS, "leaking": Leaking()}[name]
    assert of_loop(cell, dtype) <= BOUNDS[dtype]
    assert of_loop(cell, dtype, Form(cell, lengths=True, resets=True, reverse=True)) <= BOUNDS[dtype]


@pytest.mark.parametrize("flags", [{"reverse": True}, {"lengths": True}, {"resets": True, "bias": False}, {"lengths": True, "packed": True, "resets": True, "reverse": True}])
@pytest.mark.parametrize("name", ["lstm", "lstm_low_rank", "reset_before", "zoneout"])
def test_every_form_of_a_call(name, flags):
    assert of_loop(CELLS[name], torch.float64, Form(CELLS[name], **flags)) <= 1e-10


def test_no_steps_at_all():
    assert of_loop(CELLS["lstm"], torch.float64, steps=0) <= 1e-10


@pytest.mark.parametrize("first", range(0, 40, 20))
def test_drawn_cells(first):
    for seed in range(first, first + 20):
        cell = random_cell(seed)
        form = Form(cell, lengths=seed % 2 == 0, resets=seed % 3 == 0, reverse=seed % 5 == 0)
        assert of_loop(cell, torch.float64, form) <= 1e-10, type(cell).__doc__


@pytest.mark.parametrize("dtype", BOUNDS)
@pytest.mark.parametrize("name", ["lstm", "gru", "layer_norm", "projection"])
def test_stacks_in_both_directions_with_lengths_resets_and_a_carried_state(name, dtype):
    layer = Recurrent(LAYER_CELLS[name], 3, 4, 2, bidirectional=True, residual=True, layer_norm=True, dropout=0.5, recurrent_dropout=0.2, zoneout=0.1, dtype=dtype).eval()
    x = torch.randn(6, 4, 3, dtype=dtype)
    carried = layer(x).state.map(torch.randn_like)
    lengths = torch.tensor([6, 3, 0, 1])
    x[3:, 1] = torch.nan  # padding is never read
    found = layer_contributions(
        layer, x, torch.randn(6, 1, 3, dtype=dtype), lambda answer: answer.output.sum((0, 2)) + answer.state[0].sum((0, 2)),
        state=carried, lengths=lengths, resets=torch.rand(6, 4) < 0.2,
    )  # fmt: skip
    assert_adds_up(found)
    assert list(found.values) == ["x", *(f"state.{each}" for each in carried._fields)]
    assert not found.values["x"][3:, 1].any() and not found.values["x"][:, 2].any()
    assert found.values["state.h"][:, 2].any()  # the row of no steps passes its state on, and nothing else
    alone = layer_contributions(
        layer, x[:, :1], torch.zeros(6, 1, 3, dtype=dtype), lambda answer: answer.output[-1].sum(-1), state=carried.map(lambda v: v[:, :1]), reference_state=carried.map(lambda v: v[:, :1]))
    assert not alone.values["state.h"].any()


def test_a_row_alone_has_the_same_parts_as_in_a_batch():
    layer = Recurrent(cells.LSTM(), 3, 4, bidirectional=True, dtype=torch.float64).eval()
    x, reference, lengths = torch.randn(6, 4, 3, dtype=torch.float64), torch.zeros(1, 1, 3, dtype=torch.float64), torch.tensor([4, 6, 2, 5])
    target = lambda answer: answer.output.amax(0)[:, 2]  # noqa: E731
    together = layer_contributions(layer, x, reference, target, lengths=lengths)
    for row in range(4):
        alone = layer_contributions(layer, x[:, row : row + 1], reference, target, lengths=lengths[row : row + 1])
        torch.testing.assert_close(alone.values["x"][:, 0], together.values["x"][:, row], rtol=1e-12, atol=1e-13)
        torch.testing.assert_close(alone.prediction[0], together.prediction[row])


def test_where_input_and_reference_meet_parts_are_gradient_times_difference():
    layer = Recurrent(cells.GRU(), 3, 4, dtype=torch.float64).eval()
    x = torch.randn(5, 2, 3, dtype=torch.float64)
    near = x + 1e-7 * torch.randn_like(x)
    found = layer_contributions(layer, x, near, lambda answer: answer.output[-1, :, 1])
    middle = (0.5 * (x + near)).requires_grad_()
    (gradient,) = torch.autograd.grad(layer(middle).output[-1, :, 1].sum(), middle)
    torch.testing.assert_close(found.values["x"], gradient * (x - near), rtol=1e-9, atol=1e-18)


def test_several_references_are_averaged():
    layer = Recurrent(cells.LSTM(), 2, 3, dtype=torch.float64).eval()
    x, references = torch.randn(4, 3, 2, dtype=torch.float64), list(torch.randn(5, 4, 1, 2, dtype=torch.float64))
    target = lambda answer: answer.output[-1, :, 0]  # noqa: E731
    each = [layer_contributions(layer, x, one, target) for one in references]
    found = layer_contributions(layer, x, references, target)
    stacked = torch.stack([one.values["x"] for one in each])
    torch.testing.assert_close(found.values["x"], stacked.mean(0))
    torch.testing.assert_close(found.standard_error["x"], stacked.std(0) / 5**0.5)
    torch.testing.assert_close(found.base, torch.stack([one.base for one in each]).mean(0))
    assert each[0].standard_error is None and isinstance(found, Contributions)
    assert_adds_up(found)


class Learned(nn.Module):
    """A learned state, and a cell with a stream of its own."""

    def __init__(self):
        super().__init__()
        self.learned = Recurrent(cells.GRU(), 2, 3, learned_state=True, dtype=torch.float64)
        self.leaking = Recurrent(Leaking(), 3, 2, dtype=torch.float64)

    def forward(self, x):
        output = self.learned(x).output
        return self.leaking(output, streams={"dt": torch.sigmoid(x[..., :1])}).output[-1]


def test_learned_states_and_streams_that_depend_on_the_input():
    model = Learned().eval()
    assert_adds_up(contributions(model, {"x": torch.randn(5, 3, 2, dtype=torch.float64)}, {"x": torch.zeros(1, 1, 2, dtype=torch.float64)}, 1))


@pytest.mark.filterwarnings("ignore:LSTM with projections is not supported with oneDNN")  # torch's own call, before ours
@pytest.mark.parametrize("dtype", BOUNDS)
@pytest.mark.parametrize("options", [{}, {"num_layers": 2, "bidirectional": True, "batch_first": True}, {"bias": False}], ids=["plain", "stack", "no bias"])
@pytest.mark.parametrize("kind", [nn.LSTM, nn.GRU, nn.RNN, "relu", "proj", tenuto.LSTM])
def test_layers_of_torch_and_drop_ins(kind, options, dtype):
    more = {"relu": {"nonlinearity": "relu"}, "proj": {"proj_size": 2}}.get(kind, {})
    layer = {"relu": nn.RNN, "proj": nn.LSTM}.get(kind, kind)(3, 4, dtype=dtype, **options, **more).eval()
    batch_axis = 0 if layer.batch_first else 1
    x = torch.randn(3, 3, 3, dtype=dtype)
    hx = layer(x)[1]
    hx = tuple(map(torch.randn_like, hx)) if isinstance(hx, tuple) else torch.randn_like(hx)
    found = layer_contributions(layer, x, torch.zeros(1, 1, 3, dtype=dtype), lambda answer: answer[0].sum((1 - batch_axis, 2)), state=hx)
    names = ["state.h", "state.c"] if isinstance(hx, tuple) else ["state.h"]
    assert list(found.values) == ["x", *names]
    total = found.values["x"].double().movedim(batch_axis, 0).flatten(1).sum(1) + sum(found.values[name].double().movedim(1, 0).flatten(1).sum(1) for name in names)
    torch.testing.assert_close(total + found.base, found.prediction.double(), rtol=BOUNDS[dtype], atol=BOUNDS[dtype])


def test_packed_sequences():
    layer = nn.GRU(3, 4, bidirectional=True, dtype=torch.float64).eval()
    ours = Recurrent(cells.LSTM(), 8, 3, dtype=torch.float64).eval()
    lengths = torch.tensor([4, 2, 3])

    def run(x):
        packed, _ = layer(nn.utils.rnn.pack_padded_sequence(x, lengths, enforce_sorted=False))
        padded, _ = nn.utils.rnn.pad_packed_sequence(packed, total_length=5)
        return ours(packed).state.h[0] + padded[:, :, :1].sum(0)

    assert_adds_up(contributions(run, {"x": torch.randn(4, 3, 3, dtype=torch.float64)}, {"x": torch.zeros(1, 1, 3, dtype=torch.float64)}, 0))


def test_cells_of_torch_one_step_at_a_time():
    lstm, gru = nn.LSTMCell(3, 4, dtype=torch.float64).eval(), tenuto.GRUCell(4, 2, dtype=torch.float64).eval()

    def run(x):
        h = c = x.new_zeros(x.shape[1], 4)
        state = x.new_zeros(x.shape[1], 2)
        for step in x:
            h, c = lstm(step, (h, c))
            state = gru(h, state)
        return state

    assert_adds_up(contributions(run, {"x": torch.randn(4, 3, 3, dtype=torch.float64)}, {"x": torch.zeros(1, 1, 3, dtype=torch.float64)}, 1))


def everything(model):
    """What a model holds: weights, buffers, hooks, attributes."""
    hooks = [name for name in vars(nn.Module()) if "hook" in name]
    return (
        {name: value.clone() for name, value in model.state_dict().items()},
        [[copy.copy(vars(module)[name]) for name in hooks] for module in model.modules()],
        [sorted(vars(module)) for module in model.modules()], [list(module._modules) for module in model.modules()], list(map(id, model.modules())),
        [parameter.grad for parameter in model.parameters()], [parameter.requires_grad for parameter in model.parameters()],
    )  # fmt: skip


def test_nothing_is_left_on_a_model():
    model = nn.Sequential(nn.LSTM(3, 4), Taken(), nn.BatchNorm1d(4), nn.Linear(4, 2)).eval()
    before = everything(model)
    for run in (model, nn.Sequential(model, nn.PReLU(), nn.Bilinear(2, 2, 1)).eval()):
        try:
            contributions(run, {"x": torch.randn(5, 3, 3)}, {"x": torch.zeros(1, 1, 3)}, 0)
        except TypeError:
            pass
        after = everything(model)
        assert all(torch.equal(a, b) for a, b in zip(before[0].values(), after[0].values()))
        assert before[1:] == after[1:]


class Taken(nn.Module):
    """The last output of one of torch's layers."""

    def forward(self, answer):
        return answer[0][-1]


class Refused(nn.Module):
    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, x):
        return self.function(x).sum(0)


def kept(x):
    out = torch.zeros_like(x)
    for t in range(len(x)):
        out[t] = x[t].tanh()
    return out


@pytest.mark.parametrize(
    ("function", "said"),
    [
        (lambda x: torch.sort(x, 0)[0], "contributions: contributions have no rule for torch's 'sort', in Refused"),
        (lambda x: x * float(x.sum()), "branches on a value"),
        (lambda x: x if x.sum() > 0 else -x, "branches on a value"),
        (lambda x: nn.functional.dropout(x, 0.5, True), "draws random numbers"),
        (kept, "writes in place into a part of a value"),
        (lambda x: torch.from_numpy(x.numpy()) * 2, "do not add up"),
        (lambda x: x - x.mean(1, keepdim=True) * 2, "do not add up"),
    ],
    ids=["sort", "number", "branch", "dropout", "in place", "out of torch", "mixes rows"],
)
def test_what_has_no_rule_is_refused_in_words(function, said):
    model = Refused(function).eval()
    with pytest.raises(TenutoError, match=said):
        contributions(model, {"x": torch.rand(4, 3, 2) + 1}, {"x": -torch.rand(4, 3, 2)}, 1)


class Kept(nn.Module):
    """Keeps a weak reference to what its layer gave."""

    def __init__(self):
        super().__init__()
        self.layer, self.seen = Recurrent(cells.GRU(), 2, 3), list()

    def forward(self, x):
        output = self.layer(x).output
        self.seen.append(weakref.ref(output))
        return output[-1].sum(-1)


def test_memory_does_not_wait_for_the_garbage_collector():
    model, x = Kept().eval(), torch.randn(4, 2, 2)
    gc.collect()
    gc.disable()
    try:
        contributions(model, {"x": x}, {"x": 0 * x}, lambda answer: answer)
        with pytest.raises(TenutoError, match="no rule"):
            contributions(model, {"x": x}, {"x": 0 * x}, torch.special.gammaln)
        assert len(model.seen) == 3 and not any(seen() is not None for seen in model.seen)
    finally:
        gc.enable()


def test_bad_input():
    layer, x, target = Recurrent(cells.LSTM(), 3, 4), torch.randn(5, 2, 3), lambda answer: answer.output[-1, :, 0]
    with pytest.raises(TenutoError, match=r"in training mode(.|\n)*model.eval\(\)"):
        layer_contributions(layer, x, torch.zeros(1, 1, 3), target)
    layer.eval()
    with pytest.raises(ShapeError, match=r"the reference of x does not fit(.|\n)*\[5, 2, 3\]"):
        layer_contributions(layer, x, torch.zeros(1, 1, 4), target)
    with pytest.raises(ShapeError, match=r"one number for each row(.|\n)*\[2\]"):
        layer_contributions(layer, x, torch.zeros(1, 1, 3), lambda answer: answer.output)
    with pytest.raises(ArgumentError, match="no reference"):
        layer_contributions(layer, x, [], target)
    with pytest.raises(ArgumentError, match="no input: 'y'"):
        contributions(lambda x: x[0], {"x": x}, {"y": x}, 0)
    with pytest.raises(ShapeError, match="not of real numbers"):
        contributions(lambda x: x[0], {"x": torch.ones(3, 2, dtype=torch.int64)}, {"x": torch.zeros(3, 2)}, 0)
    with pytest.raises(ShapeError, match="same rows"):
        contributions(lambda x, y: x[0] + y[0], {"x": x, "y": x[:, :1]}, {}, 0)


def test_constant_features_and_a_single_step():
    layer = Recurrent(cells.LSTM(), 3, 4).eval()
    x = torch.randn(1, 2, 3)
    x[..., 1] = 2.0
    reference = torch.zeros(1, 1, 3)
    reference[..., 1] = 2.0
    found = layer_contributions(layer, x, reference, lambda answer: answer.output[-1, :, 0])
    assert_adds_up(found)
    assert not found.values["x"][..., 1].any()
