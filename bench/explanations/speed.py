"""How fast: contributions beside a backward pass of the same model, KernelSHAP beside that of the package shap, and how much memory each needs.

KernelSHAP is compared at the same error: both explain one item of the same model with the same players; ours draws a fixed number of coalitions, and shap so many
that its root mean square error, against values from many more coalitions, is the same. Then both are timed in turns. The function that shap is given runs the model in
the same pieces as ours, on the same engine.

Times are those that the process had a processor for: all runs on one thread, so that on a quiet machine they are the same as the clock's, and on a busy one nearer to that.

Shapes: B rows, T steps, F features, H units, P players, n coalitions.
"""

from __future__ import annotations

import importlib.util
import math
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

import tenuto
from explanations.rectangles import Reader
from tenuto import cells, explain
from tenuto.explain.contributions import contributions
from tenuto.explain.explanation import Item

CELLS: dict[str, Callable[[], tenuto.Cell]] = {"GRU": cells.GRU, "LSTM": cells.LSTM, "layer-norm LSTM": cells.LayerNormLSTM}
SHAPES = [(32, 200, 16, 128), (8, 500, 8, 64)]  # B, T, F, H


def answer(raw: Tensor) -> Tensor:
    """What is explained: the one number of each row."""
    return raw


def in_turns(calls: dict[str, Callable[[], object]], seconds: float, least: int = 3) -> dict[str, list[float]]:
    """Milliseconds of each call, the median and the best; one after another, round after round, for about so many seconds after one call of each."""
    times: dict[str, list[float]] = {name: [] for name in calls}
    for call in calls.values():
        call()
    order, begin = list(calls.items()), time.process_time()
    while len(times[order[0][0]]) < least or time.process_time() - begin < seconds:
        turn = len(times[order[0][0]])
        for name, call in order[turn % len(order) :] + order[: turn % len(order)]:
            start = time.process_time()
            call()
            times[name].append(1e3 * (time.process_time() - start))
    return {name: [statistics.median(values), min(values)] for name, values in times.items()}


def passes(shapes: list[tuple[int, int, int, int]], names: list[str], seconds: float) -> list[dict[str, Any]]:
    """Milliseconds, median and best: of passes of the model, and of contributions of all rows."""
    rows = []
    for name in names:
        for shape in shapes:
            batch, steps, features, hidden = shape
            torch.manual_seed(0)
            model, x = Reader(CELLS[name](), features, hidden).eval(), torch.randn(steps, batch, features)
            other = torch.randn(steps, 1, features)
            followed = x.clone().requires_grad_()
            kept = model(followed).sum()

            def both(model: Reader = model, followed: Tensor = followed) -> object:
                return torch.autograd.grad(model(followed).sum(), followed)

            def backward(kept: Tensor = kept, followed: Tensor = followed) -> object:
                return torch.autograd.grad(kept, followed, retain_graph=True)

            def ours(model: Reader = model, x: Tensor = x, other: Tensor = other) -> object:
                return contributions(model, {"x": x}, {"x": other}, answer)

            def whole(model: Reader = model, x: Tensor = x, other: Tensor = other) -> object:
                return tenuto.explain(model, x, method="contributions", target=answer, background=other)

            times = in_turns({"forward and backward": both, "backward": backward, "contributions": ours, "explain(...)": whole}, seconds)
            print(f"speed: {name} {shape}  ms: " + "   ".join(f"{what} {median:.2f}" for what, (median, _) in times.items()), flush=True)
            memory = {what: peak(what, name, *shape) for what in ("backward", "contributions")}
            rows.append({"cell": name, "shape": list(shape), "ms_median_best": times, "peak_mb": memory})
    return rows


# --- KernelSHAP ----------------------------------------------------------------------------------------------------------------

# the name, T, F, H, and the settings: with a past that counts for nothing, of which w steps are left; and without
CASES: list[tuple[str, int, int, int, dict[str, Any]]] = [
    ("a long past that is forgotten", 400, 4, 64, {"players": "cells", "segments": 400, "prune": 0.02}),
    ("everything counts", 100, 4, 64, {"players": "cells", "segments": 10}),
]
PIECE = 256  # coalitions that shap's function runs together


class Game:
    """One item of an untrained GRU, which forgets within some steps; for ours and for shap."""

    def __init__(self, steps: int, features: int, hidden: int, settings: dict[str, Any]) -> None:
        torch.manual_seed(0)
        self.model, self.x, self.settings = Reader(cells.GRU(), features, hidden).eval(), torch.randn(steps, 1, features), settings

    def ours(self, samples: int, seed: int) -> Item:
        method = explain.Shapley(**self.settings, samples=samples, seed=seed)
        return explain(self.model, self.x, method=method, target=answer, background="zero")[0]

    def function(self, places: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
        """The model's answer to coalitions [n, P] of the players at `places` [T, F]."""
        where, x = torch.from_numpy(places), self.x[:, 0]

        def answers(present: np.ndarray) -> np.ndarray:
            found = []
            with torch.no_grad():
                for piece in torch.from_numpy(present).float().split(PIECE):
                    found.append(self.model((piece[:, where] * x).transpose(0, 1)))
            return torch.cat(found).double().numpy()

        return answers

    def of_shap(self, places: np.ndarray, samples: int, seed: int) -> np.ndarray:
        """shap's values [P]."""
        import shap

        count = int(places.max()) + 1
        np.random.seed(seed)  # noqa: NPY002  # shap draws from numpy's own generator
        explainer = shap.KernelExplainer(self.function(places), np.zeros((1, count)))
        return np.asarray(explainer.shap_values(np.ones((1, count)), nsamples=samples, l1_reg=False, silent=True))[0]


def root_mean_square(found: list[np.ndarray], truth: np.ndarray) -> float:
    return float(np.sqrt(np.mean([(one - truth) ** 2 for one in found])))


def samples_for(error: float, tried: dict[int, float]) -> float:
    """How many coalitions have this error, between or beyond those that were tried, on a line in logarithms."""
    counts, errors = np.log(list(tried)), np.log(list(tried.values()))
    falling = np.maximum.accumulate(-errors)  # the smallest error so far
    if -math.log(error) > falling[-1]:
        return float(np.exp(counts[-1])) * (float(np.exp(-falling[-1])) / error) ** 2  # beyond: by the square root
    return float(np.exp(np.interp(-math.log(error), falling, counts)))


def kernels(cases: list[tuple[str, int, int, int, dict[str, Any]]], smoke: bool) -> list[dict[str, Any]]:
    """Seconds of KernelSHAP at the same error, with shap where it is installed."""
    rows = []
    samples, seeds, most, tries = (200, 1, 400, [200]) if smoke else (2000, 2, 30_000, [2000, 4000, 8000])
    for number, (name, steps, features, hidden, settings) in enumerate(cases):
        game = Game(steps, features, hidden, settings)
        best = game.ours(most, 99)
        assert best.players is not None and best.player_values is not None and best.player_errors is not None
        places, truth = best.players.places, best.player_values
        run = int(best.measured.get("steps_run", steps))
        error = root_mean_square([_values(game.ours(samples, seed)) for seed in range(seeds)], truth)
        row: dict[str, Any] = {
            "case": name, "steps": steps, "steps run": run, "players": len(truth), "coalitions": samples, "error": error,
            "error of the truth": float(np.sqrt(np.mean(best.player_errors**2))),
        }  # fmt: skip
        calls: dict[str, Callable[[], object]] = {"ours": lambda game=game: game.ours(samples, 0)}  # type: ignore[misc]
        if has_shap():
            tried = {count: root_mean_square([game.of_shap(places, count, seed) for seed in range(seeds)], truth) for count in tries}
            needed = round(samples_for(error, tried))
            timed = min(needed, 3 * tries[-1])
            row |= {"error of shap by coalitions": tried, "coalitions of shap": needed, "coalitions timed": timed}
            calls["shap, same error"] = lambda game=game, places=places, timed=timed: game.of_shap(places, timed, 0)  # type: ignore[misc]
            calls["shap, as many coalitions"] = lambda game=game, places=places: game.of_shap(places, samples, 0)  # type: ignore[misc]
        times = in_turns(calls, 0.1 if smoke else 4.0)
        row["seconds_median_best"] = {what: [value / 1000 * (row["coalitions of shap"] / row["coalitions timed"] if what == "shap, same error" else 1.0) for value in values] for what, values in times.items()}
        if not smoke:
            row["peak_mb"] = {what: peak(what, number, samples) for what in ("shapley", *(["shap"] if has_shap() else []))}
        print(f"speed: KernelSHAP, {name}: {row}", flush=True)
        rows.append(row)
    return rows


def _values(item: Item) -> np.ndarray:
    assert item.player_values is not None
    return item.player_values


def has_shap() -> bool:
    return importlib.util.find_spec("shap") is not None


# --- memory --------------------------------------------------------------------------------------------------------------------


def peak(*what: object) -> float:
    """MB that a call adds, in a process of its own; see memory.py."""
    command = [sys.executable, str(Path(__file__).with_name("memory.py")), *map(str, what)]
    return round(float(subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()[-1]), 1)


def measure(smoke: bool) -> Iterator[dict[str, Any]]:
    """The section, after each part."""
    shapes, names = ([(2, 5, 3, 4)], ["GRU"]) if smoke else (SHAPES, list(CELLS))
    found: dict[str, Any] = {"passes": passes(shapes, names, 0.05 if smoke else 2.0), "shap": has_shap()}
    yield found
    small: list[tuple[str, int, int, int, dict[str, Any]]] = [("small", 12, 2, 4, {"players": "cells", "segments": 8})]
    found["kernels"] = kernels(small if smoke else CASES, smoke)
    yield found
