"""Exponents, gains, horizons, gradients and advice, on systems whose answers are known; and on every task."""

import math

import numpy as np
import pytest
import torch
from torch import nn

import tenuto
from tenuto import Recurrent, cells
from tenuto.cell import Cell, State
from tenuto.diagnose import Advice, Clipping, Diagnosis, LayerDiagnosis, Matrix, Saturation, diagnose
from tenuto.diagnose.outside import outside_of
from tenuto.diagnose.page import page_of
from tenuto.errors import ArgumentError, NotFittedError
from tenuto.tasks import SequenceClassifier
from tests.explain.models import Reader, Words, fitted
from tests.tasks.launched import TASKS

pytestmark = pytest.mark.usefixtures("reference_engine")


def linear(weight, inputs=1, **options):
    """h = W h + x, float64."""
    layer = Recurrent(cells.Elman(activation="identity"), inputs, len(weight), bias=False, **options).double().eval()
    with torch.no_grad():
        for name, value in layer.named_parameters():
            value.copy_(weight) if "hh" in name else value.fill_(1.0)
    return layer


class Henon(Cell):
    """The map of Hénon 1976: u' = 1 - 1.4 u² + v, v' = 0.3 u."""

    gates = "u"
    state = "u v"

    def step(self, x, U, s):
        return State(u=1 - 1.4 * s.u * s.u + s.v + x.u, v=0.3 * s.u)


# --- systems with known answers --------------------------------------------------------------------------------------


def test_exponents_of_a_linear_cell_are_those_of_its_eigenvalues():
    basis = torch.linalg.qr(torch.randn(4, 4, dtype=torch.float64))[0]
    sizes = torch.tensor([1.1, 0.7, 0.3, 0.05], dtype=torch.float64)
    layer = linear(basis @ torch.diag(sizes) @ basis.T)
    found = diagnose(layer, torch.randn(150, 3, 1, dtype=torch.float64))
    assert isinstance(found, Diagnosis) and isinstance(found[0], LayerDiagnosis)
    np.testing.assert_allclose(found[0].exponents, sizes.log(), atol=1e-6)
    expected = [float(torch.linalg.matrix_norm(torch.diag(sizes**lag)) / 2) for lag in range(1, 151)]  # all four directions: exact
    np.testing.assert_allclose(found[0].gain, expected, rtol=1e-9)
    matrix = found[0].matrices["h"]
    assert isinstance(matrix, Matrix) and matrix.radius == pytest.approx(1.1) and matrix.norm == pytest.approx(1.1)


def test_a_turn_neither_grows_nor_fades():
    turn = torch.tensor([[math.cos(0.3), -math.sin(0.3)], [math.sin(0.3), math.cos(0.3)]], dtype=torch.float64)
    found = diagnose(linear(turn), torch.randn(40, 2, 1, dtype=torch.float64))[0]
    np.testing.assert_allclose(found.exponents, [0, 0], atol=1e-12)
    np.testing.assert_allclose(found.gain, np.ones(40), rtol=1e-12)
    assert found.horizon is None


def test_the_henon_map_has_its_published_exponents():
    """0.419 and -1.623 (Sprott 2003, table A.2); their sum is the logarithm of the Jacobian's determinant, -0.3, at every point."""
    layer = Recurrent(Henon(), 1, 1).double().eval()
    x = torch.zeros(600, 8, 1, dtype=torch.float64)
    state = State(u=0.1 + 0.02 * torch.arange(8.0, dtype=torch.float64)[None, :, None], v=torch.full((1, 8, 1), 0.1, dtype=torch.float64))
    found = diagnose(layer, x, state=state)[0]
    assert found.exponents[0] == pytest.approx(0.419, abs=0.012)
    assert found.exponents.sum() == pytest.approx(math.log(0.3), abs=1e-9)


def test_the_memory_of_one_unit_is_a_power():
    found = diagnose(linear(torch.tensor([[0.8]], dtype=torch.float64)), torch.randn(60, 3, 1, dtype=torch.float64))[0]
    np.testing.assert_allclose(found.influence, 0.8 ** np.arange(60), rtol=1e-9)
    assert found.horizon == math.ceil(math.log(0.01) / math.log(0.8)) == 21
    assert diagnose(linear(torch.tensor([[0.8]], dtype=torch.float64)), torch.randn(60, 3, 1), share=0.5)[0].horizon == 4


def test_reverse_layers_remember_what_comes_later():
    found = diagnose(linear(torch.tensor([[0.5]], dtype=torch.float64), reverse=True), torch.randn(20, 2, 1, dtype=torch.float64))[0]
    np.testing.assert_allclose(found.influence, 0.5 ** np.arange(20), rtol=1e-9)
    assert found.reverse and found.exponents[0] == pytest.approx(math.log(0.5))


def test_padding_counts_nowhere():
    layer = linear(torch.tensor([[0.9]], dtype=torch.float64))
    x = torch.randn(30, 2, 1, dtype=torch.float64)
    alone = diagnose(layer, x[:12, 1:])[0]
    x[12:, 1] = math.nan
    x[30:, 0] = math.nan

    class Model(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = layer

        def forward(self, x, lengths=None):
            return self.layer(x, lengths=lengths).output

    both = diagnose(Model().eval(), [x[:, 0], x[:12, 1]])[0]
    np.testing.assert_allclose(both.influence, 0.9 ** np.arange(30), rtol=1e-9)
    np.testing.assert_allclose(both.exponents, alone.exponents, atol=1e-12)
    assert np.isfinite(both.gradient["h"]).all()


def test_a_longer_sequence_that_is_not_followed_adds_no_step():
    class Model(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = linear(torch.tensor([[0.9]], dtype=torch.float64))

        def forward(self, x, lengths=None):
            return self.layer(x, lengths=lengths).output

    found = diagnose(Model().eval(), [torch.randn(steps, 1, dtype=torch.float64) for steps in (7, 7, 7, 7, 7, 7, 7, 7, 20)])[0]
    assert found.steps == 7 and found.horizon is None
    np.testing.assert_allclose(found.influence, 0.9 ** np.arange(7), rtol=1e-9)


def test_of_all_batches_the_one_with_the_longest_sequences_is_followed():
    x = [np.random.default_rng(steps).standard_normal((steps, 2)).astype("float32") for steps in (*[4] * 32, *[15] * 16, *[7] * 32)]
    y = [place % 2 for place in range(len(x))]
    for seed in range(3):  # each of which begins with another batch
        model = SequenceClassifier("gru", hidden_size=4, batch_size=16, epochs=1, random_state=seed).fit(x, y)
        assert {layer.steps for layer in diagnose(model, (x, y))} == {15}


@pytest.mark.parametrize("cell", [cells.LSTM(), cells.GRU(), cells.LayerNormLSTM(), cells.RecurrentHighway(depth=2)])
def test_gradients_are_those_of_autograd(cell):
    """dL/ds_t by running the sequence step by step, with each state a leaf of its own."""
    layer = Recurrent(cell, 2, 5).double().eval()
    x = torch.randn(7, 1, 2, dtype=torch.float64)
    found = diagnose(layer, x)[0]
    state, outputs, states = None, [], []
    for t in range(7):
        output, state = layer(x[t : t + 1], state)
        outputs.append(output)
        states.append(state)
    # the output of a step is one of its states: what is read from it goes through that state
    own = layer.cell.widths("state")
    loss = lambda outputs: 0.5 * torch.cat(outputs).square().mean()  # noqa: E731
    for t in range(6):
        leaves = type(states[t])(*(value.detach().requires_grad_() for value in states[t]))
        after, rest = leaves, [leaves[0]]
        for later in range(t + 1, 7):
            output, after = layer(x[later : later + 1], after)
            rest.append(output)
        expected = torch.autograd.grad(loss([*(one.detach() for one in outputs[:t]), *rest]), list(leaves))
        for name, right in zip(own, expected, strict=True):
            assert found.gradient[name][t] == pytest.approx(float(right.norm()), rel=1e-6), (name, t)


def test_the_influence_is_that_of_autograd():
    """With as many signs as it takes: the estimate is within a few per cent of the norm of the Jacobian."""
    layer = Recurrent(cells.GRU(), 2, 16).double().eval()
    x = torch.randn(9, 1, 2, dtype=torch.float64)
    found = diagnose(layer, x)[0].influence
    slopes = torch.autograd.functional.jacobian(lambda x: layer(x).output[-1, 0], x)
    np.testing.assert_allclose(found, slopes.square().sum((0, 2, 3)).sqrt().flip(0), rtol=0.35)


def test_saturation_counts_values_at_the_ends():
    layer = Recurrent(cells.LSTM(), 1, 4).eval()
    with torch.no_grad():
        for value in layer.parameters():
            value.zero_()
        layer.bias_l0[4:8] = 9.0  # f is open
        layer.bias_l0[12:14] = -9.0  # o is shut in two of four units
    found = diagnose(layer, torch.randn(10, 2, 1))[0]
    assert all(isinstance(gate, Saturation) for gate in found.gates.values())
    assert found.gates["f"].at_high == 1.0 and found.gates["o"].at_low == 0.5 and found.gates["i"].share == 0.0
    assert found.gates["g"].mean == 0.0 and (found.gates["g"].low, found.gates["g"].high) == (-1.0, 1.0)


# --- what follows ----------------------------------------------------------------------------------------------------


def said(found):
    return " | ".join(map(str, found.advice))


def test_advice_follows_from_thresholds():
    grows = diagnose(linear(torch.tensor([[1.2]], dtype=torch.float64)), torch.randn(40, 2, 1))
    assert "a small change of its state grows 1.47e+03 times within 40 steps" in said(grows) and "clip" in said(grows) and all(isinstance(one, Advice) for one in grows.advice)
    fades = diagnose(linear(torch.tensor([[0.5]], dtype=torch.float64)), torch.randn(40, 2, 1))
    assert "after 7 of 40 steps (threshold: 0.5 of the steps)" in said(fades) and "orthogonal" in said(fades)
    turn = torch.tensor([[0.0, -1.0], [1.0, 0.0]], dtype=torch.float64)
    assert not diagnose(linear(turn), torch.randn(40, 2, 1)).advice
    layer = Recurrent(cells.LSTM(), 1, 4).eval()
    with torch.no_grad():
        layer.bias_l0[4:8] = 9.0
    assert "gate f stands at an end of its range (0 % at 0, 100 % at 1)" in said(diagnose(layer, torch.randn(10, 2, 1)))


def test_what_layers_are_to_try_alike_is_said_once():
    layer = linear(torch.tensor([[0.5]], dtype=torch.float64), num_layers=3)
    found = diagnose(layer, torch.randn(40, 2, 1))
    assert [one.place for one in found.advice if "orthogonal" in one.do] == [each.name for each in found]
    assert str(found).count("orthogonal") == page_of(found).count("orthogonal") == 1
    assert all(f"{each.name}: what it reads has less than" in str(found) for each in found)


def test_a_relu_may_be_silent_at_half_of_the_steps():
    layer = Recurrent(cells.Elman(activation="relu"), 1, 8).eval()
    with torch.no_grad():
        for share, bias in ((0.5, 0.0), (1.0, -9.0)):
            for name, weight in layer.named_parameters():
                weight.copy_(0 * weight + (bias if "bias" in name else 0)) if "ih" not in name else weight.copy_(torch.tensor([[1.0], [-1.0]]).repeat(4, 1))
            assert diagnose(layer, torch.randn(20, 2, 1))[0].gates["h"].at_low == share
            assert ("gate h" in said(diagnose(layer, torch.randn(20, 2, 1)))) == (share == 1.0)


def test_a_gradient_that_fades_on_its_way_down_asks_for_residuals():
    layer = linear(torch.zeros(2, 2, dtype=torch.float64), num_layers=3)
    with torch.no_grad():
        for name in ("weight_ih_l1", "weight_ih_l2"):
            getattr(layer, name).copy_(0.1 * torch.eye(2))
    found = diagnose(layer, torch.randn(5, 2, 1))
    ratio = np.nanmean(found[0].gradient["h"]) / np.nanmean(found[2].gradient["h"])
    assert ratio == pytest.approx(0.01, rel=1e-6) and "residual connections" in said(found)


def test_clipping_is_measured_over_batches():
    layer = linear(torch.tensor([[0.5]], dtype=torch.float64))
    items = [torch.full((3, 1), float(size)) for size in (1, 1, 2, 4)]

    class Model(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = layer

        def forward(self, x):
            return self.layer(x).output

    found = diagnose(Model().eval(), items, clip_norm=3.0).clipping
    first = Model()(items[0][:, None].double()).square().mean().mul(0.5)
    norm = float(torch.stack([part.norm() for part in torch.autograd.grad(first, list(layer.parameters()))]).norm())
    assert isinstance(found, Clipping)
    np.testing.assert_allclose(found.norms, [norm, norm, 4 * norm, 16 * norm], rtol=1e-6)
    assert found.cut == (found.norms > 3).mean() and found.left == pytest.approx(3 / np.median(found.norms[found.norms > 3]))
    assert "times the median" in said(diagnose(Model().eval(), items))
    assert diagnose(Model().eval(), items, batches=2).clipping.norms.shape == (2,)


# --- every task, every kind of module --------------------------------------------------------------------------------


@pytest.mark.parametrize("name", TASKS)
def test_every_task(name, tmp_path):
    model, x, y = TASKS[name]()
    trained, _ = fitted(name)
    before = {key: value.clone() for key, value in trained.network_.state_dict().items()}
    attributes = dict(trained.__dict__)
    found = diagnose(trained, x if y is None else (x, y), batches=3)
    assert len(found) >= 1 and math.isfinite(found.loss) and found.clipping.limit == trained.clip_norm
    assert all(np.isfinite(layer.exponents[0]) and np.nanmax(layer.gradient["h"]) > 0 for layer in found)
    assert all(torch.equal(value, before[key]) for key, value in trained.network_.state_dict().items()) and attributes.keys() == trained.__dict__.keys()
    page = found.to_html(tmp_path / "page.html", title="a run").read_text(encoding="utf-8")
    deep = sum(not layer.reverse for layer in found) > 1
    assert page.count("<svg class=\"chart\"") == 3 * len(found) + 1 + deep - sum(not np.isfinite(layer.gain).any() for layer in found)
    assert ("From layer to layer" in page) == deep


@pytest.mark.parametrize("kind", [nn.LSTM, nn.GRU, nn.RNN])
@pytest.mark.parametrize("options", [{}, {"num_layers": 2, "bidirectional": True, "batch_first": True}])
def test_modules_with_layers_of_torch(kind, options):
    model = Reader(kind, **options).eval()
    x = torch.randn(2, 9, 3) if options else torch.randn(9, 2, 3)
    found = tenuto.diagnose(model, x)
    assert len(found) == (4 if options else 1) and [layer.reverse for layer in found] == ([False, True] * 2 if options else [False])
    loss = 0.5 * model(x).square().mean()
    norm = torch.stack([part.norm() for part in torch.autograd.grad(loss, list(model.parameters()))]).norm()
    assert found.loss == pytest.approx(float(loss.detach()), rel=1e-5) and found.clipping.norms[0] == pytest.approx(float(norm.detach()), rel=1e-4)
    assert all(np.nanmin(layer.gradient["h"]) > 0 for layer in found)


def test_tokens_and_cells_in_a_loop():
    assert diagnose(Words().eval(), torch.randint(0, 11, (2, 6)))[0].steps == 6

    class Loop(nn.Module):
        def __init__(self):
            super().__init__()
            self.cell = nn.GRUCell(2, 4)

        def forward(self, x):
            h = torch.zeros(x.shape[1], 4, dtype=x.dtype)
            for one in x:
                h = self.cell(one, h)
            return h

    torch.manual_seed(1)
    loop = Loop().double().eval()
    whole = Reader(nn.GRU).double().eval().recurrent
    whole = nn.GRU(2, 4).double()
    whole.load_state_dict({f"{name}_l0": value for name, value in loop.cell.state_dict().items()})

    class Last(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = whole

        def forward(self, x):
            return self.layer(x)[0][-1]

    x = torch.randn(8, 3, 2, dtype=torch.float64)
    one, other = diagnose(loop, x, batch_first=False)[0], diagnose(Last().eval(), x)[0]
    np.testing.assert_allclose(one.gradient["h"], other.gradient["h"], rtol=1e-9)
    np.testing.assert_allclose(one.exponents, other.exponents, rtol=1e-9)
    np.testing.assert_allclose(one.influence, other.influence, rtol=1e-9)


def test_frozen_weights_are_diagnosed():
    model = Reader().eval().requires_grad_(False)
    assert diagnose(model, torch.randn(5, 2, 3)).clipping.norms.tolist() == [0.0]


# --- bad input -----------------------------------------------------------------------------------------------------------


def test_what_is_wrong_is_said_in_words():
    x, model = torch.randn(5, 2, 3), Reader().eval()
    with pytest.raises(ArgumentError, match=r"diagnose: Linear ran no recurrent layer\."):
        diagnose(nn.Linear(3, 2).eval(), x)
    with pytest.raises(ArgumentError, match="diagnose: the model is in training mode"):
        diagnose(Reader(), x)
    with pytest.raises(NotFittedError):
        diagnose(SequenceClassifier("gru"), [np.zeros((3, 1))])
    for options, match in (({"exponents": 0}, "exponents=0"), ({"share": 1.0}, "share=1.0"), ({"batches": True}, "batches=True"), ({"clip_norm": -1.0}, "clip_norm=-1.0")):
        with pytest.raises(ArgumentError, match=f"{match} cannot be used"):
            diagnose(model, x, **options)
    with pytest.raises(ArgumentError, match="the loss is not one number with gradients"):
        diagnose(model, x, loss=lambda raw: raw)
    trained, data = fitted("classify")
    with pytest.raises(ArgumentError, match="SequenceClassifier has its own clip_norm"):
        diagnose(trained, data, clip_norm=1.0)
    with pytest.raises(ArgumentError, match="no recurrent layer is called 'x'"):
        diagnose(model, x)["x"]


def test_what_is_not_seen_is_said(tmp_path):
    torch.manual_seed(0)
    memory = tenuto.layers.DNC(cells.GRU(), 2, 4, rows=4, width=2, read_heads=1).eval()
    found = tenuto.diagnose(memory, torch.randn(6, 2, 2))
    assert len(found) == 1 and found.outside == outside_of(memory)
    assert found.outside[0].startswith("the DNC: all numbers are of its controller") and found.outside[0] in str(found)
    assert "all numbers are of its controller" in found.to_html(tmp_path / "page.html").read_text()
    hybrid = tenuto.layers.Hybrid(cells.GRU(), 2, 8, 1, heads=2).eval()
    assert tenuto.diagnose(hybrid, torch.randn(6, 2, 2)).outside == ("layers.1 (Attending): attention reads steps before directly; that way is in no number here.",)
    assert "no number here" in outside_of(tenuto.layers.FastWeights(2, 4))[0]
    assert outside_of(tenuto.Recurrent(cells.GRU(), 2, 4)) == ()
