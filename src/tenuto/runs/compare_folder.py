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

from pathlib import Path
from typing import Any

from tenuto.runs.names import COMPARISON, REPORT
from tenuto.runs.trainings import Trainings

COMPARISONS = Trainings("comparison", COMPARISON, 1, goes_on=frozenset({COMPARISON}), own=frozenset({COMPARISON, REPORT}))
is_comparison, write_comparison, read_comparison = COMPARISONS.is_in, COMPARISONS.write, COMPARISONS.read


def claim_comparison(folder: str | Path, *, overwrite: bool = False) -> dict[str, Any] | None:
    """As `Trainings.claim`; returns what there is to go on with, or None."""
    return read_comparison(folder) if COMPARISONS.claim(folder, overwrite=overwrite) else None
