"""The report of a run: one HTML file that says what was trained on what, how it went, and how good it is.

Comes in: a run folder (`tenuto.tasks.run_folder` documents its files). Goes out: report.html in that folder, self-contained.
One file is one section of the page or one kind of drawing; a task's page is a list of sections (`build.PAGES`).
May import: errors, train, tasks; jinja2 (which torch brings along), numpy. Never a drawing library, never a network address.
"""

from .build import build_report

__all__ = ["build_report"]
