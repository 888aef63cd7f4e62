"""Forecasts beside six simple lines on five classic series, and how often intervals hold on series whose law is known.

    python bench/forecast.py --data FOLDER [--only SECTION ...] [--seeds 3] [--results FOLDER] [--smoke]

FOLDER (or TENUTO_DATA) has a folder classic_series with AirPassengers.csv, co2.csv, monthly-sunspots.csv, sunspots.csv and elnino.csv.

Sections:
    series    `Forecaster(h=..., season=...)`, nothing else said, fitted on the first three quarters; rolling origin over the last quarter, a third of a horizon apart, without
              fitting again; six lines from the same origins; 10 minutes
    panel     10,000 series of 500 days with two covariates in a Parquet file: `tenuto fit forecast` for 200 steps and `tenuto forecast`, each a process of its own; seconds and
              memory at its peak; 5 minutes
    coverage  1,200 series of one law, 200 values each; intervals of 12 values from six origins, by step, on 1,000 of them that training did not have; 5 minutes

MASE: the mean absolute error in the mean change over one step before the first origin. The interval is of blocks of origins: three neighbours, which share most of their values,
are drawn together (moving blocks, 2,000 draws). One thread. Writes results/forecast.json and forecast.md as soon as a part of a section is there.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from speed import sections
from tenuto.scores.forecasts import seasonal_scale
from tenuto.scores.lines import MODELS, SIMPLE, line_forecast
from tenuto.tasks import Forecaster

OURS = "Forecaster"
DRAWS, BLOCK = 2000, 3
WINDOWS = 6  # origins of each series whose intervals are looked at


class Classic(NamedTuple):
    """A series: its file, the season m, the horizon h."""

    file: str
    season: int
    horizon: int


CLASSIC = {
    "air passengers": Classic("AirPassengers.csv", 12, 12),
    "CO2, weekly": Classic("co2.csv", 52, 52),
    "sunspots, monthly": Classic("monthly-sunspots.csv", 132, 12),
    "sunspots, yearly": Classic("sunspots.csv", 11, 5),
    "El Niño": Classic("elnino.csv", 12, 12),
}


def frame_of(folder: Path, one: Classic) -> Any:
    """The series as a frame of `ds` and `y`, without gaps: a week that is not there is missing."""
    import pandas as pd

    table = pd.read_csv(folder / "classic_series" / one.file)
    if one.file == "elnino.csv":
        values = table.iloc[:, 1:].to_numpy(float).ravel()
        return pd.DataFrame({"ds": pd.date_range(f"{int(table.iloc[0, 0])}-01-01", periods=len(values), freq="MS"), "y": values})
    stamps, values = table.iloc[:, 0], table.iloc[:, 1].to_numpy(float)
    if one.file == "sunspots.csv":
        return pd.DataFrame({"ds": stamps.astype(int), "y": values})
    if one.file == "co2.csv":
        weekly = pd.Series(values, pd.to_datetime(stamps.astype(str), format="%Y%m%d")).asfreq("7D")
        return pd.DataFrame({"ds": weekly.index, "y": weekly.to_numpy()})
    return pd.DataFrame({"ds": pd.to_datetime(stamps, format="%Y-%m"), "y": values})


def series(data: Path | None, seeds: int, smoke: bool) -> Iterator[dict[str, Any]]:
    """The section, after each series."""
    if data is None:
        if not smoke:
            raise SystemExit("no data: --data FOLDER, or TENUTO_DATA")
        return
    found: dict[str, Any] = {}
    for name, one in list(CLASSIC.items())[: 1 if smoke else None]:
        frame = frame_of(data, one)
        count = len(frame) * 3 // 4
        origins = np.arange(count - 1, len(frame) - one.horizon, max(1, one.horizon // 3))
        cutoffs = frame.ds.iloc[origins].tolist()
        y = frame.y.to_numpy(float)
        truth = np.stack([y[origin + 1 : origin + 1 + one.horizon] for origin in origins])
        scale = seasonal_scale(y[:count], 1)
        errors: dict[str, np.ndarray] = {}
        covered: list[float] = []
        begin = time.perf_counter()
        for seed in range(1 if smoke else seeds):
            model = Forecaster(h=one.horizon, season=one.season, random_state=seed, **({"epochs": 1, "hidden_size": 4} if smoke else {})).fit(frame[:count])
            answers = model.backtest(frame, cutoffs=cutoffs)
            held = answers.pivot_table(index="cutoff", columns=answers.groupby("cutoff").cumcount(), values=[OURS, f"{OURS}-lo-80", f"{OURS}-hi-80"], sort=True)
            errors[f"{OURS}, seed {seed}"] = np.abs(held[OURS].to_numpy() - truth) / scale
            inside = (truth >= held[f"{OURS}-lo-80"].to_numpy()) & (truth <= held[f"{OURS}-hi-80"].to_numpy())
            covered.append(float(inside[~np.isnan(truth)].mean()))
        seconds = time.perf_counter() - begin
        ours = list(errors)
        for line, method in {**SIMPLE, **MODELS}.items():
            errors[line] = np.abs(np.stack([line_forecast(method, y[: origin + 1], one.season, one.horizon) for origin in origins]) - truth) / scale
        mase = {key: float(np.nanmean(value)) for key, value in errors.items()}
        best = min((key for key in errors if key not in ours), key=lambda key: mase[key])
        low, high = ratio_interval(np.mean([errors[key] for key in ours], axis=0), errors[best])
        mean = float(np.mean([mase[key] for key in ours]))
        found[name] = {
            "m": one.season, "h": one.horizon, "steps": len(frame), "origins": len(origins), "scale": scale, "mase": mase, "mean": mean, "best_line": best, "ratio": mean / mase[best], "interval": [low, high],
            "coverage_80": float(np.mean(covered)), "seconds_a_fit": seconds / len(ours),
        }  # fmt: skip
        print(f"{name}: {mean:.3f}, {best} {mase[best]:.3f}, ratio {mean / mase[best]:.3f} ({low:.3f} to {high:.3f})", flush=True)
        yield {"series": found}


def ratio_interval(ours: np.ndarray, line: np.ndarray) -> tuple[float, float]:
    """95 % interval of the ratio of two mean errors [O, h], over moving blocks of origins."""
    draw, count = np.random.default_rng(0), len(ours)
    a, b = np.nanmean(ours, axis=1), np.nanmean(line, axis=1)
    starts = draw.integers(0, max(1, count - BLOCK + 1), size=(DRAWS, -(-count // BLOCK)))
    rows = np.minimum(starts[..., None] + np.arange(BLOCK), count - 1).reshape(DRAWS, -1)[:, :count]
    low, high = np.quantile(a[rows].mean(1) / b[rows].mean(1), [0.025, 0.975])
    return float(low), float(high)


def drawn_panel(count: int, steps: int, seed: int) -> Any:
    """Series of one law: a season of 12, and a first-order autoregression of its own noise around a level of its own; sizes from 1 to 1,000."""
    import pandas as pd

    draw = np.random.default_rng(seed)
    size, phase = 10 ** draw.uniform(0, 3, count), draw.uniform(0, 2 * np.pi, count)
    noise, state = draw.normal(size=(steps, count)), np.zeros(count)
    values = np.empty((steps, count))
    for step in range(steps):
        state = 0.7 * state + noise[step]
        values[step] = size * (10 + 2 * np.sin(2 * np.pi * step / 12 + phase) + 0.5 * state)
    return pd.DataFrame({"unique_id": np.repeat(np.arange(count), steps), "ds": np.tile(np.arange(steps), count), "y": values.T.ravel()})


def coverage(smoke: bool) -> Iterator[dict[str, Any]]:
    """The section."""
    count, steps, horizon = (6, 40, 3) if smoke else (1200, 200, 12)
    learnt = drawn_panel(max(2, count // 6), steps, 1)
    asked = drawn_panel(count - count // 6, steps, 2)
    begin = time.perf_counter()
    model = Forecaster(h=horizon, season=12, random_state=0, **({"epochs": 1, "hidden_size": 4} if smoke else {})).fit(learnt)
    fitted = time.perf_counter() - begin
    answers = model.backtest(asked, n_windows=1 if smoke else WINDOWS)
    step = answers.groupby(["unique_id", "cutoff"]).cumcount()
    held = {
        str(level): [float(one) for one in ((answers.y >= answers[f"{OURS}-lo-{level}"]) & (answers.y <= answers[f"{OURS}-hi-{level}"])).groupby(step).mean()] for level in (80, 95)
    }  # fmt: skip
    yield {"series": count - count // 6, "windows": WINDOWS, "learnt_from": max(2, count // 6), "steps": steps, "coverage": held, "seconds_of_fit": fitted}


def panel_file(path: Path, count: int, steps: int) -> None:
    """Writes daily series with a week's season, and two covariates, 500 series at a time."""
    import pyarrow
    from pyarrow import parquet

    draw, days, writer = np.random.default_rng(0), np.arange(np.datetime64("2020-01-01"), np.datetime64("2020-01-01") + steps), None
    for first in range(0, count, 500):
        here = min(500, count - first)
        price, promotion = draw.normal(10, 1, here * steps), draw.integers(0, 2, here * steps)
        values = np.repeat(draw.gamma(2, 20, here), steps) * (1 + 0.3 * np.sin(np.tile(np.arange(steps), here) * 2 * np.pi / 7) + 0.2 * promotion) + draw.normal(0, 2, here * steps)
        names = np.repeat([f"series {number}" for number in range(first, first + here)], steps)
        table = pyarrow.table({"unique_id": names, "ds": np.tile(days, here), "y": values, "price": price, "promotion": promotion})
        writer = writer or parquet.ParquetWriter(path, table.schema)
        writer.write_table(table)
    if writer is not None:
        writer.close()


def measured_command(*words: str) -> dict[str, float]:
    """Seconds of a command of tenuto's, those of the processor, and MB at its peak."""
    begin = time.perf_counter()
    process = subprocess.Popen([sys.executable, "-m", "tenuto.cli", *words], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env={**os.environ, "OMP_NUM_THREADS": "1"})
    _, status, used = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"tenuto {' '.join(words)} failed")
    return {"seconds": time.perf_counter() - begin, "processor_seconds": used.ru_utime + used.ru_stime, "megabytes": used.ru_maxrss / 1024}


def panel(smoke: bool) -> Iterator[dict[str, Any]]:
    """The section."""
    count, steps, updates = (20, 60, 2) if smoke else (10_000, 500, 200)
    with tempfile.TemporaryDirectory() as name:
        file, run = Path(name) / "sales.parquet", str(Path(name) / "run")
        panel_file(file, count, steps)
        found: dict[str, Any] = {"series": count, "steps": steps, "updates": updates, "file_megabytes": file.stat().st_size / 2**20}
        found["fit"] = measured_command("fit", "forecast", str(file), "--horizon", "14", "--past", "price,promotion", "--max-steps", str(updates), "--out", run)
        found["forecast"] = measured_command("forecast", run, str(file), "-o", str(Path(name) / "answers.csv"))
        yield found


def markdown(known: dict[str, Any]) -> str:
    """The page of what is known."""
    lines = ["# Forecasts beside simple lines", "", "Made by `python bench/forecast.py`, whose text says what is in each section; all numbers are in forecast.json."]
    if section := known.get("series"):
        lines += [
            "", "## Classic series", "",
            "MASE with the mean change over one step, of all forecasts of the last quarter; below, the ratio to the best line, which is chosen on the same forecasts, with its 95 % interval over blocks of origins.", "",
            "| series | m | h | origins | Forecaster (seeds) | best line | ratio (interval) | 80 % interval holds | " + " | ".join([*SIMPLE, *MODELS]) + " |",
            "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |" + " ---: |" * len([*SIMPLE, *MODELS]),
        ]  # fmt: skip
        for name, one in section["series"].items():
            seeds = ", ".join(f"{value:.3f}" for key, value in one["mase"].items() if key.startswith(OURS))
            low, high = one["interval"]
            cells = [name, one["m"], one["h"], one["origins"], f"{one['mean']:.3f} ({seeds})", f"{one['mase'][one['best_line']]:.3f}, {one['best_line']}", f"{one['ratio']:.3f} ({low:.3f} to {high:.3f})", f"{one['coverage_80']:.1%}"]
            lines.append("| " + " | ".join(map(str, [*cells, *(f"{one['mase'][line]:.3f}" for line in [*SIMPLE, *MODELS])])) + " |")
        better = sum(one["ratio"] < 1 for one in section["series"].values())
        lines += ["", f"Better than the best of six lines on {better} of {len(section['series'])}; the worst ratio is {max(one['ratio'] for one in section['series'].values()):.3f}.", "", *_measured(section)]
    if section := known.get("panel"):
        lines += [
            "", "## Many series", "", f"{section['series']:,} series of {section['steps']} days with two covariates, a Parquet file of {section['file_megabytes']:.0f} MB; processes of one thread each, from its start to its end.", "",
            "| command | seconds | of the processor | MB at its peak | series a second of the processor |", "| --- | ---: | ---: | ---: | ---: |",
            *(f"| {said} | {section[key]['seconds']:.0f} | {section[key]['processor_seconds']:.0f} | {section[key]['megabytes']:,.0f} | {section['series'] / section[key]['processor_seconds']:,.0f} |" for key, said in (("fit", f"`tenuto fit forecast`, {section['updates']} steps of the optimiser, with reading and results"), ("forecast", "`tenuto forecast`, 14 days, with reading"))),
            "", *_measured(section),
        ]  # fmt: skip
    if section := known.get("coverage"):
        steps = range(1, len(section["coverage"]["80"]) + 1)
        lines += [
            "", "## Do intervals hold?", "", f"{section['series']:,} series that training did not have, of the law of the {section['learnt_from']} that it had, from {section['windows']} origins each; by step ahead.", "",
            "| interval | " + " | ".join(map(str, steps)) + " |", "| --- |" + " ---: |" * len(steps),
            *(f"| {level} % | " + " | ".join(f"{one:.1%}" for one in held) + " |" for level, held in section["coverage"].items()), "", *_measured(section),
        ]  # fmt: skip
    return "\n".join(lines) + "\n"


def _measured(section: dict[str, Any]) -> list[str]:
    return [sections.measured(section["about"])] if "about" in section else []


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--data", type=Path, default=os.environ.get("TENUTO_DATA"), metavar="FOLDER")
    options.add_argument("--seeds", type=int, default=3)
    given = options.parse_known_args([word for word in sys.argv[1:] if word not in ("-h", "--help")])[0]  # the rest is read by `run`, which also answers --help
    sections.run("forecast", __doc__, {"series": lambda smoke: series(given.data, given.seeds, smoke), "panel": panel, "coverage": coverage}, markdown, options=options)


if __name__ == "__main__":
    main()
