"""A forecaster that learns a density: paths with the same bits alone and in a panel, after new values, whatever comes later; counts; what is missing; every room that takes a model."""

import numpy as np
import pandas as pd
import pytest
import torch
from scipy import stats
from sklearn.base import clone

import tenuto
from tenuto.data import Panel
from tenuto.errors import ArgumentError, DataError
from tenuto.tasks import Forecaster
from tests.tasks.forecast.test_estimator import COLUMNS, frame

SMALL = {"head": "density", "cell": "gru", "hidden_size": 6, "epochs": 2, "batch_size": 8, "samples": 20}
NAMES = ("gaussian", "student-t", "negative-binomial", "zero-inflated-negative-binomial")


def counts(series=3, steps=60, seed=0):
    draw = np.random.default_rng(seed)
    rows = [pd.DataFrame({"unique_id": f"c{one}", "ds": pd.date_range("2024-01-01", periods=steps), "y": draw.poisson(0.3 + 2 * one, steps).astype(float)}) for one in range(series)]
    return pd.concat(rows, ignore_index=True)


@pytest.fixture(scope="module", params=["student-t", "zero-inflated-negative-binomial"])
def fitted(request):
    given = frame() if request.param == "student-t" else counts()
    return Forecaster(h=4, distribution=request.param, **SMALL).fit(given), given


def test_predictions_are_the_quantiles_of_the_paths(fitted):
    model, given = fitted
    found, paths = model.predict(given), model.sample_paths(given)
    assert list(found.columns) == COLUMNS and np.isfinite(found.to_numpy()[:, 2:].astype(float)).all()
    assert list(paths.columns) == ["unique_id", "ds", "path", "Forecaster"] and len(paths) == 20 * len(found)
    own = paths[(paths.unique_id == found.unique_id[0]) & (paths.ds == found.ds[2])].Forecaster
    assert np.quantile(own, 0.9, method="weibull") == found["Forecaster-hi-80"][2] and own.nunique() > 1
    assert len(model.sample_paths(h=2)) == len(paths) // 2
    pd.testing.assert_frame_equal(model.predict(given, h=2), found[found.groupby("unique_id").cumcount() < 2].reset_index(drop=True), check_exact=True)
    quantiles = model.predict(given, quantiles=np.linspace(0.025, 0.975, 39)).to_numpy()[:, 3:].astype(float)
    assert (np.diff(quantiles, axis=1) >= 0).all()


def test_a_series_alone_is_a_series_in_a_panel_and_draws_of_its_own(fitted):
    model, given = fitted
    together = model.sample_paths(given).set_index("unique_id")
    for name, own in given.groupby("unique_id"):
        pd.testing.assert_frame_equal(model.sample_paths(own).set_index("unique_id"), together.loc[[name]], check_exact=True)
    same = given[given.unique_id == given.unique_id[0]]
    twice = model.sample_paths(pd.concat([same, same.assign(unique_id="twin")])).Forecaster.to_numpy()
    assert not np.array_equal(*np.split(twice, 2))


def test_new_values_give_the_bits_of_the_joined_history(fitted):
    model, given = fitted
    history, later = given[given.ds < "2024-02-20"], given[given.ds >= "2024-02-20"]
    model.memory_ = model._memory(model._read(history))
    for _, day in later.groupby("ds"):
        model.update(day)
    pd.testing.assert_frame_equal(model.predict(), model.predict(given), check_exact=True)
    model.memory_ = model._memory(model._read(given))


def test_a_backtest_is_what_would_have_been_forecast(fitted):
    model, given = fitted
    found = model.backtest(given, n_windows=3, step=2)
    for cutoff, rows in found.groupby("cutoff"):
        then = model.predict(given[given.ds <= cutoff])
        pd.testing.assert_frame_equal(rows.drop(columns=["cutoff", "y"]).reset_index(drop=True), then, check_exact=True)
    model.calibrate(given, n_windows=20)
    assert not model.predict()["Forecaster-hi-95"].equals(model.predict(level=[80])["Forecaster-hi-80"])
    del model.conformal_


@pytest.mark.parametrize("name", ["student-t", "negative-binomial"])
def test_poison_after_the_cutoff_changes_no_bit(name):
    given = counts(2, 40)
    poisoned = given.assign(y=given.y.where(given.ds <= "2024-02-01", 1e9))
    one, two = (Forecaster(h=3, distribution=name, **SMALL).fit(Panel.from_frame(rows).until("2024-02-01")) for rows in (given, poisoned))
    assert all((ours == theirs).all() for ours, theirs in zip(one.network_.state_dict().values(), two.network_.state_dict().values()))
    pd.testing.assert_frame_equal(one.sample_paths(), two.sample_paths(), check_exact=True)
    frames = [one.backtest(rows, cutoffs=["2024-02-01"]).drop(columns="y") for rows in (given, poisoned)]
    pd.testing.assert_frame_equal(*frames, check_exact=True)


def test_one_step_ahead_is_the_density_itself():
    given = frame(2)
    model = Forecaster(h=3, distribution="gaussian", **{**SMALL, "samples": 20_000}).fit(given)
    with torch.no_grad():
        means, deviations = np.concatenate([one for batch in model.inputs(given) for one in model.answer(model.forward(batch))]).T
    first = model.predict(given, level=[80]).groupby("unique_id").first()
    np.testing.assert_allclose(first.Forecaster, means, atol=0.05 * deviations.max())
    np.testing.assert_allclose(first["Forecaster-hi-80"], stats.norm.ppf(0.9, means, deviations), atol=0.06 * deviations.max())
    assert model.output_names() == ["mean", "deviation"]


def test_a_density_that_is_known_is_learnt():
    """Counts of a known law: the intervals hold at every step ahead, and no forecast is far too high (F3)."""
    draw = np.random.default_rng(1)
    levels = draw.gamma(2.0, 3.0, 60)
    values = draw.negative_binomial(2.0, 1 / (1 + levels[:, None] / 2.0), (60, 90))
    given = pd.DataFrame({"unique_id": np.repeat(np.arange(60), 90), "ds": np.tile(np.arange(90), 60), "y": values.ravel()})
    model = Forecaster(h=5, distribution="negative-binomial", season=1, base="mean", **{**SMALL, "epochs": 8, "samples": 200}).fit(given[given.ds < 80])
    found = model.predict().merge(given, on=["unique_id", "ds"])
    inside = (found.y >= found["Forecaster-lo-80"]) & (found.y <= found["Forecaster-hi-80"])
    assert 0.74 < inside.mean() < 0.92 and found.Forecaster.max() < 3 * levels.max()
    assert ((found.Forecaster >= 0) & (found.Forecaster == np.floor(found.Forecaster * 2) / 2)).all()
    held = (given.ds >= 72) & (given.ds < 80)
    assert 0 < model.evaluation_["results"]["validation"]["crps"] < model.evaluation_["results"]["validation"]["mae"]  # a point would score its absolute error
    ideal = -stats.nbinom.logpmf(given.y[held], 2.0, 1 / (1 + np.repeat(levels, 90)[held] / 2.0)).mean()
    assert ideal < model.evaluation_["results"]["validation"]["loss"] < ideal + 0.1  # the levels must be found from 72 counts


@pytest.mark.parametrize("name", NAMES)
def test_odd_series_are_learnt_from_and_forecast_with_numbers(name):
    given = counts(3, 40)
    given.loc[given.unique_id == "c0", "y"] = 0.0
    given.loc[given.unique_id == "c1", "y"] = np.nan
    given.loc[given.index % 3 == 0, "y"] = np.nan
    model = Forecaster(h=3, distribution=name, **SMALL).fit(given)
    assert np.isfinite(model.evaluate(given)["loss"])
    odd = {"zeros": np.zeros(20), "missing": np.full(20, np.nan), "one": [7.0] + [np.nan] * 19, "huge": np.linspace(1e12, 2e12, 20).round(), "jump": np.r_[np.ones(19), 1e9]}
    strange = pd.concat([pd.DataFrame({"unique_id": key, "ds": pd.date_range("2024-05-01", periods=20), "y": values}) for key, values in odd.items()])
    found = model.predict(strange)
    assert np.isfinite(found.to_numpy()[:, 2:].astype(float)).all()


def test_what_is_no_count_is_refused():
    given = counts()
    model = Forecaster(h=2, distribution="negative-binomial", **SMALL)
    with pytest.raises(DataError, match=r"fit: the series 'c0' has -1 at 2024-01-04 00:00:00, which is no count(.|\n)*distribution='student-t'"):
        model.fit(given.assign(y=given.y.where(given.index != 3, -1.0)))
    model.fit(given)
    wrong = pd.DataFrame({"unique_id": "c0", "ds": ["2024-03-01"], "y": [1.5]})
    for call in (model.update, model.predict):
        with pytest.raises(DataError, match="has 1.5 at 2024-03-01 00:00:00, which is no count"):
            call(wrong)
    Forecaster(h=2, distribution="student-t", **SMALL).fit(given.assign(y=-given.y))


def test_covariates_reach_the_paths():
    given = frame(3, 50).assign(weather=lambda f: np.where(f.index % 2, "sun", "rain"), size=lambda f: f.unique_id.str[1:].astype(float))
    model = Forecaster(h=3, known=("promo",), past=("weather",), static=("size",), **{**SMALL, "epochs": 6}).fit(given)
    future = model.make_future_dataframe()
    with pytest.raises(DataError, match="'promo' must be known of the future"):
        model.sample_paths()
    one, two = (model.predict(future=future.assign(promo=promo)) for promo in (True, False))
    assert not one.Forecaster.equals(two.Forecaster) and len(model.backtest(given, n_windows=2)) == 18


def test_options_and_what_quantiles_cannot_do():
    given = frame(2, 40)
    with pytest.raises(ArgumentError, match="fit: head='depth' is not known"):
        Forecaster(head="depth").fit(given)
    with pytest.raises(ArgumentError, match="fit: distribution='poisson' is not known"):
        Forecaster(distribution="poisson").fit(given)
    with pytest.raises(ArgumentError, match=r"sample_paths: this forecaster learnt quantiles(.|\n)*head='density'"):
        Forecaster(h=2, cell="gru", hidden_size=4, epochs=1).fit(given).sample_paths()
    model = Forecaster(h=2, **SMALL)
    assert clone(model).get_params() == model.get_params()
    model.fit(given).set_params(samples=5, head="quantiles", h=9)  # what was fitted stays; how many paths are drawn may change
    assert len(model.sample_paths()) == 2 * 5 * 2


def test_every_room_takes_it(fitted, tmp_path):
    model, given = fitted
    again = Forecaster.load(model.save(tmp_path / "run", test=given))
    pd.testing.assert_frame_equal(again.predict(given), model.predict(given), check_exact=True)
    small = tenuto.compress(model, weights="int8")
    assert np.isfinite(small.predict(given).Forecaster).all()
    found = tenuto.export(model, tmp_path / "exported")
    assert list(found.files) == ["sequence", "step"] and found.worst < 1e-5 and "density" in found.subject.outside
    explained = tenuto.explain(model, given[given.unique_id == given.unique_id[0]], target=(-1, "mean"), method="integrated-gradients")
    assert np.isfinite(np.concatenate([np.ravel(one) for one in explained.values])).all()
