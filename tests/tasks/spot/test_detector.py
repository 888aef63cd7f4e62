"""From probabilities to keywords: steps in a row, refractory time, boosts that leave the score alone (S9), thresholds from what was held out."""

import numpy as np
import pytest
import torch

from tenuto.networks.exact import log_probabilities
from tenuto.scores.spotting import Alarm, Occurrence
from tenuto.tasks.spot.detector import SUREST, Detector, Rule, Told, lowest_running, odds, told_steps
from tenuto.tasks.spot.thresholds import FARTHEST, USUAL, fitted_boosts, fitted_threshold, fitted_thresholds


def drawn(steps, keywords=2, seed=0, spread=3.0):
    """Log-probabilities that stay for a while."""
    generator = np.random.default_rng([seed, steps])
    return log_probabilities(np.repeat(generator.normal(0, spread, size=(-(-steps // 3), 1 + keywords)), 3, axis=0)[:steps])


def rule(thresholds=(0.0, 0.5), boosts=(0.0, 0.0), consecutive=3, refractory=4):
    return Rule(np.array(boosts), np.array(thresholds), consecutive, refractory)


def row(keyword, probability=0.9):
    """Log-probabilities [3] of a step that says this."""
    return np.log(np.where(np.arange(3) == keyword, probability, (1 - probability) / 2))


def test_by_hand():
    path = [0, 1, 1, 0, 1, 1, 1, 1, 1, 1, 1, 1, 0, 2, 2, 2]
    found = list(Detector(rule(thresholds=(0.0, 0.0))).accept(np.array([row(one) for one in path])))
    assert [(one.keyword, one.step) for one in found] == [(0, 6), (1, 15)]  # two steps are too few; after step 6 four steps do not count, and step 11 has one more only
    assert all(isinstance(one, Told) and one.score == pytest.approx(0.9) for one in found)
    longer = list(Detector(rule(thresholds=(0.0, 0.0))).accept(np.array([row(1)] * 10)))
    assert [one.step for one in longer] == [2, 9]  # 3 to 6 do not count, 7 to 9 are three


@pytest.mark.parametrize("seed", range(5))
def test_the_whole_at_once_and_step_by_step_are_alike(seed):
    """What thresholds are fitted with tells the same as what a stream runs, in chunks of any sizes."""
    rows, known = drawn(400, seed=seed), rule(boosts=(0.3, -0.2))
    whole = list(Detector(known).accept(rows))
    for keyword in range(2):
        lowest = lowest_running(odds(rows, known.boosts)[:, keyword], known.consecutive)
        assert [one.step for one in whole if one.keyword == keyword] == told_steps(lowest, known.thresholds[keyword], known.consecutive, known.refractory)
    pieces, reader, place, generator = [], Detector(known), 0, np.random.default_rng(seed)
    while place < len(rows):
        size = int(generator.integers(0, 9))
        pieces += reader.accept(rows[place : place + size])
        other = Detector(known)
        other.resume(reader.kept())
        reader, place = other, place + size
    assert pieces == whole and len(whole) > 5


def test_s9_a_boost_tells_more_and_leaves_the_score_alone():
    rows = np.array([row(1, 0.4)] * 6)
    assert list(Detector(rule()).accept(rows)) == []
    (told,) = Detector(rule(boosts=(2.0, 0.0))).accept(rows)
    assert told.score == pytest.approx(0.4)


def test_odds_are_those_of_the_probabilities():
    rows = drawn(40)
    each = np.exp(rows[:, 1:])
    np.testing.assert_allclose(odds(rows, [0, 0]), np.log(each / (1 - each)), rtol=1e-9)
    sure = odds(np.array([[-80.0, 0.0, -90.0]]), [0, 0])
    assert sure[0, 0] == SUREST and sure[0, 1] == -SUREST
    assert lowest_running(np.array([3.0, 1.0, 2.0]), 2).tolist() == [-np.inf, 1.0, 1.0] and lowest_running(np.zeros(2), 3).tolist() == [-np.inf] * 2


def test_a_threshold_misses_least_within_the_alarms_allowed():
    """Keyword at steps 10 to 14 and 50 to 54 with log-odds 4 and 1; a false one at 80 with 2."""
    values = np.full(100, -9.0)
    values[10:15], values[50:55], values[80:85] = 4.0, 1.0, 2.0
    lowest, said = lowest_running(values, 3), [Occurrence("yes", 0.8, 1.6), Occurrence("yes", 4.8, 5.6)]

    def alarms(threshold):
        return [Alarm("yes", 0.1 * (step + 1)) for step in told_steps(lowest, threshold, 3, 5)]

    assert 2.0 < fitted_threshold(lowest, said, alarms, 0.0) < 4.0
    assert fitted_threshold(lowest, said, alarms, 1.0) < 1.0
    values[80:85] = -9.0
    lowest = lowest_running(values, 3)
    assert fitted_threshold(lowest, said, alarms, 0.0) == pytest.approx((1.0 - FARTHEST) / 2, abs=0.3)  # the middle of all that are as good
    rows = np.stack([np.zeros(100), values, np.full(100, -9.0)], 1)
    found = fitted_thresholds(log_probabilities(rows), np.zeros(2), said, ["yes", "no"], step_seconds=0.1, consecutive=3, refractory=5, allowed=0.0)
    assert found[0] < 1.0 and found[1] == USUAL  # "no" was not said


def test_boosts_make_what_was_held_out_likely_but_stay_small():
    logits = torch.zeros(100, 2, dtype=torch.float64)

    def losses(boosts):
        return -(logits + boosts).log_softmax(1)[torch.arange(100), (torch.arange(100) < 70).long()].sum()

    assert 0.75 < fitted_boosts(1, losses)[0] < np.log(70 / 30)
