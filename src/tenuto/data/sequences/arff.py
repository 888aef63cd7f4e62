"""Sequences from an `.arff` file, the format of Weka, as the UCR and UEA archives write it.

    % comments
    @relation Coffee                              @relation 'BasicMotions'
    @attribute att0 numeric                       @attribute relationalAtt relational
    @attribute att1 numeric                         @attribute att0 numeric
    @attribute target {0,1}                         @attribute att1 numeric
    @data                                         @end relationalAtt
    -0.51,-0.48,0                                 @attribute activity {Standing,Walking}
    -0.54,?,1                                     @data
                                                  '0.07,0.07\\n0.39,0.41',Standing       one line in quotes: a channel between two \\n, values by commas

A sequence on each line. The class is the attribute that lists its values, or the one that `label` names; an attribute `id` may name the sequences.
`?` is a missing value; those at the end, missing in all channels, are no steps: the archives fill shorter sequences up with them.
Source: Weka's description of ARFF, and the files of timeseriesclassification.com. Differs: sparse rows and dates are refused; every error names its line.
"""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np

from tenuto.data.decode import lines_of, naming, read_decoded
from tenuto.data.form import USUAL_FORM, Form
from tenuto.data.frame import is_missing
from tenuto.data.sequences.columns import USUAL, Columns, columns_with
from tenuto.data.sequences.sequences import Sequences
from tenuto.data.sequences.targets import answers_of
from tenuto.data.sequences.wide import without_end
from tenuto.errors import DataError
from tenuto.tongues import either

_NUMERIC = ("numeric", "real", "integer")
_TARGETS = ("class", "target", "label", "classattribute")  # names of a last attribute that is no step
# The rest of a value in quotes, in which a backslash stands before a quote, another backslash or n; and blanks.
_REST = {quote: re.compile(rf"((?:[^{quote}\\]|\\.)*){quote}", re.DOTALL) for quote in "'\""}
_BLANK = re.compile(r"\s*")
_NAME = re.compile(r"""(?:'((?:[^'\\]|\\.)*)'|"((?:[^"\\]|\\.)*)"|(\S+))\s*(.*)\Z""", re.DOTALL)
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r"}


class _Attribute(NamedTuple):
    """A column: its name; "numeric", "nominal", "string" or "relational"; and the values of a nominal one."""

    name: str
    kind: str
    values: frozenset[str] = frozenset()


def read_arff(path: Path, columns: Columns = USUAL, form: Form = USUAL_FORM, *, labels: bool = True) -> dict[str, Sequences]:
    """The file as {"all": Sequences}; labels are text, as they are in the file.

    Args:
        columns: `label` and `id` name attributes; where there is no attribute `label`, the class is the only one that lists its values.
        form: the file's encoding.
        labels: whether to read the labels; if not, anything may stand in their place.
    Raises:
        DataError: no ARFF, no @data, attributes that are no sequence, a line that does not fit them; the message names the line.
    """
    text, source = read_decoded(path, form)
    lines = lines_of(text)
    attributes, relation, start = _header(path, lines)
    label, identity, steps = _roles(path, attributes, columns)
    values: list[np.ndarray] = []
    found: list[str] = []
    ids: list[str] = []
    for number, line in enumerate(lines[start:], start + 1):
        if not line.strip() or line.lstrip().startswith("%"):
            continue
        cells = _cells(path, number, line, attributes)
        if label is not None and labels:
            found.append(cells[label] if columns.targets else _label(path, number, cells[label], attributes[label]))
        if identity is not None:
            ids.append(cells[identity])
        try:
            values.append(without_end(_values([cells[place] for place in steps], attributes[steps[0]].kind), f"line {number}"))
        except (ValueError, DataError) as error:
            what = error.what.removesuffix(".").removeprefix(f"line {number} ") if isinstance(error, DataError) else str(error)
            raise _line_error(path, number, f"it {what}" if isinstance(error, DataError) else what, "numbers separated by commas, ? where one is missing", line) from error
        if values[-1].shape[1] != values[0].shape[1]:
            raise _line_error(path, number, f"it has {values[-1].shape[1]} channels", f"{values[0].shape[1]} channels, as the first sequence", line)
    if not values:
        raise DataError(f"{path} has no sequence after @data.", expected="one sequence per line", received=f"{len(lines)} lines")
    with naming(path):
        names = ids or [str(place) for place in range(len(values))]
        learnt = answers_of({columns.answers[0]: found}, columns, names) if label is not None and labels else {}
        return {"all": Sequences(values, **learnt, ids=ids or None, came_from=replace(source, name=relation or source.name))}


def _header(path: Path, lines: list[str]) -> tuple[list[_Attribute], str, int]:
    """The attributes outside of the relational one, the name of the relation, and the number of lines up to and including @data."""
    attributes: list[_Attribute] = []
    relation, inside = "", ""
    for number, line in enumerate(lines, 1):
        word = line.strip()
        if not word or word.startswith("%"):
            continue
        tag, rest = (*word.split(maxsplit=1), "")[:2]
        rest = rest.strip()
        if tag.lower() == "@data":
            if inside:
                raise _line_error(path, number, f"the relational attribute {inside!r} does not end", f"@end {inside}", word)
            return attributes, relation, number
        if tag.lower() == "@relation":
            relation = _name(rest)[0]
        elif tag.lower() == "@end":
            inside = ""
        elif tag.lower() == "@attribute" and rest:
            name, kind = _name(rest)
            if inside:
                if kind.split("[")[0].strip().lower() not in _NUMERIC:
                    raise _line_error(path, number, f"the attribute {name!r} of the relational one is not numeric", " | ".join(_NUMERIC), word)
                continue
            attributes.append(_attribute(path, number, name, kind))
            inside = name if attributes[-1].kind == "relational" else ""
        else:
            raise _line_error(path, number, "it is no line of a header", "@relation, @attribute NAME TYPE, @data", word)
    raise DataError(f"{path} has no @data line.", expected="@relation, @attribute NAME TYPE, @data, then one sequence per line", fix="copy the file again")


def _name(text: str) -> tuple[str, str]:
    """A name, perhaps in quotes, and what follows it."""
    match = _NAME.match(text)
    if match is None:
        return "", ""
    quoted = match[1] if match[1] is not None else match[2]
    return (_plain(quoted), match[4].strip()) if quoted is not None else (match[3], match[4].strip())


def _attribute(path: Path, number: int, name: str, kind: str) -> _Attribute:
    word = kind.split(maxsplit=1)[0].split("[")[0].lower() if kind else ""
    if kind.startswith("{") and kind.endswith("}"):
        return _Attribute(name, "nominal", frozenset(_split(kind[1:-1]) or ()))
    if word in _NUMERIC or word in ("string", "relational"):
        return _Attribute(name, "numeric" if word in _NUMERIC else word)
    raise _line_error(path, number, f"the attribute {name!r} is of a type that is not read", "numeric, {VALUES}, string or relational", kind or "no type")


def _roles(path: Path, attributes: list[_Attribute], columns: Columns) -> tuple[int | None, int | None, list[int]]:
    """The places of the label and the id, where there are such attributes, and of the steps."""
    names = [attribute.name for attribute in attributes]
    listed = [place for place, attribute in enumerate(attributes) if attribute.kind == "nominal"]
    numeric = names[-1].lower() in _TARGETS and attributes[-1].kind == "numeric"
    if columns.targets:
        label = names.index(columns.targets[0]) if columns.targets[0] in names else len(names) - 1 if numeric else None
    else:
        label = names.index(columns.label) if columns.label in names else listed[0] if len(listed) == 1 else None
    identity = names.index(columns.id) if columns.id in names and names.index(columns.id) != label else None
    rest = [place for place in range(len(names)) if place not in (label, identity)]
    kinds = {attributes[place].kind for place in rest}
    odd = next((attributes[place] for place in rest if attributes[place].kind in ("nominal", "string")), None)
    if odd is not None:
        raise DataError(
            f"{path}: the attribute {odd.name!r} holds no numbers.",
            expected="numeric attributes, or a relational one; and one class",
            received=", ".join(attribute.name for attribute in attributes if attribute.kind not in ("numeric", "relational"))[:200],
            fix=f"say which attribute is the class: {columns_with('label')}; take the others out",
        )
    if "relational" in kinds and len(rest) > 1 or not rest:
        raise DataError(f"{path} has no sequences in its attributes.", expected="one relational attribute, or a numeric one for each step", received=", ".join(names[:8]) or "no attribute")
    last = attributes[rest[-1]].name
    if label is None and kinds == {"numeric"} and numeric:
        raise DataError(
            f"{path} is a regression set: its attribute {last!r} holds numbers.",
            expected="a class with its values: @attribute class {0,1}",
            fix=f"if they are classes, say so: {columns_with('label', last)}; as numbers, {either('SequenceRegressor', 'tenuto fit regress')} learns them",
        )
    return label, identity, rest


def _cells(path: Path, number: int, line: str, attributes: list[_Attribute]) -> list[str]:
    if line.lstrip().startswith("{"):
        raise _line_error(path, number, "it is a sparse row", "a value for each attribute", line)
    cells = [cell.strip() for cell in line.split(",")] if "'" not in line and '"' not in line else _split(line)
    if cells is None:
        raise _line_error(path, number, "a quote does not close at the end of its value", "a relational value in quotes, then the class", line)
    if len(cells) != len(attributes):
        raise _line_error(path, number, f"it has {len(cells)} values", f"{len(attributes)}, one for each attribute", line)
    return cells


def _split(text: str) -> list[str] | None:
    """The values between commas, without their quotes; None where a quote does not close at the end of its value."""
    cells, place = [], 0
    while True:
        place = _BLANK.match(text, place).end()  # type: ignore[union-attr]  # it matches nothing too
        quote = text[place : place + 1]
        if quote in _REST:
            match = _REST[quote].match(text, place + 1)
            if match is None:
                return None
            cells.append(_plain(match[1]))
            place = _BLANK.match(text, match.end()).end()  # type: ignore[union-attr]
        else:
            end = text.find(",", place) % (len(text) + 1)  # the end, where there is no comma
            cells.append(text[place:end].strip())
            place = end
        if place == len(text):
            return cells
        if text[place] != ",":
            return None
        place += 1


def _plain(quoted: str) -> str:
    return _ESCAPED.sub(lambda match: _ESCAPES.get(match[1], match[1]), quoted) if "\\" in quoted else quoted


def _label(path: Path, number: int, cell: str, attribute: _Attribute) -> str:
    if is_missing(cell) and cell not in attribute.values:
        raise _line_error(path, number, "it has no class", " ".join(sorted(attribute.values)[:12]) or "a class", cell)
    if attribute.values and cell not in attribute.values:
        raise _line_error(path, number, "its class is not one of those of the attribute", " ".join(sorted(attribute.values)[:12]), cell)
    return cell


def _values(cells: list[str], kind: str) -> np.ndarray:
    """The values [T, C] of a line."""
    channels = [line.split(",") for line in cells[0].split("\n") if line.strip()] if kind == "relational" else [cells]
    lengths = sorted({len(channel) for channel in channels})
    if not channels:
        raise ValueError("it has no channel")
    if len(lengths) > 1:
        raise ValueError(f"its channels have unequal lengths, {lengths[0]} to {lengths[-1]} steps")
    return np.array([["nan" if is_missing(value) else value for value in channel] for channel in channels], dtype=np.float64).T


def _line_error(path: Path, number: int, what: str, expected: str, line: str) -> DataError:
    received = line if len(line) <= 60 else f"{line[:40]} ... {line[-15:]}"
    return DataError(f"{path}, line {number}: {what}.", expected=expected, received=received, fix="mend the line, or copy the file again")
