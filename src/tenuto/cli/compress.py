"""`tenuto compress`: a run with fewer units or smaller weights, as a run of its own, with what is lost by it."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Annotated, Any

import typer

from tenuto.cli.arguments import CellFile, RunFolder, Split
from tenuto.cli.console import output, strong
from tenuto.cli.parameters import told_by_tasks
from tenuto.cli.tasks import open_run, read_data, refuse_others, task_of_run
from tenuto.tasks.task import Task


@told_by_tasks(asking=False)
def compress(
    context: typer.Context,
    run: RunFolder,
    out: Annotated[Path, typer.Option("--out", "-o", help="The folder of the new run.", show_default=False)],
    int8: Annotated[bool, typer.Option("--int8", help="Weights as whole numbers of 8 bits, with a scale for each row.")] = False,
    int4: Annotated[bool, typer.Option("--int4", help="Weights as whole numbers of 4 bits, with a scale for each 64 of a row.")] = False,
    activations: Annotated[str, typer.Option(help="With --int8, recurrent layers may round what they multiply as well, and multiply whole numbers. int8: each row with a scale of its own; static-int8, static-int16: with scales learnt from --calibrate; float: they do not.")] = "float",
    calibrate: Annotated[str | None, typer.Option(metavar="DATA", help="Data in the form that the run was trained on. With --int4, rounding errors are made good where they would show on it; static activations have their scales from it.", show_default=False)] = None,
    units: Annotated[str | None, typer.Option(metavar="SHARE", help="The share of the units of each layer that stays, 50% or 0.5; the others go, with all that belongs to them.", show_default=False)] = None,
    sparsity: Annotated[str | None, typer.Option(metavar="SHARE", help="The share of each matrix that becomes zero, 90% or 0.9: the smallest weights. Only the others are kept.", show_default=False)] = None,
    blocks: Annotated[int | None, typer.Option(metavar="ROWS", help="With --sparsity: so many neighbouring rows of recurrent layers become zero together, 16 for instance; the time loop skips them.", show_default=False)] = None,
    rank: Annotated[str | None, typer.Option(metavar="SHARE", help="The share of the full rank that W and U of recurrent layers keep, 25% or 0.25: each is kept as two factors.", show_default=False)] = None,
    finetune: Annotated[str | None, typer.Option(metavar="DATA", help="Labelled data, as for `tenuto fit`, on which the network learns on: after units, weights or ranks have gone, or with its weights rounded.", show_default=False)] = None,
    score: Annotated[str | None, typer.Option(help="What units count by: taylor (what the loss would change) or norm (of their weights). Default: taylor with --finetune.", show_default=False)] = None,
    rounds: Annotated[int, typer.Option(help="In how many rounds units, weights or ranks go, with fine-tuning after each.", min=1)] = 3,
    epochs: Annotated[int | None, typer.Option(help="Passes over the data of --finetune in each round. Default: all rounds together as many as RUN was trained for; 3 where nothing is taken away.", min=1, show_default=False)] = None,
    learning_rate: Annotated[float | None, typer.Option(help="The learning rate of fine-tuning. Default: that of RUN.", show_default=False)] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the same command that was killed or interrupted: finished rounds are not trained again.")] = False,
    data: Annotated[str | None, typer.Option(help="Labelled data, to measure what is lost: a file or folder as for `tenuto score`.", show_default=False)] = None,
    target_size: Annotated[str | None, typer.Option(metavar="BYTES", help="Try combinations of fewer units and smaller weights, and take the best whose weights and config are no larger: 100kB, 1MB.", show_default=False)] = None,
    max_drop: Annotated[str | None, typer.Option(metavar="SHARE", help="Write nothing if the new run is worse on DATA by more: 0.5% or 0.005.", show_default=False)] = None,
    min_speedup: Annotated[float | None, typer.Option(metavar="TIMES", help="Write nothing if the new run is not so many times as fast on DATA: 1.5. The median of several runs of both, in turn.", show_default=False)] = None,
    split: Split = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace a run that is there.")] = False,
    cell: CellFile = None,
    **told: Any,
) -> None:
    """Write a run with fewer units or smaller weights, which every command takes as any other. RUN stays as it is.

    [bold]tenuto compress runs/vowels --int8 --out runs/vowels-int8[/bold]
    [bold]tenuto compress runs/vowels --int8 --activations int8 --out runs/vowels-int8[/bold]
    [bold]tenuto compress runs/vowels --int8 --activations static-int8 --calibrate japanese_vowels --out runs/vowels-int8[/bold]
    [bold]tenuto compress runs/vowels --int4 --calibrate japanese_vowels --out runs/vowels-int4[/bold]
    [bold]tenuto compress runs/vowels --int8 --data japanese_vowels --split test --max-drop 0.5% --out runs/vowels-int8[/bold]
    [bold]tenuto compress runs/vowels --target-size 100kB --max-drop 0.5% --data japanese_vowels --split test --out runs/vowels-small[/bold]
    [bold]tenuto compress runs/vowels --units 50% --finetune japanese_vowels --out runs/vowels-half[/bold]
    """
    from tenuto.compress import Compression, search
    from tenuto.compress import compress as smaller
    from tenuto.errors import ArgumentError, TenutoError
    from tenuto.report import build_report
    from tenuto.runs.folder import claim
    from tenuto.runs.names import CONFIGURATION, UNFINISHED

    task = task_of_run(run)
    refuse_others(context, task, *task.columns)
    form = form_of(int8=int8, int4=int4) if int8 or int4 or (units is None and sparsity is None and rank is None and target_size is None) else None
    if out.resolve() == run.resolve():
        raise ArgumentError("a compressed run cannot take the folder of the run that it is made from.", received=f"--out {out}", fix="name another folder")
    existed = out.exists()
    claim(out, overwrite=overwrite or resume)
    work = out / UNFINISHED
    if work.is_dir() and not resume:
        shutil.rmtree(work)
    try:
        model = open_run(task, run, cell)
        given = None if data is None else read_data(context, task, run, data, split, answered=True)
        learnt = None if finetune is None else _lessons(context, task, run, finetune)
        options: dict[str, Any] = {name: value for name, value in {"epochs": epochs, "learning_rate": learning_rate}.items() if value is not None}
        most = None if max_drop is None else share_of(max_drop)
        options |= {"finetune": learnt, "score": score, "rounds": rounds, "folder": None if learnt is None else work}
        if target_size is not None:
            refuse_with_search(form, given, units=units, sparsity=sparsity, blocks=None if blocks is None else str(blocks), rank=rank)
            made = search(model, data=given, target_size=bytes_of(target_size), max_drop=most, min_speedup=min_speedup, **options)
        else:
            read = None if calibrate is None else read_data(context, task, run, calibrate, None, answered=True)
            shares: dict[str, Any] = {name: None if text is None else share_of(text, f"--{name}") for name, text in {"units": units, "sparsity": sparsity, "rank": rank}.items()}
            made = smaller(model, weights=form, activations=activations, blocks=blocks, calibrate=read, data=given, max_drop=most, min_speedup=min_speedup, **shares, **options)
        made.save(out, overwrite=overwrite or resume)
        shutil.rmtree(work, ignore_errors=True)
    except BaseException as error:
        if isinstance(error, TenutoError):
            shutil.rmtree(work, ignore_errors=True)
        if not existed and not any(out.iterdir()):
            out.rmdir()
        raise
    if (run / CONFIGURATION).is_file():
        shutil.copyfile(run / CONFIGURATION, out / CONFIGURATION)
    page = build_report(out)
    found, console = Compression.of(made), output()
    stored = f", {len(found.stored)} of them as {found.form}{found.multiplied}" if found.stored else ""
    console.print(f"weights     {found.bytes_before:,} → {found.bytes_after:,} bytes{stored}", markup=False, highlight=False)
    if found.units is not None:
        console.print(f"units       {str(found.units).removeprefix('units ')}", markup=False, highlight=False)
    console.print(f"folder      {_folder_bytes(run):,} → {_folder_bytes(out):,} bytes", markup=False, highlight=False)
    for one in found.tried:
        console.print(f"tried       {one.how}: {one.size:,} bytes, {one.value:.4g}{' (taken)' if one.chosen else ''}", markup=False, highlight=False)
    if found.speed is not None:
        console.print(f"speed       {found.speed}", markup=False, highlight=False)
    if found.quality is not None:
        console.print(strong(f"quality     {found.quality}"), highlight=False)
    console.print(f"run         {out}\nreport      {page}", markup=False)


def _lessons(context: typer.Context, task: Task, run: Path, data: str) -> Any:
    """The labelled data to learn on: their training part, where they have parts."""
    from tenuto.errors import TenutoError

    try:
        return read_data(context, task, run, data, "train", answered=True)
    except TenutoError:
        return read_data(context, task, run, data, None, answered=True)


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


def refuse_with_search(form: str | None, data: Any, **amounts: str | None) -> None:
    """Raise ArgumentError if a search is told what it is to find out, or has nothing to measure by."""
    from tenuto.errors import ArgumentError

    told = [name for name, value in {f"--{form}": form, **{f"--{name}": amount for name, amount in amounts.items()}}.items() if value]
    if told:
        raise ArgumentError(f"{told[0]} is what --target-size finds out.", expected="one of them", fix=f"leave {told[0]} out")
    if data is None:
        raise ArgumentError("--target-size looks for the best model, and there is nothing to measure it on.", fix="give --data: a labelled set")


def bytes_of(text: str) -> int:
    """A size that was typed.

    Example:
        >>> bytes_of("100kB"), bytes_of("1.5 MB"), bytes_of("2000"), bytes_of("1 KiB")
        (100000, 1500000, 2000, 1024)
    """
    from tenuto.errors import ArgumentError

    units = {"": 1, "b": 1, "kb": 10**3, "mb": 10**6, "gb": 10**9, "kib": 2**10, "mib": 2**20, "gib": 2**30}
    found = re.fullmatch(r"\s*([0-9]+(?:\.[0-9]+)?)\s*([a-zA-Z]*)\s*", text)
    if found is None or found[2].lower() not in units or not float(found[1]):
        raise ArgumentError(f"--target-size {text} is no size.", expected="bytes, such as 100kB, 1.5MB or 20000", received=text)
    return int(float(found[1]) * units[found[2].lower()])


def share_of(text: str, flag: str = "--max-drop") -> float:
    """A share that was typed as a number or in per cent.

    Example:
        >>> share_of("0.5%"), share_of("0.02")
        (0.005, 0.02)
    """
    from tenuto.errors import ArgumentError

    try:
        number = float(text.strip().removesuffix("%"))
    except ValueError:
        raise ArgumentError(f"{flag} {text} is no number.", expected="a share, such as 0.5% or 0.005", received=text) from None
    return number / 100 if text.strip().endswith("%") else number


def _folder_bytes(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
