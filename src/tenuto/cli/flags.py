"""How an argument of Python's is typed on a command line: `bidirectional=False` is `--forward-only`. Errors are shown in these words (`tenuto.tongues`)."""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

from tenuto.tasks import cards
from tenuto.tasks.option import typed_options

# Arguments that are no options of a task, and are not typed as they are called.
_OTHERS = {"layout": "--format", "timeout_s": "--timeout", "channels": "--channel", "random_state": "--seed", "skip_empty": "--skip-empty"}


class Flag(NamedTuple):
    """How one argument is typed. yes: its flag. no: what is typed for False, where that is another one. none: what is typed for None."""

    yes: str
    no: str = ""
    none: str = ""


def flags(name: str, value: str | None = None) -> str:
    """The words of a command line for an argument.

    Args:
        name: the argument in Python. value: as it is typed, "" for None; or None, where only the name is told.
    Example:
        >>> flags("hidden_size", "64"), flags("random_state"), flags("bidirectional", "false"), flags("patience", ""), flags("vectors", "")
        ('--hidden-size 64', '--seed', '--forward-only', '--patience 0', 'no --vectors')
    """
    flag = _table().get(name) or Flag(_OTHERS.get(name) or dashed(name))
    if value is None:
        return flag.yes
    if value in ("true", "false") and flag.no:
        return flag.yes if value == "true" else flag.no
    if value == "true":
        return flag.yes
    if value == "false" or (not value and not flag.none):
        return f"no {flag.yes}"
    return f"{flag.yes} {value or flag.none}"


def dashed(name: str) -> str:
    """The flag of a parameter that has no other: its name with dashes."""
    return "--" + name.replace("_", "-")


@cache
def _table() -> dict[str, Flag]:
    found: dict[str, Flag] = {}
    for task in cards():
        for known in typed_options(task.options):
            yes, _, no = (known.flag or dashed(known.typed)).partition("/")
            found.setdefault(known.name, Flag(yes, no, "" if known.none is None else str(known.none)))
        for choice in (*task.columns, *task.fitting, *task.asking):
            found.setdefault(choice.name, Flag(choice.flag or dashed(choice.name)))
    return found
