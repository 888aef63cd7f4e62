"""`Forecaster`: frames in and out, new values without refitting, nothing of the future, quantiles that do not cross, odd series, covariates."""

import numpy as np
import pandas as pd
import polars as pl
import pytest
import torch
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, KFold, TimeSeriesSplit, cross_val_score

from tenuto.data import Panel
from tenuto.data.series.windows import Windows
from tenuto.errors import ArgumentError, DataError, NotFittedError
from tenuto.networks.series import DensityHead
from tenuto.tasks import Forecaster, series_estimator
from tenuto.tasks.forecast.network import Quantiles

SMALL = {"cell": "gru", "hidden_size": 6, "epochs": 2, "batch_size": 8}
COLUMNS = ["unique_id", "ds", "Forecaster", "Forecaster-lo-80", "Forecaster-hi-80", "Forecaster-lo-95", "Forecaster-hi-95"]


def frame(series=4, steps=60, freq="D", first="2024-01-01", zone=None, seed=0):
    draw = np.random.default_rng(seed)
    stamps = pd.date_range(first, periods=steps, freq=freq, tz=zone)
    rows = [pd.DataFrame({"unique_id": f"s{one}", "ds": stamps, "y": 10.0 ** (one % 3) * (5 + np.arange(steps) % 7 + draw.normal(0, 0.3, steps)), "promo": (np.arange(steps) + one) % 5 == 0}) for one in range(series)]
    return pd.concat(rows, ignore_index=True)


@pytest.fixture(scope="module")
def fitted():
    given = frame()
    return Forecaster(h=4, **SMALL).fit(given), given


def test_the_columns_and_the_stamps(fitted):
    model, given = fitted
    found = model.predict()
    assert list(found.columns) == COLUMNS and len(found) == 16
    assert found.ds[:4].tolist() == pd.date_range("2024-03-01", periods=4).tolist() and found.unique_id[:5].tolist() == ["s0"] * 4 + ["s1"]
    pd.testing.assert_frame_equal(found, model.predict(given))
    assert len(model.predict(given, h=2)) == 8
    other = model.predict(given, level=[50], quantiles=[0.1, 0.33])
    assert list(other.columns) == ["unique_id", "ds", "Forecaster", "Forecaster-lo-50", "Forecaster-hi-50", "Forecaster-q0.1", "Forecaster-q0.33"]
    np.testing.assert_array_equal(other["Forecaster-q0.1"], found["Forecaster-lo-80"])  # a level is two quantiles
    with pytest.raises(ArgumentError, match=r"predict: h=9 is out of range(.|\n)*fit a forecaster with h=9"):
        model.predict(h=9)
    with pytest.raises(ArgumentError, match="level=99 is beyond"):
        model.predict(level=[99])
    with pytest.raises(NotFittedError):
        Forecaster().predict(given)


def test_quantiles_do_not_cross(fitted):
    model, given = fitted
    found = model.predict(given, quantiles=np.linspace(0.025, 0.975, 39)).to_numpy()[:, 3:].astype(float)
    assert (np.diff(found, axis=1) >= 0).all()


def test_new_values_give_the_bits_of_the_joined_history(fitted):
    model, given = fitted
    more = frame(steps=75)
    more = more.assign(y=more.y.where(more.index % 11 != 0))
    history, later = more[more.ds < "2024-03-01"], more[more.ds >= "2024-03-01"]
    model.memory_ = model._memory(model._read(history))
    for _, day in later.groupby("ds"):
        model.update(day)
    pd.testing.assert_frame_equal(model.predict(), model.predict(more), check_exact=True)
    whole = frame(steps=63)
    model.memory_ = model._memory(model._read(whole[whole.ds < "2024-03-01"]))
    model.update(whole[(whole.ds >= "2024-03-01") & (whole.unique_id != "s1")]).update(frame(1, 3, first="2024-03-01").replace("s0", "new"))
    found = model.predict().set_index("unique_id")
    expected = model.predict(whole).set_index("unique_id")
    pd.testing.assert_frame_equal(found.loc[["s0", "s3"]], expected.loc[["s0", "s3"]], check_exact=True)
    assert str(found.loc["s1"].ds.iloc[0].date()) == "2024-03-01" and np.isfinite(found.loc["new"].Forecaster).all()  # one without new values stays; a new one begins
    with pytest.raises(DataError, match="update: the new values of the series 's0' begin at 2024-03-06"):
        model.update(frame(1, 1, first="2024-03-06"))
    model.memory_ = model._memory(model._read(given))


def test_a_series_alone_is_a_series_in_a_panel(fitted):
    model, given = fitted
    together = model.predict(given).set_index("unique_id")
    for name, own in given.groupby("unique_id"):
        pd.testing.assert_frame_equal(model.predict(own).set_index("unique_id"), together.loc[[name]], check_exact=True)


def test_a_large_panel_is_learnt_from_and_forecast_with_the_bits_of_one_that_is_read_once(fitted, monkeypatch):
    model, given = fitted
    monkeypatch.setattr(Windows.__init__, "__kwdefaults__", {"most_kept": 0})
    monkeypatch.setattr(series_estimator, "MOST_KEPT", 0)
    again = Forecaster(h=4, **SMALL).fit(given)
    pd.testing.assert_frame_equal(again.predict(given), model.predict(given), check_exact=True)
    assert again.evaluation_["results"] == model.evaluation_["results"]


def test_the_head_gives_each_row_the_bits_that_it_has_alone(fitted):
    network = fitted[0].network_
    for head in (network.head, DensityHead(6, 3, [0.0, 0.5], units=5, dropout=0.0), Quantiles(6, 3, 4, (0.1, 0.5, 0.9), units=5, dropout=0.0)):
        for weight in head.parameters():
            torch.nn.init.normal_(weight)
        draw, known = np.random.default_rng(0), head.ahead.in_features
        output, ahead = (draw.normal(0, 3, shape).astype(np.float32) for shape in ((37, 6), (37, 1 if isinstance(head, DensityHead) else 4, known)))
        together = head.by_rows(output, ahead)
        for row in range(37):
            np.testing.assert_array_equal(head.by_rows(output[row : row + 1], ahead[row : row + 1])[0], together[row])
        with torch.no_grad():
            torch.testing.assert_close(torch.from_numpy(together), head.eval()(torch.from_numpy(output), torch.from_numpy(ahead)), rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize("what", ["fit", "forecast"])
def test_poison_after_the_cutoff_changes_no_bit(fitted, what):
    given = frame(2, 40)
    poisoned = given.assign(y=given.y.where(given.ds <= "2024-02-01", 1e9))
    if what == "fit":
        one, two = (Forecaster(h=3, **SMALL).fit(Panel.from_frame(rows).until("2024-02-01")) for rows in (given, poisoned))
        assert all((ours == theirs).all() for ours, theirs in zip(one.network_.state_dict().values(), two.network_.state_dict().values()))
        pd.testing.assert_frame_equal(one.predict(), two.predict(), check_exact=True)
        frames = [Forecaster(h=3, **SMALL).backtest(rows, cutoffs=["2024-02-01"], refit=True) for rows in (given, poisoned)]
    else:
        frames = [fitted[0].backtest(rows, cutoffs=["2024-02-01", "2024-01-20"]) for rows in (given, poisoned)]
        frames = [rows[rows.cutoff == "2024-02-01"] for rows in frames]
    pd.testing.assert_frame_equal(*(rows.drop(columns="y") for rows in frames), check_exact=True)


def test_a_backtest_is_what_would_have_been_forecast(fitted):
    model, given = fitted
    found = model.backtest(given, n_windows=3, step=2)
    assert list(found.columns) == ["unique_id", "ds", "cutoff", "y", *COLUMNS[2:]] and len(found) == 4 * 3 * 4
    cutoff = found.cutoff.min()
    then = model.predict(given[given.ds <= cutoff])
    now = found[found.cutoff == cutoff].drop(columns=["cutoff", "y"]).reset_index(drop=True)
    pd.testing.assert_frame_equal(now, then, check_exact=True)
    joined = found.merge(given, on=["unique_id", "ds"])
    np.testing.assert_array_equal(joined.y_x, joined.y_y)
    with pytest.raises(DataError, match="no series is long enough"):
        model.backtest(given, n_windows=100)


def test_intervals_are_calibrated_with_the_rank_of_n_plus_one(fitted):
    model, given = fitted
    with pytest.raises(DataError, match=r"12 forecasts of step 1 are too few for an interval of 95 %(.|\n)*expected  19 or more"):
        model.calibrate(given, n_windows=3)
    before = model.predict()
    model.calibrate(given, n_windows=6)
    after, found = model.predict(), model.backtest(given, n_windows=6, step=1)
    inside = (found.y >= found["Forecaster-lo-80"]) & (found.y <= found["Forecaster-hi-80"])
    by_step = inside.groupby(found.groupby(["unique_id", "cutoff"]).cumcount()).sum()
    assert (by_step >= np.ceil(25 * 0.8)).all()  # of 24 values of each step, the one of rank 20 is on the edge
    assert not before["Forecaster-lo-80"].equals(after["Forecaster-lo-80"]) and before.Forecaster.equals(after.Forecaster)
    del model.conformal_


def test_a_run_gives_the_same_answers(fitted, tmp_path):
    model, given = fitted
    again = Forecaster.load(model.save(tmp_path / "run", test=given))
    pd.testing.assert_frame_equal(again.predict(given), model.predict(given), check_exact=True)
    with pytest.raises(DataError, match="nothing is known of any series yet"):
        again.predict()
    pd.testing.assert_frame_equal(again.update(given).predict(), model.predict(given), check_exact=True)


def test_odd_series_are_forecast_with_numbers(fitted):
    model, _ = fitted
    stamps = pd.date_range("2024-05-01", periods=20)
    odd = {"zeros": np.zeros(20), "constant": np.full(20, 3.0), "missing": np.full(20, np.nan), "one": [7.0] + [np.nan] * 19, "huge": np.linspace(1e12, 2e12, 20), "negative": -np.arange(20.0), "jump": np.r_[np.ones(19), 1e9]}
    given = pd.concat([pd.DataFrame({"unique_id": name, "ds": stamps, "y": values}) for name, values in odd.items()])
    found = model.predict(given)
    assert np.isfinite(found.to_numpy()[:, 2:].astype(float)).all() and (found["Forecaster-lo-95"] <= found["Forecaster-hi-95"]).all()
    one = model.predict(pd.DataFrame({"ds": stamps[:1], "y": [5.0]}))  # a single row, of a series that nobody knows
    assert np.isfinite(one.Forecaster).all() and one.ds[0] == pd.Timestamp("2024-05-02") and "unique_id" not in one


def test_odd_series_are_learnt_from():
    given = frame(3, 40)
    given.loc[given.unique_id == "s0", "y"] = 4.0
    given.loc[given.unique_id == "s1", "y"] = np.nan
    given.loc[given.index % 3 == 0, "y"] = np.nan
    with pytest.raises(DataError, match="fit: the test part has only values that training has too"):
        Forecaster(h=3, **SMALL).fit(given, test=given)
    model = Forecaster(h=3, **SMALL).fit(given)
    result = model.evaluate(given)
    assert np.isfinite(model.predict().Forecaster).all() and result["without_scale"] == 1 and result["loss"] > 0
    with pytest.raises(DataError, match="fit: no value is observed"):
        Forecaster(h=3, **SMALL).fit(given.assign(y=np.nan))
    with pytest.raises(DataError, match="fit: every series is too short"):
        Forecaster(h=3, **SMALL).fit(frame(3, 3))


def test_covariates(fitted):
    given = frame(3, 50).assign(weather=lambda f: np.where(f.index % 2, "sun", "rain"), size=lambda f: f.unique_id.str[1:].astype(float))
    model = Forecaster(h=3, known=("promo",), past=("weather",), static=("size",), **SMALL).fit(given)
    with pytest.raises(DataError, match=r"'promo' must be known of the future, but ends too early for the series 's0': it has nothing for 2024-02-20"):
        model.predict()
    future = model.make_future_dataframe()
    assert len(future) == 9 and list(future.columns) == ["unique_id", "ds"]
    assert len(model.get_missing_future(future.iloc[:7])) == 2 and len(model.get_missing_future(future)) == 0
    one, two = (model.predict(future=future.assign(promo=promo)) for promo in (True, False))
    assert not one.Forecaster.equals(two.Forecaster)
    with pytest.raises(DataError, match="ends too early for the series 's2': there is no row for 2024-02-22"):
        model.predict(future=future.assign(promo=True).iloc[:-1])
    assert len(model.backtest(given, n_windows=2)) == 18
    unknown = given[given.unique_id == "s0"].assign(unique_id="s9", weather="snow", size=np.nan)
    assert np.isfinite(model.predict(unknown, future=future[:3].assign(unique_id="s9", promo=True)).Forecaster).all()
    with pytest.raises(DataError, match="no column 'weather'"):
        model.predict(given.drop(columns="weather"))


@pytest.mark.parametrize("freq", ["M", "ME", "H", "h", "W-SUN", "Q"])
def test_frequencies_of_old_and_new_names(freq):
    new = {"M": "ME", "H": "h", "Q": "QE"}.get(freq, freq)
    given = frame(1, 30, freq=new, first="2024-01-31" if new in ("ME",) else "2024-03-31")
    model = Forecaster(h=2, freq=freq, **{**SMALL, "epochs": 1}).fit(given)
    assert model.predict().ds[0] == given.ds.iloc[-1] + pd.tseries.frequencies.to_offset(new)


def test_time_zones_and_polars():
    given = frame(2, 30, freq="h", first="2024-03-30", zone="Europe/Berlin")
    model = Forecaster(h=3, **{**SMALL, "epochs": 1}).fit(pl.from_pandas(given))
    found = model.predict(pl.from_pandas(given))
    assert isinstance(found, pl.DataFrame) and found.schema["ds"].time_zone == "Europe/Berlin"
    same = model.predict(given)
    assert str(same.ds.dt.tz) == "Europe/Berlin" and same.ds[0] == given.ds.iloc[-1] + pd.Timedelta("1h")
    np.testing.assert_array_equal(found["Forecaster"].to_numpy(), same.Forecaster)


def test_as_scikit_learn_has_it(fitted):
    one = frame(1, 60)[["ds", "y"]]
    model = Forecaster(h=2, **{**SMALL, "epochs": 1, "hidden_size": 2})
    assert clone(model).get_params() == model.get_params()
    scores = cross_val_score(model, one, cv=TimeSeriesSplit(2))
    assert scores.shape == (2,) and (scores < 0).all()
    search = GridSearchCV(model, {"base": ["last", "season"]}, cv=TimeSeriesSplit(2)).fit(one)
    assert search.best_params_ in ({"base": "last"}, {"base": "season"})
    several = [part for _, part in fitted[1].groupby("unique_id")]  # of many series, some are taken
    assert (cross_val_score(model, several, cv=KFold(2), error_score="raise") < 0).all()
    with pytest.raises(DataError, match="has no row for"):  # rows in the middle are left out
        cross_val_score(model, one, cv=KFold(3), error_score="raise")


@pytest.mark.parametrize(("options", "wanted"), [({"h": 4}, 64), ({"h": 20}, 80), ({"h": 4, "context": 12}, 12)])
def test_windows_are_as_long_as_four_horizons(options, wanted):
    model = Forecaster(season=40, **{**SMALL, "epochs": 1}, **options).fit(frame(2, 120))
    assert model.options_["context"] == wanted


@pytest.mark.parametrize(
    ("options", "said"),
    [({"base": "luck"}, "base='luck' is not known"), ({"level": (0, 80)}, "level="), ({"quantiles": (1.5,)}, "quantiles="), ({"freq": "fortnight"}, "freq='fortnight' is not known"), ({"h": 0}, "h=0 is out of range")],
)
def test_options_out_of_range_are_refused(options, said):
    with pytest.raises(ArgumentError, match=f"fit: {said}"):
        Forecaster(**options).fit(frame())


def test_what_does_not_fit_is_refused(fitted):
    model, given = fitted
    with pytest.raises(ArgumentError, match="y is given apart"):
        Forecaster().fit(given[["ds"]], given.y)
    with pytest.raises(DataError, match="freq='h' does not fit|no row for"):
        Forecaster(freq="h", **SMALL).fit(given)
    with pytest.raises(DataError, match="predict: (.|\n)*no stamp of the frequency D|predict: (.|\n)*no row for"):
        model.predict(frame(1, 30, freq="h"))


def test_series_may_come_one_by_one(fitted):
    model, given = fitted
    whole = model.predict(given)
    pd.testing.assert_frame_equal(model.predict([part for _, part in given.groupby("unique_id")]), whole)
    pd.testing.assert_frame_equal(model.predict(list(Panel.from_frame(given))), whole)
