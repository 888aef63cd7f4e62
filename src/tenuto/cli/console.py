"""Where text goes: results to standard output, progress and complaints to standard error, so that pipes get results alone."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table
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


def class_table(classes: Iterable[Mapping[str, Any]], counted: str) -> Table:
    """Precision, recall, F1 and how many, by class; `counted` says of what ("sequences", "words")."""
    table = Table("class", box=None, pad_edge=False, header_style="dim")
    for name in ("precision", "recall", "F1", counted):
        table.add_column(name, justify="right")
    for row in classes:
        shares = ["-" if row[name] is None else f"{row[name]:.1%}" for name in ("precision", "recall", "f1")]
        table.add_row(escape(str(row["name"])), *shares, str(row["support"]))
    return table


def say_splits(console: Console, evaluation: Mapping[str, Any], words: Callable[[Mapping[str, Any]], str]) -> None:
    """The results of a run, one line a split, in these words."""
    for name in ("validation", "test"):
        result = evaluation["results"].get(name)
        if result is not None:
            console.print(f"{name:<12}{words(result)}")


def accuracy_words(result: Mapping[str, Any], counted: str) -> str:
    """How many `counted` ("sequences", "texts") got the right class."""
    low, high = result["accuracy_interval"]
    right = round(result["accuracy"] * result["sequences"])
    return (
        f"[bold]{result['accuracy']:.2%}[/bold] right ({right} of {result['sequences']} {counted}; 95 % interval {low:.1%} to {high:.1%}), "
        f"loss {result['loss']:.4f}"
    )


def say_classes(console: Console, result: Mapping[str, Any], counted: str) -> None:
    """Accuracy with its interval, loss, and each class, for `tenuto score`."""
    low, high = result["accuracy_interval"]
    console.print(
        f"accuracy  [bold]{result['accuracy']:.2%}[/bold] of {result['sequences']} {counted} "
        f"(95 % interval {low:.1%} to {high:.1%}; always the largest class: {result['majority_accuracy']:.1%})"
    )
    console.print(f"macro F1  {result['macro_f1']:.4f}\nloss      {result['loss']:.4f} nats a {counted.removesuffix('s')}")
    console.print(class_table(result["classes"], counted))
