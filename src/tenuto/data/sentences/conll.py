"""Tagged sentences from files with one token per line (CoNLL, CoNLL-U, TSV), and from folders of *line files*, with one sentence per line: seq.in, seq.out, label.

    EU      NNP   B-ORG          one token per line; its columns are separated by tabs if the line has any, else by spaces
    rejects VBZ   O              an empty line ends a sentence

Left out are -DOCSTART- lines; comments: `# key = value`, `#begin document` and `#end document`, in files whose first column numbers the words every other
line that begins with # too, and before a sentence a line that begins with # and has another number of columns than the tokens; and, as the CoNLL-U
standard says, the lines of multiword tokens (`1-2`) and of empty nodes (`1.1`), whose words stand in lines of their own. In CoNLL-U (ten columns, the
first with numbers) the usual columns are FORM and UPOS. Named entities in the brackets of OntoNotes, `(PERSON*`, `*`, `*)`, become B-PERSON, I-PERSON, O.

In a folder of line files, line k of `seq.in` holds the tokens of sentence k, line k of `seq.out` their tags, and line k of `label` the sentence's class.
A set with parts is a folder with such folders in it: `train`, `valid` and `test`.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from pathlib import Path
from typing import NamedTuple

from tenuto.choices import require
from tenuto.data.compressed import suffix_of
from tenuto.data.decode import lines_of, read_decoded
from tenuto.data.form import USUAL_FORM, Form
from tenuto.data.parts import Parts, find_parts, read_each
from tenuto.data.sentences.plain import read_plain
from tenuto.data.sentences.sentences import Sentences
from tenuto.data.source import Source
from tenuto.errors import DataError
from tenuto.tongues import argument

TOKENS_FILE, TAGS_FILE, LABEL_FILE = "seq.in", "seq.out", "label"
CONLLU = (".conllu", ".conllup")
SUFFIXES = (".conll", ".tsv", ".txt", *CONLLU, ".conllx", ".conll2003", ".conll03", ".iob", ".iob2", ".bio", ".bioes", ".bilou", ".bmes", ".ner", ".gold_conll")
LAYOUTS = ("auto", "tokens", "sentences", "text")
USUAL_COLUMNS, COLUMNS_OF_CONLLU = (0, -1), (1, 3)
_COMMENT = re.compile(r"# (\S+ ?=|newdoc|newpar)|#\s*(begin|end) document\b|-DOCSTART-")
_NUMBER = re.compile(r"\d{1,9}([-.]\d{1,9})?", re.ASCII)
_BRACKETS = re.compile(r"(?:\(([^()*\s]+))?\*(\)?)")


class _Line(NamedTuple):
    """A line with a token."""

    number: int
    text: str
    cells: list[str]


def read_conll(path: str | Path, *, token_column: int = 0, tag_column: int | None = -1, need_tags: bool = True, form: Form = USUAL_FORM) -> Sentences:
    """The sentences of a file with one token per line.

    Args:
        token_column, tag_column: the columns of tokens and tags, counted from 0, or from the end with negative numbers; with None no tags are read.
            The default is the first and the last; in CoNLL-U, FORM and UPOS.
        need_tags: whether a file without the tag column is an error. If not, its sentences have no tags, and a single column holds the tokens.
        form: how the file is written; its columns are separated by tabs if a line has any, else by spaces, unless it says so. With header="yes" the first line is left out.
    Raises:
        DataError: no such file, not UTF-8, no tokens, a line with more or fewer columns than the first (the message names the line), columns asked for
            that are not there, or a token column that only numbers the words.
    """
    path = Path(path)
    text, source = read_decoded(path, form)
    blocks, numbered, documents = _blocks(text, form)
    if not blocks:
        raise DataError(f"{path} holds no tokens.", expected="one token per line, an empty line after each sentence", received=f"{len(text)} characters")
    first = blocks[0][0]
    if numbered and len(first.cells) == 10 and (token_column, tag_column) in (USUAL_COLUMNS, (USUAL_COLUMNS[0], None)):
        token_column, tag_column = COLUMNS_OF_CONLLU[0], None if tag_column is None else COLUMNS_OF_CONLLU[1]
    if not need_tags:
        token_column, tag_column = _columns_there(len(first.cells), token_column, tag_column)
    _check_columns(path, first.number, len(first.cells), token_column, tag_column)
    if numbered and token_column % len(first.cells) != 0:
        kept = [[line for line in block if line.cells[0].isdigit()] for block in blocks]
        blocks = [block for block in kept if block]
    if not need_tags and tag_column is not None and any(line.cells[tag_column : tag_column + 1 or None] == [""] for block in blocks for line in block):
        tag_column = None  # not all of them are tagged
    for block in blocks:
        _check_block(path, block, block[0] if documents else first, token_column, tag_column, plain=not need_tags and not form.separator and "\t" not in text)
    tokens = [[line.cells[token_column] for line in block] for block in blocks]
    _refuse_numbers(path, first, tokens, numbered and token_column % len(first.cells) == 0)
    tags = None if tag_column is None else [[line.cells[tag_column] for line in block] for block in blocks]
    return Sentences(tokens, None if tags is None else _without_brackets(tags), came_from=source)


def _blocks(text: str, form: Form) -> tuple[list[list[_Line]], bool, bool]:
    """The lines of each sentence without comments; whether the first column numbers the words; whether the file marks documents, as OntoNotes does."""
    lines = []
    for number, written in enumerate(lines_of(text), start=1):
        separator = form.separator or ("\t" if "\t" in written else " ")
        cells = written.split() if separator == " " or not written.strip() else [cell.strip() for cell in written.split(separator)]
        lines.append(_Line(number, written if cells else "", cells))
    if form.header == "yes":
        named = next((place for place, line in enumerate(lines) if line.cells), None)
        lines = lines if named is None else lines[named + 1 :]
    documents = any(line.text.startswith("#") and re.match(r"#\s*begin document\b", line.text) for line in lines)
    tokens = [line for line in lines if line.cells and not _COMMENT.match(line.text)]
    plain = [line for line in tokens if not line.text.startswith("#")]
    numbered = bool(plain) and _numbers_words([line for line in lines if not line.cells or not (line.text.startswith("#") or _COMMENT.match(line.text))], plain)
    usual = Counter(len(line.cells) for line in plain or tokens)
    blocks: list[list[_Line]] = [[]]
    for line in lines:
        if not line.cells:
            blocks.append([])
            continue
        hashed = line.text.startswith("#")
        if _COMMENT.match(line.text) or (hashed and (numbered or (not blocks[-1] and len(line.cells) not in usual))):
            continue
        blocks[-1].append(line)
    return [block for block in blocks if block], numbered, documents


def _numbers_words(lines: list[_Line], plain: list[_Line]) -> bool:
    """Whether the first of several columns numbers the words of each sentence: 1, 2, ..., with 3-4 before 3 and 2.1 after 2."""
    if len(plain[0].cells) < 2 or not all(_NUMBER.fullmatch(line.cells[0]) for line in plain):
        return False
    if all(len(line.cells) == 10 and "\t" in line.text for line in plain):
        return True
    last = 0
    for line in lines:
        if not line.cells:
            last = 0
            continue
        first, mark, _ = line.cells[0].replace("-", ".").partition(".")
        if int(first) != last + (0 if mark and "." in line.cells[0] else 1):
            return False
        last += not mark
    return True


def _check_block(path: Path, block: list[_Line], like: _Line, token_column: int, tag_column: int | None, *, plain: bool) -> None:
    for line in block:
        if len(line.cells) != len(like.cells):
            raise DataError(
                f"{path}, line {line.number}: it has {len(line.cells)} columns.",
                expected=f"{len(like.cells)} columns, like line {like.number}",
                received=repr(line.text if len(line.text) <= 60 else line.text[:57] + "..."),
                fix=f"if each line is a sentence, say so: {argument('layout', 'sentences')}, or {argument('layout', 'text')} for raw text; else mend the line"
                if plain
                else "mend the line; an empty line ends a sentence",
            )
        for name, column in (("token", token_column), ("tag", tag_column)):
            if column is not None and not line.cells[column]:
                raise DataError(f"{path}, line {line.number}: its {name} is empty.", expected="text in every column used", received=repr(line.text[:60]))


def _refuse_numbers(path: Path, first: _Line, tokens: list[list[str]], numbered: bool) -> None:
    """Raise where the column of the tokens only numbers the words of each sentence."""
    whole = [[token for token in row if token.isdigit()] for row in tokens]
    if numbered and all(row == [str(place) for place in range(1, len(row) + 1)] for row in whole):
        raise DataError(
            f"{path}, line {first.number}: column 0 only numbers the words.",
            expected="the column with the words",
            received=repr(first.text[:60]),
            fix=f"say which columns they are: {argument('token_column', 1)}, and {argument('tag_column')}",
        )


def _without_brackets(tags: list[list[str]]) -> list[list[str]]:
    """Tags in the brackets of OntoNotes as B-, I- and O; others stay as they are."""
    matches = {tag: _BRACKETS.fullmatch(tag) for row in tags for tag in row}
    if not all(matches.values()) or not any(match and match[1] for match in matches.values()):
        return tags
    made = []
    for row in tags:
        open_kind, new = "", []
        for tag in row:
            match = matches[tag]
            assert match is not None  # all of them match
            begins = match[1]
            open_kind = begins or open_kind
            new.append(f"{'B' if begins else 'I'}-{open_kind}" if open_kind else "O")
            open_kind = "" if match[2] else open_kind
        made.append(new)
    return made


def read_slots(folder: str | Path, *, form: Form = USUAL_FORM) -> Sentences:
    """The sentences of a folder with `seq.in` (tokens), and with `seq.out` (tags) and `label` (classes) where there are such files.

    Args:
        form: the encoding of the files.
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
            text, source = read_decoded(folder / name, form)
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


def read_tagged(
    path: str | Path, *, token_column: int = 0, tag_column: int | None = -1, need_tags: bool = True, layout: str = "auto", form: Form = USUAL_FORM
) -> Sentences:
    """One set of sentences, from a file with one token per line, from a folder of line files, or from a file with one sentence per line, without tags.

    Args:
        token_column, tag_column, need_tags, form: for a file, as in `read_conll`.
        layout: what a file holds. "tokens": one token per line. "sentences": one sentence per line, its tokens separated by spaces, as in seq.in.
            "text": one raw text per line; its words and punctuation marks are the tokens. "auto": tokens.
    Raises:
        DataError: as in `read_conll` and `read_slots`; tags are needed and the layout has none. ArgumentError: the layout is not known.
    """
    path = Path(path)
    require("layout", layout, LAYOUTS)
    if path.is_dir():
        return read_slots(path, form=form)
    if layout in ("auto", "tokens"):
        return read_conll(path, token_column=token_column, tag_column=tag_column, need_tags=need_tags, form=form)
    if need_tags:
        raise DataError(f"{path} is read as {layout}, which have no tags.", expected="one token per line, with its tag", fix=argument("layout", "tokens"))
    return read_plain(path, form, raw=layout == "text")


def read_tagged_splits(
    path: str | Path,
    *,
    validation: str | Path | None = None,
    test: str | Path | None = None,
    token_column: int = 0,
    tag_column: int | None = -1,
    layout: str = "auto",
    form: Form = USUAL_FORM,
) -> Parts[Sentences]:
    """A tagged set with its parts.

    Args:
        path: a folder with the folders `train`, `valid` and `test`; a folder with one file for each part (`NAME-train.tsv`, `dev.conll`, ...);
            or one file or folder of line files, which is then the training part.
        validation, test: files or folders for these parts, in place of what `path` has.
        token_column, tag_column, layout, form: as in `read_tagged`.
    Raises:
        DataError: unreadable, without a training part, or with two files for one part.
    """
    path = Path(path)
    found = tagged_parts(path)
    return read_each(
        path,
        found,
        lambda part: read_tagged(part, token_column=token_column, tag_column=tag_column, layout=layout, form=form),
        validation=validation,
        test=test,
    )


def tagged_parts(path: str | Path) -> dict[str, Path]:
    """The file or folder of each part ("train", "validation", "test"); a single file or folder of line files is "train".

    Raises:
        DataError: `path` does not exist, or is a folder with no part or with two sets for one part.
    """
    path = Path(path)
    # A treebank of Universal Dependencies keeps the raw text of each part beside it, as .txt.
    treebank = path.is_dir() and any(suffix_of(entry) in CONLLU for entry in path.iterdir())
    return find_parts(path, CONLLU if treebank else SUFFIXES, line_file=TOKENS_FILE)


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
