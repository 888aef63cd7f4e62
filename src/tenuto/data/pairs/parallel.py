"""Pairs in two parallel files: a line of one is the source, the same line of the other its target.

    train.de     ein Haus           the names differ in one word, `de=en`; words are separated by . _ or -
    train.en     a house
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

from tenuto.data.decode import lines_of, read_decoded
from tenuto.data.form import USUAL_FORM, Form
from tenuto.data.json_rows import Row
from tenuto.data.pairs.pairs import Pairs
from tenuto.data.parts import place_of_word
from tenuto.data.source import Source
from tenuto.errors import ArgumentError, DataError
from tenuto.tongues import argument, either

PARALLEL = either("sides=Sides(parallel='de=en')", "--parallel de=en")


def words_of(parallel: str) -> tuple[str, str]:
    """The word in the name of the sources' file, and the one that stands there in the name of the targets'.

    Raises:
        ArgumentError: it is not two different words with an equals sign between them.
    Example:
        >>> words_of("de=en")
        ('de', 'en')
    """
    source, equals, target = (word.strip(" .") for word in parallel.partition("="))
    if not equals or not source or not target or source == target:
        raise ArgumentError(
            f"{argument('parallel', parallel[:60])} does not say how the names of two files differ.", expected="SOURCE=TARGET; of train.de and train.en the words are de and en"
        )
    return source, target


def is_parallel(path: Path, parallel: str) -> bool:
    """Whether a file's name has the word of the sources' file."""
    return place_of_word(path.name, words_of(parallel)[0]) >= 0


def parallel_rows(path: Path, parallel: str, form: Form, *, targets: bool) -> tuple[Iterator[Row], Source]:
    """The rows of two parallel files, with "source", and with "target" where there must be targets; and the files as a source.

    Args:
        path: the file of the sources.
    Raises:
        DataError: the name of the file lacks the word, there is no file of targets, or the files have different numbers of lines.
    """
    source, target = words_of(parallel)
    place = place_of_word(path.name, source)
    if place < 0:
        raise DataError(
            f"the name of {path} does not have the word {source!r}.", expected=f"the file with the sources, such as train.{source}", fix=f"give that file; for pairs in one file: {argument('parallel', '')}"
        )
    if not targets:
        text, came_from = read_decoded(path, form)
        return (Row(f"line {number}", {"source": line}) for number, line in enumerate(lines_of(text), start=1)), came_from
    return _rows(path, path.with_name(path.name[:place] + target + path.name[place + len(source) :]), form)


def read_parallel(source: str | Path, target: str | Path, *, form: Form = USUAL_FORM) -> Pairs:
    """The pairs of two files with a line for each of them, one with the sources, one with the targets. Lines that are empty in both are left out.

    Args:
        form: the encoding of the files.
    Raises:
        DataError: a file that cannot be read, different numbers of lines, or a line that is empty in one file alone; the message names it.
    """
    rows, came_from = _rows(Path(source), Path(target), form)
    found = [(place, cells["source"], cells["target"]) for place, cells in rows]
    for place, side, answer in found:
        if not side.strip() or not answer.strip():
            raise DataError(f"{source if not side.strip() else target}, {place} is empty.", expected="one or more symbols on each side", fix="fill it in, or take it out of both files")
    return Pairs([side for _, side, _ in found], [answer for _, _, answer in found], ids=[place for place, _, _ in found], came_from=came_from)


def _rows(source: Path, target: Path, form: Form) -> tuple[Iterator[Row], Source]:
    text, came_from = read_decoded(source, form)
    other, answers = read_decoded(target, form)
    sides, targets = lines_of(text), lines_of(other)
    while len(sides) > len(targets) and not sides[-1].strip():
        sides.pop()
    while len(targets) > len(sides) and not targets[-1].strip():
        targets.pop()
    if len(sides) != len(targets):
        raise DataError(
            f"{source} has {len(sides)} lines, but {target} has {len(targets)}.",
            expected="one pair on each line, its sides on the same line of the two files",
            received=f"after line {min(len(sides), len(targets))} one of them goes on",
            fix="copy the shorter one again, or cut them from one source",
        )
    digest = hashlib.sha256(f"{came_from.sha256} {answers.sha256}".encode()).hexdigest()
    both = Source(came_from.name, str(source), digest, f"files {source.name} and {target.name}")
    rows = ((number, side, answer) for number, (side, answer) in enumerate(zip(sides, targets), start=1))
    return (Row(f"line {number}", {"source": side, "target": answer}) for number, side, answer in rows if side.strip() or answer.strip()), both
