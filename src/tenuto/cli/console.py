"""Where text goes: results to standard output, progress and errors to standard error, so that a pipe gets only results."""

from __future__ import annotations

import re
import sys

from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from tenuto.tasks.task import ClassTable


def output() -> Console:
    """The console for results. A new one is made each time, so that it follows a redirected standard output."""
    return Console(highlight=False, soft_wrap=True)


def messages() -> Console:
    """The console for progress and errors: standard error."""
    return Console(stderr=True, highlight=False, soft_wrap=True)


def live() -> Console:
    """The console for what is drawn again and again, on standard error: nothing in it is wider than the terminal."""
    return Console(stderr=True, highlight=False)


def complain(message: str) -> None:
    """Print an error: its first line in bold, the rest (expected, received, fix) below it."""
    first, _, rest = message.partition("\n")
    text = Text.assemble(("error ", "bold red"), (first, "bold"))
    if rest:
        text.append("\n" + rest)
    sys.stdout.flush()
    messages().print(text)


def strong(line: str) -> Text:
    """A line of results with its first decimal number, the one that matters, in bold."""
    text = Text(line)
    found = re.search(r"\d+\.\d+%?", line)
    if found is not None:
        text.stylize("bold", *found.span())
    return text


def class_table(table: ClassTable) -> Table:
    """Precision, recall, F1 and the number of items, for each class."""
    shown = Table("class", box=None, pad_edge=False, header_style="dim")
    for name in ("precision", "recall", "F1", table.counted):
        shown.add_column(name, justify="right")
    for row in table.classes:
        shares = ["-" if row[name] is None else f"{row[name]:.1%}" for name in ("precision", "recall", "f1")]
        shown.add_row(escape(str(row["name"])), *shares, str(row["support"]))
    return shown
