"""Where text goes: results to standard output, progress and complaints to standard error, so that pipes get results alone."""

from __future__ import annotations

import sys

from rich.console import Console
from rich.text import Text


def output() -> Console:
    """The console of results. Made anew each time, so that it follows a redirected standard output."""
    return Console(highlight=False, soft_wrap=True)


def messages() -> Console:
    """The console of progress and complaints: standard error."""
    return Console(stderr=True, highlight=False, soft_wrap=True)


def complain(message: str) -> None:
    """Print an error as it is: its first line strong, the rest (expected, received, fix) below it."""
    first, _, rest = message.partition("\n")
    text = Text.assemble(("error ", "bold red"), (first, "bold"))
    if rest:
        text.append("\n" + rest)
    sys.stdout.flush()
    messages().print(text)
