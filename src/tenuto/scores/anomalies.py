"""Scores of anomaly detection: areas under the curve of precision by recall, of steps and around events; and F1 of steps and events. Without point adjustment: an alarm within an event does not make the rest of it found.

Shapes: T steps. `labels` are bool, `scores` float; higher is stranger. `tests/scores` compares with scikit-learn and with the published implementation of VUS-PR.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

THRESHOLDS = 250  # of VUS-PR, as published
DRAWS = 20  # of the random lines


def events_of(flags: np.ndarray) -> list[tuple[int, int]]:
    """The first and last step of each run of true flags [T].

    Example:
        >>> events_of(np.array([True, False, True, True]))
        [(0, 0), (2, 3)]
    """
    edges = np.diff(np.concatenate([[False], np.asarray(flags, dtype=bool), [False]]).astype(np.int8))
    return list(zip(np.flatnonzero(edges == 1).tolist(), (np.flatnonzero(edges == -1) - 1).tolist()))


def auc_pr(labels: np.ndarray, scores: np.ndarray) -> float:
    """Average precision: the sum over thresholds of the precision times what the recall gains. NaN where no label is true. Random scores have about the share of true labels.

    Example:
        >>> round(auc_pr(np.array([False, True, True, False]), np.array([0.1, 0.9, 0.4, 0.5])), 4)
        0.8333
    """
    wanted = int(np.sum(labels))
    if not wanted:
        return float("nan")
    order = np.argsort(-scores, kind="stable")
    found, ranked = np.cumsum(labels[order]), scores[order]
    last = np.append(ranked[1:] != ranked[:-1], True)  # equal scores pass a threshold together
    right, count = found[last], np.flatnonzero(last) + 1
    return float(np.sum(right / count * np.diff(right, prepend=0)) / wanted)


def vus_pr(labels: np.ndarray, scores: np.ndarray, buffer: int) -> float:
    """The volume under the surface of precision by recall, where labels reach beyond each event by 0 to `buffer` / 2 steps, fading: the mean over these widths. NaN where no label is true.

    An alarm shortly before or after an event counts in part. Recall is multiplied with the share of events in which there is an alarm.

    Args:
        buffer: the largest width, in steps.
    Source:     Paparrizos et al. 2022, "Volume under the surface"; as TSB-AD 1.5 computes it, with 250 thresholds.
    """
    events, count = events_of(labels), len(scores)
    if not events:
        return float("nan")
    ranked = -np.sort(-scores)
    thresholds = ranked[np.linspace(0, count - 1, THRESHOLDS).astype(int)]
    predicted = np.searchsorted(-ranked, -thresholds, side="right")
    order = np.argsort(-scores, kind="stable")
    positive, areas = int(np.sum(labels)), []
    right = np.cumsum(labels[order].astype(float))[predicted - 1]
    for width in range(buffer + 1):
        reached = np.cumsum(_faded(labels, events, width)[order])[predicted - 1]
        peaks = np.array([scores[first : last + 1].max() for first, last in _merged(events, width // 2, count)])
        share = (peaks[:, None] >= thresholds).mean(0)
        recall = np.minimum(reached / ((2 * positive + reached - right) / 2), 1) * share
        areas.append(float(np.sum(np.diff(recall, prepend=0.0) * reached / predicted)))
    return float(np.mean(areas))


def event_f1(labels: Sequence[np.ndarray], alarms: Sequence[np.ndarray]) -> dict[str, float]:
    """`precision`: the share of alarmed steps that are within an event. `recall`: the share of events with an alarm. `f1`: their harmonic mean. Of all series together; NaN where there is no event.

    Alarms everywhere have a precision of the share of true labels, so they gain nothing.

    Args:
        labels, alarms: of each series, [T_i] bool.
    Source:     the composite F-score of Garg et al. 2021, "An evaluation of anomaly detection and diagnosis in multivariate time series".
    Example:
        >>> event_f1([np.array([0, 1, 1, 0, 1], bool)], [np.array([0, 1, 0, 1, 0], bool)])
        {'precision': 0.5, 'recall': 0.5, 'f1': 0.5}
    """
    hits = [bool(alarm[first : last + 1].any()) for label, alarm in zip(labels, alarms) for first, last in events_of(label)]
    if not hits:
        return {"precision": float("nan"), "recall": float("nan"), "f1": float("nan")}
    alarmed = sum(int(alarm.sum()) for alarm in alarms)
    within = sum(int((label & alarm).sum()) for label, alarm in zip(labels, alarms))
    precision, recall = within / alarmed if alarmed else 0.0, float(np.mean(hits))
    return {"precision": precision, "recall": recall, "f1": 2 * precision * recall / (precision + recall) if precision + recall else 0.0}


def random_lines(labels: Sequence[np.ndarray], alarms: Sequence[np.ndarray], buffer: int) -> dict[str, float]:
    """What is reached without looking at the data: `auc_pr` and `vus_pr` of random scores, the mean over series with an event, and `f1` of the same alarms, each series' moved round in time; means over 20 draws, always the same."""
    draw, found = np.random.default_rng(0), []
    for _ in range(DRAWS):
        noise = [draw.random(len(label)) for label in labels]
        moved = [np.roll(alarm, int(draw.integers(len(alarm)))) for alarm in alarms]
        areas = [(auc_pr(label, score), vus_pr(label, score, buffer)) for label, score in zip(labels, noise) if label.any()]
        found.append((*(np.mean(areas, 0) if areas else (np.nan, np.nan)), event_f1(labels, moved)["f1"]))
    return dict(zip(("auc_pr", "vus_pr", "f1"), np.mean(found, 0).tolist()))


def _merged(events: Sequence[tuple[int, int]], reach: int, count: int) -> list[tuple[int, int]]:
    """The events with so many steps before and after, where they meet as one."""
    found: list[tuple[int, int]] = []
    for first, last in events:
        first, last = max(first - reach, 0), min(last + reach, count - 1)
        found = [*found[:-1], (found[-1][0], last)] if found and found[-1][1] >= first else [*found, (first, last)]
    return found


def _faded(labels: np.ndarray, events: Sequence[tuple[int, int]], width: int) -> np.ndarray:
    """The labels as numbers, 1 in an event and sqrt(1 - distance / width) up to width / 2 steps away; of two events the sum, 1 at most."""
    found, half = labels.astype(float), width // 2
    for first, last in events:
        after = np.arange(last + 1, min(last + half + 1, len(labels)))
        found[after] += np.sqrt(1 - (after - last) / width)
        before = np.arange(max(first - half, 0), first)
        found[before] += np.sqrt(1 - (first - before) / width)
    return np.minimum(found, 1.0)
