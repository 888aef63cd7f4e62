"""What is strange in a series: `AnomalyDetector` beside simple scores, on a published series and on series with planted anomalies.

    python bench/anomalies.py [--data FOLDER] [--only SECTION ...] [--seeds 5] [--results FOLDER] [--smoke]

FOLDER (or TENUTO_DATA) has small_archive/anomalies/135_UCR_Anomaly_InternalBleeding16_TRAIN.csv and ..._TEST.csv, from the UCR anomaly archive (Wu and Keogh 2021); its owners
state no licence, so it is not shipped.

Sections:
    ucr       a blood pressure with one anomaly of 12 steps, `AnomalyDetector(season=m)` fitted on the 1,200 steps before any, m read off the autocorrelation of these; 5 minutes
    planted   100 generated series of 400 steps, a season of 24 with noise; each has one anomaly in its second half: a spike, a level that is another for 12 steps, a season that is
              left out, more noise, or a frozen value; 40 others to learn from; 5 minutes

Every score is of single steps, made of values up to this one; "m together" is its mean over the last m. Only "nearest window of training" stands at the middle of its window, which later
values are part of. A threshold comes from scores of values that are not tested. "Found": the step with the highest score is within 100 steps of the anomaly (the archive's rule; 12 for the
planted ones). No point adjustment. "random": the mean of 20 draws of random scores, and of the detector's alarms moved round in time. One thread.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from speed import sections
from tenuto.scores.anomalies import auc_pr, event_f1, events_of, random_lines, vus_pr
from tenuto.scores.thresholds import tail_of
from tenuto.tasks import AnomalyDetector

UCR = "small_archive/anomalies/135_UCR_Anomaly_InternalBleeding16_{}.csv"
RATE = 1e-3  # of alarms among normal steps
OURS = "AnomalyDetector"
MEASURES = ("vus_pr", "auc_pr", "f1", "found")
Line = Callable[[np.ndarray, np.ndarray, int], np.ndarray]  # values of training [n], values [T], season -> scores [T], NaN where there is none


def change(learnt: np.ndarray, values: np.ndarray, season: int) -> np.ndarray:
    """The size of the change since the value before."""
    return np.abs(np.diff(values, prepend=np.nan))


def moving(learnt: np.ndarray, values: np.ndarray, season: int) -> np.ndarray:
    """How far a value lies from the mean of the `season` before it, in their deviations."""
    windows = np.lib.stride_tricks.sliding_window_view(values, season)[:-1]
    found = np.abs(values[season:] - windows.mean(1)) / np.maximum(windows.std(1), 1e-9)
    return np.concatenate([np.full(season, np.nan), found])


def seasonal(learnt: np.ndarray, values: np.ndarray, season: int) -> np.ndarray:
    """How far a value lies from the one a season before."""
    return np.concatenate([np.full(season, np.nan), np.abs(values[season:] - values[:-season])])


def nearest(learnt: np.ndarray, values: np.ndarray, season: int) -> np.ndarray:
    """The distance from the `season` values around a step to the nearest ones of training, each with mean 0 and deviation 1."""
    known, asked = (np.lib.stride_tricks.sliding_window_view(one, season) for one in (learnt, values))
    known, asked = ((one - one.mean(1, keepdims=True)) / np.maximum(one.std(1, keepdims=True), 1e-9) for one in (known, asked))
    squares = (asked**2).sum(1)[:, None] + (known**2).sum(1) - 2 * asked @ known.T
    found = np.full(len(values), np.nan)
    found[season // 2 : season // 2 + len(asked)] = np.sqrt(np.maximum(squares.min(1), 0))
    return found


LINES: dict[str, Line] = {"change from the value before": change, "distance from the moving mean": moving, "distance from a season before": seasonal, "nearest window of training": nearest}


def together(scores: np.ndarray, count: int) -> np.ndarray:
    """The mean of the last `count` scores [T]; of those that are known."""
    known = np.nan_to_num(scores)
    sums, counts = (np.concatenate([[0.0], np.cumsum(one)]) for one in (known, ~np.isnan(scores)))
    first = np.maximum(np.arange(len(scores)) + 1 - count, 0)
    have = counts[1:] - counts[first]
    return np.where(have > 0, (sums[1:] - sums[first]) / np.maximum(have, 1), np.nan)


def judged(labels: np.ndarray, scores: np.ndarray, threshold: float, buffer: int, near: int) -> dict[str, float]:
    """The measures of one series."""
    known = np.nan_to_num(scores, nan=np.nanmin(scores))
    first, last = events_of(labels)[0]
    alarms = known > threshold
    return {
        "vus_pr": vus_pr(labels, known, buffer), "auc_pr": auc_pr(labels, known), "f1": event_f1([labels], [alarms])["f1"],
        "found": float(first - near <= int(known.argmax()) <= last + near),
    }  # fmt: skip


def season_of(values: np.ndarray) -> int:
    """The lag of the first high peak of the autocorrelation."""
    x = values - values.mean()
    found = np.correlate(x, x, "full")[len(x) - 1 :] / (x @ x)
    peaks = [lag for lag in range(2, len(x) // 2) if found[lag - 1] < found[lag] > found[lag + 1] and found[lag] > 0.5]
    return peaks[0]


def ucr(data: Path | None, seeds: int, smoke: bool) -> Iterator[dict[str, Any]]:
    """The section."""
    if data is None:
        if not smoke:
            raise SystemExit("no data: --data FOLDER, or TENUTO_DATA")
        return
    import pandas as pd

    train, whole = (pd.read_csv(data / UCR.format(part)) for part in ("TRAIN", "TEST"))
    count, labels = len(train), whole.is_anomaly.to_numpy(bool)
    values, season = whole.value.to_numpy(float), season_of(train.value.to_numpy(float))
    first, last = events_of(labels)[0]
    found: dict[str, Any] = {"season": season, "steps": len(values), "learnt_from": count, "anomaly": [first, last], "methods": {}, "seeds": {}}
    for name, line in LINES.items():
        cut = count * 2 // 3  # two thirds to look in, one to learn the threshold from
        before, scores = line(values[:cut], values[cut:count], season), line(values[:count], values, season)
        for said, made in ((name, lambda one: one), (f"{name}, {season} together", lambda one: together(one, season))):
            known = made(before)[~np.isnan(made(before))]
            found["methods"][said] = judged(labels[count:], made(scores)[count:], tail_of(known).threshold(RATE), season, 100)
    alarms = []
    begin = time.perf_counter()
    for seed in range(1 if smoke else seeds):
        model = AnomalyDetector(freq="1", season=season, rate=RATE, random_state=seed, **({"epochs": 1, "hidden_size": 4} if smoke else {}))
        model.fit({"ds": train.timestamp.to_numpy(), "y": train.value.to_numpy(float)})
        scores = model.predict({"ds": whole.timestamp.to_numpy(), "y": values}).score.to_numpy()
        alarms.append(np.nan_to_num(scores[count:]) > model.threshold_)
        held = together(scores, season)[count - round(model.validation_fraction * count) : count]
        found["seeds"].setdefault(OURS, []).append(judged(labels[count:], scores[count:], model.threshold_, season, 100))
        found["seeds"].setdefault(f"{OURS}, {season} together", []).append(judged(labels[count:], together(scores, season)[count:], tail_of(held).threshold(RATE), season, 100))
        found["seconds_a_seed"] = (time.perf_counter() - begin) / (seed + 1)
        for name, runs in found["seeds"].items():
            found["methods"][name] = {key: float(np.mean([run[key] for run in runs])) for key in MEASURES}
        found["methods"]["random"] = chance([labels[count:]], [alarms[-1]], season, 100)
        yield found


def chance(labels: Sequence[np.ndarray], alarms: Sequence[np.ndarray], buffer: int, near: int) -> dict[str, float]:
    """What is reached without looking."""
    hits = [(min(last + near, len(label) - 1) - max(first - near, 0) + 1) / len(label) for label in labels for first, last in events_of(label)[:1]]
    return {**random_lines(labels, alarms, buffer), "found": float(np.mean(hits))}


KINDS = ("spike", "level", "season left out", "noise", "frozen")


def planted_series(count: int, steps: int, seed: int, anomalies: bool) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """Series [count, steps] of one law, which of their steps are anomalies, and the kind of each."""
    draw, season = np.random.default_rng(seed), 24
    time_of, values = np.arange(steps), np.empty((count, steps))
    labels, kinds = np.zeros((count, steps), dtype=bool), []
    for row in range(count):
        phase, level, noise = draw.uniform(0, 2 * np.pi), draw.uniform(5, 50), draw.normal(size=steps)
        shape = lambda at: np.sin(2 * np.pi * at / season + phase) + 0.4 * np.sin(4 * np.pi * at / season + 2 * phase)  # noqa: B023, E731
        size = 0.3 * level
        values[row] = level + size * (shape(time_of) + 0.15 * noise)
        kind = KINDS[row % len(KINDS)]
        kinds.append(kind)
        if not anomalies:
            continue
        first = int(draw.integers(steps // 2 + season, steps - 2 * season))
        part = slice(first, first + {"spike": 1, "level": 12, "season left out": 24, "noise": 12, "frozen": 12}[kind])
        span = part.stop - part.start
        if kind == "spike":
            values[row, part] += draw.choice([-1, 1]) * size * 1.2
        elif kind == "level":
            values[row, part] += draw.choice([-1, 1]) * size * 0.8
        elif kind == "season left out":
            values[row, part] = level + size * 0.15 * noise[part]
        elif kind == "noise":
            values[row, part] += size * 0.6 * draw.normal(size=span)
        else:
            values[row, part] = values[row, first - 1]
        labels[row, part] = True
    return values, labels, kinds


def planted(seeds: int, smoke: bool) -> Iterator[dict[str, Any]]:
    """The section."""
    count, steps, season = (5, 400, 24) if smoke else (100, 400, 24)
    learnt, _, _ = planted_series(5 if smoke else 40, steps, 1, False)
    values, labels, kinds = planted_series(count, steps, 2, True)
    half = steps // 2
    frame: Callable[[np.ndarray], dict[str, np.ndarray]] = lambda rows: {"unique_id": np.repeat(np.arange(len(rows)), rows.shape[1]), "ds": np.tile(np.arange(rows.shape[1]), len(rows)), "y": rows.ravel()}  # noqa: E731
    by_series: dict[str, list[dict[str, float]]] = {}
    for name, line in LINES.items():
        for said, made in ((name, lambda one: one), (f"{name}, 6 together", lambda one: together(one, 6))):
            rows = []
            for own, label in zip(values, labels):
                before, scores = made(line(own[: half * 2 // 3], own[half * 2 // 3 : half], season)), made(line(own[:half], own, season))
                rows.append(judged(label[half:], scores[half:], tail_of(before[~np.isnan(before)]).threshold(RATE), season, 12))
            by_series[said] = rows
    runs: dict[str, list[list[dict[str, float]]]] = {}
    found: dict[str, Any] = {"series": count, "steps": steps, "season": season, "kinds": list(KINDS)}
    for seed in range(1 if smoke else seeds):
        model = AnomalyDetector(freq="1", season=season, rate=RATE, random_state=seed, **({"epochs": 1, "hidden_size": 4} if smoke else {})).fit(frame(learnt))
        scores = model.predict(frame(values)).score.to_numpy().reshape(values.shape)
        held = np.concatenate([together(one, 6)[season:half] for one in scores])  # the first halves are normal, and not tested
        runs.setdefault(OURS, []).append([judged(label[half:], own[half:], model.threshold_, season, 12) for own, label in zip(scores, labels)])
        limit = tail_of(held[~np.isnan(held)]).threshold(RATE)
        runs.setdefault(f"{OURS}, 6 together", []).append([judged(label[half:], together(own, 6)[half:], limit, season, 12) for own, label in zip(scores, labels)])
        for name, every in runs.items():
            by_series[name] = [{key: float(np.mean([run[row][key] for run in every])) for key in MEASURES} for row in range(count)]
        found["methods"] = {name: summary(rows) for name, rows in by_series.items()}
        alarms = [np.nan_to_num(own[half:]) > model.threshold_ for own in scores]
        found["methods"]["random"] = chance([label[half:] for label in labels], alarms, season, 12)
        found["seeds"] = {name: [{key: float(np.mean([row[key] for row in run])) for key in MEASURES} for run in every] for name, every in runs.items()}
        found["found_by_kind"] = {name: {kind: float(np.mean([row["found"] for row, own in zip(rows, kinds) if own == kind])) for kind in KINDS} for name, rows in by_series.items()}
        yield found


def summary(rows: Sequence[Mapping[str, float]]) -> dict[str, Any]:
    """The mean of each measure over series, with its 95 % interval over 2,000 draws of the series."""
    draw, found = np.random.default_rng(0), {}
    for key in MEASURES:
        values = np.array([row[key] for row in rows])
        found[key] = float(values.mean())
        found[f"{key}_interval"] = np.quantile(values[draw.integers(0, len(values), (2000, len(values)))].mean(1), [0.025, 0.975]).tolist()
    return found


def table(section: Mapping[str, Any]) -> list[str]:
    """The methods of a section, the best first."""
    lines = ["| score | VUS-PR | AUC-PR | event F1 | highest score is near the anomaly |", "| --- | ---: | ---: | ---: | ---: |"]
    for name, one in sorted(section["methods"].items(), key=lambda item: -item[1]["vus_pr"]):
        cells = []
        for key in MEASURES:
            several = section.get("seeds", {}).get(name, ())
            spread = f" ({min(run[key] for run in several):.3f} to {max(run[key] for run in several):.3f})" if len(several) > 1 else ""
            interval = f" [{one[f'{key}_interval'][0]:.3f}, {one[f'{key}_interval'][1]:.3f}]" if f"{key}_interval" in one else ""
            cells.append(f"{one[key]:.3f}{interval or spread}")
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return lines


def markdown(known: dict[str, Any]) -> str:
    """The page of what is known."""
    lines = ["# What is strange in a series", "", "Made by `python bench/anomalies.py`, whose text says what is in each section; all numbers are in anomalies.json."]
    if section := known.get("ucr"):
        first, last = section["anomaly"]
        lines += [
            "", "## A published series", "",
            f"InternalBleeding16 of the UCR anomaly archive: {section['steps']:,} steps, learnt from the first {section['learnt_from']:,}; one anomaly, steps {first:,} to {last:,}; m = {section['season']}. "
            f"Of the detector the mean of {len(section['seeds'][OURS])} seeds, with the lowest and the highest. One event says little: between methods only large differences do.", "",
            *table(section), "", f"{section['seconds_a_seed']:.0f} s a seed, fit and scores.", "", *_measured(section),
        ]  # fmt: skip
    if section := known.get("planted"):
        lines += [
            "", "## Planted anomalies", "",
            f"{section['series']} series of {section['steps']} steps, a season of {section['season']}; means over series, with 95 % intervals over draws of these; of the detector the mean over {len(section['seeds'][OURS])} seeds.", "",
            *table(section), "", "How often the highest score is near the anomaly, by its kind:", "",
            "| score | " + " | ".join(section["kinds"]) + " |", "| --- |" + " ---: |" * len(section["kinds"]),
            *(f"| {name} | " + " | ".join(f"{own[kind]:.2f}" for kind in section["kinds"]) + " |" for name, own in section["found_by_kind"].items()),
            "", *_measured(section),
        ]  # fmt: skip
    return "\n".join(lines) + "\n"


def _measured(section: dict[str, Any]) -> list[str]:
    return [sections.measured(section["about"])] if "about" in section else []


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--data", type=Path, default=os.environ.get("TENUTO_DATA"), metavar="FOLDER")
    options.add_argument("--seeds", type=int, default=5)
    given = options.parse_known_args([word for word in sys.argv[1:] if word not in ("-h", "--help")])[0]  # the rest is read by `run`, which also answers --help
    data = None if given.data is None else Path(given.data)
    sections.run("anomalies", __doc__, {"ucr": lambda smoke: ucr(data, given.seeds, smoke), "planted": lambda smoke: planted(given.seeds, smoke)}, markdown, options=options)


if __name__ == "__main__":
    main()
