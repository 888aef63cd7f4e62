"""`SequenceRegressor`: it learns what can be told of sequences, its intervals hold, and it is a scikit-learn estimator and a run folder."""

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.base import clone, is_regressor
from sklearn.model_selection import GridSearchCV, cross_val_score

from tenuto import explain
from tenuto.data import Sequences
from tenuto.errors import ArgumentError, DataError, NotFittedError
from tenuto.tasks import SequenceRegressor

SMALL = {"hidden_size": 8, "num_layers": 1, "batch_size": 16, "epochs": 25, "learning_rate": 0.02, "dropout": 0.0, "input_noise": 0.0}


def levels(count=80, seed=0):
    """Noisy sequences around a level; targets are 100 times the level, and its square."""
    draw = np.random.default_rng(seed)
    level = draw.uniform(-1, 1, count)
    x = [np.column_stack([one + 0.1 * draw.normal(size=steps), draw.normal(size=steps)]) for one, steps in zip(level, draw.integers(4, 9, count))]
    return x, np.column_stack([100 * level + 1000, level**2])


@pytest.fixture(scope="module")
def fitted():
    x, y = levels()
    return SequenceRegressor("gru", **SMALL).fit(x, y), *levels(seed=1)


def test_it_learns_in_the_units_of_the_targets(fitted):
    model, x, y = fitted
    predicted = model.predict(x)
    assert predicted.shape == y.shape and predicted.dtype == np.float64
    assert model.score(x, y) > 0.85
    result = model.evaluate(x, y)
    assert [one["name"] for one in result["targets"]] == ["target 0", "target 1"]
    assert result["targets"][0]["rmse"] == pytest.approx(float(np.sqrt(np.mean((predicted - y)[:, 0] ** 2))))
    assert result["targets"][0]["rmse"] < 0.4 * result["targets"][0]["rmse_of_mean"]
    assert result["r2"] == pytest.approx(model.score(x, y))


def test_intervals_hold_about_as_many_targets_as_they_say(fitted):
    model, _, _ = fitted
    x, y = levels(400, seed=2)
    ends = model.predict_interval(x, level=80)
    inside = ((ends[..., 0] <= y) & (y <= ends[..., 1])).mean(0)
    assert ends.shape == (400, 2, 2) and (ends[..., 0] < ends[..., 1]).all()
    assert (inside > 0.6).all() and (inside < 0.97).all()  # 16 held out: the share itself varies by 0.1
    wider = model.predict_interval(x, level=90)
    assert (wider[..., 0] <= ends[..., 0]).all() and (wider[..., 1] >= ends[..., 1]).all()
    with pytest.raises(ArgumentError, match="too few sequences were held out for an interval of 95 %"):
        model.predict_interval(x, level=95)
    for level in (0, 100, -5, "wide", None, float("nan")):
        with pytest.raises(ArgumentError, match="no level"):
            model.predict_interval(x, level=level)


def test_the_scores_of_intervals_are_those_of_the_held_out_part():
    x, y = levels(60)
    held_out = levels(20, seed=5)
    model = SequenceRegressor("gru", **{**SMALL, "epochs": 2}).fit(x, y[:, 0], validation=(held_out[0], held_out[1][:, 0]))
    low, high = model.predict_interval(held_out[0], level=80).T
    deviations = (high - low) / 2 / np.sort(model.interval_scores_[:, 0])[int(np.ceil(21 * 0.8)) - 1]
    scores = np.abs(held_out[1][:, 0] - model.predict(held_out[0])) / deviations
    np.testing.assert_allclose(np.sort(scores), model.interval_scores_[:, 0], rtol=1e-5)


def test_the_form_of_the_answer_is_that_of_the_targets():
    x, y = levels(24)
    short = {**SMALL, "epochs": 1}
    assert SequenceRegressor("gru", **short).fit(x, y[:, 0]).predict(x[:3]).shape == (3,)
    assert SequenceRegressor("gru", **short).fit(x, y[:, :1]).predict(x[:3]).shape == (3, 1)
    named = SequenceRegressor("gru", **short).fit(x, pd.DataFrame(y, columns=["warmth", "square"]))
    assert named.target_names_ == ("warmth", "square")
    assert named.score(x, pd.DataFrame(y[:, ::-1], columns=["square", "warmth"])) == named.score(x, y)
    with pytest.raises(DataError, match="other targets"):
        named.score(x, pd.DataFrame(y, columns=["warmth", "area"]))
    with pytest.raises(DataError, match="other targets"):
        named.score(x, y[:, 0])


def test_saved_and_loaded_it_answers_with_the_same_bits(fitted, tmp_path):
    model, x, y = fitted
    again = SequenceRegressor.load(model.save(tmp_path / "run", test=(x, y)))
    assert (again.predict(x) == model.predict(x)).all() and (again.predict_interval(x) == model.predict_interval(x)).all()
    assert again.target_names_ == model.target_names_ and again.score(x, y) == model.score(x, y)


def test_a_weight_is_as_many_copies(fitted):
    """In the mean and deviation of the targets, in the loss and in what is measured."""
    x, y = levels(24)
    weights = np.arange(24) % 3
    copies = np.repeat(np.arange(24), weights)
    options = {**SMALL, "epochs": 2, "batch_size": 64, "warmup_steps": 1, "select_by": "validation_loss"}
    held_out = levels(8, seed=4)
    weighed = SequenceRegressor("gru", **options).fit(x, y, sample_weight=weights, validation=held_out)
    copied = SequenceRegressor("gru", **options).fit([x[place] for place in copies], y[copies], validation=held_out)
    np.testing.assert_allclose(weighed.target_mean_, copied.target_mean_)
    np.testing.assert_allclose(weighed.target_deviation_, copied.target_deviation_)
    np.testing.assert_allclose(weighed.metrics_[-1]["train_loss"], copied.metrics_[-1]["train_loss"], rtol=1e-4)
    np.testing.assert_allclose(weighed.predict(x), copied.predict(x), rtol=1e-3, atol=1e-2)


def test_scikit_learn_knows_it():
    x, y = levels(30)
    model = SequenceRegressor("gru", **{**SMALL, "epochs": 1})
    assert is_regressor(model) and clone(model).get_params() == model.get_params()
    padded = np.stack([one[:4] for one in x])
    assert np.isfinite(cross_val_score(model, padded, y[:, 0], cv=3)).all()
    search = GridSearchCV(model, {"hidden_size": [4, 8]}, cv=2).fit(padded, y[:, 0])
    assert search.best_params_["hidden_size"] in (4, 8) and search.predict(padded).shape == (30,)


def test_contributions_add_up_to_the_answer(fitted):
    model, x, y = fitted
    found = explain(model, x[:3], method="contributions", target="target 0")
    for item, predicted in zip(found, model.predict(x[:3])):
        assert item.base + item.values.sum() == pytest.approx(predicted[0], abs=0.05)


def test_an_answer_alone_is_the_answer_in_a_batch(fitted):
    model, x, _ = fitted
    together = model.predict(x)
    for place in (0, 7):
        np.testing.assert_allclose(model.predict([x[place]])[0], together[place], rtol=1e-5)


@pytest.mark.parametrize(
    ("y", "message"),
    [
        (np.full(24, 3.0), "is 3 in every training sequence"),
        (["walk"] * 24, "is no number"),
        (None, "the data has no targets"),
    ],
    ids=["constant", "text", "none"],
)
def test_what_cannot_be_learnt_is_refused(y, message):
    x, _ = levels(24)
    with pytest.raises(DataError, match=message):
        SequenceRegressor("gru", **SMALL).fit(x, y)


def test_a_test_part_that_cannot_be_scored_is_refused_before_training():
    x, y = levels(24)
    with pytest.raises(DataError, match="the test part"):
        SequenceRegressor("gru", **SMALL).fit(x, y, test=Sequences(x[:4]))


def test_nothing_is_answered_before_a_fit():
    for call in ("predict", "predict_interval", "score", "evaluate"):
        with pytest.raises(NotFittedError):
            getattr(SequenceRegressor(), call)([np.zeros((3, 1))])


def test_raw_is_what_predict_gives_and_has_gradients(fitted):
    model, x, _ = fitted
    batch = next(iter(model.inputs(x[:5])))
    raw = model.raw(batch)
    np.testing.assert_allclose(raw.detach().numpy(), model.predict(x[:5]), rtol=1e-4, atol=1e-3)
    raw.sum().backward()
    assert all(torch.isfinite(parameter.grad).all() for parameter in model.network_.parameters() if parameter.grad is not None)
