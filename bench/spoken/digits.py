"""The section "digits": which digit a recording is, by `AudioClassifier` with its usual options and by a linear method, on the official split and for each speaker that training never heard."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from spoken.fsdd import fsdd
from tenuto.data import Recordings
from tenuto.data.audio.features import Features
from tenuto.scores.classification import wilson_interval
from tenuto.tasks import AudioClassifier

OFFICIAL = "official"
CHOSEN_BY = ("without george", "without jackson")  # the usual options were chosen by what these two speakers gave
STRENGTHS, FOLDS = (0.001, 0.003, 0.01, 0.03, 0.1), 3


def digits(data: Path, seeds: int, known: Mapping[str, Any], smoke: bool) -> Iterator[dict[str, Any]]:
    """The section, after each run. What `known` has is not run again."""
    given, test = fsdd(data)
    speakers = np.array(given.speakers)
    splits = {OFFICIAL: test} | {f"without {name}": speakers == name for name in sorted(set(speakers.tolist()))}
    runs: dict[str, Any] = dict(known.get("runs", {}))
    linear: dict[str, Any] = dict(known.get("linear", {}))
    for name, apart in splits.items():
        if name not in linear:
            train, rest = given.select(np.flatnonzero(~apart)), given.select(np.flatnonzero(apart))
            linear[name] = counted(by_line(train, rest)) | {"less_mean": int(by_line(train, rest, less_mean=True).sum())}
            print(f"{name}, linear: {linear[name]['right']} of {linear[name]['count']}", flush=True)
        if smoke:
            break
    yield {"linear": linear, "runs": runs}
    unheard = [name for name in splits if name != OFFICIAL]
    for name, seed in [(OFFICIAL, seed) for seed in range(seeds)] + [(name, seed) for seed in range(seeds // 2) for name in unheard]:
        key, apart = f"{name}, seed {seed}", splits[name]
        if key in runs:
            continue
        begin = time.perf_counter()
        model = AudioClassifier(random_state=seed, **({"max_steps": 2, "hidden_size": 4} if smoke else {})).fit(given.select(np.flatnonzero(~apart)))
        seconds = time.perf_counter() - begin
        rest = given.select(np.flatnonzero(apart))
        runs[key] = {"split": name, "seed": seed, **counted(model.predict(rest) == rest.labels), "seconds": round(seconds, 1)}
        print(f"{key}: {runs[key]['right']} of {runs[key]['count']}, {seconds:.0f} s", flush=True)
        yield {"linear": linear, "runs": runs}
        if smoke:
            return


def counted(right: np.ndarray) -> dict[str, int]:
    """How many are right, of how many."""
    return {"right": int(right.sum()), "count": len(right)}


def by_line(train: Recordings, test: Recordings, *, less_mean: bool = False) -> np.ndarray:
    """Whether each test recording is right by multinomial logistic regression on mean and deviation of 40 log-mel energies in the whole recording and in each third of it; its strength is chosen by cross-validation.

    Args:
        less_mean: the mean of each recording is taken away from it first.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import GridSearchCV

    features = Features(train.waves[0].rate)

    def row(samples: np.ndarray) -> np.ndarray:
        frames = features(samples)
        frames = frames - frames.mean(0) if less_mean else frames
        parts = [frames, *(part if len(part) else frames for part in np.array_split(frames, 3))]
        return np.concatenate([np.concatenate([part.mean(0), part.std(0)]) for part in parts])

    rows = [np.stack([row(wave.samples) for wave in part.waves]) for part in (train, test)]
    mean, deviation = rows[0].mean(0), rows[0].std(0) + 1e-9
    search = GridSearchCV(LogisticRegression(max_iter=1000), {"C": STRENGTHS}, cv=FOLDS)
    fitted = search.fit((rows[0] - mean) / deviation, train.labels)
    return np.asarray(fitted.predict((rows[1] - mean) / deviation) == test.labels)


def table(found: Mapping[str, Any]) -> list[str]:
    """The section as lines of a page."""
    lines = [
        "One recording, one digit; 3,000 recordings of six speakers. Of the official split, the test part is what each speaker said first to fifth, so the speakers are known. Without a speaker: trained on the other five, tested on that one.",
        "A linear method, logistic regression on means and deviations of log-mel energies in the whole recording and its thirds, stands beside, once of the energies as they are and once less the mean of each recording.",
        "",
        "| test part | recordings | runs | right, mean of runs | lowest run | highest run | 95 % interval | linear | 95 % interval | linear, less the mean | 95 % interval | s a run |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for split, line in found["linear"].items():
        runs = [run for run in found["runs"].values() if run["split"] == split]
        lines.append(_row(f"{split} split" if split == OFFICIAL else split, line["count"], [run["right"] for run in runs], (line["right"], line["less_mean"]), [run["seconds"] for run in runs]))
    without = {split: line for split, line in found["linear"].items() if split != OFFICIAL}
    for name, chosen in (("**each speaker unheard, together**", without), ("those four that no option was chosen by", {split: line for split, line in without.items() if split not in CHOSEN_BY})):
        of_all: dict[int, list[int]] = {}
        for run in found["runs"].values():
            if run["split"] in chosen:
                of_all.setdefault(run["seed"], []).append(run["right"])
        whole = [sum(rights) for rights in of_all.values() if len(rights) == len(chosen)]
        if whole:
            lines.append(_row(name, sum(one["count"] for one in chosen.values()), whole, (sum(one["right"] for one in chosen.values()), sum(one["less_mean"] for one in chosen.values())), []))
    return [*lines, "", "The interval is Wilson's, of the mean share, for as many recordings as one test part has: the runs of one split answer the same recordings."]


def _row(name: str, count: int, rights: list[int], lines: tuple[int, int], seconds: list[float]) -> str:
    beside = " | ".join(f"{line / count:.2%} | {_interval(line, count)}" for line in lines)
    if not rights:
        return f"| {name} | {count} | 0 | – | – | – | – | {beside} | – |"
    mean = float(np.mean(rights))
    return f"| {name} | {count} | {len(rights)} | {mean / count:.2%} | {min(rights) / count:.2%} | {max(rights) / count:.2%} | {_interval(mean, count)} | {beside} | {f'{np.mean(seconds):.0f}' if seconds else ''} |"


def _interval(right: float, count: int) -> str:
    low, high = wilson_interval(right, count)
    return f"{low:.1%} to {high:.1%}"
