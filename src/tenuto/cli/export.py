"""`tenuto export`: a run's model for another world: ONNX, torch, and others."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tenuto.cli.arguments import CellFile, RunFolder
from tenuto.cli.console import messages, output
from tenuto.cli.tasks import open_run, task_of_run

TARGETS = "onnx, c, web, torch, aot-inductor"


def export(
    run: RunFolder,
    to: Annotated[str, typer.Option(help=f"One of {TARGETS}.", show_default=False)],
    out: Annotated[Path | None, typer.Option("--out", "-o", help="The folder to write. Default: beside the run, as RUN-TARGET.", show_default=False)] = None,
    name: Annotated[str | None, typer.Option(help="What files and functions of C are called. Default: as the run's folder.", show_default=False)] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an export that is there.")] = False,
    cell: CellFile = None,
) -> None:
    """Write a run's model for another world, compared with the model before anything is there: whole sequences, and one step where it looks only backwards.

    [bold]tenuto export runs/vowels --to onnx[/bold]
    """
    from tenuto.export import export as written
    from tenuto.export.folder import require_room
    from tenuto.export.names import usual_name
    from tenuto.export.targets import TARGETS as TARGETS_BY_NAME
    from tenuto.export.targets import writer

    writer(to)
    task = task_of_run(run)
    folder = run.resolve().with_name(f"{run.resolve().name}-{to}") if out is None else out
    require_room(folder, overwrite=overwrite)
    if TARGETS_BY_NAME[to].named and name is None:
        name = usual_name(run.resolve().name)
    found = written(open_run(task, run, cell), folder, to=to, name=name, overwrite=overwrite)
    console = output()
    for name, about in found.files.items():
        for one in about.get("compared", []):
            console.print(f"{name}: {about['file']}, {one['worst']:.2g} from the model in {one['calls']} calls of {one['runtime']}", markup=False, highlight=False)
    if found.subject.no_step is not None:
        messages().print(f"note        no graph of one step: {found.subject.no_step}", markup=False)
    for name, said in found.subject.outside.items():
        messages().print(f"outside     {name}: {said}", markup=False)
    console.print(str(folder), markup=False)
