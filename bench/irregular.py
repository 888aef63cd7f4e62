"""Irregular, half-missing series: deaths in hospital from two days of measurements (PhysioNet 2012), and sinusoids that are looked at now and then.

    python bench/irregular.py --data FOLDER [--folds 5] [--seeds 3] [--only stays | sinusoids] [--threads 1] [--smoke]

FOLDER (or TENUTO_DATA) holds physionet2012: `set-a/` and `Outcomes-a.txt` as PhysioNet gives them (physionet.org/content/challenge-2012, open data), or
`set-a.npz`. The sinusoids are made here.

Stays: set A, stratified folds, seeds 0, 1, ...; the area under the ROC curve of each test fold. Every model reads the same: the 37 variables that were measured over
time, and age, gender, height, weight and type of unit at hour 0. Length of stay, survival, SAPS-I and SOFA are outcomes, and never read. Of two values
at one minute the mean is taken; values beyond the 0.5th and 99.5th percentile of a training fold are cut to these. Networks: one layer, forward only, one set of options
for all (`OPTIONS`), of which a fifth of the training fold chooses the epoch. Gradient boosting reads minimum, mean, maximum, last value and count
of each variable. The interval of a difference is the middle 95 % of 1,000 bootstrap samples of the stays of each fold, of each outcome by itself, with the mean over seeds in each.
The options were chosen by looking at two folds of another split of these stays. How a gap is read as an input, 1 / (1 + gap), was chosen after the first fold of
this split, so the row "mask and gap as inputs" is a little too good; the other networks do not read it.

Sinusoids: the frequency of a sine of random phase, with noise, from 32 values in 8 s; error as root mean square, over test sequences. Networks read the values at their
own times, or as many values, which are interpolated on an even grid (resampled); all have about as many weights. The times are even by chance ("scattered"), or in four bursts, within
which the sine can be followed and between which it cannot.

After each fit bench/results/irregular.json and irregular.md are written anew. The whole run takes about three quarters of an hour on one thread.
"""

from __future__ import annotations

import argparse
import json
import os
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import torch

from tenuto.data import Sequences
from tenuto.files import write_json
from tenuto.runs.surroundings import machine, now, versions
from tenuto.tasks import SequenceClassifier, SequenceRegressor

RESULTS = Path(__file__).resolve().parent / "results"
STATIC = ("Age", "Gender", "Height", "ICUType", "Weight")
OPTIONS: dict[str, Any] = {
    "hidden_size": 64, "num_layers": 1, "bidirectional": False, "dropout": 0.5, "input_noise": 0.1, "select_by": "validation_loss", "epochs": 8, "patience": 3,
}  # fmt: skip
MODELS: dict[str, dict[str, Any]] = {
    "GRU-D": {"cell": "gru-d"},
    "GRU-mean": {"cell": "gru", "missing": "mean"},
    "GRU-forward": {"cell": "gru", "missing": "forward"},
    "GRU-mean, mask and gap as inputs": {"cell": "gru", "missing": "mean", "observed": ("mask", "gap")},
}
BOOSTING = "gradient boosting on min, mean, max, last, count"
PUBLISHED = "0.842 ± 0.011 for GRU-D (Che et al. 2018, other folds; quoted, not measured here)"


# --- stays -------------------------------------------------------------------------------------------------------------------------------


def read_stays(folder: Path) -> tuple[Sequences, list[str]]:
    """The stays of set A with 1 for a death in hospital, and the names of the variables."""
    measured: list[tuple[int, int, str, float]] = []  # stay, minute, variable, value
    if (folder / "set-a.npz").exists():
        kept = np.load(folder / "set-a.npz", allow_pickle=False)
        ids, died = kept["record_id"], kept["outcomes"][:, list(kept["outcome_names"]).index("In-hospital_death")]
        names, stay = [str(name) for name in kept["var_names"]], np.repeat(np.arange(len(ids)), kept["n_obs"])
        measured = list(zip(stay.tolist(), kept["minute"].tolist(), [names[number] for number in kept["var"]], kept["value"].tolist()))
        measured += [(number, 0, name, value) for number, row in enumerate(kept["static"].tolist()) for name, value in zip(kept["static_names"].tolist(), row)]
    else:
        outcomes = (folder / "Outcomes-a.txt").read_text().split("\n")
        columns = outcomes[0].split(",")
        rows = [line.split(",") for line in outcomes[1:] if line]
        ids, died = np.array([int(row[0]) for row in rows]), np.array([int(row[columns.index("In-hospital_death")]) for row in rows])
        for number, identity in enumerate(ids):
            for line in (folder / "set-a" / f"{identity}.txt").read_text().split("\n")[1:]:
                if line and not line.split(",")[1].startswith("RecordID"):
                    clock, name, value = line.split(",")
                    measured.append((number, int(clock[:2]) * 60 + int(clock[3:]), name, float(value)))
    return stays_of(measured, ids, died)


def stays_of(measured: list[tuple[int, int, str, float]], ids: np.ndarray, died: np.ndarray) -> tuple[Sequences, list[str]]:
    """Rows as sequences: the mean where a variable has several values at one minute, the type of unit as four channels; -1 is what the set writes for "not known"."""
    found: list[dict[tuple[int, str], list[float]]] = [{} for _ in ids]
    for stay, minute, name, value in measured:
        if value < 0 and name in STATIC or value != value:
            continue
        if name == "ICUType":
            for kind in range(1, 5):
                found[stay][0, f"ICUType {kind}"] = [float(kind == value)]
        else:
            found[stay].setdefault((minute, name), []).append(value)
    names = sorted({name for one in found for _, name in one})
    place = {name: number for number, name in enumerate(names)}
    values, times = [], []
    for one in found:
        minutes = sorted({minute for minute, _ in one}) or [0]
        row = {minute: number for number, minute in enumerate(minutes)}
        table = np.full((len(minutes), len(names)), np.nan)
        for (minute, name), several in one.items():
            table[row[minute], place[name]] = np.mean(several)
        values.append(table)
        times.append(np.array(minutes) / 60)
    return Sequences(values, died, ids=ids, channels=names, times=times), names


def made_up_stays(count: int = 60) -> tuple[Sequences, list[str]]:
    """For --smoke: two variables, one of which tells."""
    draw = np.random.default_rng(0)
    died = np.arange(count) % 3 == 0
    measured = [(stay, int(minute), name, draw.normal() + 2 * died[stay] * (name == "HR")) for stay in range(count) for minute in draw.choice(600, 8, replace=False) for name in ("HR", "Temp") if draw.random() < 0.6]
    measured += [(stay, 0, "Age", 50.0) for stay in range(count)]
    return stays_of(measured, np.arange(count), died.astype(int))


def cut(data: Sequences, train: np.ndarray) -> Sequences:
    """The values, cut to the 0.5th and 99.5th percentile of the training fold."""
    flat = np.concatenate([data.values[index] for index in train])
    low, high = np.nanquantile(flat, 0.005, axis=0), np.nanquantile(flat, 0.995, axis=0)
    return Sequences([np.clip(values, low, high) for values in data.values], data.labels, ids=data.ids, channels=data.channels, times=data.times)


def features(data: Sequences) -> np.ndarray:
    """Minimum, mean, maximum, last value and count of each channel, [N, 5 C]; NaN where a channel was never measured."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # of means of nothing
        made = []
        for values in data.values:
            there = ~np.isnan(values)
            last = values[len(values) - 1 - there[::-1].argmax(0), np.arange(values.shape[1])]
            made.append(np.concatenate([np.nanmin(values, 0), np.nanmean(values, 0), np.nanmax(values, 0), last, there.sum(0)]))
    return np.array(made)


def boosted(data: Sequences, train: np.ndarray, test: np.ndarray, seed: int) -> np.ndarray:
    """The probability of a death for each test stay, by scikit-learn's gradient boosting."""
    from sklearn.ensemble import HistGradientBoostingClassifier

    x = features(data)
    model = HistGradientBoostingClassifier(learning_rate=0.05, max_iter=150, random_state=seed).fit(x[train], data.labels[train])  # type: ignore[index]
    return model.predict_proba(x[test])[:, 1]  # type: ignore[no-any-return]


def stays(data: Sequences, folds: int, seeds: int, write: Any, options: dict[str, Any]) -> None:
    """Every model on every fold; `write` is called after each fit with what there is."""
    from sklearn.metrics import roc_auc_score
    from sklearn.model_selection import StratifiedKFold

    labels = np.asarray(data.labels)
    split = list(StratifiedKFold(5, shuffle=True, random_state=2012).split(labels, labels))[:folds]
    runs: list[dict[str, Any]] = []
    answers: dict[str, dict[tuple[int, int], np.ndarray]] = {name: {} for name in (*MODELS, BOOSTING)}
    for fold, (train, test) in enumerate(split):
        within = cut(data, train)
        for seed in range(seeds):
            for name in answers:
                started = time.perf_counter()
                run: dict[str, Any] = {"model": name, "fold": fold, "seed": seed}
                if name == BOOSTING:
                    answers[name][fold, seed] = boosted(within, train, test, seed)
                else:
                    model = SequenceClassifier(**MODELS[name], random_state=seed, **options).fit(within.select(train))
                    answers[name][fold, seed] = model.predict_proba(within.select(test))[:, 1]
                    run |= {"best_epoch": model.evaluation_["training"]["best_epoch"], "parameters": model.evaluation_["model"]["parameters"]}
                run |= {"auc": float(roc_auc_score(labels[test], answers[name][fold, seed])), "seconds": time.perf_counter() - started}
                print("fold {fold} seed {seed} {auc:.4f} {seconds:5.0f} s  {model}".format(**run), flush=True)
                runs.append(run)
                write({"runs": runs, "summary": summary(runs, answers, [labels[test] for _, test in split], replicates=0)})
    write({"runs": runs, "summary": summary(runs, answers, [labels[test] for _, test in split], replicates=1000)})


def summary(runs: list[dict[str, Any]], answers: dict[str, Any], truth: list[np.ndarray], *, replicates: int) -> dict[str, Any]:
    """The mean of each model, and the paired differences from GRU-D with their intervals, where every model has answered."""
    means = {name: float(np.mean(own)) for name in answers if (own := [run["auc"] for run in runs if run["model"] == name])}
    spread = {name: float(np.std(own, ddof=1)) for name in means if len(own := [run["auc"] for run in runs if run["model"] == name]) > 1}
    whole = [key for key in answers["GRU-D"] if all(key in own for own in answers.values())]
    drawn: dict[str, list[float]] = {name: [] for name in answers}
    draw = np.random.default_rng(0)
    for _ in range(replicates):
        rows = {fold: np.concatenate([draw.choice(own, len(own)) for own in map(np.flatnonzero, (truth[fold] == 0, truth[fold] == 1))]) for fold in sorted({fold for fold, _ in whole})}
        for name, own in answers.items():
            drawn[name].append(float(np.mean([area(truth[fold][rows[fold]], own[fold, seed][rows[fold]]) for fold, seed in whole])))
    found: dict[str, Any] = {"mean_auc": means, "standard_deviation_over_fits": spread, "differences": {}}
    for name in answers:
        if name != "GRU-D" and whole:
            pairs = [(run["auc"], other["auc"]) for run in runs for other in runs if run["model"] == "GRU-D" and other["model"] == name and (run["fold"], run["seed"]) == (other["fold"], other["seed"])]
            one: dict[str, Any] = {"mean": float(np.mean([ours - theirs for ours, theirs in pairs])), "fits_above": sum(ours > theirs for ours, theirs in pairs), "fits": len(pairs)}
            if replicates:
                one["interval_95"] = np.quantile(np.subtract(drawn["GRU-D"], drawn[name]), [0.025, 0.975]).tolist()
            found["differences"][f"GRU-D − {name}"] = one
    if replicates:
        found["interval_95"] = {name: np.quantile(own, [0.025, 0.975]).tolist() for name, own in drawn.items()}
    return found


def area(truth: np.ndarray, answers: np.ndarray) -> float:
    """The area under the ROC curve: the share of pairs that are in the right order, where equal answers count half."""
    _, place, counts = np.unique(answers, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[place]
    died = truth.sum()
    return float((ranks[truth == 1].sum() - died * (died + 1) / 2) / (died * (len(truth) - died)))


# --- sinusoids -----------------------------------------------------------------------------------------------------------------------------

STEPS, SPAN = 32, 8.0
FREQUENCIES = {"scattered": (0.2, 2.0), "bursts": (0.5, 3.0)}
SINUSOIDS: dict[str, dict[str, Any]] = {
    "CfC, own times": {"cell": "cfc", "hidden_size": 32},
    "time-aware LSTM, own times": {"cell": "time-aware-lstm", "hidden_size": 32},
    "GRU-D, own times": {"cell": "gru-d", "hidden_size": 40},
    "GRU, own times, gap as input": {"cell": "gru", "hidden_size": 40, "observed": ("gap",)},
    "GRU, resampled": {"cell": "gru", "hidden_size": 40},
}


def sinusoids(kind: str, count: int, seed: int) -> tuple[list[np.ndarray], list[np.ndarray], np.ndarray]:
    """Values [T, 1] and times [T] of each sine, and its frequency."""
    draw = np.random.default_rng(seed)
    frequency, phase = draw.uniform(*FREQUENCIES[kind], count), draw.uniform(0, 2 * np.pi, count)
    if kind == "scattered":
        times = [np.sort(draw.uniform(0, SPAN, STEPS)) for _ in range(count)]
    else:
        times = [np.sort((draw.uniform(0, SPAN - 1, (4, 1)) + np.cumsum(draw.exponential(0.08, (4, STEPS // 4)), axis=1)).ravel()) for _ in range(count)]
    return [np.sin(2 * np.pi * f * at + p)[:, None] + draw.normal(0, 0.05, (STEPS, 1)) for f, p, at in zip(frequency, phase, times)], times, frequency


def sequences(values: list[np.ndarray], times: list[np.ndarray], frequency: np.ndarray, *, resampled: bool) -> Sequences:
    if not resampled:
        return Sequences(values, targets=frequency, times=times)
    grid = np.linspace(0, SPAN, STEPS)
    return Sequences([np.interp(grid, at, own[:, 0])[:, None] for own, at in zip(values, times)], targets=frequency, times=[grid] * len(values))


def sines(seeds: int, count: int, write: Any, options: dict[str, Any]) -> None:
    """Every network on the same sines; `write` is called after each fit."""
    runs: list[dict[str, Any]] = []
    for seed, kind in [(seed, kind) for seed in range(seeds) for kind in FREQUENCIES]:
        train, test = sinusoids(kind, count, 1), sinusoids(kind, 1000, 2)
        for name, own in SINUSOIDS.items():
            started = time.perf_counter()
            resampled = "resampled" in name
            model = SequenceRegressor(**own, random_state=seed, **options).fit(sequences(*train, resampled=resampled))
            errors = model.predict(sequences(*test, resampled=resampled)) - test[2]
            runs.append({"times": kind, "model": name, "seed": seed, "of_the_mean": float(np.sqrt(np.mean((test[2] - train[2].mean()) ** 2))), "rmse": float(np.sqrt(np.mean(errors**2))), "parameters": model.evaluation_["model"]["parameters"], "seconds": time.perf_counter() - started})
            print("{times} seed {seed} {rmse:.4f} {parameters} weights {seconds:5.0f} s  {model}".format(**runs[-1]), flush=True)
            write({"runs": runs})


# --- what is written ---------------------------------------------------------------------------------------------------------------------


def table(result: dict[str, Any]) -> str:
    """The results as Markdown."""
    lines = ["# Irregular, half-missing series", "", "Written by `python bench/irregular.py`, which says what is compared and how.", ""]
    if "stays" in result:
        stays_found, head = result["stays"]["summary"], result["stays"]
        lines += [f"## Deaths in hospital, PhysioNet 2012 set A ({head['sequences']} stays, {len({(run['fold']) for run in head['runs']})} folds, {len({run['seed'] for run in head['runs']})} seeds)", ""]
        lines += ["| model | mean AUC | 95 % interval over stays | deviation over fits | weights |", "| --- | --- | --- | --- | --- |"]
        for name, mean in stays_found["mean_auc"].items():
            low, high = stays_found.get("interval_95", {}).get(name, (None, None))
            deviation = stays_found["standard_deviation_over_fits"].get(name)
            weights = next((str(run["parameters"]) for run in head["runs"] if run["model"] == name and "parameters" in run), "–")
            lines.append(f"| {name} | {mean:.4f} | {'–' if low is None else f'{low:.4f} to {high:.4f}'} | {'–' if deviation is None else f'{deviation:.4f}'} | {weights} |")
        lines += ["", "| paired difference | mean | 95 % interval | fits in which it is above 0 |", "| --- | --- | --- | --- |"]
        for name, one in stays_found["differences"].items():
            low, high = one.get("interval_95", (None, None))
            lines.append(f"| {name} | {one['mean']:+.4f} | {'–' if low is None else f'{low:+.4f} to {high:+.4f}'} | {one['fits_above']} of {one['fits']} |")
        lines += ["", f"Variables: {', '.join(head['variables'])}. Never read: length of stay, survival, SAPS-I, SOFA.", "", f"Published: {PUBLISHED}.", "", "How mask and gap are read as inputs was chosen after the first fold; the row that reads them is a little too good.", ""]
    if "sinusoids" in result:
        runs = result["sinusoids"]["runs"]
        lines += [f"## Frequency of a sine, from {STEPS} values in {SPAN:g} s ({len({run['seed'] for run in runs})} seeds)", ""]
        lines += ["| times | model | error, mean over seeds | lowest to highest | weights |", "| --- | --- | --- | --- | --- |"]
        for kind, (low, high) in FREQUENCIES.items():
            for name in SINUSOIDS:
                own = [run for run in runs if (run["times"], run["model"]) == (kind, name)]
                if own:
                    errors = [run["rmse"] for run in own]
                    lines.append(f"| {kind}, {low:g} to {high:g} a second | {name} | {np.mean(errors):.4f} | {min(errors):.4f} to {max(errors):.4f} | {own[0]['parameters']} |")
            lines += [f"| {kind} | the mean of the training set | {run['of_the_mean']:.4f} | – | – |" for run in runs if run["times"] == kind][:1]
        lines.append("")
    return "\n".join(lines)


def main() -> None:
    """Run, print, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=os.environ.get("TENUTO_DATA"), metavar="FOLDER")
    parser.add_argument("--folds", type=int, default=5, help="how many of the five")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--only", choices=("stays", "sinusoids"))
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--smoke", action="store_true", help="a made-up set, one fold, one epoch, nothing written: does it run?")
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    path = RESULTS / "irregular.json"
    result: dict[str, Any] = json.loads(path.read_text()) if path.exists() and given.only and not given.smoke else {}
    result |= {"machine": machine(), "versions": versions(), "created": now(), "options": OPTIONS, "models": MODELS}

    def write(part: str, found: dict[str, Any]) -> None:
        result[part] = found
        if not given.smoke:
            write_json(path, result)
            path.with_suffix(".md").write_text(table(result), encoding="utf-8")

    short = {"epochs": 1, "patience": None, "hidden_size": 4} if given.smoke else {}
    if given.only != "sinusoids":
        if given.data is None and not given.smoke:
            parser.error("no data: --data FOLDER, or TENUTO_DATA")
        data, names = made_up_stays() if given.smoke else read_stays(Path(given.data) / "physionet2012")
        about = {"sequences": len(data), "deaths": int(np.sum(data.labels)), "variables": names, "data_sha256": data.sha256}
        stays(data, 1 if given.smoke else given.folds, 1 if given.smoke else given.seeds, lambda found: write("stays", {**about, **found}), OPTIONS | short)
    if given.only != "stays":
        shared: dict[str, Any] = {"num_layers": 1, "bidirectional": False, "dropout": 0.0, "input_noise": 0.0, "epochs": 1 if given.smoke else 25}
        sines(1 if given.smoke else given.seeds, 40 if given.smoke else 1000, lambda found: write("sinusoids", found), shared)
    print("\n" + table(result))


if __name__ == "__main__":
    main()
