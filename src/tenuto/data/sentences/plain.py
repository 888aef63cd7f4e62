"""Sentences without tags from a text file with one on each line; the id of a sentence is the number of its line."""

from __future__ import annotations

from pathlib import Path

from tenuto.data.decode import lines_of, naming, read_decoded
from tenuto.data.form import USUAL_FORM, Form
from tenuto.data.sentences.sentences import Sentences
from tenuto.errors import DataError


def read_plain(path: Path, form: Form = USUAL_FORM, *, raw: bool) -> Sentences:
    """The sentences of a file; empty lines are left out.

    Args:
        form: the encoding of the file.
        raw: whether a line is raw text, whose words and punctuation marks are the tokens; else its tokens are separated by white space.
    Raises:
        DataError: no such file, not in its encoding, or nothing in it.
    """
    text, source = read_decoded(path, form)
    lines = {str(number): line.strip() for number, line in enumerate(lines_of(text), start=1) if line.strip()}
    if not lines:
        raise DataError(f"{path} holds no sentences.", expected="one sentence on each line", received=f"{len(text)} characters")
    with naming(path):
        return Sentences([line if raw else line.split() for line in lines.values()], ids=lines, came_from=source)
