"""Irregular, half-missing measurements through the estimators: what the network is given, by hand; nothing of other data in an answer; every way to save and refuse."""

import numpy as np
import pytest
import torch

from tenuto import explain
from tenuto.cell import Cell, State
from tenuto.cells import GRUD
from tenuto.data import Sequences, sequences_from_columns
from tenuto.errors import ArgumentError, DataError
from tenuto.tasks import SequenceClassifier, SequenceRegressor
from tenuto.tasks.channel_noise import usual_noise

NAN = np.nan
OPTIONS = {"hidden_size": 6, "num_layers": 1, "epochs": 3, "random_state": 0, "input_noise": 0.0}


def stays(count=40, seed=0, *, cut=1.0):
    """Three variables at times of their own, each measured at a step or not; the class is the sign of the last value of the first. Every tenth sequence has no observation."""
    draw = np.random.default_rng(seed)
    values, times, labels = [], [], []
    for number in range(count):
        at = np.cumsum(draw.exponential(2, draw.integers(3, 9)))
        found = np.where(draw.random((len(at), 3)) < 0.5, draw.normal(size=(len(at), 3)) + [5, 100, -3], NAN)
        measured = np.flatnonzero(~np.isnan(found[:, 0]))
        labels.append("high" if measured.size and found[measured[-1], 0] > 5 else "low")
        if number % 10 == 9:
            at, found = np.zeros(1), np.full((1, 3), NAN)
        values.append(found)
        times.append(at * cut)
    return Sequences(values, labels, times=times, channels=["a", "b", "c"])


@pytest.mark.parametrize("cell", ["gru-d", "time-aware-lstm", "cfc", "gru"])
@pytest.mark.parametrize("bidirectional", [False, True])
def test_every_cell_fits_saves_and_loads(cell, bidirectional, tmp_path):
    data = stays()
    beside = {} if cell == "gru-d" else {"missing": "forward", "observed": ("mask", "gap")}
    model = SequenceClassifier(cell, bidirectional=bidirectional, **beside, **OPTIONS).fit(data)
    answers = model.predict_proba(data)
    assert np.isfinite(answers).all()
    model.save(tmp_path / "run")
    again = SequenceClassifier.load(tmp_path / "run")
    np.testing.assert_array_equal(again.predict_proba(data), answers)
    assert again.input_names() == model.input_names()
    for place in (0, 9):  # one alone, and one without an observation, as in the batch
        np.testing.assert_allclose(again.predict_proba(data.select([place])), answers[[place]], rtol=1e-5, atol=1e-7)


def test_what_gru_d_is_given_by_hand():
    """Times 0, 2, 6 and 9; a mean step of 3. Standardised, what is measured is -1 or 1."""
    values = [np.array([[1.0, NAN], [NAN, NAN], [5.0, 30.0]]), np.array([[5.0, 10.0], [1.0, NAN]])]
    data = Sequences([*values, *values], ["x", "y", "x", "y"], times=[[0, 2, 6], [0, 3]] * 2, channels=["a", "b"])
    model = SequenceClassifier("gru-d", bidirectional=True, **{**OPTIONS, "epochs": 1}).fit(data, validation=data)
    assert (model.options_["missing"], model.options_["halvings"], model.cell_.channels) == ("mean", 0, 2)
    (batch,) = model.inputs(data.select([0]))
    encoder, x = model.network_.encoder, model.network_.front(batch)
    assert x.shape == (3, 1, 8) and len(model.input_names()) == 8
    given = {name: (x[:, 0, places] * (1 if name in ("value", "mask") else 3)).numpy() for name, places in encoder.streams.items()}
    np.testing.assert_allclose(given["value"], [[-1, 0], [0, 0], [1, 1]], atol=1e-6)
    np.testing.assert_array_equal(given["mask"], [[1, 0], [0, 0], [1, 1]])
    np.testing.assert_allclose(given["gap"], [[0, 0], [2, 2], [6, 6]], atol=1e-6)
    np.testing.assert_allclose(given["gap_reverse"], [[6, 6], [4, 4], [0, 0]], atol=1e-6)
    np.testing.assert_array_equal(x[:, 0, encoder.reads].numpy(), given["mask"])
    assert encoder.recurrent.input_size == 2


def test_plain_cells_read_masks_and_gaps_as_inputs():
    data = stays()
    model = SequenceClassifier("gru", missing="mean", observed=("mask", "gap"), **OPTIONS).fit(data)
    assert model.input_names() == ["a", "b", "c", "a measured", "b measured", "c measured", "recency of a", "recency of b", "recency of c"]
    (batch,) = model.inputs(data.select([0]))
    x = model.network_.front(batch)[:, 0].numpy()
    np.testing.assert_array_equal(x[:, 3:6], ~np.isnan(data[0]))
    assert (x[:, :3][np.isnan(data[0])] == model.standardiser_.apply(np.full((1, 3), NAN))[0, 0]).all() and model.n_features_in_ == 3
    alone = SequenceClassifier("gru", missing="mean", **OPTIONS).fit(data)
    assert alone.network_.encoder.input_size == 3


def test_no_statistic_of_other_data_reaches_model_or_answer():
    """Poison: what is held out, tested, or predicted beside may be anything."""
    data, later = stays(), stays(12, seed=1)
    wild = Sequences([values * 1e9 for values in later.values], later.labels, times=[times * 1e6 for times in later.times], channels=later.channels)
    models = [SequenceClassifier("gru-d", **{**OPTIONS, "epochs": 1}).fit(data, validation=held_out) for held_out in (later, wild)]
    kept = [model.standardiser_ for model in models]
    np.testing.assert_array_equal(kept[0].mean, kept[1].mean)
    np.testing.assert_array_equal(kept[0].deviation, kept[1].deviation)
    assert kept[0].span == kept[1].span
    flat = np.concatenate(data.values)
    np.testing.assert_allclose(kept[0].mean, np.nanmean(flat, axis=0), rtol=1e-12)
    together = Sequences([*later.values, *wild.values], times=[*later.times, *wild.times], channels=later.channels)
    np.testing.assert_allclose(models[0].predict_proba(together)[: len(later)], models[0].predict_proba(later), rtol=1e-5, atol=1e-7)


def test_the_unit_of_time_does_not_matter():
    data, seconds = stays(), stays(cut=3600.0)
    answers = [SequenceClassifier("gru-d", **OPTIONS).fit(one).predict_proba(one) for one in (data, seconds)]
    np.testing.assert_allclose(answers[0], answers[1], atol=1e-5)


def test_the_decay_is_learnt():
    model = SequenceClassifier("gru-d", **OPTIONS).fit(stays())
    assert (model.network_.encoder.recurrent.decay_w_l0 != GRUD().decay).all()


def test_a_stack_reads_the_streams_in_every_layer():
    data = stays()
    model = SequenceRegressor("gru-d", **{**OPTIONS, "num_layers": 2}).fit(data, [float(np.nansum(values)) for values in data.values])
    assert np.isfinite(model.predict(data)).all()
    assert model.network_.encoder.recurrent.weight_fade_l1.shape == (6, 3)


def test_explanations_name_what_the_network_reads():
    data = stays()
    model = SequenceClassifier("gru-d", bidirectional=False, **OPTIONS).fit(data)
    found = explain.explain(model, data.select([0, 1]), method="contributions")
    assert list(found.inputs) == model.input_names()
    assert all(abs(gap) < 1e-4 for gap in found.gaps)  # values, masks and gaps add up to the answer


class Both(Cell):
    """A cell that takes the gaps of every channel and a channel of the data."""

    gates = "h"
    state = "h"
    products = "old"
    streams = "gap:channels dose:1"
    channels: int = 1

    def step(self, x, U, s, gap, dose):
        return State(h=torch.tanh(x.h + U.h @ s.h + U.old @ gap + dose))


def test_a_cell_of_ones_own_may_take_gaps_and_a_channel():
    data = stays()
    doses = [np.column_stack([values, np.full(len(values), 0.5)]) for values in data.values]
    named = Sequences(doses, data.labels, times=data.times, channels=["a", "b", "c", "dose"])
    model = SequenceClassifier(Both(), missing="mean", bidirectional=False, **OPTIONS).fit(named)
    assert model.cell_.channels == 3 and model.input_names() == ["a", "b", "c", "time since a", "time since b", "time since c"]
    (batch,) = model.inputs(named.select([0]))
    assert model.network_.front(batch).shape[-1] == 6 and (model.network_.streams(batch)["dose"] == 0.5).all()


def test_what_cannot_be_is_refused():
    data = stays()
    with pytest.raises(DataError, match="missing value"):
        SequenceClassifier("cfc", **OPTIONS).fit(data)
    with pytest.raises(DataError, match="does not say when its steps were"):
        SequenceClassifier("cfc", missing="mean", **OPTIONS).fit(data.values, data.labels)
    with pytest.raises(ArgumentError, match="halvings=1 makes several steps one"):
        SequenceClassifier("gru-d", halvings=1, **OPTIONS).fit(data)
    with pytest.raises(ArgumentError, match=r"mask \| gap"):
        SequenceClassifier("gru", observed=("masks",), **OPTIONS).fit(data)
    model = SequenceClassifier("gru-d", bidirectional=False, **OPTIONS).fit(data)
    with pytest.raises(DataError, match="known in training, but not here"):
        model.predict(data.values)
    with pytest.raises(ArgumentError, match=r"step by step(.|\n)*masks or times(.|\n)*to torch or onnx"):
        model.steps()


def test_arrays_without_times_count_steps():
    data = stays()
    model = SequenceClassifier("gru-d", **OPTIONS).fit(data.values, data.labels)
    assert model.standardiser_.span is None and np.isfinite(model.predict_proba(data.values)).all()


def test_triplets_through_a_frame():
    rows = {"id": ["p", "p", "q", "r", "r", "s"], "time": [0, 5, 1, 0, 2, ""], "variable": ["x", "y", "x", "y", "y", ""], "value": [1.0, 2.0, 3.0, 4.0, 5.0, None], "label": list("aabbba")}
    data, _ = sequences_from_columns({name: column * 1 for name, column in rows.items()})
    model = SequenceClassifier("gru-d", **{**OPTIONS, "epochs": 1}).fit(data, validation=data)
    assert model.predict(data).shape == (4,)


def test_noise_where_no_channel_was_measured_at_two_steps_running():
    assert usual_noise(Sequences([np.array([[1.0, NAN], [NAN, 2.0], [3.0, NAN]])])) == 0
    steady = usual_noise(Sequences([np.array([[0.0, NAN], [1.0, 2.0], [0.0, NAN]])]))
    assert 0 < steady <= 0.5
