"""`tenuto score`: how good a trained model is on labelled data, whatever its task."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from tenuto.cli.arguments import (
    CellFile,
    RunChannels,
    RunData,
    RunFolder,
    RunIdColumn,
    RunLabelColumn,
    RunSplitColumn,
    RunTagColumn,
    RunTargetColumn,
    RunTextColumn,
    RunTimeColumn,
    RunTokenColumn,
    Split,
)
from tenuto.cli.console import output
from tenuto.cli.tasks import open_run, reading_of


def score(
    context: typer.Context,
    run: RunFolder,
    data: RunData,
    split: Split = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print everything as one JSON object, for other programs.")] = False,
    cell: CellFile = None,
    device: Annotated[str, typer.Option(help="cpu, cuda, ...")] = "cpu",
    id_column: RunIdColumn = None,
    time_column: RunTimeColumn = None,
    label_column: RunLabelColumn = None,
    split_column: RunSplitColumn = None,
    text_column: RunTextColumn = None,
    target_column: RunTargetColumn = None,
    token_column: RunTokenColumn = None,
    tag_column: RunTagColumn = None,
    channels: RunChannels = None,
) -> None:
    """Score a run on labelled data, with the numbers of its task: accuracy and each class, perplexity, span F1, word error rate.

    DATA is what the run was trained on or another file of that form. The run folder stays as it is.

    [bold]tenuto score runs/vowels japanese_vowels --split test[/bold]
    """
    from tenuto.files import plain

    task, model = open_run(run, cell, device)
    typed = {name: context.params[name] for name in context.params if name.endswith("_column") or name == "channels"}
    reading = reading_of(run, data, split, typed)
    result = task.evaluate(model, task.read(reading))
    if as_json:
        typer.echo(json.dumps(plain(result), ensure_ascii=False, allow_nan=False))
        return
    task.say_score(output(), result)
