"""What only a detector's evaluation.json has: alarms, how well known anomalies are found beside random lines, and example series."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from tenuto.data.series.panel import Panel
from tenuto.scores.anomalies import auc_pr, event_f1, events_of, random_lines, vus_pr
from tenuto.tasks.anomalies.scoring import Scores

MOST_STEPS_SHOWN, EXAMPLES_SHOWN = 300, 4
UNKNOWN = dict.fromkeys(("auc_pr", "auc_pr_random", "vus_pr", "vus_pr_random", "precision", "recall", "event_f1", "event_f1_random"))


class Marked(NamedTuple):
    """Of one series the steps that are asked for and have a score, [N].

    Attributes:
        series, begin: which one, and its first step that is asked for. there: [T - begin], which of its steps these are. labels: None where nobody says.
    """

    series: int
    begin: int
    there: np.ndarray
    score: np.ndarray
    nats: np.ndarray
    labels: np.ndarray | None


def result_of(marked: Sequence[Marked], threshold: float, buffer: int) -> dict[str, Any]:
    """The RESULT object.

    Args:
        buffer: of VUS-PR, in steps.
    """
    alarms = [one.score > threshold for one in marked]
    nats = np.concatenate([one.nats for one in marked])
    labels = [one.labels for one in marked if one.labels is not None]
    found: dict[str, Any] = dict(UNKNOWN)
    count = sum(len(events_of(label)) for label in labels)
    if count:
        there = [one for one in marked if one.labels is not None and one.labels.any()]
        areas = np.array([(auc_pr(one.labels, one.score), vus_pr(one.labels, one.score, buffer)) for one in there])  # type: ignore[arg-type]
        f1, chance = event_f1(labels, alarms), random_lines(labels, alarms, buffer)
        found = {
            "auc_pr": float(areas[:, 0].mean()), "auc_pr_random": chance["auc_pr"], "vus_pr": float(areas[:, 1].mean()), "vus_pr_random": chance["vus_pr"],
            "precision": f1["precision"], "recall": f1["recall"], "event_f1": f1["f1"], "event_f1_random": chance["f1"],
        }  # fmt: skip
    return {
        "loss": float(nats.mean()),
        "series": len(marked),
        "values": len(nats),
        "threshold": threshold,
        "alarms": int(sum(alarm.sum() for alarm in alarms)),
        "found_events": int(sum(len(events_of(alarm)) for alarm in alarms)),
        "known_events": count if labels else None,
        "buffer": buffer,
        **{key: None if value is None else round(value, 8) for key, value in found.items()},
    }


def examples(data: Panel, scores: Sequence[Scores], marked: Sequence[Marked], labels: Sequence[np.ndarray] | None, threshold: float, name: str) -> list[dict[str, Any]]:
    """At most four series around their highest score: those with the highest ones, and one with the lowest of them.

    Args:
        labels: of each series, [T_i]. name: of the set.
    """
    ranked = sorted((one for one in marked if len(one.score)), key=lambda one: -float(one.score.max()))
    found = []
    for one in [*ranked[: EXAMPLES_SHOWN - 1], *ranked[EXAMPLES_SHOWN - 1 :][-1:]]:
        row, length = one.series, len(data.values[one.series])
        peak = one.begin + int(np.flatnonzero(one.there)[int(one.score.argmax())])
        first = max(min(peak - MOST_STEPS_SHOWN // 2, length - MOST_STEPS_SHOWN), 0)
        cut = slice(first, min(first + MOST_STEPS_SHOWN, length))
        score = scores[row].score[cut]
        stamps = [str(stamp).removesuffix(" 00:00:00") for stamp in data.stamps(row, cut.start, cut.stop)]
        found.append(
            {
                "id": "the series" if data.ids[row] is None else str(data.ids[row]),
                "set": name,
                "first": stamps[0],
                "last": stamps[-1],
                "values": [_plain(value) for value in data.values[row][cut]],
                "expected": [_plain(value) for value in scores[row].expected[cut]],
                "scores": [_plain(value) for value in score],
                "alarms": [[begin, end] for begin, end in events_of(np.nan_to_num(score, nan=-np.inf) > threshold)],
                "known": None if labels is None else [[begin, end] for begin, end in events_of(labels[row][cut])],
            }
        )
    return found


def _plain(value: Any) -> float | None:
    return float(f"{value:.8g}") if np.isfinite(value) else None
