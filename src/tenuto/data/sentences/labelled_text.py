"""Texts, each with a class: JSON, a table (CSV, TSV, Parquet), lines as fastText reads them, or plain text without classes, one text per line.

    {"text": "a fine film", "label": "good"}          text,label
    {"text": "too long", "label": "bad"}              a fine film,good

`text` may be a list of tokens in JSON and Parquet. A table without a header is known by its content, or by its `Form`. A file without any label is for
prediction. If a row has an `id`, messages and tables name
the text by it; a plain text is named by the number of its line. Parquet needs pyarrow (`pip install 'tenuto[data]'`).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tenuto.data.compressed import suffix_of
from tenuto.data.decode import lines_of, naming, read_decoded
from tenuto.data.form import USUAL_FORM, Form, form_with
from tenuto.data.frame import is_missing
from tenuto.data.parts import Parts, find_parts, read_each
from tenuto.data.rows import ROW_FORMATS, Row, read_rows
from tenuto.data.sentences.fasttext import fasttext_rows, is_fasttext
from tenuto.data.sentences.sentences import Sentences
from tenuto.data.sentences.unnamed import columns_told
from tenuto.data.sentences.words import tokenise
from tenuto.data.source import LeftOut, Source
from tenuto.errors import DataError
from tenuto.tongues import argument

TEXT_SUFFIXES = (*ROW_FORMATS, ".txt")
USUAL_LABEL = "label"


def read_labelled_text(
    path: str | Path, *, text_column: str = "text", label_column: str = "label", form: Form = USUAL_FORM, labels: bool = True, empty: str = "error"
) -> Sentences:
    """The texts of a file, with labels where it has them.

    Args:
        text_column, label_column: the names of the keys or columns; with dots for keys inside of others; without a header, the numbers of the columns.
        form: how the file is written.
        labels: whether to read the labels. If not, it does not matter what stands in their place.
        empty: what happens to a text without a word. "error": a DataError. "skip": it is left out (`Sentences.left_out`).
    Raises:
        DataError: not UTF-8, empty, in another format, not JSON, without the text column, a row with more or fewer cells than the header, or
            some texts with a label and some without; the message names the line.
    """
    path = Path(path)
    if suffix_of(path) not in TEXT_SUFFIXES:
        raise DataError(
            f"{path} is in a format that is not read as labelled text.", expected=" | ".join(TEXT_SUFFIXES) + ", also compressed (.gz)", received=suffix_of(path) or "no suffix"
        )
    read = None
    if suffix_of(path) in (".csv", ".tsv"):
        read = read_decoded(path, form)
        text_column, label_column, form = columns_told(path, read[0], text_column, label_column, form)
    rows, source = _rows(path, text_column, label_column if labels else None, form, read)
    texts: list[Any] = []
    found: list[Any] = []
    left_out: list[LeftOut] = []
    ids: list[str] = []
    places: list[str] = []
    for place, cells in rows:
        text, position = cells[text_column], len(texts) + len(left_out)
        identity = str(position if is_missing(cells.get("id")) else cells["id"])
        if empty == "skip" and _is_empty(text):
            left_out.append(LeftOut(position, identity))
            continue
        places.append(place)
        texts.append(text)
        ids.append(identity)
        if cells.get(label_column) not in (None, ""):
            found.append(cells[label_column])
        if found and len(found) < len(texts):
            raise DataError(
                f"{path}, {place}: some texts have a {label_column!r} and some have none.",
                expected="a label for every text, or for none",
                fix="label the texts that have none, or leave them out",
            )
    if not texts:
        raise DataError(f"{path} holds no texts.", expected="one or more texts")
    with naming(path):
        try:
            return Sentences(texts, None, found or None, ids=ids, came_from=source, left_out=left_out)
        except DataError:
            for place, text in zip(places, texts):  # the set knows ids, not lines
                if _is_empty(text):
                    raise DataError(f"{place}: {'there is no text' if text is None else 'the text has no word'}.", expected="one word or more", fix="leave it out") from None
            raise


def read_labelled_text_splits(
    path: str | Path,
    *,
    validation: str | Path | None = None,
    test: str | Path | None = None,
    text_column: str = "text",
    label_column: str = "label",
    form: Form = USUAL_FORM,
) -> Parts[Sentences]:
    """A file of labelled texts to train on; or a folder with a file `train`, and perhaps `valid` and `test`, in one of the formats.

    Args:
        validation, test: files for these parts, in place of what a folder has.
        text_column, label_column, form: as in `read_labelled_text`.
    Raises:
        DataError: as in `read_labelled_text`; or a folder without a training part, or with two files for one part.
    """
    path = Path(path)
    found = labelled_text_parts(path)
    return read_each(
        path,
        found,
        lambda file: read_labelled_text(file, text_column=text_column, label_column=label_column, form=form),
        validation=validation,
        test=test,
    )


def labelled_text_parts(path: str | Path) -> dict[str, Path]:
    """The file of each part ("train", "validation", "test"); a single file is "train".

    Raises:
        DataError: `path` does not exist, or is a folder with no part or with two files for one part.
    """
    return find_parts(Path(path), TEXT_SUFFIXES)


def _is_empty(text: Any) -> bool:
    """Whether there is no word in a text or list of tokens."""
    return text is None or text == [] or (isinstance(text, str) and not tokenise(text))


def _rows(path: Path, text_column: str, label_column: str | None, form: Form, read: tuple[str, Source] | None) -> tuple[Iterator[Row], Source]:
    if suffix_of(path) != ".txt":
        labels = [] if label_column is None else [label_column]
        named = [] if label_column == USUAL_LABEL else labels  # a column that was named must be there
        fix = f"say which column it is with {argument('text_column')} or {argument('label_column')}; if the first line names no columns: {form_with('header', 'no')}"
        return read_rows(path, (text_column, *named), (*(one for one in labels if one not in named), "id"), form=form, fix=fix, read=read)
    text, source = read_decoded(path, form)
    lines = lines_of(text)
    if is_fasttext(lines):
        return fasttext_rows(path, lines, text_column, label_column), source
    return (Row(f"line {number}", {text_column: line.strip(), "id": number}) for number, line in enumerate(lines, start=1) if line.strip()), source
