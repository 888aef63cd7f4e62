"""The folder of a search: what `tenuto tune` leaves behind, as plain files.

    RUN/
      search.toml     the options of the command, for `tenuto tune --resume RUN`; [search] is what is searched
      config.toml     the options of the best trial, for `tenuto fit --from RUN`
      search.json     all that the page shows, as plain data; written again after each trial
      journal.jsonl   optuna's own record, from which a search goes on (`tenuto.train.search`)
      report.html     made from search.json

search.json
    format        "tenuto search"          format_version   1
    tenuto        version that wrote it    created          "2026-01-31T12:00:00Z", when this file was written
    task, title, cell                      title is the name of the data
    data          {sha256: digest of the files that were read}
    options       {name: value} of the options that are not searched
    base          {name: value} of the searched options: the values that they would have without a search
    metric        as in metrics.jsonl      direction        "minimise" | "maximise"
    space         {option: [values] | {low, high, log, step}}
    wanted        how many trials          stopped          "all trials" | "time limit" | "interrupted" | "every combination was tried" | "not yet"
    best          number of the best trial, or null
    importance    {option: share}, or {}
    trials        [{number, state: "complete" | "pruned" | "diverged" | "interrupted", options, value, best_epoch, seconds, reason,
                    curve: [metric at each validation]}]  an interrupted trial has the same number as the trial after it
    machine, versions
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tenuto.errors import RunError
from tenuto.files import read_json, write_json
from tenuto.runs.names import CONFIGURATION, REPORT, SEARCH_CONFIGURATION, SEARCH_RESULTS
from tenuto.runs.surroundings import machine, now, versions
from tenuto.train.search import JOURNAL

FORMAT, FORMAT_VERSION = "tenuto search", 1
_OURS = {SEARCH_RESULTS, SEARCH_CONFIGURATION, CONFIGURATION, REPORT, JOURNAL}


def claim_search(folder: str | Path, *, overwrite: bool = False) -> bool:
    """Make sure that a search can be kept in `folder`, before any time is spent. Returns whether there is a search to go on with.

    Args:
        overwrite: remove an earlier search.
    Raises:
        RunError: the folder holds something else, or cannot be used.
    """
    folder = Path(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        names = {entry.name for entry in folder.iterdir() if not entry.name.endswith(".partial")}
        there = (folder / SEARCH_CONFIGURATION).is_file() and (folder / JOURNAL).is_file()
        if there and overwrite:
            for name in _OURS:
                (folder / name).unlink(missing_ok=True)
    except OSError as error:
        raise RunError(f"{folder} cannot be used for a search: {error.strerror}.", fix="choose another folder") from error
    if not there and names - {SEARCH_CONFIGURATION, JOURNAL}:
        raise RunError(
            f"{folder} is not empty, and what it holds is not a search.",
            expected="a new or empty folder, or the folder of a search",
            received=", ".join(sorted(names)[:8]),
            fix="choose another folder; nothing was written",
        )
    return there and not overwrite


def is_search(folder: str | Path) -> bool:
    """Whether this is the folder of a search."""
    return (Path(folder) / SEARCH_RESULTS).is_file()


def write_search(folder: str | Path, results: Mapping[str, Any]) -> None:
    """Write search.json, whole or not at all: `results`, and the keys for format, versions and machine."""
    known = {"format": FORMAT, "format_version": FORMAT_VERSION, "tenuto": versions()["tenuto"], "created": now()}
    write_json(Path(folder) / SEARCH_RESULTS, {**known, **results, "machine": machine(), "versions": versions()})


def read_search(folder: str | Path) -> dict[str, Any]:
    """Read search.json.

    Raises:
        RunError: there is none, or it is not ours.
    """
    path = Path(folder) / SEARCH_RESULTS
    data = read_json(path)
    if not isinstance(data, dict) or data.get("format") != FORMAT or data.get("format_version") != FORMAT_VERSION:
        raise RunError(
            f"{path} is not a search that this version of tenuto can read.", expected=f'"format": "{FORMAT}", "format_version": {FORMAT_VERSION}', fix="check the path"
        )
    return data
