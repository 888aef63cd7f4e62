"""Reading a data set: which file is which format, which part is for training and which for testing.

A split comes from the data, never from chance: from a column or array `split`, from the names inside an npz, or from the names of files
that lie side by side (`NAME_TRAIN.ts` and `NAME_TEST.ts`; `train.csv`, `validation.csv`, `test.csv`).
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path

from tenuto.data.parts import split_name
from tenuto.data.sequences.npz import read_npz
from tenuto.data.sequences.sequences import Sequences
from tenuto.data.sequences.table import USUAL, Columns, read_csv, read_parquet
from tenuto.data.sequences.ts import read_ts
from tenuto.errors import ArgumentError, DataError, ShapeError

SPLITS = ("train", "validation", "test")
FORMATS = (".ts", ".csv", ".parquet", ".npz")
_SPLIT_FILE = re.compile(r"^(?P<stem>.*?[_\-.])?(?P<split>train|test|validation|valid|val)(?P<format>\.(ts|csv|parquet|npz))$", re.I)


@dataclass(frozen=True)
class Splits:
    """The parts of a data set; `validation` and `test` are None where the data has none."""

    train: Sequences
    validation: Sequences | None = None
    test: Sequences | None = None


def read_splits(path: str | Path, *, test: str | Path | None = None, columns: Columns = USUAL) -> Splits:
    """A data set to train on, with the official split that its files give.

    Args:
        path: a file, a folder with `*_TRAIN` and `*_TEST` files, or one `*_TRAIN` file whose `*_TEST` lies beside it.
        test: a file to test on, in place of what `path` has.
        columns: for tables, which column is what.
    Raises:
        DataError: unreadable, of no known format, without a training part, or parts that do not have the same channels.
    """
    parts = read_parts(path, columns=columns)
    if test is not None:
        parts["test"] = read_sequences(test, columns=columns)
    train = parts.get("train", parts.get("all"))
    if train is None:
        raise DataError(f"{path} has no training part.", expected="train", received=", ".join(parts))
    for name, part in parts.items():
        if len(part.channels) != len(train.channels):
            raise ShapeError(
                f"the {name} part has {len(part.channels)} channels, the training part has {len(train.channels)}.",
                expected=", ".join(train.channels[:8]),
                received=", ".join(part.channels[:8]),
            )
    return Splits(train, parts.get("validation"), parts.get("test"))


def read_sequences(path: str | Path, *, split: str | None = None, columns: Columns = USUAL) -> Sequences:
    """One set of sequences: the part `split` of the data, or all of a file that has no parts, or else its test part.

    Raises:
        DataError: as `read_splits`, or the data has no such part.
    """
    if split is not None and split not in SPLITS:
        raise ArgumentError(f"{split!r} is not a split.", expected=" | ".join(SPLITS))
    parts = read_parts(path, columns=columns, siblings=split is not None)
    wanted = split or ("all" if "all" in parts else "test" if "test" in parts else next(iter(parts)))
    if wanted not in parts:
        raise DataError(f"{path} has no {wanted} part.", expected=wanted, received=", ".join(parts), fix="leave the split out to use all")
    return parts[wanted]


def read_parts(path: str | Path, *, columns: Columns = USUAL, siblings: bool = True) -> dict[str, Sequences]:
    """Every part of the data by name: "train", "validation", "test", or "all" where the data has no split.

    Args:
        siblings: for a file named `*_TRAIN` or `*_TEST`, read the files beside it too.
    """
    path = Path(path)
    files = _split_files(path, siblings=siblings)
    if not files:
        return _read_file(path, columns)
    parts = {}
    for name, file in files.items():
        inside = _read_file(file, columns)
        if list(inside) != ["all"]:
            raise DataError(f"{file} is the {name} part by its name and has parts of its own.", received=", ".join(inside))
        parts[name] = inside["all"].select(range(len(inside["all"])), origin=f"file {file.name}")
    return parts


def _split_files(path: Path, *, siblings: bool) -> dict[str, Path]:
    """The files of a split set by part; empty for a file that stands for itself."""
    match = _SPLIT_FILE.match(path.name)
    if path.is_dir():
        candidates, stem = sorted(path.iterdir()), None
    elif match and siblings and path.is_file():
        candidates, stem = sorted(path.parent.iterdir()), (match["stem"] or "", match["format"].lower())
    else:
        return {}
    found: dict[str, Path] = {}
    for file in candidates:
        other = _SPLIT_FILE.match(file.name)
        if other is None or (stem is not None and (other["stem"] or "", other["format"].lower()) != stem):
            continue
        name = split_name(other["split"])
        if name in found:
            raise DataError(
                f"{path} holds more than one data set.",
                expected="one *_TRAIN and one *_TEST file",
                received=f"{found[name].name}, {file.name}",
                fix="name the training file itself",
            )
        found[name] = file
    if not found:
        raise DataError(
            f"the folder {path} holds no data set.",
            expected="NAME_TRAIN.ts and NAME_TEST.ts, or train.csv and test.csv (or .parquet, .npz)",
            received=", ".join(file.name for file in candidates[:8]) or "an empty folder",
        )
    return {name: found[name] for name in SPLITS if name in found}


def _read_file(path: Path, columns: Columns) -> dict[str, Sequences]:
    if not path.is_file():
        raise DataError(f"there is no data file {path}.", expected=f"a file ({', '.join(FORMATS)}) or a folder", fix="check the path")
    kind = path.suffix.lower()
    if kind not in FORMATS:
        raise DataError(
            f"{path} is of a format that tenuto does not read.",
            expected=" | ".join(FORMATS),
            received=kind or "no suffix",
            fix="convert it to one of them, for example a CSV with the columns id, time, channels ..., label",
        )
    try:
        sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}.") from error
    if kind == ".ts":
        return read_ts(path, sha256=sha256)
    if kind == ".npz":
        return read_npz(path, sha256=sha256)
    return (read_csv if kind == ".csv" else read_parquet)(path, sha256=sha256, columns=columns)
