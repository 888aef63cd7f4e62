"""`tenuto score`: how good a trained model is on labelled data, whatever its task."""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer

from tenuto.cli.arguments import CellFile, RunData, RunFolder, Split
from tenuto.cli.console import class_table, output, strong
from tenuto.cli.parameters import told_by_tasks
from tenuto.cli.tasks import open_run, read_data, refuse_others, task_of_run
from tenuto.tasks.task import ClassTable, load


@told_by_tasks(asking=False)
def score(
    context: typer.Context,
    run: RunFolder,
    data: RunData,
    split: Split = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print everything as one JSON object, for other programs.")] = False,
    cell: CellFile = None,
    device: Annotated[str, typer.Option(help="cpu, cuda, ...")] = "cpu",
    **told: Any,
) -> None:
    """Score a run on labelled data, by the measures of its task: accuracy and the scores of each class, perplexity, span F1, word error rate.

    DATA is what the run was trained on, or another file in that form. The run folder stays as it is.

    [bold]tenuto score runs/vowels japanese_vowels --split test[/bold]
    """
    from tenuto.files import plain

    task = task_of_run(run)
    refuse_others(context, task, *task.columns)
    result = open_run(task, run, cell, device).evaluate(read_data(context, task, run, data, split, answered=True))
    if as_json:
        typer.echo(json.dumps(plain(result), ensure_ascii=False, allow_nan=False))
        return
    console = output()
    for said in load(task.score)(result):
        console.print(class_table(said) if isinstance(said, ClassTable) else strong(said))
