"""How good the recipes are: each data set's recipe over seeds, beside baselines and published numbers, as JSON and as a table.

    python bench/quality.py --data FOLDER [--only cmudict addition] [--seeds 3] [--threads 1] [--again] [--smoke]
    python bench/quality.py --table | --documents

FOLDER (or TENUTO_DATA) holds one folder for each data set. Each seed runs in a process of its own, so that its peak memory is its own; when
it ends, bench/results/quality/NAME.json is replaced in one step, and the tables in README.md and docs/MEASURED.md are made again from all of them (--documents does
that alone). A seed that is there already is not run again (but see --again), so an
interrupted call goes on where it was stopped. --smoke trains each recipe for a moment and writes nothing. Minutes to hours, by recipe.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib
import json
import math
import os
import resource
import statistics
import subprocess
import sys
import time
from pathlib import Path
from types import ModuleType
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))  # the recipes are bench.recipes, from whatever folder this is started
RESULTS = HERE / "results" / "quality"
VERIFIED = {"r": "[r]", "2": "[2]", "m": "[m]"}
LEGEND = "[r] read in the cited source, [2] read as a quotation of it, [m] measured on these files. Ours: mean ± standard deviation over seeds."


def recipe_names() -> list[str]:
    """The names of all recipes."""
    return sorted(path.stem for path in (HERE / "recipes").glob("*.py") if path.stem != "__init__")


def load_recipe(name: str) -> ModuleType:
    """The module of a recipe."""
    return importlib.import_module(f"bench.recipes.{name}")


def metrics_of(recipe: ModuleType) -> dict[str, str]:
    """Key of the result to its words, the most important first."""
    return dict(getattr(recipe, "METRICS", None) or {recipe.METRIC: recipe.METRIC.replace("_", " ")})


def one_seed(name: str, data: Path, seed: int, *, smoke: bool, threads: int) -> dict[str, Any]:
    """Run a recipe with one seed in this process; its result with what it ran on."""
    import torch

    from tenuto.runs.surroundings import machine, now, versions

    torch.set_num_threads(threads)
    recipe = load_recipe(name)
    load_before, started = os.getloadavg()[0], time.perf_counter()
    result = dict(recipe.run(data, seed, smoke=smoke))
    elapsed = time.perf_counter() - started
    return {
        **result,
        "seed": seed,
        "seconds": result.get("seconds", elapsed),
        "seconds_with_evaluation": elapsed,
        "peak_memory_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024),
        "load_average": [load_before, os.getloadavg()[0]],
        "recipe_sha256": recipe_digest(name),
        "revision": _revision(),
        "machine": machine(),
        "versions": versions(),
        "created": now(),
    }


def recipe_digest(name: str) -> str:
    """Digest of the recipe's file, so that a result says which recipe it is of."""
    return hashlib.sha256((HERE / "recipes" / f"{name}.py").read_bytes()).hexdigest()


def run_apart(name: str, data: Path, seed: int, *, smoke: bool, threads: int) -> dict[str, Any]:
    """`one_seed` in a process of its own. What it prints goes to standard error; its result comes back over a pipe.

    Raises:
        SystemExit: the process failed; its output is on standard error.
    """
    reader, writer = os.pipe()
    words = [sys.executable, str(Path(__file__).resolve()), "--one", name, "--seed", str(seed), "--data", str(data), "--threads", str(threads), "--result", str(writer)]
    try:
        process = subprocess.Popen([*words, *(["--smoke"] if smoke else [])], stdout=sys.stderr, pass_fds=[writer])
    finally:
        os.close(writer)
    with os.fdopen(reader, encoding="utf-8") as pipe:
        text = pipe.read()
    if process.wait() != 0:
        raise SystemExit(f"{name}, seed {seed}: failed with exit code {process.returncode}; the seeds before it are kept")
    return dict(json.loads(text))


def stored(name: str) -> dict[str, Any]:
    """A recipe's results so far; an empty dictionary if there is no file."""
    path = RESULTS / f"{name}.json"
    return dict(json.loads(path.read_text(encoding="utf-8"))) if path.exists() else {}


def write_results(recipe: ModuleType, runs: list[dict[str, Any]]) -> None:
    """Replace a recipe's file with these runs and what follows from them."""
    from tenuto.files import write_json

    runs = sorted(runs, key=lambda run: run["seed"])
    RESULTS.mkdir(parents=True, exist_ok=True)
    content = {
        "name": recipe.NAME,
        "title": recipe.TITLE,
        "metrics": metrics_of(recipe),
        "baseline": _rows(recipe, "BASELINE"),
        "published": _rows(recipe, "PUBLISHED"),
        "ours": {key: _spread([run[key] for run in runs if run.get(key) is not None]) for key in metrics_of(recipe)},
        "weights": sorted({run["parameters"] for run in runs}),
        "mean_seconds": statistics.mean(run["seconds"] for run in runs),
        "most_memory_bytes": max(run["peak_memory_bytes"] for run in runs),
        "data_sha256": sorted({run["sha256"] for run in runs}),
        "runs": runs,
    }
    write_json(RESULTS / f"{recipe.NAME}.json", content)
    update_documents()


def update_documents() -> None:
    """Put the short table between the two marks of README.md, and the whole one between those of docs/MEASURED.md."""
    from bench.speed import documents

    documents.put(documents.README, "quality", "bench/quality.py", short_table() + "\n")
    documents.put(documents.MEASURED, "quality", "bench/quality.py", whole_table() + "\n")


# The rows of README's table: a recipe, what its data is called there, a measure, and what that is called.
SHORT = (
    ("addition", "sums of three digits", "character_accuracy", "right characters"),
    ("cmudict", "CMUdict", "word_error_rate", "word error rate"),
    ("jsb_chorales", "JSB chorales", "lstm", "nats a frame, LSTM"),
    ("snips", "Snips", "slot_f1", "slot F1"),
    ("tinyshakespeare", "tinyshakespeare, small", "windows_64", "nats a character, windows of 64"),
    ("tinyshakespeare_best", "tinyshakespeare", "windows", "nats a character, windows of 256"),
    ("ud_english_ewt", "UD English EWT", "accuracy", "accuracy of tags"),
)


def short_table() -> str:
    """One row a recipe, with one measure that others have published."""
    lines = ["| data | measure | ours | published |", "| --- | --- | --- | --- |"]
    for name, data, key, words in SHORT:
        result = stored(name)
        published = ", ".join(figure(row[key]) for row in result["published"] if row.get(key) is not None)
        lines.append(f"| {data} | {words} | **{figure(result['ours'][key]['mean'])}** | {published} |")
    return "\n".join(lines)


def whole_table() -> str:
    """The table of all results, and what its marks mean."""
    return table([result for name in recipe_names() if (result := stored(name))]) + f"\n\n{LEGEND}"


def _rows(recipe: ModuleType, name: str) -> list[dict[str, Any]]:
    rows = getattr(recipe, name, [])
    return [dict(row) for row in ([rows] if isinstance(rows, dict) else rows)]


def _spread(values: list[float]) -> dict[str, Any]:
    """Mean, deviation (null with one seed), least and most."""
    if not values:
        return {"mean": None, "deviation": None, "lowest": None, "highest": None, "seeds": 0}
    deviation = statistics.stdev(values) if len(values) > 1 else None
    return {"mean": statistics.mean(values), "deviation": deviation, "lowest": min(values), "highest": max(values), "seeds": len(values)}


def table(results: list[dict[str, Any]]) -> str:
    """The results as a Markdown table, one row a metric."""
    head = ["data", "measure", "baseline", "published", "ours", "seeds", "weights", "seconds", "peak memory", "data, SHA-256"]
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    for result in results:
        for number, (key, words) in enumerate(result["metrics"].items()):
            first = number == 0
            ours = result["ours"][key]
            cells = [
                result["title"] if first else "",
                words,
                _known(result["baseline"], key),
                _known(result["published"], key),
                f"**{figure(ours['mean'])}**" + ("" if ours["deviation"] is None else f" ± {figure(ours['deviation'], like=ours['mean'])}"),
                str(ours["seeds"]) if first else "",
                " / ".join(f"{weights:,}" for weights in result["weights"]) if first else "",
                f"{result['mean_seconds']:,.0f}" if first else "",
                f"{result['most_memory_bytes'] / 2**20:,.0f} MiB" if first else "",
                ", ".join(f"`{digest[:12]}`" for digest in result["data_sha256"]) if first else "",
            ]
            lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def figure(value: float | None, *, like: float | None = None) -> str:
    """A number with four significant digits; a deviation with as many decimals as its mean has."""
    if value is None or not math.isfinite(value):
        return "–"
    model = abs(value if like is None else like)
    decimals = 4 if model == 0 else max(0, 3 - math.floor(math.log10(model)))
    return f"{value:.{min(decimals, 4)}f}"


def _known(rows: list[dict[str, Any]], key: str) -> str:
    said = [f"{figure(row[key])} {row['what']} {VERIFIED.get(row.get('verified', ''), '(not verified)')}" for row in rows if row.get(key) is not None]
    return "; ".join(said) or "–"


def _revision() -> str | None:
    """The commit that ran, with a plus sign where files had been changed since; None outside a clone."""
    try:
        commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], cwd=HERE, capture_output=True, text=True, check=True).stdout.strip()
        changed = subprocess.run(["git", "diff", "--quiet", "HEAD", "--", "../src", "recipes"], cwd=HERE, check=False).returncode
    except (OSError, subprocess.CalledProcessError):
        return None
    return commit + ("+" if changed else "")


def run_recipe(name: str, data: Path, arguments: argparse.Namespace) -> None:
    """The seeds of one recipe that are not there yet."""
    recipe = load_recipe(name)
    if not getattr(recipe, "GENERATED", False) and not (data / getattr(recipe, "FOLDER", name)).is_dir():
        print(f"{name:<18} left out: no folder {name} in the data folder (--data)")
        return
    if arguments.smoke:
        result = run_apart(name, data, 0, smoke=True, threads=arguments.threads)
        print(f"{name:<18} runs: " + ", ".join(f"{words} {figure(result[key])}" for key, words in metrics_of(recipe).items()), flush=True)
        return
    runs = stored(name).get("runs", [])
    for seed in range(arguments.seeds):
        there = next((run for run in runs if run["seed"] == seed), None)
        if there is not None and not arguments.again:
            note = "" if there["recipe_sha256"] == recipe_digest(name) else "; the recipe's file was changed since (--again runs it once more)"
            print(f"{name:<18} seed {seed}: there already{note}", flush=True)
            continue
        run = run_apart(name, data, seed, smoke=False, threads=arguments.threads)
        runs = [*(other for other in runs if other["seed"] != seed), run]
        write_results(recipe, runs)
        said = ", ".join(f"{words} {figure(run[key])}" for key, words in metrics_of(recipe).items())
        print(f"{name:<18} seed {seed}: {said}; {run['seconds']:.0f} s, {run['peak_memory_bytes'] / 2**20:.0f} MiB", flush=True)


def main() -> None:
    """Run what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path(os.environ.get("TENUTO_DATA", ".")), help="the folder of the data sets")
    parser.add_argument("--only", nargs="+", metavar="NAME", choices=recipe_names(), default=recipe_names())
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--again", action="store_true", help="also run the seeds that are there already")
    parser.add_argument("--smoke", action="store_true", help="does each recipe run? Writes nothing")
    parser.add_argument("--table", action="store_true", help="print the results as a Markdown table and stop")
    parser.add_argument("--documents", action="store_true", help="write the tables of README.md and docs/MEASURED.md and stop")
    for name, kind in (("--one", str), ("--seed", int), ("--result", int)):
        parser.add_argument(name, type=kind, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.documents:
        update_documents()
    elif arguments.table:
        print(table([result for name in arguments.only if (result := stored(name))]))
        print(f"\n{LEGEND}")
    elif arguments.one:
        from tenuto.files import plain

        result = one_seed(arguments.one, arguments.data, arguments.seed, smoke=arguments.smoke, threads=arguments.threads)
        with os.fdopen(arguments.result, "w", encoding="utf-8") as pipe:
            json.dump(plain(result), pipe)
    else:
        for name in arguments.only:
            run_recipe(name, arguments.data, arguments)


if __name__ == "__main__":
    main()
