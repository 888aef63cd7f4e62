"""A validation or test panel that has values of training: these are there to be read only."""

import numpy as np
import pandas as pd
import pytest

from tenuto.data import Panel
from tenuto.data.series.later import only_later
from tenuto.errors import DataError


def panel(first, values, ids=("a",), freq="D", zone=None):
    stamps = pd.date_range("2026-01-01", periods=100, freq=freq, tz=zone)[first : first + len(values)]
    return Panel.from_frame(pd.concat([pd.DataFrame({"unique_id": one, "ds": stamps, "y": values}) for one in ids]), freq=freq)


RISING = np.arange(40.0)


@pytest.mark.parametrize("zone", [None, "Europe/Berlin"])
def test_a_history_that_training_has_is_only_read(zone):
    training = panel(0, RISING[:30], zone=zone)
    assert only_later(training, panel(0, RISING, zone=zone), "test").begin.tolist() == [30]
    assert only_later(training, panel(25, RISING[25:], zone=zone), "test").begin.tolist() == [5]
    assert only_later(training, panel(30, RISING[30:], zone=zone), "test").begin.tolist() == [0]
    assert only_later(panel(10, RISING[10:30], zone=zone), panel(0, RISING, zone=zone), "test").begin.tolist() == [30]
    missing = np.where(np.arange(40) == 20, np.nan, RISING)
    assert only_later(training, panel(0, missing, zone=zone), "test").begin.tolist() == [30]


def test_nothing_but_training_is_an_error():
    with pytest.raises(DataError, match=r"the test part has only values that training has too: the series 'a' ends at 2026-01-30(.|\n)*expected  values after those of training"):
        only_later(panel(0, RISING[:30]), panel(0, RISING[:30]), "test")
    both = panel(0, RISING[:30], ids=("a", "b"))
    left = only_later(panel(0, RISING[:20], ids=("a",)), both, "validation")
    assert left.ids == ("a", "b") and left.begin.tolist() == [20, 0]
    assert only_later(panel(0, RISING[:30], ids=("a",)), both, "validation").ids == ("b",)


def test_another_series_of_the_same_name_stays_as_it_is():
    training = panel(0, RISING[:30])
    for other in (panel(0, RISING + 1), panel(0, RISING, ids=("b",)), panel(0, RISING, freq="h"), panel(0, np.where(np.arange(40) == 7, -1, RISING))):
        assert only_later(training, other, "test") is other
    whole = Panel.from_frame({"ds": range(20), "y": RISING[:20]}, freq="1")
    assert only_later(whole, Panel.from_frame({"ds": range(5, 40), "y": RISING[5:]}, freq="1"), "test").begin.tolist() == [15]
    assert only_later(training, whole, "test") is whole
