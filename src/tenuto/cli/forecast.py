"""`tenuto forecast`: what comes after the data of a run, as CSV or JSON lines."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from tenuto.cli.arguments import CellFile, RunFolder
from tenuto.cli.parameters import told_by_tasks
from tenuto.cli.predict import predict
from tenuto.cli.tasks import task_of_run
from tenuto.tongues import typed_path


@told_by_tasks(asking=True)
def forecast(
    context: typer.Context,
    run: RunFolder,
    data: Annotated[str, typer.Argument(metavar="DATA", help="A file with the past, in the form that the run was trained on. Default: the file of training.", show_default=False)] = "",
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Write to this .csv or .jsonl file, not to the terminal.", show_default=False)] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the file if it exists.")] = False,
    cell: CellFile = None,
    device: Annotated[str, typer.Option(help="cpu, cuda, ...")] = "cpu",
    **told: Any,
) -> None:
    """Forecast what comes after the last row of each series, with intervals.

    [bold]tenuto forecast runs/sales --steps 7 -o next_week.csv[/bold]
    """
    from tenuto.errors import ArgumentError
    from tenuto.runs.folder import read_config

    task = task_of_run(run)
    if not task.goes_on:
        raise ArgumentError(f"{run} forecasts nothing: its task is {task.name}.", expected="a run of a task whose answers come after the data", fix=f"tenuto predict {typed_path(run)} DATA")
    past = data or read_config(run)["data"]["train"]["path"]
    if not past:
        raise ArgumentError(f"{run} was not trained on a file.", fix=f"name a file with the past: tenuto forecast {typed_path(run)} DATA")
    predict(context=context, run=run, data=past, out=out, overwrite=overwrite, split=None, cell=cell, device=device, **told)
