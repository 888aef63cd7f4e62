"""The report of a run or a search: one HTML file that says what was trained on what, how it went, and how good it is.

In: a run folder (`tenuto.runs.folder` documents its files). Out: report.html in that folder, self-contained.
What every page has stands in `pages/`, what a task's page has of its own in `tasks/<task>/page.py`; this file finds the task of a run.
"""

from __future__ import annotations

from pathlib import Path

from tenuto.compare.page import build_comparison_report
from tenuto.errors import RunError
from tenuto.pages.run import write_run_page
from tenuto.pages.search import build_search_report
from tenuto.runs.compare_folder import is_comparison
from tenuto.runs.folder import read_run
from tenuto.runs.search_folder import is_search
from tenuto.tasks import card_of, cards
from tenuto.tasks.task import load

__all__ = ["build_report"]


def build_report(run_folder: str | Path) -> Path:
    """Write `report.html` into a run folder, from the run's own files alone.

    The page needs nothing else: style and pictures are inside it, it has no script, and it asks no server for anything.
    An older report is replaced in one step; when anything goes wrong it stays as it was.

    Args:
        run_folder: a folder written by `tenuto fit`, `tenuto tune`, `tenuto compare` or an estimator's `save`.
    Returns:
        The path of the report.
    Raises:
        RunError: the folder is not a complete run, a file was changed, or the task has no report.
    """
    if is_comparison(run_folder):
        return build_comparison_report(run_folder)
    if is_search(run_folder):
        return build_search_report(run_folder)
    run = read_run(run_folder)
    card = card_of(run.config.get("task"))
    if card is None:
        raise RunError(
            f"the run {run.folder} is of a task that has no report.",
            expected=f"one of {', '.join(sorted(card.name for card in cards()))}",
            received=f'"task": "{run.config.get("task")}"',
            fix="install a newer tenuto",
        )
    return write_run_page(run, load(card.page), loss=card.loss, table=card.table)
