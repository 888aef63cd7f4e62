"""`Text`: one long text or many documents, with where it came from; how it is split, and how it is read from files.

A text is either *whole*, a single stream read from its first character to its last, or a list of *documents*, each read from the initial state.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tenuto.data.compressed import suffix_of
from tenuto.data.decode import naming, read_decoded
from tenuto.data.form import USUAL_FORM, Form
from tenuto.data.frame import is_frame, items_of
from tenuto.data.parts import Parts, find_parts, read_each, require_part
from tenuto.data.rows import ROW_FORMATS, read_rows
from tenuto.data.source import Source, Sourced
from tenuto.data.split import check_fraction
from tenuto.errors import DataError
from tenuto.tongues import argument, either

TEXT_FORMATS = (".txt", *ROW_FORMATS)


@dataclass(frozen=True, repr=False)
class Text(Sourced):
    """Checked text.

    Attributes:
        documents: the texts; a single one where the text is whole.
        whole: whether it is a single stream, with no marks at its ends.
        came_from: what to call the text, and where it came from.
    Raises:
        DataError: there is no text, or a document is empty or not a str; the message names the document.
    """

    documents: tuple[str, ...]
    whole: bool = True
    came_from: Source = Source("text")

    def __post_init__(self) -> None:
        if not self.documents:
            raise DataError("there are no documents.", expected="at least one text")
        for number, document in enumerate(self.documents):
            what = "the text" if self.whole else f"document {number}"
            if not isinstance(document, str):
                raise DataError(f"{what} is not text.", expected="str", received=f"{type(document).__name__} {document!r:.60}")
            if not document:
                raise DataError(f"{what} is empty.", expected="one or more characters", fix="leave it out" if not self.whole else None)

    def __len__(self) -> int:
        return len(self.documents)

    def select(self, indices: Iterable[int]) -> Text:
        """The documents at these positions."""
        return Text(tuple(self.documents[index] for index in indices), False, self.came_from)

    def _content_sha256(self) -> str:
        """The digest of its documents, one after another."""
        digest = hashlib.sha256()
        for document in self.documents:
            content = document.encode("utf-8", errors="surrogatepass")
            digest.update(b"" if self.whole else f"{len(content)}:".encode())
            digest.update(content)
        return digest.hexdigest()

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
        if isinstance(text, (bytes, Path)) or not (is_frame(text) or hasattr(text, "__iter__")):
            raise DataError("this is not text.", expected="str, or a list of str", received=type(text).__name__, fix="tenuto.data.read_text(path) reads files")
        return cls(tuple(items_of(text)), whole=False)

    @property
    def characters(self) -> int:
        """How many characters there are, not counting the marks between documents."""
        return sum(map(len, self.documents))

    def called(self, number: int = 0) -> str:
        """What an error calls the text, or the document with this number."""
        part = "" if self.origin == "given" or "file" in self.origin.split(" ")[:2] else self.origin
        whole = part or self.path or "the text"
        return whole if self.whole else f"document {number}" + (f" of {whole}" if whole != "the text" else "")

    def __repr__(self) -> str:
        documents = "" if self.whole else f"{len(self.documents)} documents, "
        return f"Text({self.name!r}, {documents}{self.characters} characters)"

    def split(self, fraction: float) -> tuple[Text, Text]:
        """Cuts off the end of the text: first the text without it, then the end, with about `fraction` of the characters. Documents stay whole.

        Raises:
            ArgumentError: fraction is not between 0 and 1. DataError: the text is too short for two parts.
        Example:
            >>> [part.documents for part in Text.of("abcdefghij").split(0.2)]
            [('abcdefgh',), ('ij',)]
        """
        check_fraction(fraction)
        if self.characters < 4 or (not self.whole and len(self.documents) < 2):
            raise DataError(f"{self!r} is too short to hold a part of it out.", fix=f"give a validation text of your own{either('', ' (--validation)')}, or more text")
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
            Text(first, self.whole, self.came_from.part(f"{self.origin}, without {what}")),
            Text(last, self.whole, self.came_from.part(what)),
        )


def read_text(path: str | Path, *, text_column: str = "text", form: Form = USUAL_FORM) -> Text:
    """The text of a file: from .jsonl, .json, .csv, .tsv and .parquet one document for each row; any other file is one whole text.

    A whole text keeps its line ends as they are. A byte order mark is removed.

    Args:
        text_column: the column or key that holds the documents; with dots for a key inside of others.
        form: how the file is written.
    Raises:
        DataError: no such file, an empty file, not in its encoding (the message names the byte), or a row without text (it names the line).
    """
    path = Path(path)
    if suffix_of(path) not in ROW_FORMATS:
        content, source = read_decoded(path, form)
        with naming(path):
            return Text((content,), True, source)
    rows, source = read_rows(path, (text_column,), form=form, fix=f"say which column it is with {argument('text_column')}")
    documents = []
    for place, cells in rows:
        document = cells[text_column]
        if not isinstance(document, str) or not document:
            raise DataError(f"{path}, {place}: {text_column!r} holds no text.", expected="one or more characters", received=repr(document)[:60])
        documents.append(document)
    with naming(path):
        return Text(tuple(documents), False, source)


def read_texts(paths: Sequence[str | Path], *, text_column: str = "text", form: Form = USUAL_FORM) -> Text:
    """The text of one file, as in `read_text`; or of several files, where each plain file and each row of a table is a document.

    Raises:
        DataError: as in `read_text`; or no file at all.
    """
    texts = [read_text(path, text_column=text_column, form=form) for path in paths]
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
        came_from=Source(texts[0].name, folders.pop() if len(folders) == 1 else None, digest, f"{len(texts)} files: {names}"),
    )


def read_text_splits(
    path: str | Path | Sequence[str | Path],
    *,
    validation: str | Path | None = None,
    test: str | Path | None = None,
    text_column: str = "text",
    form: Form = USUAL_FORM,
) -> Parts[Text]:
    """The text to train on, with the parts that its files give.

    Args:
        path: a file; several files, as in `read_texts`; or a folder with `train.txt` (or .jsonl, .csv, .tsv, .parquet) and perhaps `valid` and
            `test` beside it.
        validation, test: files for these parts, in place of what the folder has.
        text_column, form: as in `read_text`.
    Raises:
        DataError: as in `read_text`; or a folder without a training part, or with two files for one part.
    """
    paths = [Path(path)] if isinstance(path, (str, Path)) else [Path(file) for file in path]
    if len(paths) == 1:
        found = text_parts(paths[0])
        return read_each(paths[0], found, lambda file: read_text(file, text_column=text_column, form=form), validation=validation, test=test)
    training = read_texts(paths, text_column=text_column, form=form)
    given = {part: read_text(file, text_column=text_column, form=form) for part, file in (("validation", validation), ("test", test)) if file is not None}
    return Parts(training, **given)


def text_parts(path: str | Path) -> dict[str, Path]:
    """The file of each part: "train" always, perhaps "validation" and "test"; a single file is "train".

    Raises:
        DataError: `path` does not exist, or is a folder without a training part or with two files for one part.
    """
    path = Path(path)
    found = find_parts(path, TEXT_FORMATS)
    require_part(path, found, "train")
    return found
