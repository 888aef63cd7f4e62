"""Reading a data set: which format a file has, which part is for training and which for testing.

The suffix says the format, before `.gz` if the file is compressed. Tables in text may be long or wide, and of wide ones the archive's have no header: that
the content tells (`wide.py`). A split comes from the data and is never drawn at random here: it comes from a column or array `split`, from the names inside
an npz, or from the names of files side by side (`NAME_TRAIN.ts` and `NAME_TEST.ts`; `train.csv`, `validation.csv`, `test.csv`).
"""

from __future__ import annotations

from pathlib import Path

from tenuto.choices import unknown_name
from tenuto.data.compressed import suffix_of
from tenuto.data.decode import telling
from tenuto.data.form import USUAL_FORM, Form
from tenuto.data.parts import Parts, choose_part, find_parts, find_siblings, require_part
from tenuto.data.sequences.arff import read_arff
from tenuto.data.sequences.columns import USUAL, Columns
from tenuto.data.sequences.npz import read_npz
from tenuto.data.sequences.sequences import Sequences
from tenuto.data.sequences.table import read_table_file
from tenuto.data.sequences.ts import read_ts
from tenuto.errors import DataError, ShapeError
from tenuto.tongues import either

# The archives have each set in several formats side by side, of which the first one is read.
ARCHIVE_FORMATS = (".ts", ".arff", ".txt")
FORMATS = (".ts", ".arff", ".csv", ".tsv", ".txt", ".parquet", ".npz")


def read_splits(
    path: str | Path, *, validation: str | Path | None = None, test: str | Path | None = None, columns: Columns = USUAL, form: Form = USUAL_FORM
) -> Parts[Sequences]:
    """A data set to train on, with the official split that its files give.

    Args:
        path: a file, a folder with `*_TRAIN` and `*_TEST` files, or a `*_TRAIN` file with a `*_TEST` file beside it.
        validation, test: files for these parts, in place of what `path` has.
        columns: for tables, which column is what. form: how the files are written.
    Raises:
        DataError: unreadable, in no known format, or without a training part.
        ShapeError: a part has more or fewer channels than the training part. DataError: or other ones, by name; another order is put right.
    """
    path = Path(path)
    parts = read_parts(path, columns=columns, form=form)
    if "all" in parts and columns.split != USUAL.split:
        raise unknown_name(
            f"{path} has no column {columns.split!r} that says which part a sequence is in.", columns.split, parts["all"].channels, kind=DataError,
            fix=f"correct {either('split=', '--split-column')}, or leave it out",
        )  # fmt: skip
    for name, given in (("validation", validation), ("test", test)):
        if given is not None:
            parts[name] = read_sequences(given, columns=columns, form=form)
    train = parts["all"] if "all" in parts else require_part(path, parts, "train")
    for name, part in list(parts.items()):
        if not (train.named and part.named) and len(part.channels) != len(train.channels):
            raise ShapeError(
                f"the {name} part has {len(part.channels)} channels, but the training part has {len(train.channels)}.",
                expected=", ".join(train.channels[:8]),
                received=", ".join(part.channels[:8]),
            )
        if train.named:
            with telling(f"the {name} part"):
                parts[name] = part.arranged(train.channels, "the training part has")
    return Parts(train, parts.get("validation"), parts.get("test"))


def read_sequences(path: str | Path, *, split: str | None = None, columns: Columns = USUAL, form: Form = USUAL_FORM, labels: bool = True) -> Sequences:
    """One set of sequences: the part of the data that `split` names. Without `split`: all of a file that has no parts, else its test part.

    Args:
        columns: for tables, which column is what. form: how the file is written.
        labels: whether to read the labels or targets. If not, it does not matter what stands in their place.
    Raises:
        DataError: unreadable, in no known format, or the data does not have that part.
        ArgumentError: `split` is not the name of a part.
    """
    return choose_part(Path(path), read_parts(path, columns=columns, form=form, siblings=split is not None, labels=labels), split)


def read_parts(path: str | Path, *, columns: Columns = USUAL, form: Form = USUAL_FORM, siblings: bool = True, labels: bool = True) -> dict[str, Sequences]:
    """Every part of the data by name: "train", "validation", "test", or "all" where the data has no split.

    Args:
        columns: for tables, which column is what. form: how the files are written.
        siblings: for a file named `*_TRAIN` or `*_TEST`, read the files of the other parts beside it too.
        labels: whether to read the labels or targets.
    Raises:
        DataError: unreadable, in no known format, two files for one part, or a file for one part that has parts of its own.
    """
    path = Path(path)
    files = find_parts(path, FORMATS, alike=ARCHIVE_FORMATS) if path.is_dir() else find_siblings(path, FORMATS) if siblings and path.is_file() else {}
    if not files:
        return _read_file(path, columns, form, labels)
    parts = {}
    for name, file in files.items():
        inside = _read_file(file, columns, form, labels)
        if list(inside) != ["all"]:
            raise DataError(f"{file} is the {name} part by its name, but it has parts of its own.", received=", ".join(inside))
        parts[name] = inside["all"]
    return parts


def _read_file(path: Path, columns: Columns, form: Form, labels: bool) -> dict[str, Sequences]:
    kind = suffix_of(path)
    if kind not in FORMATS:
        raise DataError(
            f"{path} is in a format that tenuto does not read.",
            expected=" | ".join(FORMATS) + ", also compressed (.gz)",
            received=kind or "no suffix",
            fix="convert it to one of them, for example a CSV with the columns id, time, channels ..., label",
        )
    if columns.weight is not None and labels and kind in (".ts", ".npz", ".arff"):
        raise DataError(
            f"{path} has no columns, so none with weights.", expected=".csv | .tsv | .parquet", received=f"weights in the column {columns.weight!r}", fix=f"write the set as a table, or give {either('sample_weight to fit', 'the weights in Python')}"
        )
    if kind == ".ts":
        return read_ts(path, columns, form, labels=labels)
    if kind == ".npz":
        return read_npz(path, columns, labels=labels)
    if kind == ".arff":
        return read_arff(path, columns, form, labels=labels)
    return read_table_file(path, columns, form, labels=labels)
