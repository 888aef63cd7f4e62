"""Tagged sentences from files with one token per line (CoNLL, TSV), and from folders of *line files*, with one sentence per line: seq.in, seq.out, label.

    EU      NNP   B-ORG          one token per line; its columns are separated by tabs if the line has any, else by spaces
    rejects VBZ   O              an empty line ends a sentence; CoNLL-U's comments ("# key = value") and -DOCSTART- lines are left out

In a folder of line files, line k of `seq.in` holds the tokens of sentence k, line k of `seq.out` their tags, and line k of `label` the sentence's class.
A set with parts is a folder with such folders in it: `train`, `valid` and `test`.
"""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

from tenuto.data.decode import lines_of, read_utf8
from tenuto.data.parts import Parts, find_parts, read_each
from tenuto.data.sentences.sentences import Sentences
from tenuto.data.source import Source
from tenuto.errors import DataError

TOKENS_FILE, TAGS_FILE, LABEL_FILE = "seq.in", "seq.out", "label"
SUFFIXES = (".conll", ".tsv", ".txt", ".iob", ".iob2", ".bio")
_COMMENT = re.compile(r"# (\S+ ?=|newdoc|newpar)|-DOCSTART-")


def read_conll(path: str | Path, *, token_column: int = 0, tag_column: int | None = -1, need_tags: bool = True) -> Sentences:
    """The sentences of a file with one token per line.

    Args:
        token_column, tag_column: the columns of tokens and tags, counted from 0, or from the end with negative numbers; with None no tags are read.
        need_tags: whether a file without the tag column is an error. If not, its sentences have no tags, and a single column holds the tokens.
    Raises:
        DataError: no such file, not UTF-8, no tokens, a line with more or fewer columns than the first (the message names the line), or
            columns asked for that are not there.
    """
    path = Path(path)
    text, source = read_utf8(path)
    tokens: list[list[str]] = [[]]
    tags: list[list[str]] = [[]]
    first: tuple[int, int] | None = None  # the first token's line and how many columns it has
    for number, line in enumerate(lines_of(text), start=1):
        if not line.strip():
            if tokens[-1]:
                tokens.append([])
                tags.append([])
            continue
        if _COMMENT.match(line):
            continue
        cells = [cell.strip() for cell in line.split("\t")] if "\t" in line else line.split()
        if first is None:
            first = (number, len(cells))
            if not need_tags:
                token_column, tag_column = _columns_there(len(cells), token_column, tag_column)
            _check_columns(path, number, len(cells), token_column, tag_column)
        if len(cells) != first[1]:
            raise DataError(
                f"{path}, line {number}: it has {len(cells)} columns.",
                expected=f"{first[1]} columns, like line {first[0]}",
                received=repr(line if len(line) <= 60 else line[:57] + "..."),
                fix="mend the line; an empty line ends a sentence",
            )
        for name, column in (("token", token_column), ("tag", tag_column)):
            if column is not None and not cells[column]:
                raise DataError(f"{path}, line {number}: its {name} is empty.", expected="text in every column used", received=repr(line[:60]))
        tokens[-1].append(cells[token_column])
        if tag_column is not None:
            tags[-1].append(cells[tag_column])
    filled = [index for index, row in enumerate(tokens) if row]
    if not filled:
        raise DataError(f"{path} holds no tokens.", expected="one token per line, an empty line after each sentence", received=f"{len(text)} characters")
    return Sentences(
        [tokens[index] for index in filled],
        None if tag_column is None else [tags[index] for index in filled],
        came_from=source,
    )


def read_slots(folder: str | Path) -> Sentences:
    """The sentences of a folder with `seq.in` (tokens), and with `seq.out` (tags) and `label` (classes) where there are such files.

    Raises:
        DataError: no seq.in, files with different numbers of lines, a line with more or fewer tags than tokens (the message names the line),
            not UTF-8, or empty.
    """
    folder = Path(folder)
    if not (folder / TOKENS_FILE).is_file():
        raise DataError(f"{folder} has no {TOKENS_FILE}.", expected=f"{TOKENS_FILE}, {TAGS_FILE}, {LABEL_FILE}", received=_listing(folder))
    digest = hashlib.sha256()
    lines: dict[str, list[str]] = {}
    for name in (TOKENS_FILE, TAGS_FILE, LABEL_FILE):
        if (folder / name).is_file():
            text, source = read_utf8(folder / name)
            lines[name] = lines_of(text)
            digest.update(f"{name} {source.sha256}\n".encode())
    tokens = [line.split() for line in lines[TOKENS_FILE]]
    if not tokens:
        raise DataError(f"{folder / TOKENS_FILE} is empty.", expected="one sentence per line")
    for name, rows in lines.items():
        if len(rows) != len(tokens):
            raise DataError(
                f"{folder / name} has {len(rows)} lines, but {TOKENS_FILE} has {len(tokens)}.", expected="one sentence per line in each file", received=str(len(rows))
            )
        for number, row in enumerate(rows, start=1):
            if not row.strip():
                raise DataError(f"{folder / name}, line {number} is empty.", expected="one sentence per line in each file")
    tags = [line.split() for line in lines[TAGS_FILE]] if TAGS_FILE in lines else None
    for number, (words, marks) in enumerate(zip(tokens, tags or tokens), start=1):
        if len(words) != len(marks):
            raise DataError(
                f"{folder / TAGS_FILE}, line {number}: {len(marks)} tags for {len(words)} tokens.",
                expected="one tag for each token",
                received=f"{' '.join(words)[:50]!r} and {' '.join(marks)[:50]!r}",
                fix="mend that line",
            )
    return Sentences(
        tokens,
        tags,
        [line.strip() for line in lines[LABEL_FILE]] if LABEL_FILE in lines else None,
        came_from=Source(folder.name, str(folder), digest.hexdigest(), f"folder {folder.name}"),
    )


def read_tagged(path: str | Path, *, token_column: int = 0, tag_column: int | None = -1, need_tags: bool = True) -> Sentences:
    """One set of sentences, from a file with one token per line or from a folder of line files.

    Args:
        token_column, tag_column, need_tags: for a file, as in `read_conll`.
    Raises:
        DataError: as in `read_conll` and `read_slots`.
    """
    path = Path(path)
    return read_slots(path) if path.is_dir() else read_conll(path, token_column=token_column, tag_column=tag_column, need_tags=need_tags)


def read_tagged_splits(
    path: str | Path,
    *,
    validation: str | Path | None = None,
    test: str | Path | None = None,
    token_column: int = 0,
    tag_column: int | None = -1,
) -> Parts[Sentences]:
    """A tagged set with its parts.

    Args:
        path: a folder with the folders `train`, `valid` and `test`; a folder with one file for each part (`NAME-train.tsv`, `dev.conll`, ...);
            or one file or folder of line files, which is then the training part.
        validation, test: files or folders for these parts, in place of what `path` has.
        token_column, tag_column: as in `read_conll`.
    Raises:
        DataError: unreadable, without a training part, or with two files for one part.
    """
    path = Path(path)
    found = tagged_parts(path)
    return read_each(
        path, found, lambda part: read_tagged(part, token_column=token_column, tag_column=tag_column), validation=validation, test=test
    )


def tagged_parts(path: str | Path) -> dict[str, Path]:
    """The file or folder of each part ("train", "validation", "test"); a single file or folder of line files is "train".

    Raises:
        DataError: `path` does not exist, or is a folder with no part or with two sets for one part.
    """
    return find_parts(Path(path), SUFFIXES, line_file=TOKENS_FILE)


def _columns_there(columns: int, token_column: int, tag_column: int | None) -> tuple[int, int | None]:
    """The columns of tokens and of tags in a file that may be without tags."""
    if columns == 1:
        return 0, None
    there = tag_column is not None and -columns <= tag_column < columns and tag_column % columns != token_column % columns
    return token_column, tag_column if there else None


def _check_columns(path: Path, number: int, columns: int, token_column: int, tag_column: int | None) -> None:
    for name, column in (("token", token_column), ("tag", tag_column)):
        if column is not None and not -columns <= column < columns:
            raise DataError(
                f"{path}, line {number}: there is no column {column} for the {name}.",
                expected=f"a column from 0 to {columns - 1}, or from the end -1 to {-columns}",
                received=f"{columns} columns",
            )
    if tag_column is not None and token_column % columns == tag_column % columns:
        raise DataError(
            f"{path}, line {number}: column {token_column} would be both the token and the tag.",
            expected="two or more columns",
            received=f"{columns} {'column' if columns == 1 else 'columns'}",
            fix="separate token and tag with a tab, or say which columns they are",
        )


def _listing(folder: Path) -> str:
    if not folder.is_dir():
        return "no such folder"
    return ", ".join(sorted(entry.name for entry in folder.iterdir())[:8]) or "an empty folder"
