"""The report of a run: one HTML file that says what was trained on what, how it went, and how good it is.

Comes in: a run folder (`tenuto.runs.folder` documents its files). Goes out: report.html in that folder, self-contained.
A task's page is a list of sections (`build.PAGES`): those that every task has stand in `pages/`, its own in `tasks/<task>/page.py`.
May import the rooms above; jinja2 (which torch brings along), numpy. Never a drawing library, never a network address.
"""

from tenuto.report.build import build_report

__all__ = ["build_report"]
