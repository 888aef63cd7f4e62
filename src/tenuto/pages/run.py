"""The page of a run, whatever its task: the task's head, and its sections between those that every run has."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from tenuto.errors import RunError, TenutoError
from tenuto.files import DAMAGE, write_text
from tenuto.pages import compressed, distilled, learning, opening, origin, running
from tenuto.pages.page import Section, render
from tenuto.runs.folder import Run
from tenuto.runs.names import REPORT


@dataclass(frozen=True)
class Page:
    """The parts of the page that only one task has: its head, and its sections in order (a section that returns None is left out)."""

    headline: Callable[[Run], opening.Headline]
    sections: tuple[Callable[[Run], Section | None], ...]


def write_run_page(run: Run, page: Page, *, loss: str, table: Sequence[tuple[str, str]]) -> Path:
    """Put a run's report into its folder, whole or not at all; returns its path.

    Args:
        loss: what the loss is counted in, for example "nats a token".
        table: the columns of the table of data sets: heading, and key in a set's description.
    Raises:
        RunError: the run's files lack something that its page shows.
    """
    try:
        made = [compressed.section(run), distilled.section(run), learning.section(run, loss), *(make(run) for make in page.sections), running.section(run), origin.section(run, table)]
        sections = [section for section in made if section is not None]
        text = render("page.html", **opening.content(run, page.headline(run)), sections=sections)
    except TenutoError as error:
        raise error.within(str(run.folder)) from error.__cause__
    except DAMAGE as error:
        raise RunError(
            f"the run {run.folder} lacks something that its report shows.",
            expected="evaluation.json and metrics.jsonl as `tenuto fit` writes them",
            received=f"{type(error).__name__}: {error}",
            fix="train the model again with this version of tenuto",
        ) from error
    write_text(run.folder / REPORT, text)
    return run.folder / REPORT
