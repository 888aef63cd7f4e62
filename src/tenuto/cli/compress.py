"""`tenuto compress`: a run with smaller weights, as a run of its own, with what is lost by it."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Annotated, Any

import typer

from tenuto.cli.arguments import CellFile, RunFolder, Split
from tenuto.cli.console import output, strong
from tenuto.cli.parameters import told_by_tasks
from tenuto.cli.tasks import open_run, read_data, refuse_others, task_of_run


@told_by_tasks(asking=False)
def compress(
    context: typer.Context,
    run: RunFolder,
    out: Annotated[Path, typer.Option("--out", "-o", help="The folder of the new run.", show_default=False)],
    int8: Annotated[bool, typer.Option("--int8", help="Weights as whole numbers of 8 bits, with a scale for each row.")] = False,
    int4: Annotated[bool, typer.Option("--int4", help="Weights as whole numbers of 4 bits, with a scale for each 64 of a row.")] = False,
    activations: Annotated[str, typer.Option(help="int8: with --int8, recurrent layers round what they multiply as well, and multiply whole numbers; float: they do not.")] = "float",
    calibrate: Annotated[str | None, typer.Option(metavar="DATA", help="With --int4: data in the form that the run was trained on; rounding errors are made good where they would show on it.", show_default=False)] = None,
    finetune: Annotated[str | None, typer.Option(metavar="DATA", help="Labelled data, on which the new run learns for some epochs with its weights rounded.", show_default=False)] = None,
    data: Annotated[str | None, typer.Option(help="Labelled data, to measure what is lost: a file or folder as for `tenuto score`.", show_default=False)] = None,
    max_drop: Annotated[str | None, typer.Option(metavar="SHARE", help="Write nothing if the new run is worse on DATA by more: 0.5% or 0.005.", show_default=False)] = None,
    split: Split = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace a run that is there.")] = False,
    cell: CellFile = None,
    **told: Any,
) -> None:
    """Write a run with smaller weights, which every command takes as any other. RUN stays as it is.

    [bold]tenuto compress runs/vowels --int8 --out runs/vowels-int8[/bold]
    [bold]tenuto compress runs/vowels --int8 --activations int8 --out runs/vowels-int8[/bold]
    [bold]tenuto compress runs/vowels --int4 --calibrate japanese_vowels --out runs/vowels-int4[/bold]
    [bold]tenuto compress runs/vowels --int8 --data japanese_vowels --split test --max-drop 0.5% --out runs/vowels-int8[/bold]
    """
    from tenuto.compress import Compression
    from tenuto.compress import compress as smaller
    from tenuto.errors import ArgumentError
    from tenuto.report import build_report
    from tenuto.runs.folder import claim
    from tenuto.runs.names import CONFIGURATION

    task = task_of_run(run)
    refuse_others(context, task, *task.columns)
    form = form_of(int8=int8, int4=int4)
    if out.resolve() == run.resolve():
        raise ArgumentError("a compressed run cannot take the folder of the run that it is made from.", received=f"--out {out}", fix="name another folder")
    existed = out.exists()
    claim(out, overwrite=overwrite)
    try:
        model = open_run(task, run, cell)
        given = None if data is None else read_data(context, task, run, data, split, answered=True)
        read = None if calibrate is None else read_data(context, task, run, calibrate, None, answered=True)
        learnt = None if finetune is None else read_data(context, task, run, finetune, split, answered=True)
        made = smaller(model, weights=form, activations=activations, calibrate=read, finetune=learnt, data=given, max_drop=None if max_drop is None else share_of(max_drop))
        if given is not None:
            made.evaluate(given)
        made.save(out, overwrite=overwrite)
    except BaseException:
        if not existed and not any(out.iterdir()):
            out.rmdir()
        raise
    if (run / CONFIGURATION).is_file():
        shutil.copyfile(run / CONFIGURATION, out / CONFIGURATION)
    page = build_report(out)
    found, console = Compression.of(made), output()
    console.print(f"weights     {found.bytes_before:,} → {found.bytes_after:,} bytes, {len(found.stored)} of them as {found.weights}{found.multiplied}", markup=False, highlight=False)
    console.print(f"folder      {_folder_bytes(run):,} → {_folder_bytes(out):,} bytes", markup=False, highlight=False)
    if found.quality is not None:
        console.print(strong(f"quality     {found.quality}"), highlight=False)
    console.print(f"run         {out}\nreport      {page}", markup=False)


def form_of(**asked: bool) -> str:
    """The form of weights that was typed.

    Raises:
        ArgumentError: none was, or several.
    """
    from tenuto.errors import ArgumentError

    typed = [name for name, value in asked.items() if value]
    if len(typed) != 1:
        known = " | ".join(f"--{name}" for name in asked)
        raise ArgumentError("it is not said how the weights are to be kept." if not typed else "the weights can be kept in one form only.", expected=known, received=", ".join(f"--{name}" for name in typed) or None)
    return typed[0]


def share_of(text: str) -> float:
    """A share that was typed as a number or in per cent.

    Example:
        >>> share_of("0.5%"), share_of("0.02")
        (0.005, 0.02)
    """
    from tenuto.errors import ArgumentError

    try:
        number = float(text.strip().removesuffix("%"))
    except ValueError:
        raise ArgumentError(f"--max-drop {text} is no number.", expected="a share, such as 0.5% or 0.005", received=text) from None
    return number / 100 if text.strip().endswith("%") else number


def _folder_bytes(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
