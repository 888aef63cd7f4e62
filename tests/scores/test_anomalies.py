"""Scores of anomaly detection: by hand, against scikit-learn, and VUS-PR against the numbers of the published implementation (TSB-AD 1.5, `get_metrics`)."""

import numpy as np
import pytest
from sklearn.metrics import average_precision_score

from tenuto.scores.anomalies import auc_pr, event_f1, events_of, random_lines, vus_pr
from tenuto.scores.thresholds import LEAST_SCORES, Tail, quantile_threshold, tail_of


def series(seed, steps, events, noise, tied=False):
    draw = np.random.default_rng(seed)
    labels = np.zeros(steps, dtype=bool)
    for first, last in events:
        labels[first : last + 1] = True
    scores = draw.random(steps) + noise * np.roll(labels, 2)
    return labels, np.round(scores, 1) if tied else scores


CASES = [
    (series(0, 400, [(50, 60), (200, 203)], 0.5), 20),
    (series(1, 300, [(0, 4), (30, 35), (39, 45), (290, 299)], 0.8), 33),
    (series(2, 500, [(100, 100), (260, 300)], 0.0), 100),
    (series(3, 350, [(20, 40), (47, 60), (200, 201)], 0.6, tied=True), 16),
    (series(4, 200, [(90, 110)], 2.0), 0),
]
PUBLISHED = (0.3797643482265827, 0.8722387624530497, 0.22313318165060636, 0.6770411769808244, 0.7960070098271701)


@pytest.mark.parametrize(("case", "expected"), list(zip(CASES, PUBLISHED)))
def test_vus_pr_is_the_published_one(case, expected):
    (labels, scores), buffer = case
    assert vus_pr(labels, scores, buffer) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("case", CASES)
def test_auc_pr_is_scikit_learn_s(case):
    (labels, scores), _ = case
    assert auc_pr(labels, scores) == pytest.approx(average_precision_score(labels, scores), rel=1e-12)
    assert np.isnan(auc_pr(labels & False, scores)) and np.isnan(vus_pr(labels & False, scores, 5))


def test_events():
    assert events_of(np.array([1, 1, 0, 1], bool)) == [(0, 1), (3, 3)] and events_of(np.zeros(3, bool)) == []
    labels = [np.array([0, 1, 1, 1, 0, 0, 1, 0], bool), np.array([0, 0, 0], bool)]
    alarms = [np.array([0, 0, 0, 1, 1, 0, 0, 0], bool), np.array([1, 0, 0], bool)]
    found = event_f1(labels, alarms)
    assert found["recall"] == 0.5 and found["precision"] == pytest.approx(1 / 3) and found["f1"] == pytest.approx(0.4)  # one step of an event does not make its others found
    everywhere = event_f1(labels, [np.ones(8, bool), np.ones(3, bool)])
    assert everywhere["recall"] == 1 and everywhere["precision"] == pytest.approx(4 / 11)
    assert event_f1(labels, [np.zeros(8, bool), np.zeros(3, bool)])["f1"] == 0 and np.isnan(event_f1([labels[1]], [alarms[1]])["f1"])


def test_random_lines_are_what_chance_reaches():
    labels = [np.arange(1000) % 10 == 0]
    found = random_lines(labels, [np.arange(1000) % 50 < 5], 10)
    assert found["auc_pr"] == pytest.approx(0.1, abs=0.02) and 0 < found["f1"] < 0.3 and found["vus_pr"] > found["auc_pr"]
    assert found == random_lines(labels, [np.arange(1000) % 50 < 5], 10)


def test_the_tail_by_hand_and_of_known_laws():
    assert Tail(3.0, 0.02, 0.0, 2.0).threshold(0.002) == pytest.approx(3 + 2 * np.log(10))
    assert Tail(3.0, 0.02, 0.5, 2.0).threshold(0.0002) == pytest.approx(3 + 4 * (10 - 1))
    draw = np.random.default_rng(0)
    exponential = tail_of(draw.exponential(2.0, 100_000))
    assert exponential.shape == pytest.approx(0, abs=0.08) and exponential.width == pytest.approx(2, rel=0.08)
    assert exponential.threshold(1e-5) == pytest.approx(2 * np.log(1e5), rel=0.1)
    heavy = tail_of(draw.pareto(4.0, 100_000))  # P(X > x) = (1 + x)^-4: its tail has the shape 1/4
    assert heavy.shape == pytest.approx(0.25, abs=0.08) and heavy.threshold(1e-5) == pytest.approx(1e5**0.25 - 1, rel=0.15)
    assert tail_of(np.r_[np.zeros(LEAST_SCORES), 1.0]).threshold(1e-4) > 0 and np.isfinite(tail_of(np.zeros(200)).threshold(1e-4))


def test_the_quantile_has_the_rank_of_n_plus_one():
    scores = np.random.default_rng(0).permutation(np.arange(1.0, 1000.0))
    assert quantile_threshold(scores, 0.001) == 999 and quantile_threshold(scores, 0.01) == 990 and quantile_threshold(scores[:50], 0.001) is None
