"""Openness, selectivity, paths and fixed points, each on something whose answer is known; and what cannot be told, in words."""

import math

import numpy as np
import pytest
import torch
from torch import nn

import tenuto
from tenuto import Recurrent, cells
from tenuto.errors import ArgumentError, NotFittedError, RunError, ShapeError
from tenuto.explain import states
from tenuto.explain.held import FixedPoint, FixedPoints, Openness, Selectivity, Trajectory, load
from tenuto.explain.held.section import section_of
from tenuto.explain.held.selectivity import correlations, eta_squared
from tenuto.tasks import SequenceClassifier
from tests.explain.models import Reader, fitted

pytestmark = pytest.mark.usefixtures("reference_engine")


def tanh_of(weight: torch.Tensor, inputs: int = 1) -> nn.RNN:
    """h = tanh(W h + x) with this recurrent matrix."""
    layer = nn.RNN(inputs, len(weight), bias=False).double().eval()
    with torch.no_grad():
        layer.weight_hh_l0.copy_(weight)
        layer.weight_ih_l0.fill_(1.0)
    return layer


# --- openness ------------------------------------------------------------------------------------------------------------


def test_openness_is_a_share_of_steps_and_units():
    found = Openness.of([np.array([[0.95, 0.05], [0.5, 0.099]]), np.array([[0.9001, 0.1]])])
    np.testing.assert_allclose(found.open, [2 / 3, 0])
    np.testing.assert_allclose(found.shut, [0, 2 / 3])
    np.testing.assert_allclose(found.mean, [(0.95 + 0.5 + 0.9001) / 3, (0.05 + 0.099 + 0.1) / 3])


def test_a_forget_gate_that_is_held_open_is_open():
    layer = Recurrent(cells.LSTM(), 2, 3).eval()
    with torch.no_grad():
        layer.weight_hh_l0.zero_()
        layer.weight_ih_l0.zero_()
        layer.bias_l0.copy_(torch.tensor([0.0] * 3 + [5.0] * 3 + [0.0] * 3 + [-5.0] * 3))
    found = states(layer, torch.randn(4, 2, 2))[0].openness
    assert list(found) == ["i", "f", "o"]
    assert found["f"].open.tolist() == [1.0] * 3 and found["o"].shut.tolist() == [1.0] * 3
    assert found["i"].open.tolist() == found["i"].shut.tolist() == [0.0] * 3


# --- selectivity -----------------------------------------------------------------------------------------------------------


class Planted(nn.Module):
    """A linear layer whose unit 0 counts time, unit 1 copies input 1, and unit 2 is always the same."""

    def __init__(self):
        super().__init__()
        self.layer = Recurrent(cells.Elman(activation="identity"), 2, 3).double()
        with torch.no_grad():
            self.layer.weight_ih_l0.copy_(torch.tensor([[0.0, 0.0], [0.0, 1.0], [0.0, 0.0]]))
            self.layer.weight_hh_l0.copy_(torch.tensor([[1.0, 0.0, 0.0], [0.0, 0.0, 0.0], [0.0, 0.0, 0.0]]))
            self.layer.bias_l0.copy_(torch.tensor([1.0, 0.0, 0.7]))

    def forward(self, x, lengths=None):
        output = self.layer(x, lengths=lengths)[0]
        last = len(x) - 1 if lengths is None else lengths - 1
        return torch.stack([output[last, torch.arange(x.shape[1]), 1], torch.zeros(x.shape[1], dtype=x.dtype)], 1)


def test_planted_units_are_found():
    model = Planted().eval()
    items = [torch.randn(length, 2, dtype=torch.float64) for length in (12, 30, 7, 19, 25, 9)]
    held = states(model, items)
    found = held.selectivity(0)
    assert isinstance(found, Selectivity)
    assert found.time[0] == pytest.approx(1) and found.inputs[1, 1] == pytest.approx(1) and math.isnan(found.time[2])
    assert np.isnan(found.inputs[2]).all() and abs(found.inputs[1, 0]) < 0.4
    every = np.concatenate(held.x)
    np.testing.assert_allclose(found.inputs[1], [np.corrcoef(every[:, 1], every[:, place])[0, 1] for place in range(2)], atol=1e-12)
    assert found.of_answers == "what the model predicts" and found.answers.argmax() == 1 or np.isnan(found.answers[2])
    given = held.selectivity("layer", of="h")
    np.testing.assert_array_equal(given.time, found.time)


def test_units_that_tell_answers_apart():
    model = Planted().eval()
    items = [torch.full((5, 2), float(number % 2), dtype=torch.float64) for number in range(6)]
    found = states(model, items, answers=["yes" if number % 2 else "no" for number in range(6)]).selectivity(0)
    assert found.answers[1] == pytest.approx(1) and math.isnan(found.answers[0]) and math.isnan(found.answers[2])
    assert found.of_answers == "the answers that were given"
    assert states(model, items, answers=["same"] * 6).selectivity(0).answers is None


def test_eta_squared_is_a_ratio_of_sums_of_squares():
    values = np.random.default_rng(0).normal(size=(30, 4))
    answers = [f"{number % 3}" for number in range(30)]
    found = eta_squared(values, answers)
    for unit in range(4):
        groups = [values[[place for place in range(30) if place % 3 == kind], unit] for kind in range(3)]
        within = sum(((group - group.mean()) ** 2).sum() for group in groups)
        assert found[unit] == pytest.approx(1 - within / ((values[:, unit] - values[:, unit].mean()) ** 2).sum())
    expected = np.corrcoef(values.T)
    np.testing.assert_allclose(correlations(values, values), expected, atol=1e-12)


def test_answers_at_every_step_go_with_the_units_at_that_step():
    model, data = fitted("tag")
    held = states(model, data)
    assert [len(own) for own in held.answers] == [len(values) for values in held[0].output]
    assert [own for own in held.answers] == [[str(answer) for answer in own] for own in model.predict(data)]


# --- the path --------------------------------------------------------------------------------------------------------------


def test_the_path_is_that_of_numpy_s_singular_vectors():
    held = states(Reader(nn.LSTM).double().eval(), [torch.randn(length, 3, dtype=torch.float64) for length in (8, 3, 11)])
    found = held[0].trajectory(3)
    assert isinstance(found, Trajectory)
    every = np.concatenate(held[0].output)
    centred = every - every.mean(0)
    left, sizes, rows = np.linalg.svd(centred, full_matrices=False)
    np.testing.assert_allclose(found.shares, (sizes**2 / (sizes**2).sum())[:3], atol=1e-12)
    np.testing.assert_allclose(np.abs(found.axes @ rows[:3].T), np.eye(3), atol=1e-9)
    np.testing.assert_allclose(np.abs(np.concatenate(found.points)), np.abs((left * sizes)[:, :3]), atol=1e-9)
    assert [len(points) for points in found.points] == [8, 3, 11]
    np.testing.assert_allclose(found.place(held[0].output[1]), found.points[1])


# --- fixed points ------------------------------------------------------------------------------------------------------------


def test_a_unit_with_weight_two_rests_at_three_points():
    held = states(tanh_of(torch.tensor([[2.0]])), torch.randn(20, 6, 1, dtype=torch.float64), fixed_points=True, constant="zero")
    found = held[0].fixed_points
    assert isinstance(found, FixedPoints) and found.said == "zeros" and found.read.tolist() == [0.0]
    points = sorted(found.points, key=lambda point: point.states["h"][0])
    assert all(isinstance(point, FixedPoint) for point in points)
    np.testing.assert_allclose([point.states["h"][0] for point in points], [-0.957504024, 0.0, 0.957504024], atol=1e-8)
    assert [point.kind for point in points] == ["stable", "unstable", "stable"] and [point.growing for point in points] == [0, 1, 0]
    slope = 2 * (1 - 0.957504024**2)
    np.testing.assert_allclose([point.largest for point in points], [slope, 2, slope], atol=1e-6)
    assert points[0].time_constant == pytest.approx(-1 / math.log(slope), rel=1e-5) and points[1].time_constant == pytest.approx(-1 / math.log(2))
    assert all(point.speed < 1e-20 for point in points) and sum(point.starts for point in points) == found.settled


def test_a_saddle_has_directions_of_both_kinds():
    layer = tanh_of(torch.tensor([[2.0, 0.0], [0.0, 0.5]]))
    found = states(layer, torch.zeros(3, 1, 1, dtype=torch.float64), fixed_points=True)[0].fixed_points
    assert [point.kind for point in found.points] == ["saddle"] and found.points[0].growing == 1
    np.testing.assert_allclose(np.abs(found.points[0].eigenvalues), [2.0, 0.5])


def test_a_linear_layer_rests_where_algebra_says():
    torch.manual_seed(0)
    layer = Recurrent(cells.Elman(activation="identity"), 2, 4).double().eval()
    with torch.no_grad():
        layer.weight_hh_l0.copy_(0.9 * torch.linalg.qr(torch.randn(4, 4, dtype=torch.float64))[0])
    held = states(layer, torch.randn(5, 3, 2, dtype=torch.float64), fixed_points=True, constant=[0.3, -1.0])
    found = held[0].fixed_points
    weight, given = layer.weight_hh_l0.detach(), layer.weight_ih_l0.detach() @ torch.tensor([0.3, -1.0], dtype=torch.float64) + layer.bias_l0.detach()
    expected = torch.linalg.solve(torch.eye(4, dtype=torch.float64) - weight, given)
    assert len(found.points) == 1 and found.read.tolist() == [0.3, -1.0] and "the step that was given" in found.said
    np.testing.assert_allclose(found.points[0].states["h"], expected, atol=1e-9)
    np.testing.assert_allclose(np.abs(found.points[0].eigenvalues), [0.9] * 4, atol=1e-9)
    assert found.points[0].kind == "stable" and found.points[0].time_constant == pytest.approx(-1 / math.log(0.9))


def test_a_unit_that_counts_never_rests():
    found = states(Planted().eval(), torch.randn(6, 2, 2, dtype=torch.float64), fixed_points=True)[0].fixed_points
    assert not found.points and found.settled == 0 and found.tried > 0


def test_points_of_an_lstm_are_points_of_the_layer_itself():
    torch.manual_seed(3)
    layer = nn.LSTM(2, 4, bidirectional=True).double().eval()
    with torch.no_grad():
        for weight in layer.parameters():
            weight.mul_(3)
    held = states(layer, 2 * torch.randn(15, 6, 2, dtype=torch.float64), fixed_points=True, constant=[0.5, 0.1])
    x = torch.tensor([0.5, 0.1], dtype=torch.float64).expand(1, 1, 2)
    for direction, one in enumerate(held):
        assert one.fixed_points.points
        for point in one.fixed_points.points:
            h, c = (torch.zeros(2, 1, 4, dtype=torch.float64) for _ in "hc")
            h[direction, 0], c[direction, 0] = torch.tensor(point.states["h"]), torch.tensor(point.states["c"])
            output, (new_h, new_c) = layer(x, (h, c))
            np.testing.assert_allclose(new_h[direction, 0].detach(), point.states["h"], atol=1e-6)
            np.testing.assert_allclose(new_c[direction, 0].detach(), point.states["c"], atol=1e-6)
            np.testing.assert_allclose(point.output, point.states["h"], atol=1e-6)
            assert len(point.eigenvalues) == 8
            both = torch.cat([h[direction, 0], c[direction, 0]])

            def step(both, direction=direction):
                states_ = [value.clone() for value in (torch.zeros(2, 1, 4, dtype=torch.float64),) * 2]
                parts = [torch.stack([part if place == direction else zero[place, 0] for place in range(2)])[:, None] for part, zero in zip(both.chunk(2), states_)]
                return torch.cat([state[direction, 0] for state in layer(x, tuple(parts))[1]])

            slopes = torch.autograd.functional.jacobian(step, both)
            np.testing.assert_allclose(np.sort(np.abs(np.linalg.eigvals(slopes.numpy()))), np.sort(np.abs(point.eigenvalues)), atol=1e-6)


def test_what_stays_the_same_is_what_the_task_says_stands_for_nothing():
    model, data = fitted("classify")
    held = states(model, data, fixed_points=True)
    (batch,) = list(model.inputs(data))
    with torch.no_grad():
        nothing = model.nothing(batch)
    row = int(np.argmax([len(x) for x in held.x]))
    np.testing.assert_allclose(held[0].fixed_points.read, nothing[int(batch.lengths[row]) - 1, row], atol=1e-6)
    assert "nothing to read" in held[0].fixed_points.said


# --- the page and the files ----------------------------------------------------------------------------------------------


def test_what_is_held_is_saved_and_read(tmp_path):
    held = states(Reader(nn.LSTM, bidirectional=True).eval(), [torch.randn(length, 3) for length in (4, 6, 5)], fixed_points=True)
    assert held.save(tmp_path / "why") == tmp_path / "why"
    found = load(tmp_path / "why")
    assert repr(found) == repr(held) and found.names == held.names and found.answers == held.answers
    for one, other in zip(held, found):
        assert (one.name, one.cell, one.reverse, one.output_state, one.ranges) == (other.name, other.cell, other.reverse, other.output_state, other.ranges)
        for kind in ("states", "gates"):
            for name, values in getattr(one, kind).items():
                assert all(np.array_equal(a, b) for a, b in zip(values, getattr(other, kind)[name], strict=True))
        for point, same in zip(one.fixed_points.points, other.fixed_points.points, strict=True):
            assert np.array_equal(point.eigenvalues, same.eigenvalues) and (point.kind, point.speed, point.starts) == (same.kind, same.speed, same.starts)
    assert str(section_of(found)) == str(section_of(held))
    with pytest.raises(RunError, match="has the states of a network already"):
        held.save(tmp_path / "why")
    held.save(tmp_path / "why", overwrite=True)
    (tmp_path / "why" / "held.safetensors").write_bytes(b"damaged")
    with pytest.raises(RunError, match="is not the file that held.json was written with"):
        load(tmp_path / "why")
    (tmp_path / "why" / "held.json").write_text('{"format_version": 1}')
    with pytest.raises(RunError, match="is not what a network held"):
        load(tmp_path / "why")


# --- bad input -----------------------------------------------------------------------------------------------------------


def test_what_is_wrong_is_said_in_words():
    x = torch.randn(5, 2, 3)
    layer = Reader().eval()
    with pytest.raises(ArgumentError, match=r"states: Linear ran no recurrent layer\.\n  expected .*torch.nn.LSTM"):
        states(nn.Linear(3, 2).eval(), x)
    with pytest.raises(ArgumentError, match="states: the model is in training mode"):
        states(Reader(), x)
    with pytest.raises(ArgumentError, match="states: there is nothing to explain"):
        states("a run", x)
    with pytest.raises(NotFittedError):
        states(SequenceClassifier("gru"), [np.zeros((3, 1))])
    with pytest.raises(ShapeError, match="constant has 2 features but the model reads 3"):
        states(layer, x, fixed_points=True, constant=[1.0, 2.0])
    with pytest.raises(ShapeError, match="constant has the wrong shape"):
        states(layer, x, fixed_points=True, constant=np.zeros((2, 3)))
    with pytest.raises(ArgumentError, match="constant='nix' is not known"):
        states(layer, x, fixed_points=True, constant="nix")
    with pytest.raises(ArgumentError, match="starts=0 cannot be used"):
        states(layer, x, starts=0)
    with pytest.raises(ArgumentError, match="tolerance=0 cannot be used"):
        states(layer, x, tolerance=0)
    with pytest.raises(ArgumentError, match="there are 3 answers and 2 items"):
        states(layer, x, answers=["a", "b", "c"])
    held = states(layer, x)
    with pytest.raises(ArgumentError, match="no recurrent layer is called 'recurent'\\.\n  expected  recurrent"):
        held["recurent"]
    with pytest.raises(ArgumentError, match="has no state 'c'"):
        held.selectivity(0, of="c")
    with pytest.raises(ArgumentError, match="its output has 5 units, and 9 axes are asked for"):
        held[0].trajectory(9)


def test_one_step_and_states_that_do_not_change():
    layer = Reader().eval()
    held = states(layer, torch.randn(1, 1, 3), fixed_points=True)
    assert held[0].states["h"][0].shape == (1, 5)
    with pytest.raises(ArgumentError, match="recurrent: one step has no path"):
        held[0].trajectory()
    with pytest.raises(ArgumentError, match="recurrent: one step has no correlations"):
        held.selectivity(0)
    assert "one step has no path" in section_of(held)
    still = nn.GRU(3, 4).eval()
    with torch.no_grad():
        for weight in still.parameters():
            weight.zero_()
    held = states(still, torch.randn(6, 2, 3))
    with pytest.raises(ArgumentError, match="its output does not change, so it has no path"):
        held[0].trajectory()
    assert np.isnan(held.selectivity(0).time).all() and "does not change" in section_of(held)
    narrow = states(tanh_of(torch.tensor([[0.5]])), torch.randn(6, 1, 1, dtype=torch.float64), fixed_points=True)
    assert "What its units go along with" in section_of(narrow)


def test_states_that_are_no_numbers_are_told():
    x = torch.randn(6, 2, 3)
    x[2:, 1] = float("nan")
    found = states(nn.GRU(3, 4).eval(), x, fixed_points=True, constant="zero")
    for call in (found[0].trajectory, lambda: found.selectivity(0)):
        with pytest.raises(ArgumentError, match=r"GRU: its output is not finite.*\n.*\n  received  nan at step 8 of all"):
            call()
    assert "is not finite" in section_of(found) and np.isfinite(found[0].states["h"][0]).all()


def test_answers_come_in_arrays_too():
    items = torch.randn(4, 6, 3)
    model = nn.GRU(3, 4).eval()
    expected = states(model, items, answers=[0, 1, 0, 1, 1, 0]).selectivity(0).answers
    for given in (np.array([0, 1, 0, 1, 1, 0]), torch.tensor([0, 1, 0, 1, 1, 0])):
        np.testing.assert_array_equal(states(model, items, answers=given).selectivity(0).answers, expected)


def test_a_layer_with_another_batch_is_left_out_with_a_note():
    class Mixed(nn.Module):
        def __init__(self):
            super().__init__()
            self.each, self.all = nn.GRU(1, 3), nn.GRU(3, 3)

        def forward(self, x):
            self.each(x.flatten(1)[..., None])
            return self.all(x)[0]

    held = states(Mixed().eval(), torch.randn(4, 2, 3))
    assert [one.name for one in held] == ["all"] and held.notes == ("each is left out: it does not run one sequence for each item.",)
    assert held.notes[0] in section_of(held)

    class Only(Mixed):
        def forward(self, x):
            return self.each(x.flatten(1)[..., None])[0][:, : x.shape[1]]

    with pytest.raises(ArgumentError, match="each does not run one sequence for each item"):
        states(Only().eval(), torch.randn(4, 2, 3))


def test_the_page_has_the_section():
    model, data = fitted("classify")
    held = tenuto.explain.states(model, data, fixed_points=True)
    found = tenuto.explain(model, data[:2], method="gradient")
    assert 'id="holds"' not in found.to_html()
    page = found.to_html(held=held)
    assert page.count('id="holds"') == 1 and 'href="#holds"' in page and "What the network holds" in page
    for one in held:
        assert f"<h3>{one.name}</h3>" in page
        assert all(f"State {name}: " in page for name in one.states) and all(f"Gate {name}: " in page for name in one.gates)
    assert page.count("of the variance</text>") == 2 * len(held) and "share of steps above 0.9 (open)" in page and "position in time" in page
