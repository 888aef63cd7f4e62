"""`tenuto predict`: a trained model's answers for new sequences, as CSV or JSON lines."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Annotated, Any

import typer

from . import arguments
from .arguments import CellFile, Channels, Data, IdColumn, LabelColumn, RunFolder, Split, SplitColumn, TimeColumn
from .console import messages


def predict(
    run: RunFolder,
    data: Data,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Write to this .csv or .jsonl file, not to the terminal.", show_default=False)] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the file if there is one.")] = False,
    probabilities: Annotated[bool, typer.Option("--probabilities", help="The probability of every class, not only of the answer.")] = False,
    split: Split = None,
    cell: CellFile = None,
    device: Annotated[str, typer.Option(help="cpu, cuda, ...")] = "cpu",
    id_column: IdColumn = "id",
    time_column: TimeColumn = "time",
    label_column: LabelColumn = "label",
    split_column: SplitColumn = "split",
    channels: Channels = None,
) -> None:
    """Predict the class of each sequence in DATA.

    One row a sequence: its id, the class, and the probability that the model gives it. Labels in DATA are not looked at.

    [bold]tenuto predict runs/vowels japanese_vowels -o answers.csv[/bold]
    """
    from ..data import read_sequences
    from ..errors import ArgumentError
    from ..train.files import write_text

    kind = ".csv" if out is None else out.suffix.lower()
    if kind not in (".csv", ".jsonl"):
        raise ArgumentError(f"predictions are not written as {kind or 'a file without suffix'}.", expected=".csv | .jsonl", received=str(out))
    if out is not None and out.exists() and not overwrite:
        raise ArgumentError(f"{out} is there already.", fix="choose another name, or add --overwrite")
    if out is not None and not out.resolve().parent.is_dir():
        raise ArgumentError(f"there is no folder {out.parent} to write to.", fix="make it first")
    model = arguments.load_classifier(run, cell, device)
    table = arguments.columns(id_column, time_column, label_column, split_column, channels)
    sequences = read_sequences(arguments.data_path(data), split=split, columns=table)
    rows = _rows(sequences.ids, model.predict_proba(sequences), model.classes_.tolist(), every=probabilities)
    text = _csv(rows) if kind == ".csv" else "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    if out is None:
        typer.echo(text, nl=False)
        return
    write_text(out, text)
    messages().print(f"{len(rows)} predictions in {out}", markup=False)


def _rows(ids: tuple[str, ...], probabilities: Any, classes: list[Any], *, every: bool) -> list[dict[str, Any]]:
    """One dictionary a sequence; with `every`, a column `p(CLASS)` for each class."""
    rows = []
    for name, row in zip(ids, probabilities):
        best = int(row.argmax())
        columns = {f"p({label})": round(float(share), 6) for label, share in zip(classes, row)} if every else {}
        rows.append({"id": name, "predicted": classes[best], "probability": round(float(row[best]), 6), **columns})
    return rows


def _csv(rows: list[dict[str, Any]]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, fieldnames=list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()
