"""Reading pairs from files: a table (TSV, CSV, Parquet), JSON, or two files side by side (`parallel.py`).

Rules: UTF-8, or as `Form` says; lines end in LF, CRLF or CR; empty lines are skipped; a TSV file has no quoting. TSV and CSV need no header: then the source
comes first. A header names `source` and `target` (or src and tgt, input and output, or as the call says), in any order and among other columns. A third
column without a name that says the licence of the pair is left out. In JSON and Parquet a side is a text or a list of symbols; everything else is ignored.
Every error names the line, or the row; if the file is not in its encoding, it also names the byte.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

from tenuto.choices import require
from tenuto.data.compressed import suffix_of
from tenuto.data.decode import read_decoded
from tenuto.data.delimited import Cells, cells_of_lines
from tenuto.data.form import USUAL_FORM, Form
from tenuto.data.pairs.pairs import Pairs
from tenuto.data.pairs.parallel import PARALLEL, is_parallel, parallel_rows, words_of
from tenuto.data.parts import Parts, find_parts, read_each
from tenuto.data.rows import Row, read_rows
from tenuto.data.source import LeftOut, Source
from tenuto.errors import ArgumentError, DataError
from tenuto.tongues import either

PAIR_FORMATS = (".tsv", ".txt", ".jsonl", ".csv", ".json", ".parquet")
_LINES = (".tsv", ".txt", ".csv")
# What a header calls the two sides; both must be named, so that a pair of words is no header.
_SIDES = {**dict.fromkeys(("source", "src", "input", "source_text", "input_text"), "source"), **dict.fromkeys(("target", "tgt", "trg", "output", "target_text", "output_text"), "target")}
_SAYING = either("sides=Sides(source=..., target=...)", "--source-column, --target-column")
# Who wrote a pair, as in the files of Tatoeba and Anki (manythings.org).
_ATTRIBUTION = re.compile(r"CC[- ]BY\b|CC0\b|.{0,40}\btatoeba\b", re.IGNORECASE)


@dataclass(frozen=True)
class Sides:
    """Where the two sides of a pair stand.

    Args:
        source, target: the names of the columns or keys; with dots for keys inside of others; without a header, their numbers.
        parallel: the words in which the names of two parallel files differ, "SOURCE=TARGET"; "" for pairs in one file.
    """

    source: str = "source"
    target: str = "target"
    parallel: str = ""


USUAL_SIDES = Sides()


def read_pair_splits(
    path: str | Path, *, validation: str | Path | None = None, test: str | Path | None = None, empty: str = "error", sides: Sides = USUAL_SIDES, form: Form = USUAL_FORM
) -> Parts[Pairs]:
    """A data set to train on, with the parts that its files give.

    Args:
        path: a file, or a folder with `train.tsv`, `validation.tsv` (or valid, val, dev) and `test.tsv` (or another format; the name of the data
            may come first: `cmudict_train.tsv`). A folder must have the `train` file.
        validation, test: files for these parts, in place of what `path` has.
        empty, sides, form: as in `read_pairs`.
    Raises:
        DataError: as in `read_pairs`; or a folder without a training part, or with two files for one part.
    """
    path = Path(path)
    return read_each(path, pair_parts(path, sides), lambda file: read_pairs(file, empty=empty, sides=sides, form=form), validation=validation, test=test)


def pair_parts(path: Path, sides: Sides = USUAL_SIDES) -> dict[str, Path]:
    """The file of each part ("train", "validation", "test"), of parallel files that of the sources; a single file is "train".

    Raises:
        DataError: `path` does not exist, or is a folder with no part or with two files for one part.
    """
    return find_parts(path, PAIR_FORMATS, word=words_of(sides.parallel)[0] if sides.parallel else None)


def read_pairs(path: str | Path, *, targets: bool = True, empty: str = "error", sides: Sides = USUAL_SIDES, form: Form = USUAL_FORM) -> Pairs:
    """The pairs of one file, or of two parallel ones.

    Args:
        targets: whether there must be targets. If not, a line of a table may be just the source, and what follows it is not read.
        empty: what happens to a pair with an empty side. "error": a DataError. "skip": it is left out and counted (`Pairs.skipped`).
        sides: which columns they are, or how the names of two parallel files differ. form: how the file is written.
    Raises:
        DataError: no such file, another format, no pair, bytes that are not in its encoding, or a line that is not a pair; the message says where.
        ArgumentError: `empty` is neither "error" nor "skip".
    """
    path = Path(path)
    require("empty", empty, ("error", "skip"))
    # Another file, such as one to score with a run that was trained on two, may have both sides; a name without the word is a mistake only where it cannot.
    if sides.parallel and (is_parallel(path, sides.parallel) or (targets and suffix_of(path) not in set(PAIR_FORMATS) - {".txt"})):
        rows, source = parallel_rows(path, sides.parallel, form, targets=targets)
    elif suffix_of(path) in PAIR_FORMATS:
        rows, source = _rows(path, targets, sides, form)
    else:
        raise DataError(
            f"{path} is in a format that pairs are not read from.",
            expected=" | ".join(PAIR_FORMATS) + ", also compressed (.gz)",
            received=suffix_of(path) or "no suffix",
            fix=f"write one pair per line, source<TAB>target, to a .tsv file; of two parallel files, say how their names differ: {PARALLEL} for train.de and train.en",
        )
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


def _rows(path: Path, targets: bool, sides: Sides, form: Form) -> tuple[Iterator[Row], Source]:
    """The rows of the file, with "source", and with "target" where there must be targets."""
    if suffix_of(path) in _LINES:
        text, source = read_decoded(path, form)
        return _table_rows(path, cells_of_lines(path, text, form), targets, sides, form), source
    wanted = (sides.source, sides.target) if targets else (sides.source,)
    rows, source = read_rows(path, wanted, form=form, fix=f"say which they are: {_SAYING}")

    def checked() -> Iterator[Row]:
        for place, cells in rows:
            for name in wanted:
                if not _is_side(cells[name]):
                    raise DataError(f"{path}, {place}: the {name} is not text.", expected=_JSON_FORM, received=repr(cells[name])[:80])
            yield Row(place, {side: cells[name] for side, name in zip(("source", "target"), wanted)})

    return checked(), source


def _table_rows(path: Path, rows: Cells, targets: bool, sides: Sides, form: Form) -> Iterator[Row]:
    separator = form.between(suffix_of(path))
    line, first = next(rows, (0, []))
    names = [cell.strip() for cell in first]
    known = [{sides.source: "source", sides.target: "target"}.get(name) or _SIDES.get(name.lower()) for name in names]
    asked = any(name != usual and not _is_place(name) for name, usual in ((sides.source, "source"), (sides.target, "target")))
    headed = "source" in known and ("target" in known or not targets) and ("target" in known or asked or form.header == "yes")
    if form.header == "no" or not (headed or asked or form.header == "yes"):
        places = [int(name) if _is_place(name) else usual for usual, name in enumerate((sides.source, sides.target))]
        if places[0] == places[1]:
            raise ArgumentError(f"column {places[0]} would be both sides of a pair.", expected="two columns", fix=f"say both: {_SAYING}")
        yield from _unnamed_rows(path, chain([(line, first)] if first else [], rows), targets, places, separator)
        return
    if not headed:
        raise DataError(
            f"{path}, line {line}: the header does not name both sides of a pair." if targets else f"{path}, line {line}: the header does not name the source.",
            expected=", ".join((sides.source, sides.target)[: 1 + targets]),
            received=repr(separator.join(first)[:80]),
            fix=f"say which columns they are: {_SAYING}; without a header, by their numbers",
        )
    if known.count("source") > 1 or known.count("target") > 1:
        raise DataError(f"{path}, line {line}: two columns are the same side of a pair.", expected="source, target", received=repr(separator.join(first)[:80]))
    for line, cells in rows:
        if len(cells) != len(known):
            raise DataError(
                f"{path}, line {line}: it has {len(cells)} column{'s' * (len(cells) > 1)}, the header has {len(known)}.",
                expected=_shown(separator.join(first), separator)[:80],
                received=repr(separator.join(cells)[:80]),
                fix=f"mend the line; symbols with {_called(separator)} in them need JSON lines",
            )
        yield Row(f"line {line}", {name: cells[known.index(name)] for name in ("source", "target")[: 1 + targets]})


def _unnamed_rows(path: Path, rows: Iterable[tuple[int, list[str]]], targets: bool, places: Sequence[int], separator: str) -> Iterator[Row]:
    """The rows of a file without a header; `places` are the numbers of the two columns."""
    usual = list(places) == [0, 1]
    for line, columns in rows:
        if len(columns) == 3 and usual and _ATTRIBUTION.match(columns[2]):
            columns = columns[:2]
        there = [place for place in places[: 1 + targets] if place < len(columns)]
        if len(there) < 1 + targets or (usual and len(columns) > 2):
            raise DataError(
                f"{path}, line {line}: it has {len(columns)} column{'s' * (len(columns) > 1)}.",
                expected=_shown(f"source{separator}target" if targets else f"only a source, or source{separator}target", separator),
                received=repr(separator.join(columns)[:80]),
                fix=f"put exactly one {_called(separator).partition(' ')[2]} between the two sides; symbols with {_called(separator)} in them need JSON lines"
                + (f"; of more columns, say which they are: {_SAYING}" if len(columns) > 2 else ""),
            )
        yield Row(f"line {line}", {side: columns[place] for side, place in zip(("source", "target"), there)})


_JSON_FORM = '{"source": "cat", "target": ["K", "AE", "T"]}, each a text or a list of symbols'


def _is_place(name: str) -> bool:
    return name.isascii() and name.isdigit() and len(name) < 7


def _shown(line: str, separator: str) -> str:
    return line.replace("\t", "<TAB>") if separator == "\t" else line


def _called(separator: str) -> str:
    return {"\t": "a tab", ",": "a comma", " ": "a space"}.get(separator, f"a {separator!r}")


def _is_side(value: Any) -> bool:
    return isinstance(value, str) or (isinstance(value, list) and all(isinstance(symbol, str) for symbol in value))


def _is_empty(value: Any) -> bool:
    return not value or (isinstance(value, str) and not value.strip())
