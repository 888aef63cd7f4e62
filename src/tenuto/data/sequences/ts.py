"""Sequences from a `.ts` file, the text format of the UCR and UEA archives, of sktime and of aeon.

    # comments, also with %
    @problemName JapaneseVowels
    @timeStamps false
    @missing false
    @univariate false
    @dimensions 12
    @equalLength false
    @classLabel true 1 2 3
    @data
    1.86,1.89,1.93:-0.20,-0.19,-0.23:...:1        one sequence per line: channels separated by colons, values by commas, the label last

`?` and NaN are missing values. With `@timeStamps true`, values are (time,value) pairs; then a sequence has a step at every time that any of its
channels has. Times are read as those of a table are (`moments.py`), and all of a line are of one kind.
Source: the format as sktime and aeon document it. Differs: every line is checked against the header, and an error names the line.
"""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from tenuto.data.decode import lines_of, naming, read_decoded
from tenuto.data.form import USUAL_FORM, Form
from tenuto.data.sequences.columns import USUAL, Columns
from tenuto.data.sequences.moments import moment_of
from tenuto.data.sequences.sequences import Sequences
from tenuto.data.sequences.targets import answers_of
from tenuto.errors import DataError
from tenuto.tongues import either

# What stands beside the comma is stripped afterwards: a pattern that skips white space itself takes hours for ten thousand spaces.
_PAIR = re.compile(r"\(([^()]*),([^(),]*)\)")
_MOST_DIGITS = 18  # of a number in the header


def read_ts(path: Path, columns: Columns = USUAL, form: Form = USUAL_FORM, *, labels: bool = True) -> dict[str, Sequences]:
    """The file as {"all": Sequences}; labels are text, as they are in the file.

    Args:
        columns: whether the last number of each line is a label, or a target, and its name.
        form: the encoding of the file.
        labels: whether to read them; if not, anything may stand in their place.

    Raises:
        DataError: the file is not UTF-8, has no @data, has a line that does not fit the header or the lines before it, or is a regression set where labels are asked for.
    """
    text, source = read_decoded(path, form)
    lines = lines_of(text)
    header, start = _header(path, lines)
    labelled, classes = _label_rule(path, header, columns)
    timed = header.get("timestamps", "false").split()[:1] == ["true"]
    values, found = [], []
    for number, line in enumerate(lines[start:], start + 1):
        if not line.strip() or line.lstrip().startswith(("#", "%")):
            continue
        # A time stamp may hold colons; those stand inside brackets.
        fields = [field.strip() for field in (re.split(r":(?![^()]*\))", line) if timed else line.split(":"))]
        if labelled:
            label = fields.pop()
            if labels and classes and label not in classes:
                raise _line_error(path, number, "its label is not one of those in @classLabel", " ".join(classes), repr(label[:40]))
            found.append(label)
        try:
            channels = _timed_channels(fields) if timed else _channels(fields)
        except ValueError as error:
            raise _line_error(path, number, str(error), "numbers separated by commas, channels by colons", _short(line)) from error
        values.append(channels)
        _check_against_header(path, number, channels, header, first=values[0])
    if not values:
        raise DataError(f"{path} has no sequence after @data.", expected="one sequence per line", received=f"{len(lines)} lines")
    source = replace(source, name=header.get("problemname", "").strip() or source.name)
    with naming(path):
        learnt = answers_of({columns.answers[0]: found}, columns, [str(place) for place in range(len(values))]) if labelled and labels else {}
        return {"all": Sequences(values, **learnt, came_from=source)}


def _header(path: Path, lines: list[str]) -> tuple[dict[str, str], int]:
    """The tags by lower-case name, and the number of lines up to and including @data."""
    header: dict[str, str] = {}
    for number, line in enumerate(lines, 1):
        word = line.strip()
        if not word or word.startswith(("#", "%")):
            continue
        if not word.startswith("@"):
            raise _line_error(path, number, "there is data before @data", "header tags, then @data", _short(word))
        tag, rest = (*word[1:].split(maxsplit=1), "", "")[:2]
        if tag.lower() == "data":
            return header, number
        # Values are case-insensitive, except for class labels and the name.
        header[tag.lower()] = rest.strip() if tag.lower() in ("classlabel", "problemname") else rest.strip().lower()
    raise DataError(f"{path} has no @data line.", expected="header tags, @data, then one sequence per line", fix="copy the file again")


def _label_rule(path: Path, header: dict[str, str], columns: Columns) -> tuple[bool, list[str]]:
    """Whether lines end in a label or a target, and the labels that the header declares."""
    if header.get("targetlabel", "false").startswith("true"):
        if columns.targets:
            return True, []
        raise DataError(
            f"{path} is a regression set: its targets are numbers (@targetLabel true).",
            expected="a classification set, with @classLabel",
            fix=f"{either('SequenceRegressor', 'tenuto fit regress')} learns them; classification cannot use this file",
        )
    flag, *classes = header.get("classlabel", "false").split() or ["false"]
    if flag.lower() not in ("true", "false"):
        raise DataError(f"{path}: @classLabel says {flag!r}.", expected="@classLabel true LABEL LABEL ... | false")
    return flag.lower() == "true", classes


def _channels(fields: list[str]) -> np.ndarray:
    """Fields of comma-separated values as `[T, C]`."""
    rows = [np.array(["nan" if value.strip() == "?" else value for value in field.split(",")], dtype=np.float64) for field in fields]
    lengths = sorted({len(row) for row in rows})
    if not rows:
        raise ValueError("it has no channel")
    if len(lengths) > 1:
        raise ValueError(f"its channels have unequal lengths, {lengths[0]} to {lengths[-1]} steps")
    return np.stack(rows, axis=1)


def _timed_channels(fields: list[str]) -> np.ndarray:
    """Fields of (time,value) pairs as `[T, C]`, on the sorted union of the times; NaN where a channel has no value at a time."""
    channels: list[dict[Any, float]] = []
    first: tuple[str, str] | None = None  # the first time, and its kind
    for field in fields:
        pairs = _PAIR.findall(field)
        if not pairs:
            raise ValueError("it has a channel without (time,value) pairs")
        between = [piece.strip() for piece in _PAIR.split(field)[:: _PAIR.groups + 1]]
        rest = next((piece for piece in (between[0], between[-1], *(piece.removeprefix(",").strip() for piece in between[1:-1])) if piece), "")
        if rest or not all(between[1:-1]):
            raise ValueError(f"{rest[:40]!r} is no (time,value) pair" if rest else "two pairs have no comma between them")
        known = {}
        for text, value in pairs:
            text, value = text.strip().strip("'\""), value.strip()
            try:
                kind, key = moment_of(text)
            except ValueError as error:
                raise ValueError(f"the time {text[:40]!r} {error}") from None
            first = first or (text, kind)
            if kind != first[1]:
                raise ValueError(f"the time {text[:40]!r} is {kind}, but {first[0][:40]!r} is {first[1]}")
            known[key] = _value(value)
        if len(known) != len(pairs):
            raise ValueError("it has two values at the same time")
        channels.append(known)
    if not channels:
        raise ValueError("it has no channel")
    times = sorted(set().union(*channels))
    return np.array([[channel.get(time, np.nan) for channel in channels] for time in times], dtype=np.float64)


def _value(text: str) -> float:
    return float("nan") if text == "?" else float(text)


def _check_against_header(path: Path, number: int, channels: np.ndarray, header: dict[str, str], *, first: np.ndarray) -> None:
    steps, width = channels.shape
    declared = header.get("dimensions", header.get("dimension", ""))
    if header.get("univariate") == "true" and not declared:
        declared = "1"
    expected = int(declared) if _is_count(declared) else first.shape[1]
    if width != expected:
        raise _line_error(path, number, f"it has {width} channels", f"{expected} channels", f"{width}; the line may be cut off")
    declared = header.get("serieslength", "")
    if header.get("equallength") == "true" and _is_count(declared) and steps != int(declared):
        raise _line_error(path, number, f"it has {steps} steps", f"{declared} steps (@seriesLength)", f"{steps}; the line may be cut off")


def _is_count(text: str) -> bool:
    """Whether a header's word is a number of channels or steps."""
    return text.isascii() and text.isdigit() and len(text) <= _MOST_DIGITS


def _line_error(path: Path, number: int, what: str, expected: str, received: str) -> DataError:
    return DataError(f"{path}, line {number}: {what}.", expected=expected, received=received, fix="mend the line, or copy the file again")


def _short(line: str) -> str:
    return line if len(line) <= 60 else f"{line[:40]} ... {line[-15:]}"
