"""Rows from JSON: an object on each line, an array of objects, or an object with one such array inside. A name with dots reaches into nested objects.

    {"text": "a fine film", "label": "good"}                    JSON lines
    [{"review": {"text": "a fine film"}, "stars": [5]}]          an array: "review.text", "stars.0"
    {"version": 2, "data": [{"text": "a fine film"}]}            an object with an array of objects

A .json file may be any of them; which one, its first characters say. Keys that are not asked for are ignored; one that is asked for and stands twice is an error.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from tenuto.choices import did_you_mean
from tenuto.data.decode import lines_of
from tenuto.errors import DataError

_BLANK = re.compile(r"[ \t\n\r]*")
_DECODER = json.JSONDecoder()
NOT_THERE = object()


class Row(NamedTuple):
    """A row, and what an error calls its place: "line 3", or "row 3" in a file that has no lines."""

    place: str
    cells: dict[str, Any]


def cell_at(row: Mapping[str, Any], name: str) -> Any:
    """What a row has under a name: that key, or the end of a path whose keys have dots between them; NOT_THERE where there is none.

    Example:
        >>> cell_at({"review": {"text": "fine"}, "stars": [5]}, "review.text"), cell_at({"stars": [5]}, "stars.0")
        ('fine', 5)
    """
    if name in row:
        return row[name]
    value: Any = row
    for key in name.split("."):
        if isinstance(value, Mapping) and key in value:
            value = value[key]
        elif isinstance(value, list) and key.isascii() and key.isdigit() and len(key) < 10 and int(key) < len(value):
            value = value[int(key)]
        else:
            return NOT_THERE
    return value


def json_rows(path: Path, text: str, needed: Sequence[str], used: Collection[str], fix: str | None, *, lines: bool) -> Iterator[Row]:
    """The rows of a file.

    Args:
        needed: names that every row must have. used: names to take; others are left out.
        fix: what the message advises when a needed name is not there.
        lines: whether there must be an object on each line; else the content says what it is.
    Raises:
        DataError: when the iterator reaches what is wrong: no JSON, no object, a needed name that is missing, a used key that stands twice.
    """
    pieces = _lines(text) if lines or _is_lines(text) else _items(path, text, needed)
    written = [json.dumps(key, ensure_ascii=False) for name in used for key in {name, *name.split(".")}]
    keys = {key for name in used for key in (name, *name.split("."))}
    form = _object(used, "one JSON object per line: " if lines else "")
    for place, piece in pieces:
        try:
            row = json.loads(piece)
            if any(piece.count(name) > 1 for name in written):  # perhaps a key twice; with the parser's hook every line would take three times as long
                json.loads(piece, object_pairs_hook=partial(_refuse_twice, keys))
            cells = {name: value for name in used if (value := cell_at(row, name)) is not NOT_THERE} if isinstance(row, dict) else {}
            if "\\u" in piece:
                json.dumps(cells, ensure_ascii=False).encode("utf-8")  # half a character
        except (ValueError, RecursionError) as error:  # a number of thousands of digits is a ValueError too
            raise DataError(f"{path}, {place} is not JSON: {_reason(error)}.", expected=form, received=repr(piece[:60])) from error
        if not isinstance(row, dict):
            raise DataError(f"{path}, {place} is not a JSON object.", expected=form, received=repr(piece[:60]))
        missing = [name for name in needed if name not in cells]
        if missing:
            raise DataError(f"{path}, {place}: there is no {missing[0]!r}.", expected=form, received=repr(piece[:60]), fix=did_you_mean(missing[0], row, fix))
        yield Row(place, cells)


def _lines(text: str) -> Iterator[tuple[str, str]]:
    return ((f"line {number}", line) for number, line in enumerate(lines_of(text), start=1) if line.strip())


def _is_lines(text: str) -> bool:
    """Whether there is an object on each line: the first line is a whole one, and others follow."""
    there = [line for _, line in zip(range(2), (line for _, line in _lines(text)))]
    if len(there) < 2 or not there[0].lstrip().startswith("{"):
        return False
    try:
        return isinstance(json.loads(there[0]), dict)
    except (ValueError, RecursionError):
        return False


def _items(path: Path, text: str, needed: Collection[str]) -> Iterator[tuple[str, str]]:
    """(place, text) of each item of the file's array, or the one object that the file is."""
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    begin = place = _after_blank(text, 0)
    line, counted, number = 1, 0, 0
    try:
        if text[begin : begin + 1] != "[":
            begin = _array_inside(path, text, begin, needed)
            if begin < 0:
                yield "line 1", text
                return
        place = _after_blank(text, begin + 1)
        if text[place : place + 1] == "]":
            return
        while True:
            _, end = _DECODER.raw_decode(text, place)
            line, counted, number = line + text.count("\n", counted, place), place, number + 1
            yield f"line {line}, item {number}", text[place:end]
            place = _after_blank(text, end)
            if text[place : place + 1] == "]":
                return
            if text[place : place + 1] != ",":
                raise _broken("the array goes on without a comma." if place < len(text) else "the array does not end.", text, place)
            place = _after_blank(text, place + 1)
    except json.JSONDecodeError as error:
        raise DataError(
            f"{path}, line {error.lineno} is not JSON: {error.msg.removesuffix('.')}, at character {error.colno} of the line.",
            expected="an array of objects, an object with one such array, or an object on each line",
            received=repr(text[max(error.pos - 30, 0) : error.pos + 30]) if text.strip() else "an empty file",
            fix="mend it, or copy the file again if it is cut off",
        ) from error
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path}, line {text.count(chr(10), 0, place) + 1} is not JSON: {_reason(error)}.", received=repr(text[place : place + 60])) from error


def _array_inside(path: Path, text: str, place: int, needed: Collection[str]) -> int:
    """Where the only array of objects begins that is a value of the object at `place`; -1 where the object is a row itself."""
    whole, _ = _DECODER.raw_decode(text, place)
    if not isinstance(whole, dict):
        raise _broken("it is neither an array nor an object.", text, place)
    if needed and all(cell_at(whole, name) is not NOT_THERE for name in needed):
        return -1
    found = {}
    place = _after_blank(text, place + 1)
    while text[place] == '"':
        key, place = _DECODER.raw_decode(text, place)
        place = _after_blank(text, _after_blank(text, place) + 1)
        value, end = _DECODER.raw_decode(text, place)
        if isinstance(value, list) and value and all(isinstance(item, dict) for item in value):
            found[key] = place
        place = _after_blank(text, end)
        if text[place] == ",":
            place = _after_blank(text, place + 1)
    if len(found) != 1:
        raise DataError(
            f"{path} is an object with {len(found)} arrays of objects inside.",
            expected="one array of objects",
            received=", ".join(repr(name) for name in list(found or whole)[:8]),
            fix="write the array that is meant to a file of its own",
        )
    return next(iter(found.values()))


def _after_blank(text: str, place: int) -> int:
    return _BLANK.match(text, place).end()  # type: ignore[union-attr]  # it matches nothing too


def _broken(what: str, text: str, place: int) -> json.JSONDecodeError:
    """As the parser says what is wrong, and where."""
    return json.JSONDecodeError(what, text, place)


def _reason(error: Exception) -> str:
    if isinstance(error, UnicodeEncodeError):
        return "it has half a character (a lone surrogate)"
    if isinstance(error, RecursionError):
        return "it is nested too deeply"
    return f"{error.msg} at character {error.pos}" if isinstance(error, json.JSONDecodeError) else str(error)


def _refuse_twice(used: Collection[str], pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    keys = [key for key, _ in pairs]
    twice = [key for key in keys if key in used and keys.count(key) > 1]
    if twice:
        raise ValueError(f"two keys are named {twice[0]!r}")
    return {}


def _object(names: Collection[str], before: str) -> str:
    return before + "{" + ", ".join(f'"{name}": ...' for name in names) + "}"
