"""A section of a page, and the templates that make HTML (all text is escaped unless it is our own markup)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined, UndefinedError
from markupsafe import Markup

from tenuto.pages import wording


@dataclass(frozen=True)
class Section:
    """One section of a report.

    Args:
        name: its anchor in the page, one word.
        title: its heading.
        lead: a sentence or two under the heading; may be empty.
        body: HTML.
    """

    name: str
    title: str
    lead: str
    body: Markup


def render(template: str, **values: Any) -> Markup:
    """Fill a template, by name, from `templates/` in this folder or in a task's.

    Raises:
        KeyError: the template needs a value and does not get it.
    """
    try:
        return Markup(_environment().get_template(template).render(**values))
    except UndefinedError as error:
        raise KeyError(str(error)) from error


@cache
def _environment() -> Environment:
    """The templates of all folders, found by name, with the functions of `wording` as filters; autoescaping is on for all of them."""
    environment = Environment(
        loader=FileSystemLoader(sorted(Path(__file__).parents[1].rglob("templates"))),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        number=wording.number, percent=wording.percent, duration=wording.duration, count=wording.count
    )
    return environment
