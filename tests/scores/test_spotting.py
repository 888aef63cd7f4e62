"""Misses and false alarms by hand, and what hours without an alarm prove against scipy's distribution (S9)."""

import numpy as np
import pytest
from scipy.stats import chi2

from tenuto.scores.spotting import Alarm, Matched, Occurrence, matched, most_events, proven


def test_alarms_find_occurrences_once():
    said = [Occurrence("yes", 1.0, 2.0), Occurrence("no", 1.5, 2.5), Occurrence("yes", 1.8, 3.0)]
    found = matched(said, [Alarm("yes", 1.9), Alarm("no", 2.6), Alarm("yes", 1.95), Alarm("yes", 2.9), Alarm("maybe", 1.6)])
    assert isinstance(found, Matched) and found.found.tolist() == [True, False, True] and found.false == [1, 3, 4]
    nothing = matched([], [Alarm("yes", 0.0)])
    assert nothing.found.shape == (0,) and nothing.false == [0]
    assert matched(said, []).found.tolist() == [False] * 3


@pytest.mark.parametrize("count", [0, 1, 2, 7, 40, 300])
def test_the_upper_limit_is_the_poisson_one(count):
    assert most_events(count) == pytest.approx(chi2.ppf(0.95, 2 * (count + 1)) / 2, rel=1e-6)


def test_s9_no_alarm_proves_three_by_the_hours():
    assert most_events(0) == pytest.approx(-np.log(0.05)) and "no false alarm in 6 hours, which proves 0.5 an hour at most" in proven(0, 6.0)
    assert proven(1, 0.5).startswith("1 false alarm in 0.5 hours, 2 an hour") and "3 false alarms in 1 hour, 3 an hour" in proven(3, 1.0) and "3 false alarms in 0.01 hours, 300 an hour, which proves 780 an hour" in proven(3, 0.01)
