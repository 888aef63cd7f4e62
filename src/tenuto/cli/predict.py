"""`tenuto predict`: a trained model's answers for new data, as CSV, JSON lines, or a format of the task's own."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from tenuto.cli.arguments import CellFile, RunData, RunFolder, Split, require_free
from tenuto.cli.console import messages
from tenuto.cli.parameters import told_by_tasks
from tenuto.cli.tasks import open_run, read_data, refuse_others, task_of_run
from tenuto.tasks import cards
from tenuto.tasks.task import Rows, load
from tenuto.tongues import typed_path

SUFFIXES = " or ".join(sorted({suffix for task in cards() for suffix in task.writers}))


@told_by_tasks(asking=True)
def predict(
    context: typer.Context,
    run: RunFolder,
    data: RunData,
    out: Annotated[Path | None, typer.Option("--out", "-o", help=f"Write to this .csv or .jsonl file ({SUFFIXES} if the task has it), not to the terminal.", show_default=False)] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the file if it exists.")] = False,
    split: Split = None,
    cell: CellFile = None,
    device: Annotated[str, typer.Option(help="cpu, cuda, ...")] = "cpu",
    **told: Any,
) -> None:
    """Predict for each item of DATA what the run was trained for: its class, the tag of each word, its translation.

    There is one row for each item: its id, the answer, and how probable the model thinks that is. Labels in DATA are ignored.

    [bold]tenuto predict runs/vowels japanese_vowels -o answers.csv[/bold]
    """
    from tenuto.errors import ArgumentError
    from tenuto.files import write_text

    task = task_of_run(run)
    if task.predict is None:
        fix = f"let it write text: tenuto generate {typed_path(run)}" if task.write else None
        raise ArgumentError(f"{run} cannot predict anything: its task is {task.name}.", fix=fix)
    kind = ".csv" if out is None else out.suffix.lower()
    writers = {".csv": _csv, ".jsonl": _jsonl, **{suffix: load(name) for suffix, name in task.writers.items()}}
    if kind not in writers:
        raise ArgumentError(f"predictions are not written as {kind or 'a file without suffix'}.", expected=" | ".join(writers), received=str(out))
    require_free(out, overwrite)
    refuse_others(context, task, *task.columns, *task.asking)
    model = open_run(task, run, cell, device)
    asked = read_data(context, task, run, data, split, answered=False)
    rows = list(load(task.predict)(model, asked, {choice.name: told[choice.name] for choice in task.asking}))
    left_out = getattr(asked, "left_out", ())
    for position, identity in left_out:
        rows.insert(position, {"id": identity, **dict.fromkeys(name for row in rows[:1] for name in row if name != "id")})
    if left_out:
        names = ", ".join(one.identity for one in left_out[:6]) + (", ..." if len(left_out) > 6 else "")
        messages().print(f"nothing to answer in {len(left_out)} of {len(rows)}, which {'is' if len(left_out) == 1 else 'are'} empty: {names}", markup=False)
    text = writers[kind](rows)
    if out is None:
        typer.echo(text, nl=False)
        return
    write_text(out, text)
    messages().print(f"{len(rows)} predictions in {out}", markup=False)


def _csv(rows: Rows) -> str:
    """A header, and one line for each row; a list (the words of a sentence, their tags) is one cell, joined with spaces."""
    text = io.StringIO()
    names = list(dict.fromkeys(name for row in rows for name in row))
    writer = csv.DictWriter(text, fieldnames=names, lineterminator="\n")
    writer.writeheader()
    writer.writerows({name: _cell(value) for name, value in row.items()} for row in rows)
    return text.getvalue()


def _jsonl(rows: Rows) -> str:
    return "".join(json.dumps(_plain(row), ensure_ascii=False) + "\n" for row in rows)


def _cell(value: Any) -> Any:
    return " ".join(str(item) for item in value) if isinstance(value, (list, tuple)) else value


def _plain(row: Mapping[str, Any]) -> Any:
    from tenuto.files import plain

    return plain(row)
