"""Frequencies: names of old and new pandas and of polars, found from stamps with gaps, in time zones with changes of clocks."""

import numpy as np
import pandas as pd
import pytest

from tenuto.data import Panel
from tenuto.data.series.frequency import Frequency
from tenuto.errors import ArgumentError, DataError

BEGIN = {"MS": "2024-01-01", "ME": "2024-01-31", "QS-JAN": "2024-01-01", "QE-DEC": "2023-12-31", "YS-JAN": "2020-01-01", "YE-DEC": "2020-12-31", "W-MON": "2024-01-01", "W-SUN": "2024-01-07", "BME": "2024-01-31"}
FOUND = [*BEGIN, "D", "B", "h", "2h", "15min", "30s", "3D", "BMS"]


@pytest.mark.parametrize("name", FOUND)
def test_a_frequency_is_found_with_and_without_gaps(name):
    stamps = Frequency.of(name).stamps(pd.Timestamp(BEGIN.get(name, "2024-03-01")), 40)
    panel = Panel.from_frame({"ds": stamps, "y": np.arange(40)})
    assert panel.frequency.name == name
    assert (Frequency.of(name).after(stamps[-2], 1) == stamps[-1:]).all()  # the first forecast is one step after the last value
    kept = np.delete(np.arange(40), [7, 8, 20])
    assert Panel.from_frame({"ds": stamps[kept], "y": kept}, fill="nan").values[0][7:10].tolist()[2] == 9
    with pytest.raises(DataError, match="has no row for"):
        Panel.from_frame({"ds": stamps[kept], "y": kept})


@pytest.mark.parametrize(
    ("old", "new"),
    [("M", "ME"), ("H", "h"), ("T", "min"), ("15T", "15min"), ("S", "s"), ("Q", "QE-DEC"), ("A", "YE-DEC"), ("Y", "YE-DEC"), ("AS", "YS-JAN"), ("A-JUN", "YE-JUN"), ("W", "W-SUN"), ("1d", "D"), ("1mo", "MS"), ("1h", "h"), ("1w", "W-SUN"), ("BM", "BME"), (7, "7"), ("7", "7")],
)
def test_old_names_and_those_of_polars_are_known(old, new):
    assert Frequency.of(old).name == new
    if new != "7":
        assert Frequency.of(pd.tseries.frequencies.to_offset(new)).name == new


@pytest.mark.parametrize("name", ["fortnight", "", "0D", "-1h", None, 0, 1.5])
def test_what_is_no_frequency_is_refused(name):
    with pytest.raises(ArgumentError, match="freq=(.|\n)*is not known"):
        Frequency.of(name)


def test_the_end_of_months_for_beginnings_is_named():
    stamps = pd.date_range("2024-01-01", periods=20, freq="MS")
    with pytest.raises(DataError, match=r"2024-01-01(.|\n)*freq='MS' fits"):
        Panel.from_frame({"ds": stamps, "y": range(20)}, freq="M")


@pytest.mark.parametrize(("zone", "first"), [("Europe/Berlin", "2024-03-28"), ("America/New_York", "2024-10-30"), ("America/Sao_Paulo", "2018-11-01"), ("Australia/Lord_Howe", "2024-04-03"), ("UTC", "2024-03-28")])
def test_changes_of_clocks_break_nothing(zone, first):
    for freq in ("h", "D", "30min"):
        begin = pd.Timestamp(first, tz=zone)
        stamps = Frequency.of(freq).stamps(begin, 400)
        panel = Panel.from_frame({"ds": stamps, "y": np.arange(400.0)})
        assert panel.frequency.name == freq and str(panel.grid.tz) == zone and not panel.missing_values
        ahead = panel.stamps(0, 400, 403)
        assert str(ahead.tz) == zone
        if freq == "D":
            assert ((ahead.hour == 0) | (ahead.hour == 1)).all() and (np.diff(ahead.date) == pd.Timedelta("1D")).all()
        else:
            assert (np.diff(stamps.tz_convert("UTC").tz_localize(None)) == pd.Timedelta(freq if freq != "h" else "1h")).all()


def test_whole_numbers_and_days_as_numbers():
    panel = Panel.from_frame({"ds": np.arange(3, 30, 3), "y": np.arange(9)})
    assert panel.frequency.name == "3" and panel.stamps(0, 9, 11).tolist() == [30, 33]
    days = Panel.from_frame({"ds": [19580329.0, 19580405.0, 19580412.0], "y": [1.0, 2.0, 3.0]})
    assert days.frequency.name == "W-SAT" and str(days.grid[0]) == "1958-03-29 00:00:00"
    with pytest.raises(DataError, match="does not fit the stamps"):
        Panel.from_frame({"ds": [1, 2, 3], "y": [1, 2, 3]}, freq="D")


def test_the_usual_season():
    names = ("h", "D", "W", "MS", "QE", "YS", "15min", "2h", "B", "min", "1")
    assert [Frequency.of(name).season for name in names] == [24, 7, 52, 12, 4, 1, 96, 12, 5, 60, 1]


def test_the_calendar_goes_round():
    stamps = Frequency.of("h").stamps(pd.Timestamp("2024-01-01"), 24 * 8)
    names, found = Frequency.of("h").calendar(stamps)
    assert names == ["hour, sine", "hour, cosine", "weekday, sine", "weekday, cosine"] and found.shape == (192, 4)
    np.testing.assert_allclose(found[0], found[168], atol=1e-6)
    assert Frequency.of("YS").calendar(stamps[:1])[0] == [] and Frequency.of("1").calendar(np.arange(3))[1].shape == (3, 0)


def test_places_in_the_calendar_have_names():
    [(name, names, at)] = Frequency.of("W").places(pd.date_range("2026-01-04", periods=6, freq="W"))
    assert name == "month" and names[:2] == ["Jan", "Feb"] and at.tolist() == [0, 0, 0, 0, 1, 1]
    assert [name for name, *_ in Frequency.of("B").places(pd.bdate_range("2026-01-05", periods=3))] == ["weekday", "month"]
    assert [name for name, *_ in Frequency.of("15min").places(pd.date_range("2026-01-05", periods=3, freq="15min"))] == ["hour", "weekday"]
    assert Frequency.of("YS").places(pd.date_range("2026-01-01", periods=3, freq="YS")) == [] == Frequency.of("1").places(np.arange(3))
