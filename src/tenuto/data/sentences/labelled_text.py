"""Texts with a class each: JSON lines, a table with a header (CSV, TSV, Parquet), or plain text without classes, one a line.

    {"text": "a fine film", "label": "good"}          text,label
    {"text": "too long", "label": "bad"}              a fine film,good

`text` may be a list of tokens in JSON lines and Parquet. A file without any label is for prediction; an `id` names the text where there is
one. Parquet needs pyarrow (`pip install 'tenuto[data]'`).
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tenuto.data.decode import read_utf8
from tenuto.data.parts import split_name
from tenuto.data.sentences.conll import SentenceSplits
from tenuto.data.sentences.sentences import Sentences
from tenuto.errors import DataError, TenutoError

TEXT_SUFFIXES = (".jsonl", ".csv", ".tsv", ".parquet", ".txt")


def read_labelled_text(path: str | Path, *, text_column: str = "text", label_column: str = "label") -> Sentences:
    """The texts of a file, with labels where it has them.

    Args:
        text_column, label_column: the keys or columns.
    Raises:
        DataError: not UTF-8, empty, of another format, not JSON, without the text column, a row with another number of cells than the
            header, or some texts with a label and some without; the message names the line.
    """
    path = Path(path)
    if path.suffix.lower() not in TEXT_SUFFIXES:
        raise DataError(
            f"{path} is of a format that is not read as labelled text.", expected=" | ".join(TEXT_SUFFIXES), received=path.suffix or "no suffix"
        )
    rows, sha256 = _rows(path, text_column)
    texts: list[Any] = []
    labels: list[Any] = []
    ids: list[str] = []
    for number, row in rows:
        if text_column not in row:
            raise DataError(
                f"{path}, line {number}: there is no {text_column!r}.", expected=f"a key or column {text_column!r}", received=", ".join(row) or "nothing"
            )
        texts.append(row[text_column])
        ids.append(str(row.get("id", len(ids))))
        if row.get(label_column) in (None, ""):
            continue
        labels.append(row[label_column])
        if len(labels) < len(texts):
            raise _missing_label(path, number, label_column)
    if not texts:
        raise DataError(f"{path} holds no texts.", expected="one text or more")
    if labels and len(labels) < len(texts):
        raise _missing_label(path, None, label_column)
    try:
        return Sentences(texts, None, labels or None, ids=ids, name=path.stem, path=str(path), sha256=sha256, origin=f"file {path.name}")
    except TenutoError as error:
        raise error.within(str(path)) from error.__cause__


def read_labelled_text_splits(
    path: str | Path,
    *,
    validation: str | Path | None = None,
    test: str | Path | None = None,
    text_column: str = "text",
    label_column: str = "label",
) -> SentenceSplits:
    """A file of labelled texts to train on; or a folder with `train`, and perhaps `valid` and `test`, of one of the formats.

    Args:
        validation, test: files for these parts, in place of what a folder has.
    Raises:
        DataError: as `read_labelled_text`, and a folder without a training part or with two.
    """
    found = labelled_text_parts(path)
    found |= {name: Path(given) for name, given in (("validation", validation), ("test", test)) if given is not None}
    if "train" not in found:
        raise DataError(f"the folder {path} has no training part.", expected="train.jsonl, train.csv, ...", received=", ".join(found) or "nothing that fits")
    parts = {name: read_labelled_text(file, text_column=text_column, label_column=label_column) for name, file in found.items()}
    return SentenceSplits(parts["train"], parts.get("validation"), parts.get("test"))


def labelled_text_parts(path: str | Path) -> dict[str, Path]:
    """Where each part ("train", "validation", "test") lies; a lone file is "train".

    Raises:
        DataError: a folder with two files for one part.
    """
    path = Path(path)
    return _files_by_part(path) if path.is_dir() else {"train": path}


def _files_by_part(folder: Path) -> dict[str, Path]:
    found: dict[str, Path] = {}
    for file in sorted(folder.iterdir()):
        if file.suffix.lower() in TEXT_SUFFIXES and file.stem.lower() in ("train", "valid", "validation", "val", "dev", "test"):
            name = split_name(file.stem)
            if name in found:
                raise DataError(f"{folder} holds two files for the {name} part.", expected="one", received=f"{found[name].name}, {file.name}")
            found[name] = file
    return found


def _rows(path: Path, text_column: str) -> tuple[Iterator[tuple[int, dict[str, Any]]], str]:
    """(line, row) of each text, and the file's digest."""
    suffix = path.suffix.lower()
    if suffix == ".parquet":
        return _parquet_rows(path)
    text, sha256 = read_utf8(path)
    if suffix == ".txt":
        return ((number, {text_column: line.strip()}) for number, line in enumerate(text.split("\n"), start=1) if line.strip()), sha256
    return (_json_rows if suffix == ".jsonl" else _table_rows)(path, text), sha256


def _parquet_rows(path: Path) -> tuple[Iterator[tuple[int, dict[str, Any]]], str]:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        raise DataError(f"{path} needs pyarrow, which is not installed.", fix="pip install 'tenuto[data]'") from error
    try:
        content = path.read_bytes()
        rows = pyarrow.parquet.read_table(pyarrow.BufferReader(content)).to_pylist()
    except (OSError, pyarrow.ArrowException) as error:
        raise DataError(f"{path} cannot be read as Parquet: {error}.", expected="a Parquet file") from error
    return enumerate(rows, start=1), hashlib.sha256(content).hexdigest()


def _json_rows(path: Path, text: str) -> Iterator[tuple[int, dict[str, Any]]]:
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except json.JSONDecodeError as error:
            raise DataError(
                f"{path}, line {number} is not JSON: {error.msg} at character {error.pos}.", expected="one JSON object a line", received=repr(line[:60])
            ) from error
        if not isinstance(row, dict):
            raise DataError(f"{path}, line {number} is no JSON object.", expected='{"text": ..., "label": ...}', received=repr(line[:60]))
        yield number, row


def _table_rows(path: Path, text: str) -> Iterator[tuple[int, dict[str, Any]]]:
    rows = csv.reader(io.StringIO(text, newline=""), delimiter="\t" if path.suffix.lower() == ".tsv" else ",")
    try:
        header = [name.strip() for name in next(rows, [])]
        for row in rows:
            if not row:
                continue
            if len(row) != len(header):
                raise DataError(
                    f"{path}, line {rows.line_num}: it has {len(row)} columns.",
                    expected=f"{len(header)} columns, as the header has",
                    received=repr(",".join(row)[:60]),
                    fix="mend the line; a text with commas or line ends stands in double quotes",
                )
            yield rows.line_num, dict(zip(header, row))
    except csv.Error as error:
        raise DataError(f"{path}, line {rows.line_num}: {error}.", expected="a table with a header") from error


def _missing_label(path: Path, number: int | None, column: str) -> DataError:
    where = f"{path}, line {number}" if number else str(path)
    return DataError(
        f"{where}: some texts have a {column!r} and some have none.", expected="a label for every text, or for none", fix="label them, or leave them out"
    )
