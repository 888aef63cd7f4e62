"""`AnomalyDetector`: anomalies are found, scores have the same bits alone, in a panel and live, the threshold is learnt from nothing of the test, and a new level is followed."""

import numpy as np
import pandas as pd
import polars as pl
import pytest
import torch
from scipy import stats
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, KFold, TimeSeriesSplit, cross_val_score

import tenuto
from tenuto.data import Panel
from tenuto.errors import ArgumentError, DataError, NotFittedError
from tenuto.scores.thresholds import quantile_threshold, tail_of
from tenuto.tasks import AnomalyDetector

SMALL = {"cell": "gru", "hidden_size": 8, "epochs": 6, "batch_size": 8}


def frame(steps=400, series=2, seed=0, strange=False, first="2024-01-01"):
    draw, rows, time = np.random.default_rng(seed), [], np.arange(steps)
    for one in range(series):
        y, labels = 10.0 ** (one % 2) * (10 + 3 * np.sin(2 * np.pi * time / 24) + draw.normal(0, 0.3, steps)), np.zeros(steps, dtype=int)
        for place in range(60, steps - 20, 90) if strange else ():
            labels[place : place + 4] = 1
            y[place : place + 4] += 4 * 10.0 ** (one % 2) * (-1) ** place
        rows.append(pd.DataFrame({"unique_id": f"s{one}", "ds": pd.date_range(first, periods=steps, freq="h"), "y": y, "anomaly": labels}))
    return pd.concat(rows, ignore_index=True)


@pytest.fixture(scope="module")
def fitted():
    return AnomalyDetector(**{**SMALL, "epochs": 12}).fit(frame(1200)), frame(400, seed=1, strange=True)


def test_what_is_strange_is_found(fitted):
    model, given = fitted
    found = model.predict(given)
    assert list(found.columns) == ["unique_id", "ds", "y", "AnomalyDetector", "score", "anomaly"] and len(found) == len(given)
    assert np.isnan(found.groupby("unique_id").score.nth(0)).all() and np.isfinite(found.groupby("unique_id").score.nth(slice(1, None))).all()
    assert (found.anomaly == (found.score > model.threshold_)).all()
    result = model.evaluate(given)
    assert result["recall"] == 1 and result["event_f1"] > 0.5 > 3 * result["event_f1_random"]
    assert result["vus_pr"] > 2 * result["vus_pr_random"] and result["auc_pr"] > 3 * result["auc_pr_random"] and result["buffer"] == 24
    quiet = model.evaluate(frame(400, seed=2))
    assert quiet["alarms"] <= 4 and quiet["known_events"] == 0 and quiet["vus_pr"] is None
    events = model.events(given)
    assert list(events.columns) == ["unique_id", "first", "last", "steps", "score"] and events.steps.sum() == result["alarms"]
    assert model.events(frame(50, 1).drop(columns="unique_id")).columns.tolist() == ["first", "last", "steps", "score"]


def test_the_score_is_how_far_out_a_value_lies(fitted):
    model, given = fitted
    one = given[given.unique_id == "s0"]
    found = model.predict(one).iloc[-1]
    with torch.no_grad():
        mean, width, freedom = next(model.answer(model.forward(batch))[0][0] for batch in model.inputs(one.iloc[:-1]))
    assert found.AnomalyDetector == pytest.approx(mean, rel=1e-6)
    assert found.score == pytest.approx(-np.log10(2 * stats.t.sf(abs(found.y - mean) / width, freedom)), rel=1e-6)
    nats = AnomalyDetector(scored_by="nats", distribution="gaussian", **SMALL).fit(given)
    with torch.no_grad():
        mean, deviation = next(nats.answer(nats.forward(batch))[0][0] for batch in nats.inputs(one.iloc[:-1]))
    assert nats.predict(one).score.iloc[-1] == pytest.approx(-stats.norm.logpdf(found.y, mean, deviation), rel=1e-6)
    assert nats.evaluate(given)["loss"] == pytest.approx(nats.predict(given).score.mean(), rel=1e-6)


def test_a_series_alone_live_and_in_a_panel_has_the_same_bits(fitted):
    model, given = fitted
    given = given.assign(y=given.y.where(given.index % 17 != 3)).query("ds < '2024-01-06'")
    together = model.predict(given).set_index("unique_id")
    for name, own in given.groupby("unique_id"):
        pd.testing.assert_frame_equal(model.predict(own).set_index("unique_id"), together.loc[[name]], check_exact=True)
        live = model.stream()
        steps = [live.step(y, ds) for y, ds in zip(own.y, own.ds)]
        np.testing.assert_array_equal([one.score for one in steps], together.loc[name].score)
        np.testing.assert_array_equal([one.expected for one in steps], together.loc[name].AnomalyDetector)
        assert [one.anomaly for one in steps] == together.loc[name].anomaly.tolist()
        assert len(live._memory.panel.grid) == len(live._memory.panel.values[0]) == 1  # what is kept does not grow
        later = model.stream(own.iloc[:70])
        np.testing.assert_array_equal([later.step(y).score for y in own.y[70:]], together.loc[name].score[70:])  # stamps follow by themselves


@pytest.mark.parametrize("after", ["level", "spike", "scale"])
@pytest.mark.parametrize("size", [5.0, 1e3, 1e9])
def test_it_recovers(fitted, after, size):
    """A2: a new level is alarmed and followed after two steps; one value of any size spoils nothing; larger swings are usual after three seasons. Live."""
    model, _ = fitted
    given = frame(300, 1, seed=4).drop(columns=["unique_id", "anomaly"])
    if after == "level":
        given.loc[150:, "y"] += size
    elif after == "spike":
        given.loc[150, "y"] += size
    else:
        given.loc[150:, "y"] *= size
    live, found = model.stream(), []
    for y, ds in zip(given.y, given.ds):
        found.append(live.step(y, ds))
    assert found[150].anomaly and sum(one.anomaly for one in found[20:150]) <= 1
    assert sum(one.anomaly for one in found[150:]) <= (70 if after == "scale" else 4) and sum(one.anomaly for one in found[150 + 72 :]) <= 4
    strange = live.step(1.5 * found[-1].expected + 1e3 * (1 + abs(found[-1].expected)))
    assert strange.anomaly  # and it is not blind


def test_the_threshold_is_learnt_from_what_is_held_out():
    given = frame(600)
    model = AnomalyDetector(**SMALL).fit(given)
    assert model.learnt_["of"] == "validation" and model.learnt_["scores"] == 120 and model.learnt_["by"] == "extreme-value"
    scores = model.predict(given).groupby("unique_id").score.apply(lambda one: one.iloc[-60:]).to_numpy()
    assert model.threshold_ == pytest.approx(tail_of(scores).threshold(1e-3), rel=1e-12)
    marked = given.assign(anomaly=(given.groupby("unique_id").cumcount() > 590).astype(int))
    marked.loc[marked.anomaly == 1, "y"] += 500
    other = AnomalyDetector(threshold_by="quantile", rate=0.02, **SMALL).fit(marked)
    assert other.learnt_["scores"] == 120 - 18 and other.threshold_ < 10  # what is known as an anomaly does not count
    scores = other.predict(marked).assign(anomaly=marked.anomaly).groupby("unique_id").apply(lambda one: one[540:591].score, include_groups=False).to_numpy().ravel()
    assert other.threshold_ == quantile_threshold(scores, 0.02)
    few = AnomalyDetector(**SMALL).fit(given[given.unique_id == "s0"].iloc[:200])
    assert few.learnt_["of"] == "training and validation" and few.learnt_["scores"] == 199
    with pytest.raises(DataError, match="fit: 59 scores are too few to learn a threshold from"):
        AnomalyDetector(**SMALL).fit(given.iloc[:60])
    with pytest.raises(DataError, match=r"fit: 120 scores are too few for a quantile that 0.001 of normal steps exceed(.|\n)*expected  999 or more"):
        AnomalyDetector(threshold_by="quantile", **SMALL).fit(given)


@pytest.mark.parametrize("threshold_by", ["extreme-value", "quantile"])
def test_normal_steps_are_alarms_as_often_as_was_asked_for(threshold_by):
    """Series of a known law: an autoregression with draws of Student's t."""

    def made(seed):
        noise = np.random.default_rng(seed).standard_t(5, (8, 500))
        for step in range(1, 500):
            noise[:, step] += 0.7 * noise[:, step - 1]
        return pd.DataFrame({"unique_id": np.repeat(np.arange(8), 500), "ds": np.tile(np.arange(500), 8), "y": 50 + noise.ravel()})

    model = AnomalyDetector(threshold_by=threshold_by, rate=0.02, season=1, **SMALL).fit(made(0))
    result = model.evaluate(made(1))
    assert result["values"] == 8 * 499 and 0.01 < result["alarms"] / result["values"] < 0.035
    assert stats.t(5).entropy() < result["loss"] < stats.t(5).entropy() + 0.15


def test_poison_after_the_cutoff_changes_no_bit():
    given = frame(300)
    poisoned = given.assign(y=given.y.where(given.ds <= "2024-01-10", 1e9))
    one, two = (AnomalyDetector(**SMALL).fit(Panel.from_frame(rows).until("2024-01-10"), test=rows) for rows in (given, poisoned))
    assert all((ours == theirs).all() for ours, theirs in zip(one.network_.state_dict().values(), two.network_.state_dict().values())) and one.threshold_ == two.threshold_
    found = [one.predict(rows).query("ds <= '2024-01-10'") for rows in (given, poisoned)]
    pd.testing.assert_frame_equal(*found, check_exact=True)


def test_a_run_gives_the_same_answers_and_every_room_takes_it(fitted, tmp_path):
    model, given = fitted
    again = AnomalyDetector.load(model.save(tmp_path / "run", test=given))
    pd.testing.assert_frame_equal(again.predict(given), model.predict(given), check_exact=True)
    assert again.learnt_ == model.learnt_ and again.stream().threshold == model.threshold_
    small = tenuto.compress(model, weights="int8")
    assert np.isfinite(small.score(given))
    assert list(tenuto.export(model, tmp_path / "exported").files) == ["sequence", "step"]
    explained = tenuto.explain(model, given[given.unique_id == "s0"], target=(-1, "mean"))
    assert np.isfinite(np.concatenate([np.ravel(one) for one in explained.values])).all()


def test_counts_covariates_and_frames_of_polars():
    given = frame(300).assign(y=lambda f: f.y.round(), wind=lambda f: f.index % 5, site=lambda f: f.unique_id)
    model = AnomalyDetector(distribution="negative-binomial", known=("wind",), static=("site",), **SMALL).fit(pl.from_pandas(given))
    found = model.predict(pl.from_pandas(given))
    assert isinstance(found, pl.DataFrame) and found["score"].drop_nans().min() >= 0
    own = given[given.unique_id == "s0"]
    live = model.stream()
    steps = [live.step(y, ds, wind=wind, **({} if row else {"site": "s0"})) for row, (y, ds, wind) in enumerate(zip(own.y[:50], own.ds, own.wind))]
    np.testing.assert_array_equal([one.score for one in steps], model.predict(own).score[:50])
    with pytest.raises(DataError, match="the step has no 'wind'"):
        live.step(3)
    with pytest.raises(DataError, match="has 2.5 at 2024-01-03 02:00:00, which is no count"):
        live.step(2.5, wind=1)


def test_what_does_not_fit_is_refused(fitted):
    model, given = fitted
    with pytest.raises(NotFittedError):
        AnomalyDetector().predict(given)
    with pytest.raises(DataError, match="test part: .*has the label 'maybe' at 2024-01-01 00:00:00|has the label 'maybe'"):
        AnomalyDetector(**SMALL).fit(given.assign(anomaly="maybe"))
    for options, said in (({"scored_by": "luck"}, "scored_by='luck' is not known"), ({"threshold_by": "eye"}, "threshold_by='eye' is not known"), ({"rate": 0.0}, "rate=0.0 is out of range"), ({"past": ("anomaly",)}, "the column 'anomaly' says what is to be found")):
        with pytest.raises(ArgumentError, match=f"fit: {said}"):
            AnomalyDetector(**options).fit(given)
    with pytest.raises(DataError, match="stream: a stream is of one series, but there are 2"):
        model.stream(given)
    live = model.stream()
    with pytest.raises(DataError, match="the first step of a stream has no stamp"):
        live.step(3.0)
    live.step(3.0, "2024-01-01")
    with pytest.raises(DataError, match="begin at 2024-01-01 05:00:00, not one step after"):
        live.step(3.0, "2024-01-01 05:00")
    with pytest.raises(DataError, match="inf is no value"):
        live.step(float("inf"))
    assert np.isnan(live.step(None).score) and np.isfinite(live.step(4.0).score)


def test_as_scikit_learn_has_it():
    one = frame(240, 1)[["ds", "y"]]
    model = AnomalyDetector(**{**SMALL, "epochs": 1, "hidden_size": 2})
    assert clone(model).get_params() == model.get_params()
    scores = cross_val_score(model, one, cv=TimeSeriesSplit(2, test_size=60))
    assert scores.shape == (2,) and np.isfinite(scores).all()
    search = GridSearchCV(model, {"distribution": ["gaussian", "student-t"]}, cv=KFold(2)).fit([part for _, part in frame(240, 2).groupby("unique_id")])
    assert np.isfinite(search.best_score_) and np.isfinite(search.predict(one).score[1:]).all()
