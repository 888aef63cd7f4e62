"""What the page of a forecaster draws: forecasts from several origins, residuals by step and by the calendar, with values computed by hand."""

import numpy as np
import pandas as pd
import pytest

from tenuto.data import Panel
from tenuto.data.series.windows import Window
from tenuto.tasks.forecast.evaluation import Forecasts
from tenuto.tasks.forecast.shown import cutoffs, examples, residuals

LEVELS = (0.1, 0.5, 0.9)


def answered(stamps, values, origins, *, horizon=2, season=1, freq=None, off=0.0):
    """Forecasts of 0 with an interval from -1 to 1, of series with these values; `off` is added to those of the second series."""
    frame = pd.concat([pd.DataFrame({"unique_id": name, "ds": stamps, "y": one}) for name, one in values.items()])
    data = Panel.from_frame(frame, freq=freq)
    windows = [Window(row, 0, np.array(origins)) for row in range(len(data))]
    found = [np.tile(np.array([-1.0, 0.0, 1.0]) + off * row, (len(origins), horizon, 1)) for row in range(len(data))]
    return Forecasts.of(data, windows, found, LEVELS, season, horizon, [np.ones(len(origins))] * len(data)), data


def by(groups, name):
    found = {one["by"]: one for one in groups}
    return {place: (count, middle) for place, count, middle in zip(found[name]["names"], found[name]["values"], found[name]["middle"])}


def test_residuals_stand_by_step_and_month():
    # changes of 1, 2, 1, 2, ... before the first origin: 1.5 on the average
    stamps, values = pd.date_range("2025-11-01", periods=8, freq="MS"), np.array([0.0, 1, 3, 4, 6, 3, 9, np.nan])
    forecasts, data = answered(stamps, {"a": values}, [4, 5])
    groups = residuals(forecasts, data)
    assert [one["by"] for one in groups] == ["step ahead", "month"]
    assert by(groups, "step ahead") == {"1": (2, pytest.approx(4)), "2": (1, pytest.approx(6))}  # 3 and 9, then 9 and nothing, over 1.5
    assert by(groups, "month") == {"Apr": (1, pytest.approx(2)), "May": (2, pytest.approx(6))}
    assert groups[0]["low"][0] == pytest.approx(2 + 0.1 * 4) and groups[0]["high"][0] == pytest.approx(2 + 0.9 * 4)


def test_the_calendar_of_residuals_is_that_of_the_frequency():
    values = {"a": np.arange(60.0) % 3}
    hourly = residuals(*answered(pd.date_range("2026-03-28 22:00", periods=60, freq="h", tz="Europe/Berlin"), values, [20, 30, 40]))
    assert [one["by"] for one in hourly] == ["step ahead", "hour", "weekday"]
    # 21 hours after 22:00 of a Saturday, over a night without a 2 o'clock, it is 20:00
    assert list(by(hourly, "hour")) == ["6:00", "7:00", "16:00", "17:00", "20:00", "21:00"] and list(by(hourly, "weekday")) == ["Mon", "Sun"]
    daily = residuals(*answered(pd.date_range("2026-01-20", periods=60), values, [20, 30, 40]))
    assert [one["by"] for one in daily] == ["step ahead", "weekday", "month"]
    assert list(by(daily, "weekday")) == ["Mon", "Tue", "Wed", "Fri", "Sat"] and list(by(daily, "month")) == ["Feb", "Mar"]
    whole = residuals(*answered(range(60), values, [20, 30, 40], season=3))
    assert [one["by"] for one in whole] == ["step ahead", "step of the season"] and list(by(whole, "step of the season")) == ["1", "2", "3"]
    assert [one["by"] for one in residuals(*answered(range(60), values, [20, 30, 40]))] == ["step ahead"]


def test_a_series_that_never_changes_leaves_nothing_over():
    assert residuals(*answered(range(30), {"a": np.full(30, 5.0)}, [20, 22])) == []


def test_the_best_and_the_worst_are_drawn_from_several_origins():
    values = {name: (np.arange(60.0) % 2) for name in ("good", "bad")}
    forecasts, data = answered(range(60), values, list(range(20, 57)), off=5.0)
    drawn = cutoffs(forecasts, data, "test", (80,))
    assert [one["id"] for one in drawn] == ["good"] * 6 + ["bad"] * 6 and [one["cutoff"] for one in drawn[:6]] == ["20", "27", "34", "42", "49", "56"]
    assert drawn[1]["past"] == [float(step % 2) for step in range(16, 28)] and drawn[1]["truth"] == [0.0, 1.0] and drawn[7]["middle"] == [5.0, 5.0]
    assert drawn[7]["intervals"] == [{"level": 80.0, "low": [4.0, 4.0], "high": [6.0, 6.0]}] and drawn[0]["set"] == "test"
    assert [one["id"] for one in examples(forecasts, data, "test", (80,))] == ["good", "bad"]
    assert cutoffs(*answered(range(60), values, [20], off=5.0), "test", (80,)) == []
