"""The plain commands beside what a search finds and beside simple methods, on sets of many kinds, as JSON and as a table.

    python bench/defaults.py --data FOLDER [--only NAME ...] [--trials 20] [--minutes 10] [--threads 1] [--again] [--smoke]
    python bench/defaults.py --table

FOLDER (or TENUTO_DATA) holds one folder for each data set. For each set: `tenuto fit TASK DATA --test TEST`, nothing else said ("plain");
`tenuto tune TASK DATA --trials N`, then `tenuto fit TASK --from` what it found ("tuned", chosen by the validation part that the plain command holds
out, too); and the best of the simple methods. All three answer the test part once. Differences are in points, hundredths of the score; the 95 %
interval of a share is Wilson's. After each set bench/results/defaults.json and defaults.md are written anew, so a run can be made in pieces.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))  # bench.simple, from whatever folder this is started

from bench.simple.sets import SETS, Set  # noqa: E402

RESULTS = HERE / "results"


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--data", type=Path, default=os.environ.get("TENUTO_DATA"), metavar="FOLDER")
    options.add_argument("--only", action="append", metavar="NAME", help="this set (again for more)")
    options.add_argument("--trials", type=int, default=20, help="of a search; 0 for no search")
    options.add_argument("--minutes", type=float, default=10.0, help="no trial begins after so many")
    options.add_argument("--threads", type=int, default=1)
    options.add_argument("--again", action="store_true", help="also the sets that are there already")
    options.add_argument("--smoke", action="store_true", help="a made-up set for a moment; nothing is written, the numbers mean nothing")
    options.add_argument("--table", action="store_true", help="write defaults.md again from defaults.json")
    given = options.parse_args()
    if given.smoke:
        print(measured(SETS["made up"], Path(), trials=2, minutes=1.0, threads=1, options=["--epochs", "1", "--hidden-size", "4"]))
        return
    path = RESULTS / "defaults.json"
    found: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
    if not given.table:
        if given.data is None:
            options.error("no data: --data FOLDER, or TENUTO_DATA")
        names = given.only or [name for name in SETS if name != "made up"]
        for name in names:
            if name not in SETS:
                options.error(f"no set {name}; there are {', '.join(SETS)}")
            if name in found and not given.again:
                continue
            if not SETS[name].present(given.data):
                print(f"{name:18} left out: not in the data folder")
                continue
            found[name] = measured(SETS[name], Path(given.data), trials=given.trials, minutes=given.minutes, threads=given.threads)
            print(row(name, found[name]), flush=True)
            _write(path, json.dumps(found, indent=1) + "\n")
    _write(RESULTS / "defaults.md", table(found))


def measured(one: Set, data: Path, *, trials: int, minutes: float, threads: int, options: list[str] | None = None) -> dict[str, Any]:
    """Plain, tuned and simple scores of a set, each with what it took."""
    from tenuto.runs.surroundings import machine, now, versions

    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        train, test = one.write(data, work)
        simple = {}
        for name, method in one.simple.items():
            started = time.perf_counter()
            simple[name] = {"score": method(train, test), "seconds": time.perf_counter() - started}
        common = ["--quiet", "--threads", str(threads), *(options or [])]
        plain = _fitted(one, work, ["fit", one.command, train.name, "--test", test.name, "--out", "plain", *common], "plain")
        tuned = None
        if trials:
            limit = ["--trials", str(trials), "--timeout", str(60 * minutes)]
            seconds = _run(work, ["tune", one.command, train.name, "--out", "search", "--metric", one.validated, *limit, *common])
            tuned = _fitted(one, work, ["fit", one.command, "--from", "search", "--test", test.name, "--out", "tuned", "--quiet"], "tuned")
            search = json.loads((work / "search" / "search.json").read_text())
            tuned |= {"search_seconds": seconds, "trials": len(search["trials"])}
    about = {"machine": machine(), "versions": versions(), "load": os.getloadavg()[0], "threads": threads, "created": now()}
    return {"measure": one.measure, "plain": plain, "tuned": tuned, "simple": simple, **about}


def _fitted(one: Set, work: Path, arguments: list[str], run: str) -> dict[str, Any]:
    seconds = _run(work, arguments)
    evaluation = json.loads((work / run / "evaluation.json").read_text())
    result = evaluation["results"]["test"]
    training = evaluation["training"]
    return {
        "score": one.score(result),
        "interval": result.get(one.interval),
        "seconds": seconds,
        "epochs": training["epochs_run"],
        "best_epoch": training["best_epoch"],
        "steps": training["steps"],
        "parameters": evaluation["model"]["parameters"],
        "options": {name: value for name, value in training["options"].items() if name in one.shown},
    }


def _run(work: Path, arguments: list[str]) -> float:
    started = time.perf_counter()
    subprocess.run([sys.executable, "-m", "tenuto.cli", *arguments], cwd=work, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - started


def row(name: str, one: dict[str, Any]) -> str:
    """A line of the table."""
    best, method = max((value["score"], key) for key, value in one["simple"].items())
    plain, tuned = one["plain"]["score"], (one["tuned"] or {}).get("score")
    interval = one["plain"]["interval"]
    shown = f"{plain:.3f}" + (f" ({interval[0]:.3f} to {interval[1]:.3f})" if interval else "")
    meets = plain >= best - 1e-9 and (tuned is None or plain >= tuned - 0.02)
    second = "" if tuned is None else f"{tuned:.3f}, {one['tuned']['trials']} trials"
    return f"| {name} | {one['measure']} | {shown} | {second} | {best:.3f}, {method} | {one['plain']['seconds']:.0f} s | {'yes' if meets else 'no'} |"


def table(found: dict[str, Any]) -> str:
    """defaults.md."""
    rows = [row(name, found[name]) for name in SETS if name in found]
    met = sum(line.endswith("| yes |") for line in rows)
    machines = sorted({one["machine"]["processor"] for one in found.values()})
    return (
        "# The plain commands on many kinds of data\n\n"
        "Written by bench/defaults.py. Test parts, answered once. Plain: `tenuto fit TASK DATA`, with no option. Tuned: the best of a search, by the plain\n"
        "command's validation part. Last column: within two points of tuned, and not below the best simple method.\n\n"
        "| set | measure | plain (95 % interval) | tuned | best simple method | plain took | met |\n| --- | --- | ---: | ---: | ---: | ---: | --- |\n"
        + "\n".join(rows)
        + f"\n\nMet on {met} of {len(rows)}. {', '.join(machines)}.\n"
    )


def _write(path: Path, text: str) -> None:
    from tenuto.files import write_text

    path.parent.mkdir(exist_ok=True)
    write_text(path, text)


if __name__ == "__main__":
    main()
