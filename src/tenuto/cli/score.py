"""`tenuto score`: how good a trained model is on labelled sequences."""

from __future__ import annotations

import json
from typing import Annotated

import typer
from rich.table import Table

from . import arguments
from .arguments import CellFile, Channels, Data, IdColumn, LabelColumn, RunFolder, Split, SplitColumn, TimeColumn
from .console import output


def score(
    run: RunFolder,
    data: Data,
    split: Split = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print everything as one JSON object, for other programs.")] = False,
    cell: CellFile = None,
    device: Annotated[str, typer.Option(help="cpu, cuda, ...")] = "cpu",
    id_column: IdColumn = "id",
    time_column: TimeColumn = "time",
    label_column: LabelColumn = "label",
    split_column: SplitColumn = "split",
    channels: Channels = None,
) -> None:
    """Score a run on labelled sequences: accuracy with its interval, loss, and each class.

    The run folder stays as it is.

    [bold]tenuto score runs/vowels japanese_vowels --split test[/bold]
    """
    from ..data import read_sequences
    from ..train.files import plain

    model = arguments.load_classifier(run, cell, device)
    table = arguments.columns(id_column, time_column, label_column, split_column, channels)
    result = model.evaluate(read_sequences(arguments.data_path(data), split=split, columns=table))
    if as_json:
        typer.echo(json.dumps(plain(result), ensure_ascii=False, allow_nan=False))
        return
    low, high = result["accuracy_interval"]
    console = output()
    console.print(
        f"accuracy  [bold]{result['accuracy']:.2%}[/bold] of {result['sequences']} sequences "
        f"(95 % interval {low:.1%} to {high:.1%}; always the largest class: {result['majority_accuracy']:.1%})"
    )
    console.print(f"macro F1  {result['macro_f1']:.4f}\nloss      {result['loss']:.4f} nats a sequence")
    classes = Table("class", box=None, pad_edge=False, header_style="dim")
    for name in ("precision", "recall", "F1", "sequences"):
        classes.add_column(name, justify="right")
    for row in result["classes"]:
        shares = ["-" if row[name] is None else f"{row[name]:.1%}" for name in ("precision", "recall", "f1")]
        classes.add_row(_plain(row["name"]), *shares, str(row["support"]))
    console.print(classes)


def _plain(text: str) -> str:
    """Text in which rich finds no markup."""
    from rich.markup import escape

    return escape(text)
