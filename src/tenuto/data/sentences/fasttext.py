"""Texts with their classes as fastText reads them: one on each line, after its label.

    __label__good a fine film
    __label__bad too long
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from tenuto.data.json_rows import Row
from tenuto.errors import DataError

MARK = "__label__"
_LABEL = re.compile(rf"{MARK}(\S*)\s*")


def is_fasttext(lines: list[str]) -> bool:
    """Whether the first line with something on it begins with a label."""
    return next((line for line in lines if line.strip()), "").lstrip().startswith(MARK)


def fasttext_rows(path: Path, lines: list[str], text_column: str, label_column: str | None) -> Iterator[Row]:
    """A row for each line that is not empty: its text, its label under `label_column`, and the number of the line as its id.

    Args:
        label_column: None where labels are left out; then it does not matter how many a line has.
    Raises:
        DataError: when the iterator reaches a line with more than one label, or with none.
    """
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        labels, text = [], line.strip()
        while (match := _LABEL.match(text)) is not None:
            labels.append(match[1])
            text = text[match.end() :]
        if label_column is not None and (len(labels) != 1 or not labels[0]):
            raise DataError(
                f"{path}, line {number}: it has {len(labels)} labels." if len(labels) != 1 else f"{path}, line {number}: its label is empty.",
                expected=f"one label before each text: {MARK}good a fine film",
                received=repr(line[:60]),
                fix="leave one of them; a text has one class" if len(labels) > 1 else "label the text, or leave it out",
            )
        yield Row(f"line {number}", {text_column: text, "id": number, **({} if label_column is None else {label_column: labels[0]})})
