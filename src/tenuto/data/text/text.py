"""`Text`: one long text, or many documents, with where it came from; its split; its way from files.

A text is either *whole*, a single stream read from its first character to its last, or a list of *documents*, each read from a fresh state.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from tenuto.data.decode import read_utf8
from tenuto.data.parts import split_name
from tenuto.errors import ArgumentError, DataError

TABLES = (".jsonl", ".csv", ".tsv", ".parquet")


@dataclass(frozen=True, repr=False)
class Text:
    """Checked text.

    Attributes:
        documents: the texts; one where the text is whole.
        whole: whether it is a single stream, with no mark at its ends.
        name, path, sha256, origin: where it came from; see `tenuto.runs.folder`.
    Raises:
        DataError: there is no text, or a document is no str or empty; the message names it.
    """

    documents: tuple[str, ...]
    whole: bool = True
    name: str = "text"
    path: str | None = None
    sha256: str = ""
    origin: str = "given"

    def __post_init__(self) -> None:
        if not self.documents:
            raise DataError("there are no documents.", expected="at least one text")
        for number, document in enumerate(self.documents):
            what = "the text" if self.whole else f"document {number}"
            if not isinstance(document, str):
                raise DataError(f"{what} is no text.", expected="str", received=f"{type(document).__name__} {document!r:.60}")
            if not document:
                raise DataError(f"{what} is empty.", expected="one character or more", fix="leave it out" if not self.whole else None)
        if not self.sha256:
            digest = hashlib.sha256()
            for document in self.documents:
                content = document.encode("utf-8", errors="surrogatepass")
                digest.update(b"" if self.whole else f"{len(content)}:".encode())
                digest.update(content)
            object.__setattr__(self, "sha256", digest.hexdigest())

    @classmethod
    def of(cls, text: Any) -> Text:
        """A str as a whole text, a sequence of str as documents, a `Text` as it is.

        Raises:
            DataError: anything else, or nothing in it.
        Example:
            >>> Text.of("to be"), Text.of(["to be", "or not"])
            (Text('text', 5 characters), Text('text', 2 documents, 11 characters))
        """
        if isinstance(text, Text):
            return text
        if isinstance(text, str):
            return cls((text,))
        if isinstance(text, (bytes, Path)) or not hasattr(text, "__iter__"):
            raise DataError("this is no text.", expected="str, or a list of str", received=type(text).__name__, fix="tenuto.data.read_text(path) reads files")
        return cls(tuple(str(item) if type(item).__name__ == "str_" else item for item in text), whole=False)

    @property
    def characters(self) -> int:
        """How many characters there are, marks not counted."""
        return sum(map(len, self.documents))

    def called(self, number: int = 0) -> str:
        """What an error calls a document of it."""
        part = "" if self.origin == "given" or "file" in self.origin.split(" ")[:2] else self.origin
        whole = part or self.path or "the text"
        return whole if self.whole else f"document {number}" + (f" of {whole}" if whole != "the text" else "")

    def __repr__(self) -> str:
        documents = "" if self.whole else f"{len(self.documents)} documents, "
        return f"Text({self.name!r}, {documents}{self.characters} characters)"

    def split(self, fraction: float) -> tuple[Text, Text]:
        """The text without its end, and its end: about `fraction` of the characters; documents stay whole.

        Raises:
            ArgumentError: fraction is not between 0 and 1. DataError: too little for two parts.
        Example:
            >>> [part.documents for part in Text.of("abcdefghij").split(0.2)]
            [('abcdefgh',), ('ij',)]
        """
        if not 0 < fraction < 1:
            raise ArgumentError("the part of the text to hold out is out of range.", expected="a number between 0 and 1", received=str(fraction))
        if self.characters < 4 or (not self.whole and len(self.documents) < 2):
            raise DataError(f"{self!r} is too little to hold a part of it out.", fix="give a validation text of your own, or more text")
        if self.whole:
            cut = min(max(self.characters - round(fraction * self.characters), 2), self.characters - 2)
            first: tuple[str, ...] = (self.documents[0][:cut],)
            last: tuple[str, ...] = (self.documents[0][cut:],)
        else:
            wanted, cut = fraction * self.characters, len(self.documents)
            while cut > 1 and (cut == len(self.documents) or sum(map(len, self.documents[cut:])) < wanted):
                cut -= 1
            first, last = self.documents[:cut], self.documents[cut:]
        what = f"the last {fraction:.0%} of the training text"
        return (
            Text(first, self.whole, self.name, self.path, origin=f"{self.origin}, without {what}"),
            Text(last, self.whole, self.name, self.path, origin=what),
        )


class TextSplits(NamedTuple):
    """The parts of a data set; `validation` and `test` are None where the data has none."""

    train: Text
    validation: Text | None = None
    test: Text | None = None


def read_text(path: str | Path, *, text_column: str = "text") -> Text:
    """The text of a file: documents from .jsonl, .csv, .tsv and .parquet, one a row; any other file is one whole UTF-8 text.

    Line ends stay as they are in whole texts. A byte order mark is taken off.

    Args:
        text_column: the column or key that holds the documents.
    Raises:
        DataError: no such file, empty, not UTF-8 (which byte), a row without text; the message says where.
    """
    path = Path(path)
    where = {"name": path.stem, "path": str(path), "origin": f"file {path.name}"}
    try:
        if path.suffix.lower() == ".parquet":
            documents, digest = _parquet(path, text_column)
        else:
            content, digest = read_utf8(path)
            if path.suffix.lower() not in TABLES:
                return Text((content,), True, sha256=digest, **where)
            rows = _jsonl(content, text_column) if path.suffix.lower() == ".jsonl" else _table(content, text_column, path.suffix.lower())
            documents = list(rows)
        return Text(tuple(documents), False, sha256=digest, **where)
    except DataError as error:
        raise error if str(path) in error.what else error.within(str(path)) from error.__cause__


def read_texts(paths: Sequence[str | Path], *, text_column: str = "text") -> Text:
    """The text of one file as `read_text` has it, or of several: each plain file is a document, and each row of a table.

    Raises:
        DataError: as `read_text`; no file at all.
    """
    texts = [read_text(path, text_column=text_column) for path in paths]
    if not texts:
        raise DataError("there is no file to read.", expected="at least one")
    if len(texts) == 1:
        return texts[0]
    digest = hashlib.sha256("".join(text.sha256 for text in texts).encode()).hexdigest()
    names = ", ".join(Path(path).name for path in paths[:3]) + (", ..." if len(paths) > 3 else "")
    folders = {str(Path(path).parent) for path in paths}
    return Text(
        tuple(document for text in texts for document in text.documents),
        whole=False,
        name=texts[0].name,
        path=folders.pop() if len(folders) == 1 else None,
        sha256=digest,
        origin=f"{len(texts)} files: {names}",
    )


def read_text_splits(
    path: str | Path | Sequence[str | Path], *, validation: str | Path | None = None, test: str | Path | None = None, text_column: str = "text"
) -> TextSplits:
    """A file, or several, to train on; or a folder with `train.txt` (or .jsonl, .csv, .tsv, .parquet) and perhaps `valid` and `test` beside it.

    Args:
        path: of several files each is a document.
        validation, test: files in place of what the folder has.
    Raises:
        DataError: as `read_text`; a folder without a training part, or with two of one part.
    """
    paths = [Path(path)] if isinstance(path, (str, Path)) else [Path(file) for file in path]
    parts = {} if len(paths) != 1 else text_parts(paths[0])
    training = read_texts(paths if len(paths) != 1 else [parts.pop("train")], text_column=text_column)
    parts |= {part: Path(file) for part, file in (("validation", validation), ("test", test)) if file is not None}
    return TextSplits(training, **{part: read_text(file, text_column=text_column) for part, file in parts.items()})


def text_parts(path: str | Path) -> dict[str, Path]:
    """The files of a folder by part, "train" always and perhaps "validation" and "test"; of a file, that file as "train".

    Raises:
        DataError: a folder without a training part, or with two of one part.
    """
    path = Path(path)
    found = {"train": path}
    if path.is_dir():
        found = {}
        for file in sorted(path.iterdir()):
            if file.suffix.lower() not in (".txt", *TABLES) or file.stem.lower() not in ("train", "valid", "validation", "val", "dev", "test"):
                continue
            part = split_name(file.stem)
            if part in found:
                raise DataError(f"{path} holds two files for the {part} part.", expected="one", received=f"{found[part].name}, {file.name}")
            found[part] = file
        if "train" not in found:
            raise DataError(f"the folder {path} has no training part.", expected="train.txt, or train with one of " + " ".join(TABLES), fix=f"name the files: {path}/*.txt")
    return found


def _jsonl(content: str, column: str) -> Iterator[str]:
    for number, line in enumerate(content.split("\n"), 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except json.JSONDecodeError as error:
            raise DataError(f"line {number} is not JSON: {error.msg}.", expected="one JSON object a line", received=repr(line[:60])) from error
        if not isinstance(row, dict) or not isinstance(row.get(column), str) or not row[column]:
            raise DataError(f"line {number} has no text.", expected=f'{{"{column}": "..."}}', received=repr(line[:60]))
        yield row[column]


def _table(content: str, column: str, suffix: str) -> Iterator[str]:
    csv.field_size_limit(max(csv.field_size_limit(), len(content) + 1))  # a document may be longer than the module's 128 KiB
    rows = csv.DictReader(io.StringIO(content, newline=""), delimiter="\t" if suffix == ".tsv" else ",")
    _need_column(column, rows.fieldnames or ())
    for row in rows:
        if not row[column] or None in row:
            raise DataError(f"the row that ends on line {rows.line_num} has no text, or more cells than the header.", expected=f"text in {column!r}")
        yield row[column]


def _parquet(path: Path, column: str) -> tuple[list[str], str]:
    try:
        from pyarrow import ArrowException, parquet
    except ImportError as error:
        raise DataError("Parquet files need pyarrow.", fix="pip install 'tenuto[data]'") from error
    try:
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        names = parquet.read_schema(path).names
        _need_column(column, names)
        return parquet.read_table(path, columns=[column]).column(column).to_pylist(), digest
    except (OSError, ArrowException) as error:
        raise DataError(f"{path} cannot be read: {error}.", expected="a whole Parquet file") from error


def _need_column(column: str, names: Sequence[str]) -> None:
    if column not in names:
        raise DataError(f"there is no column {column!r}.", expected=column, received=", ".join(map(str, names)) or "an empty file", fix="name it with text_column (--text-column)")
