"""Reading pairs from files: TSV (one pair a line, source and target with a tab between) and JSON lines.

Rules: UTF-8, with or without a byte order mark; lines end in LF or CRLF; wholly empty lines are passed over; no header, no quoting.
A line of JSON is an object with "source" and "target", each a text or a list of symbols. Everything else in it is left alone.
Every complaint names the line; bytes that are no UTF-8 are named by their place in the file.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any, NamedTuple

from tenuto.data.decode import read_utf8
from tenuto.data.pairs.pairs import Pairs
from tenuto.data.parts import split_name
from tenuto.errors import ArgumentError, DataError

PAIR_FORMATS = (".tsv", ".txt", ".jsonl")
_PART = re.compile(r"^(?P<stem>.*?[_\-.])?(?P<split>train|test|validation|valid|val|dev)(?P<format>\.(tsv|txt|jsonl))$", re.IGNORECASE)


class PairSplits(NamedTuple):
    """The parts of a data set; `validation` and `test` are None where the data has none."""

    train: Pairs
    validation: Pairs | None = None
    test: Pairs | None = None


def read_pair_splits(path: str | Path, *, test: str | Path | None = None, empty: str = "error") -> PairSplits:
    """A data set to train on, with the parts that its files give.

    Args:
        path: a file, or a folder with `train.tsv`, `validation.tsv` (or valid, val, dev) and `test.tsv` (or .txt, .jsonl; a name may
            stand before: `cmudict_train.tsv`). Of a folder, `train` must be there.
        test: a file to test on, in place of what `path` has.
        empty: as `read_pairs`.
    Raises:
        DataError: as `read_pairs`, or a folder without a training part or with two of one part.
    """
    path = Path(path)
    parts = {"train": path}
    if path.is_dir():
        parts = {}
        for file in sorted(path.iterdir()):
            match = _PART.match(file.name)
            if match is None:
                continue
            name = split_name(match["split"])
            if name in parts:
                raise DataError(f"{path} has two {name} parts.", received=f"{parts[name].name}, {file.name}", fix="name the training file")
            parts[name] = file
        if "train" not in parts:
            raise DataError(
                f"the folder {path} holds no pairs to train on.",
                expected="train.tsv (or .txt, .jsonl), with validation.tsv and test.tsv beside it if you have them",
                received=", ".join(file.name for file in sorted(path.iterdir())[:8]) or "an empty folder",
            )
    if test is not None:
        parts["test"] = Path(test)
    return PairSplits(**{name: read_pairs(file, empty=empty) for name, file in parts.items()})


def read_pairs(path: str | Path, *, targets: bool = True, empty: str = "error") -> Pairs:
    """The pairs of one file.

    Args:
        targets: whether there must be targets. Without, a line of a TSV may be the source alone, and what follows a tab is not read.
        empty: what a pair with an empty side does. "error": DataError. "skip": it is left out and counted (`Pairs.skipped`).
    Raises:
        DataError: no such file, another format, no pair, bytes that are no UTF-8, or a line that is no pair; the message says where.
    """
    path = Path(path)
    if empty not in ("error", "skip"):
        raise ArgumentError(f"empty={empty!r} is not known.", expected="error | skip")
    if path.suffix.lower() not in PAIR_FORMATS:
        raise DataError(
            f"{path} is of a format that pairs are not read from.",
            expected=" | ".join(PAIR_FORMATS),
            received=path.suffix or "no suffix",
            fix="write one pair a line, source<TAB>target, to a .tsv file",
        )
    text, digest = read_utf8(path)
    read = _json_line if path.suffix.lower() == ".jsonl" else _tab_line
    sources, answers, ids, skipped = [], [], [], 0
    for number, line in enumerate(text.split("\n"), 1):
        line = line.removesuffix("\r")
        if not line:
            continue
        source, target = read(line, f"{path}, line {number}", targets)
        missing = [side for side, value in (("source", source), ("target", target)) if _is_empty(value)]
        if missing[:1] == ["target"] and not targets:
            missing = []
        if missing and empty == "skip":
            skipped += 1
            continue
        if missing:
            raise DataError(
                f"{path}, line {number}: the {missing[0]} is empty.",
                expected="source<TAB>target, one symbol or more on each side",
                received=repr(line[:80]),
                fix='fill it in, take the line out, or leave such pairs out with empty="skip" (--skip-empty)',
            )
        sources.append(source)
        answers.append(target)
        ids.append(f"line {number}")
    if not sources:
        raise DataError(f"{path} has no pairs.", expected="one pair a line", received=f"{len(text)} characters, {skipped} pairs left out")
    return Pairs(
        sources, answers if targets else None, ids=ids, name=path.stem, path=str(path), sha256=digest, origin=f"file {path.name}", skipped=skipped
    )


def _tab_line(line: str, where: str, targets: bool) -> tuple[str, str]:
    columns = line.split("\t")
    if len(columns) != 2 and (targets or len(columns) > 2):
        raise DataError(
            f"{where}: {len(columns)} column{'s' * (len(columns) > 1)}.",
            expected="source<TAB>target" if targets else "a source alone, or source<TAB>target",
            received=repr(line[:80]),
            fix="put exactly one tab between the two sides; symbols that hold a tab need JSON lines",
        )
    return columns[0], columns[1] if len(columns) > 1 else ""


def _json_line(line: str, where: str, targets: bool) -> tuple[Any, Any]:
    try:
        data = json.loads(line)
    except json.JSONDecodeError as error:
        raise DataError(f"{where}: no JSON: {error.msg} at column {error.colno}.", expected=_JSON_FORM, received=repr(line[:80])) from None
    wanted = ("source", "target") if targets else ("source",)
    wrong = [key for key in wanted if not isinstance(data, dict) or not _is_side(data.get(key))]
    if wrong:
        raise DataError(f"{where}: {wrong[0]} is missing or no text.", expected=_JSON_FORM, received=repr(line[:80]))
    return data["source"], data["target"] if targets else ""


_JSON_FORM = '{"source": "cat", "target": ["K", "AE", "T"]}: each a text or a list of symbols'


def _is_side(value: Any) -> bool:
    return isinstance(value, str) or (isinstance(value, list) and all(isinstance(symbol, str) for symbol in value))


def _is_empty(value: Any) -> bool:
    return not value or (isinstance(value, str) and not value.strip())
