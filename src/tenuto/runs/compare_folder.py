"""The folder of a comparison: what `tenuto compare` leaves behind, as plain files.

    RUN/
      compare.json    all that the page shows, as plain data; written again after each training
      report.html     made from compare.json

compare.json
    format        "tenuto comparison"      format_version   1
    tenuto        version that wrote it    created          "2026-01-31T12:00:00Z", when this file was written
    task, title                            title is the name of the data
    identity      {options: {name: value} of the options that all have in common, data: digest of what was read, or null}
    metric        as in metrics.jsonl      direction        "maximise" | "minimise"
    encoders, seeds                        what is compared, and how often each is trained
    runs          [{encoder, seed, value: the metric on the validation part at the best epoch, part: "validation", curve: [metric at each validation], best_epoch, epochs, steps, seconds,
                    weights: how many, bytes: of them, memory_mib: what training took at its peak, or null, steps_per_s: of prediction, cell}]
    machine, versions
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tenuto.errors import RunError
from tenuto.files import read_json, write_json
from tenuto.runs.names import COMPARISON, REPORT
from tenuto.runs.surroundings import machine, now, versions

FORMAT, FORMAT_VERSION = "tenuto comparison", 1


def claim_comparison(folder: str | Path, *, overwrite: bool = False) -> dict[str, Any] | None:
    """Make sure that a comparison can be kept in `folder`, before any time is spent. Returns what it has to go on with, or None.

    Args:
        overwrite: remove an earlier comparison.
    Raises:
        RunError: the folder holds something else, or cannot be used.
    """
    folder = Path(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        names = {entry.name for entry in folder.iterdir() if not entry.name.endswith(".partial")}
        there = COMPARISON in names
        if there and overwrite:
            for name in (COMPARISON, REPORT):
                (folder / name).unlink(missing_ok=True)
    except OSError as error:
        raise RunError(f"{folder} cannot be used for a comparison: {error.strerror}.", fix="choose another folder") from error
    if not there and names:
        raise RunError(
            f"{folder} is not empty, and what it holds is not a comparison.", expected="a new or empty folder, or the folder of a comparison",
            received=", ".join(sorted(names)[:8]), fix="choose another folder; nothing was written",
        )  # fmt: skip
    return read_comparison(folder) if there and not overwrite else None


def is_comparison(folder: str | Path) -> bool:
    """Whether this is the folder of a comparison."""
    return (Path(folder) / COMPARISON).is_file()


def write_comparison(folder: str | Path, results: Mapping[str, Any]) -> None:
    """Write compare.json, whole or not at all: `results`, and the keys for format, versions and machine."""
    known = {"format": FORMAT, "format_version": FORMAT_VERSION, "tenuto": versions()["tenuto"], "created": now()}
    write_json(Path(folder) / COMPARISON, {**known, **results, "machine": machine(), "versions": versions()})


def read_comparison(folder: str | Path) -> dict[str, Any]:
    """Read compare.json.

    Raises:
        RunError: there is none, or it is not ours.
    """
    path = Path(folder) / COMPARISON
    data = read_json(path)
    if not isinstance(data, dict) or data.get("format") != FORMAT or data.get("format_version") != FORMAT_VERSION:
        raise RunError(f"{path} is not a comparison that this version of tenuto can read.", expected=f'"format": "{FORMAT}", "format_version": {FORMAT_VERSION}', fix="check the path")
    return data
