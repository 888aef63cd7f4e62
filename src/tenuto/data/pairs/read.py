"""Reading pairs from files: TSV (one pair per line, source and target separated by a tab) and JSON lines.

Rules: UTF-8, with or without a byte order mark; lines end in LF, CRLF or CR; empty lines are skipped; a TSV file has no quoting. It may have a header with
`source` and `target` (or src and tgt, input and output), in any order and among other columns; and a third column that names the licence of the pair, which is left out.
A line of JSON is an object with "source" and "target", each a text or a list of symbols. Everything else in it is ignored.
Every error names the line; if the file is not UTF-8, it also names the byte.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tenuto.choices import require
from tenuto.data.decode import lines_of, read_utf8
from tenuto.data.pairs.pairs import Pairs
from tenuto.data.parts import Parts, find_parts, read_each
from tenuto.data.rows import Row, read_rows
from tenuto.data.source import LeftOut, Source
from tenuto.errors import DataError
from tenuto.tongues import either

PAIR_FORMATS = (".tsv", ".txt", ".jsonl")
# What a header calls the two sides; both must be named, so that a pair of words is no header.
_SIDES = {**dict.fromkeys(("source", "src", "input", "source_text", "input_text"), "source"), **dict.fromkeys(("target", "tgt", "trg", "output", "target_text", "output_text"), "target")}
# Who wrote a pair, as in the files of Tatoeba and Anki (manythings.org).
_ATTRIBUTION = re.compile(r"CC[- ]BY\b|CC0\b|.{0,40}\btatoeba\b", re.IGNORECASE)


def read_pair_splits(
    path: str | Path, *, validation: str | Path | None = None, test: str | Path | None = None, empty: str = "error"
) -> Parts[Pairs]:
    """A data set to train on, with the parts that its files give.

    Args:
        path: a file, or a folder with `train.tsv`, `validation.tsv` (or valid, val, dev) and `test.tsv` (or .txt, .jsonl; the name of the data
            may come first: `cmudict_train.tsv`). A folder must have the `train` file.
        validation, test: files for these parts, in place of what `path` has.
        empty: as in `read_pairs`.
    Raises:
        DataError: as in `read_pairs`; or a folder without a training part, or with two files for one part.
    """
    path = Path(path)
    return read_each(path, find_parts(path, PAIR_FORMATS), lambda file: read_pairs(file, empty=empty), validation=validation, test=test)


def read_pairs(path: str | Path, *, targets: bool = True, empty: str = "error") -> Pairs:
    """The pairs of one file.

    Args:
        targets: whether there must be targets. If not, a line of a TSV may be just the source, and what follows a tab is not read.
        empty: what happens to a pair with an empty side. "error": a DataError. "skip": it is left out and counted (`Pairs.skipped`).
    Raises:
        DataError: no such file, another format, no pair, bytes that are not UTF-8, or a line that is not a pair; the message says where.
        ArgumentError: `empty` is neither "error" nor "skip".
    """
    path = Path(path)
    require("empty", empty, ("error", "skip"))
    if path.suffix.lower() not in PAIR_FORMATS:
        raise DataError(
            f"{path} is in a format that pairs are not read from.",
            expected=" | ".join(PAIR_FORMATS),
            received=path.suffix or "no suffix",
            fix="write one pair per line, source<TAB>target, to a .tsv file",
        )
    rows, source = _rows(path, targets)
    sources, answers, ids, left_out = [], [], [], []
    for place, cells in rows:
        side, target = cells["source"], cells.get("target", "")
        missing = ["source"] * _is_empty(side) + ["target"] * (targets and _is_empty(target))
        if missing and empty == "skip":
            left_out.append(LeftOut(len(sources) + len(left_out), place))
            continue
        if missing:
            raise DataError(
                f"{path}, {place}: the {missing[0]} is empty.",
                expected="source<TAB>target, one or more symbols on each side",
                received=f"{side!r:.40} and {target!r:.40}",
                fix="fill it in, take the line out, or leave such pairs out with " + either("empty='skip'", "--skip-empty"),
            )
        sources.append(side)
        answers.append(target)
        ids.append(place)
    if not sources:
        raise DataError(f"{path} has no pairs.", expected="one pair per line", received=f"{len(left_out)} pairs, all left out" if left_out else "an empty file")
    return Pairs(sources, answers if targets else None, ids=ids, came_from=source, skipped=len(left_out), left_out=left_out)


def _rows(path: Path, targets: bool) -> tuple[Iterator[Row], Source]:
    """The rows of the file, with "source", and with "target" where there must be targets."""
    if path.suffix.lower() != ".jsonl":
        text, source = read_utf8(path)
        lines = [(number, line) for number, line in enumerate(lines_of(text), start=1) if line]
        names = [_SIDES.get(cell.strip().lower()) for cell in lines[0][1].split("\t")] if lines else []
        if "source" in names and "target" in names:
            return _under_header(path, names, lines, targets), source
        return (_tab_row(line, path, number, targets) for number, line in lines), source
    wanted = ("source", "target") if targets else ("source",)
    rows, source = read_rows(path, wanted)

    def checked() -> Iterator[Row]:
        for place, cells in rows:
            for name in wanted:
                if not _is_side(cells[name]):
                    raise DataError(f"{path}, {place}: the {name} is not text.", expected=_JSON_FORM, received=repr(cells[name])[:80])
            yield Row(place, cells)

    return checked(), source


def _under_header(path: Path, names: list[str | None], lines: list[tuple[int, str]], targets: bool) -> Iterator[Row]:
    """The rows of a file whose first line names its columns; others than the two sides are left out."""
    if names.count("source") > 1 or names.count("target") > 1:
        raise DataError(f"{path}, line {lines[0][0]}: two columns are the same side of a pair.", expected="source, target", received=repr(lines[0][1][:80]))
    for number, line in lines[1:]:
        cells = line.split("\t")
        if len(cells) != len(names):
            raise DataError(
                f"{path}, line {number}: it has {len(cells)} column{'s' * (len(cells) > 1)}, the header has {len(names)}.",
                expected=lines[0][1][:80].replace("\t", "<TAB>"),
                received=repr(line[:80]),
                fix="mend the line; symbols with a tab in them need JSON lines",
            )
        yield Row(f"line {number}", {name: cells[names.index(name)] for name in ("source", "target")[: 1 + targets]})


def _tab_row(line: str, path: Path, number: int, targets: bool) -> Row:
    columns = line.split("\t")
    if len(columns) == 3 and _ATTRIBUTION.match(columns[2]):
        columns.pop()
    if len(columns) != 2 and (targets or len(columns) > 2):
        raise DataError(
            f"{path}, line {number}: it has {len(columns)} column{'s' * (len(columns) > 1)}.",
            expected="source<TAB>target" if targets else "only a source, or source<TAB>target",
            received=repr(line[:80]),
            fix="put exactly one tab between the two sides; symbols with a tab in them need JSON lines",
        )
    return Row(f"line {number}", dict(zip(("source", "target"), columns)))


_JSON_FORM = '{"source": "cat", "target": ["K", "AE", "T"]}, each a text or a list of symbols'


def _is_side(value: Any) -> bool:
    return isinstance(value, str) or (isinstance(value, list) and all(isinstance(symbol, str) for symbol in value))


def _is_empty(value: Any) -> bool:
    return not value or (isinstance(value, str) and not value.strip())
