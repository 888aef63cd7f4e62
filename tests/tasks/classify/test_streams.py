"""A cell's streams come from the channels of their names: as they were given, not standardised, and not as inputs."""

import numpy as np
import pandas as pd
import pytest
import torch

from tenuto.cell import Cell, State
from tenuto.data import Sequences
from tenuto.errors import ArgumentError, CellError, DataError
from tenuto.tasks import SequenceClassifier, TextClassifier


class Decaying(Cell):
    """A leaky unit whose state decays with the time that has passed."""

    gates = "a"
    state = "h"
    streams = "elapsed:1"

    def step(self, x, U, s, elapsed):
        kept = torch.exp(-elapsed)
        return State(h=kept * s.h + (1 - kept) * torch.tanh(x.a + U.a @ s.h))


class Wide(Decaying):
    streams = "elapsed"


def frames(count=24):
    """The class is the sign of a level; the time between two steps differs, and is far from standardised."""
    draw = np.random.default_rng(0)
    signs = np.arange(count) % 2 * 2 - 1
    made = [pd.DataFrame({"elapsed": draw.uniform(5, 50, 6), "level": sign + draw.normal(0, 0.3, 6), "other": draw.normal(0, 1, 6)}) for sign in signs]
    return made, np.where(signs > 0, "up", "down")


OPTIONS = {"hidden_size": 6, "num_layers": 2, "epochs": 40, "learning_rate": 0.02, "input_noise": 0.1, "random_state": 0}


def test_fit_predict_save_and_load(tmp_path):
    x, y = frames()
    model = SequenceClassifier(Decaying(), **OPTIONS).fit(x, y)
    assert model.network_.encoder.input_size == 2 and model.n_features_in_ == 3
    assert (model.predict(x) == y).mean() > 0.9
    probabilities = model.predict_proba(x)
    np.testing.assert_array_equal(model.predict_proba([frame[["other", "elapsed", "level"]] for frame in x]), probabilities)
    model.save(tmp_path / "run")
    np.testing.assert_array_equal(SequenceClassifier.load(tmp_path / "run", cell=Decaying).predict_proba(x), probabilities)
    with pytest.raises(CellError, match="this is an object"):
        SequenceClassifier.load(tmp_path / "run", cell=Decaying())
    later = [frame.assign(elapsed=frame.elapsed / 100) for frame in x]
    assert np.abs(model.predict_proba(later) - probabilities).max() > 1e-3


def test_the_cell_is_given_the_values_of_the_data():
    x, y = frames()
    model = SequenceClassifier(Decaying(), **OPTIONS).fit(x, y)
    (batch,) = model.inputs(x[:3])
    streams = model.network_.streams(batch)
    expected = np.stack([frame["elapsed"].to_numpy(np.float32) for frame in x[:3]], 1)[..., None]
    np.testing.assert_array_equal(streams["elapsed"].numpy(), expected)
    assert model.network_.front(batch).shape == (6, 3, 2)
    channel = model.evaluation_["channels"][0]
    assert channel["name"] == "elapsed" and channel["mean"] > 5  # the page tells of the data


@pytest.mark.parametrize(
    ("cell", "data", "words"),
    [
        (Decaying(), lambda x: [frame.rename(columns={"elapsed": "dt"}) for frame in x], "no channel of that name"),
        (Decaying(), lambda x: [frame.to_numpy() for frame in x], "channels without names"),
        (Decaying(), lambda x: Sequences([frame[["elapsed"]].to_numpy() for frame in x], channels=["elapsed"]), "nothing is left as its input"),
        (Wide(), lambda x: x, "as wide as its state"),
    ],
)
def test_data_that_does_not_fit(cell, data, words):
    x, y = frames()
    with pytest.raises(DataError, match=words):
        SequenceClassifier(cell, **OPTIONS).fit(data(x), y)


def test_a_task_without_channels():
    with pytest.raises(ArgumentError, match="TextClassifier has nothing to give it"):
        TextClassifier(Decaying(), epochs=1).fit(["a b", "c d"] * 10, ["x", "y"] * 10)


def test_missing_times_become_their_mean():
    x, y = frames()
    x[0].loc[2, "elapsed"] = np.nan
    model = SequenceClassifier(Decaying(), missing="mean", **OPTIONS).fit(x, y)
    (batch,) = model.inputs(x[:1])
    mean = np.nanmean(np.concatenate([frame["elapsed"] for frame in x]))
    held = model.standardiser_.mean[0]
    assert batch.x[2, 0, 0].item() == pytest.approx(held, rel=1e-6) and held == pytest.approx(mean, rel=0.2)
