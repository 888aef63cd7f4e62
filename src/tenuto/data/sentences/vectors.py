"""Pretrained word vectors from a text file: word2vec's text format (its first line is the count and the width) or GloVe's (no such line)."""

from __future__ import annotations

import codecs
from collections.abc import Collection
from pathlib import Path

import numpy as np

from tenuto.data.compressed import opened
from tenuto.data.decode import opening, require_utf8
from tenuto.encoding import LOOKED_AT
from tenuto.errors import DataError


def read_vectors(path: str | Path, *, first: int = 20_000, wanted: Collection[str] = ()) -> tuple[list[str], np.ndarray]:
    """Words and their vectors: the first ones in the file, and the words of `wanted` wherever they are.

    Args:
        path: a UTF-8 file, perhaps compressed (.gz); each line is a word and its numbers, separated by single spaces or tabs.
        first: how many of the first words to keep. Such files are sorted by frequency, so these are the most frequent ones.
        wanted: words to keep wherever they stand in the file.
    Returns:
        n words and [n, width] float32.
    Raises:
        DataError: no such file, not UTF-8, empty, or a line with more or fewer numbers than the first or with something that is not a number.
    """
    path, words, rows, width, seen = Path(path), [], [], 0, set()
    with opening(path), opened(path) as file:
        require_utf8(file.read(LOOKED_AT), str(path))
        file.seek(0)
        for number, line in enumerate(file, start=1):
            cells = _decoded(path, number, line.removeprefix(codecs.BOM_UTF8) if number == 1 else line).replace("\t", " ").rstrip().split(" ")
            if number == 1 and len(cells) == 2 and all(cell.isascii() and cell.isdigit() for cell in cells):
                continue  # word2vec's header
            word, numbers = cells[0], cells[1:]
            width = width or len(numbers)
            if len(numbers) != width or not width:
                raise DataError(
                    f"{path}, line {number}: it has {len(numbers)} numbers.", expected=f"a word and {width or 'its'} numbers", received=repr(line[:60])
                )
            if word in seen or (len(words) >= first and word not in wanted):
                continue
            try:
                rows.append(np.array(numbers, dtype=np.float32))
            except ValueError as error:
                raise DataError(f"{path}, line {number}: {error}.", expected="numbers after the word", received=repr(line[:60])) from error
            words.append(word)
            seen.add(word)
    if not words:
        raise DataError(f"{path} holds no word vectors.", expected="a word and its numbers on each line")
    return words, np.stack(rows)


def _decoded(path: Path, number: int, line: bytes) -> str:
    try:
        return line.decode("utf-8")
    except UnicodeDecodeError as error:
        raise DataError(
            f"{path}, line {number} is not UTF-8: byte {error.start} of the line is 0x{line[error.start]:02x}.", expected="text in UTF-8"
        ) from error
