"""Sentences without tags from a text file with one on each line; the id of a sentence is the number of its line."""

from __future__ import annotations

from pathlib import Path

from tenuto.data.decode import lines_of, naming, read_utf8
from tenuto.data.sentences.sentences import Sentences
from tenuto.errors import DataError


def read_plain(path: Path, *, raw: bool) -> Sentences:
    """The sentences of a file; empty lines are left out.

    Args:
        raw: whether a line is raw text, whose words and punctuation marks are the tokens; else its tokens are separated by white space.
    Raises:
        DataError: no such file, not UTF-8, or nothing in it.
    """
    text, source = read_utf8(path)
    lines = {str(number): line.strip() for number, line in enumerate(lines_of(text), start=1) if line.strip()}
    if not lines:
        raise DataError(f"{path} holds no sentences.", expected="one sentence on each line", received=f"{len(text)} characters")
    with naming(path):
        return Sentences([line if raw else line.split() for line in lines.values()], ids=lines, came_from=source)
