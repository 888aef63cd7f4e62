"""`tenuto diagnose`: what becomes of gradients and memory in a run's layers, as a page."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from tenuto.cli.arguments import CellFile, RunData, RunFolder, Split, require_free
from tenuto.cli.console import output
from tenuto.cli.parameters import told_by_tasks
from tenuto.cli.tasks import open_run, read_data, refuse_others, task_of_run


@told_by_tasks(asking=False)
def diagnose(
    context: typer.Context,
    run: RunFolder,
    data: RunData,
    exponents: Annotated[int, typer.Option(help="How many Lyapunov exponents of each layer, at most.", min=1)] = 8,
    share: Annotated[float, typer.Option(help="Below which share of its largest value an input's influence counts as gone.")] = 0.01,
    batches: Annotated[int, typer.Option(help="Of how many batches the gradient's norm is measured, at most.", min=1)] = 16,
    out: Annotated[Path, typer.Option("--out", "-o", help="The page to write.")] = Path("diagnosis.html"),
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace what is there.")] = False,
    split: Split = None,
    cell: CellFile = None,
    device: Annotated[str, typer.Option(help="cpu, cuda, ...")] = "cpu",
    **told: Any,
) -> None:
    """Write a page that shows where a run's gradients fade or explode, how far back its memory reaches, and what to do about it. The run folder stays as it is.

    [bold]tenuto diagnose runs/vowels japanese_vowels[/bold]
    [bold]tenuto diagnose runs/vowels japanese_vowels --share 0.1 -o memory.html[/bold]
    """
    from tenuto.diagnose import diagnose as asked_for

    task = task_of_run(run)
    refuse_others(context, task, *task.columns)
    require_free(out, overwrite)
    model = open_run(task, run, cell, device)
    found = asked_for(model, read_data(context, task, run, data, split, answered=True), exponents=exponents, share=share, batches=batches)
    found.to_html(out, title=run.resolve().name)
    console = output()
    for line in str(found).splitlines():
        console.print(line, markup=False, highlight=False)
    console.print(str(out), markup=False)
