"""`tenuto score`: how good a trained model is on labelled data, whatever its task."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from .arguments import CellFile, Channels, Data, IdColumn, LabelColumn, RunFolder, Split, SplitColumn, TargetColumn, TextColumn, TimeColumn
from .console import output
from .tasks import Reading, open_run


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
    text_column: TextColumn = "text",
    target_column: TargetColumn = "target",
    channels: Channels = None,
) -> None:
    """Score a run on labelled data, with the numbers of its task: accuracy and each class, perplexity, span F1, word error rate.

    DATA is what the run was trained on or another file of that form. The run folder stays as it is.

    [bold]tenuto score runs/vowels japanese_vowels --split test[/bold]
    """
    from ..train.files import plain

    task, model = open_run(run, cell, device)
    reading = Reading(data, split, id_column, time_column, label_column, split_column, text_column, target_column, channels)
    result = task.evaluate(model, task.read(reading))
    if as_json:
        typer.echo(json.dumps(plain(result), ensure_ascii=False, allow_nan=False))
        return
    task.say_score(output(), result)
