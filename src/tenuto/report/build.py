"""Build a run's report from the files of its folder alone, and put it there whole or not at all."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tenuto.errors import RunError
from tenuto.files import write_text
from tenuto.pages import confusion, learning, opening, origin, running
from tenuto.pages.page import Section, render
from tenuto.report.search import build_search_report
from tenuto.runs.folder import REPORT, Run, read_run
from tenuto.runs.search_folder import is_search
from tenuto.tasks.classify import page as examples
from tenuto.tasks.language import page as language
from tenuto.tasks.tag import page as tagging
from tenuto.tasks.text import page as text_classes
from tenuto.tasks.translate import page as translation


@dataclass(frozen=True)
class Page:
    """A task's page: what stands at its head, and its sections in order (a section that returns None is left out)."""

    headline: Callable[[Run], opening.Headline]
    sections: tuple[Callable[[Run], Section | None], ...]


PAGES: dict[str, Page] = {
    "classify": Page(examples.headline, (learning.section, confusion.section, examples.section, running.section, origin.section)),
    "language": Page(
        language.headline,
        (learning.section, language.chances, language.samples, language.surprise, running.section, origin.section),
    ),
    "tag": Page(tagging.headline, (learning.section, tagging.spans, tagging.tags, tagging.sentences, running.section, origin.section)),
    "classify-text": Page(text_classes.headline, (learning.section, confusion.section, text_classes.texts, running.section, origin.section)),
    "translate": Page(
        translation.headline,
        (learning.section, translation.accuracy, translation.attention, translation.mistakes, running.section, origin.section),
    ),
}


def build_report(run_folder: str | Path) -> Path:
    """Write `report.html` into a run folder, from the run's own files alone.

    The page needs nothing else: style and pictures are inside it, it has no script, and it asks no server for anything.
    An older report is replaced in one step; when anything goes wrong it stays as it was.

    Args:
        run_folder: a folder written by `tenuto fit`, `tenuto tune` or an estimator's `save`.
    Returns:
        The path of the report.
    Raises:
        RunError: the folder is not a complete run, a file was changed, or the task has no report.
    """
    if is_search(run_folder):
        return build_search_report(run_folder)
    run = read_run(run_folder)
    task = run.config.get("task")
    if task not in PAGES:
        raise RunError(
            f"the run {run.folder} is of a task that has no report.",
            expected=f"one of {', '.join(sorted(PAGES))}",
            received=f'"task": "{task}"',
            fix="install a newer tenuto",
        )
    try:
        page = PAGES[task]
        sections = [section for make in page.sections if (section := make(run)) is not None]
        text = render("page.html", opening=opening.content(run, page.headline(run)), sections=sections)
    except (KeyError, TypeError, IndexError) as error:
        raise RunError(
            f"the run {run.folder} lacks what its report shows.",
            expected="evaluation.json and metrics.jsonl as `tenuto fit` writes them",
            received=f"{type(error).__name__}: {error}",
            fix="train the model again with this version of tenuto",
        ) from error
    write_text(run.folder / REPORT, text)
    return run.folder / REPORT
