"""The scores of forecasts beside those of utilsforecast, and the simple lines by hand."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm
from utilsforecast import losses

from tenuto.scores import forecasts as ours
from tenuto.scores.lines import MODELS, SIMPLE, drift, line_forecast, seasonal_drift, seasonal_naive

LEVELS = (0.1, 0.5, 0.9)


@pytest.fixture(scope="module")
def case():
    draw = np.random.default_rng(0)
    truth = draw.normal(10, 3, (3, 8))
    quantiles = np.sort(truth[..., None] + draw.normal(0, 2, (3, 8, 3)), axis=-1)
    train = draw.normal(10, 3, (3, 40))
    long = pd.DataFrame({"unique_id": np.repeat(range(3), 8), "ds": np.tile(range(40, 48), 3), "y": truth.ravel(), "m": quantiles[..., 1].ravel()})
    long = long.assign(**{f"m-{name}-80": quantiles[..., place].ravel() for name, place in (("lo", 0), ("hi", 2))}, **{f"q{level}": quantiles[..., place].ravel() for place, level in enumerate(LEVELS)})
    past = pd.DataFrame({"unique_id": np.repeat(range(3), 40), "ds": np.tile(range(40), 3), "y": train.ravel()})
    return truth, quantiles, train, long, past


def test_errors_are_those_of_utilsforecast(case):
    truth, quantiles, train, long, past = case
    middle = quantiles[..., 1]
    assert ours.mae(truth, middle) == pytest.approx(losses.mae(long, ["m"])["m"].mean())
    assert ours.mse(truth, middle) == pytest.approx(losses.mse(long, ["m"])["m"].mean())
    assert ours.smape(truth, middle) == pytest.approx(losses.smape(long, ["m"])["m"].mean())
    for season in (1, 7):
        scales = np.array([ours.seasonal_scale(values, season) for values in train])
        found, left_out = ours.mase(truth, middle, np.arange(3), scales)
        assert left_out == 0 and found == pytest.approx(losses.mase(long, ["m"], season, past)["m"].mean())


def test_quantile_losses_and_coverage_are_those_of_utilsforecast(case):
    truth, quantiles, _, long, _ = case
    one = long[long.unique_id == 0]
    theirs = losses.scaled_crps(one, {"m": [f"q{level}" for level in LEVELS]}, np.array(LEVELS))["m"].iloc[0]
    assert ours.weighted_quantile_loss(truth[:1], quantiles[:1], LEVELS) == pytest.approx(theirs)
    assert ours.coverage(truth, quantiles[..., 0], quantiles[..., 2]).mean() == pytest.approx(losses.coverage(long, ["m"], 80)["m"].mean())


def test_a_missing_value_counts_nowhere_and_a_constant_series_is_left_out():
    truth, found = np.array([[1.0, np.nan], [2.0, 4.0]]), np.array([[2.0, 9.0], [2.0, 2.0]])
    assert ours.mae(truth, found) == 1.0 and ours.mse(truth, found) == pytest.approx(5 / 3)
    assert np.isnan(ours.seasonal_scale(np.full(9, 3.0), 1)) and np.isnan(ours.seasonal_scale(np.arange(3.0), 5))
    assert ours.mase(truth, found, np.array([0, 1]), np.array([np.nan, 2.0])) == (0.5, 1)
    assert ours.coverage(truth, found - 1, found + 1).tolist() == [1.0, 0.0]
    assert np.isnan(ours.weighted_quantile_loss(np.zeros((1, 2)), np.zeros((1, 2, 1)), (0.5,)))
    assert ours.smape(np.zeros((1, 2)), np.zeros((1, 2))) == 0


def test_lines_by_hand():
    past = np.array([1.0, 2, 3, 4, 2, 3, 4, 5])
    assert seasonal_naive(past, 4, 5).tolist() == [2, 3, 4, 5, 2]
    np.testing.assert_allclose(drift(past, 4, 2), [5 + 4 / 7, 5 + 8 / 7])
    np.testing.assert_allclose(seasonal_drift(past, 4, 5), [2 + 16 / 7, 3 + 16 / 7, 4 + 16 / 7, 5 + 16 / 7, 2 + 32 / 7])
    assert line_forecast(SIMPLE["naive"], np.array([np.nan, 7.0, np.nan]), 1, 2).tolist() == [7, 7]
    assert np.isnan(line_forecast(SIMPLE["naive"], np.array([np.nan]), 1, 2)).all()


@pytest.mark.parametrize("name", MODELS)
def test_models_forecast_a_season_with_a_trend(name):
    steps = np.arange(60)
    past = 50 + 0.2 * steps + 10 * np.sin(steps * np.pi / 6)
    ahead = np.arange(60, 72)
    found = line_forecast(MODELS[name], past, 12, 12)
    assert np.abs(found - (50 + 0.2 * ahead + 10 * np.sin(ahead * np.pi / 6))).mean() < 3
    assert np.isfinite(line_forecast(MODELS[name], np.arange(1.0, 6.0), 1, 3)).all()


def test_crps_of_draws():
    draw = np.random.default_rng(0)
    truth, samples = draw.normal(0, 1, (4, 3)), draw.normal(0, 1, (4, 7, 3))
    truth[1, 2] = np.nan
    pairs = np.abs(samples[:, :, None] - samples[:, None]).sum((1, 2)) / (7 * 6)
    np.testing.assert_allclose(ours.crps(truth, samples), np.abs(samples - truth[:, None]).mean(1) - pairs / 2)
    many = draw.normal(1.0, 2.0, (1, 400_000, 1))
    z = (2.5 - 1.0) / 2.0
    exact = 2.0 * (z * (2 * norm.cdf(z) - 1) + 2 * norm.pdf(z) - 1 / np.sqrt(np.pi))  # of the normal distribution: Gneiting & Raftery 2007, equation 5
    assert ours.crps(np.array([[2.5]]), many)[0, 0] == pytest.approx(exact, rel=5e-3)
    fair = ours.crps(np.zeros((50_000, 1)), draw.normal(0, 1, (50_000, 2, 1))).mean()  # two draws have the mean of very many
    assert fair == pytest.approx((np.sqrt(2) - 1) / np.sqrt(np.pi), abs=0.01)
