"""Reads what a file holds: its digest; its text, in UTF-8 (with or without a byte order mark) or as its `Form` says; its lines. An error names the byte and the line.

A file whose name ends in `.gz` is unpacked (`compressed.py`).
"""

from __future__ import annotations

import codecs
import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tenuto.data.compressed import MAGIC, bytes_of, is_compressed
from tenuto.data.form import USUAL_FORM, Form
from tenuto.data.source import Source
from tenuto.errors import DataError, TenutoError
from tenuto.files import sha256_of


def read_source(path: Path) -> Source:
    """A file as the source of a data set, with its digest.

    Raises:
        DataError: there is no such file, or it cannot be read.
    """
    with opening(path):
        return Source.of_file(path, sha256_of(path))


def read_bytes(path: Path) -> tuple[bytes, Source]:
    """A file's content, unpacked where its name ends in `.gz`, and the file as a source, with the digest of the file as it stands.

    Raises:
        DataError: there is no such file, it cannot be read or unpacked, or it is compressed and its name does not say so.
    """
    with opening(path):
        content = bytes_of(path)
        digest = sha256_of(path) if is_compressed(path) else hashlib.sha256(content).hexdigest()
    if content.startswith(MAGIC):
        raise DataError(
            f"{path} is compressed{' twice' if is_compressed(path) else ''} by gzip.", expected="text", fix="unpack it (gunzip)" if is_compressed(path) else f"name it {path.name}.gz"
        )
    return content, Source.of_file(path, digest)


def read_decoded(path: str | Path, form: Form = USUAL_FORM) -> tuple[str, Source]:
    """A file's text, with its line ends as they are, and the file as a source.

    Raises:
        DataError: as in `read_bytes`; or it is not in the encoding that `form` names: the message says which byte on which line.
    """
    content, source = read_bytes(Path(path))
    return decoded(content, str(path), form), source


def decoded(content: bytes, name: str, form: Form = USUAL_FORM) -> str:
    """The text of `content`, in the encoding that `form` names; `name` is what an error calls it.

    Raises:
        DataError: it is not in that encoding; the message says which byte on which line.
    """
    if form.codec in ("utf-8", "utf-8-sig"):
        return decode_utf8(content, name)
    try:
        return content.decode(form.codec).removeprefix("\ufeff")
    except UnicodeError as error:
        start = getattr(error, "start", 0)
        before = content[:start].decode(form.codec, errors="ignore")
        byte = f"byte {start} (line {len(lines_of(before + '.'))}) is 0x{content[start]:02x}" if start < len(content) else "it ends within a character"
        raise DataError(f"{name} is not in {form.encoding}: {byte}.", expected=f"text in {form.encoding}", fix="say which encoding it has: --encoding") from error


def lines_of(text: str) -> list[str]:
    """The lines of a text, without their ends. A line ends in LF, CRLF or CR; Unicode's other line separators do not end one.

    Example:
        >>> lines_of("a\\r\\nb\\rc\\u2028d\\n")
        ['a', 'b', 'c\\u2028d']
    """
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    return lines if lines[-1] else lines[:-1]


def decode_utf8(content: bytes, name: str) -> str:
    """The text of `content`; `name` is what an error calls it.

    Raises:
        DataError: it is not UTF-8; the message says which byte on which line.
    Example:
        >>> decode_utf8(b"caf" + bytes([0xc3, 0xa9]), "menu.txt")
        'café'
    """
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        mark = 3 if content.startswith(b"\xef\xbb\xbf") else 0  # the codec counts after the mark
        position = error.start + mark if error.object != content else error.start
        start = max(content.rfind(end, 0, position) for end in (b"\n", b"\r")) + 1
        line = len(lines_of(content[:start].decode("utf-8"))) + 1
        before = content[start:position].decode("utf-8", errors="replace")[-30:]
        raise DataError(
            f"{name} is not UTF-8: byte {position} (line {line}, byte {position - start} of the line) is 0x{content[position]:02x}.",
            expected="text in UTF-8",
            received=f"after {before!r}" if before else "at the beginning of the line",
            fix=f"say which encoding it has: --encoding {_perhaps(content)} (form=Form(encoding=...)), or convert it: iconv -f {_perhaps(content).upper()} -t UTF-8 OLD > NEW",
        ) from error


def _perhaps(content: bytes) -> str:
    """The encoding that a file which is not UTF-8 may have; a mark at its beginning says UTF-16 for sure."""
    return "utf-16" if content[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE) else "latin-1"


@contextmanager
def opening(path: Path) -> Iterator[None]:
    """Turns the system's error about a file that cannot be read, raised inside the `with` block, into a DataError."""
    try:
        yield
    except FileNotFoundError as error:
        raise DataError(f"there is no file {path}.", expected="a data file", fix="check the path") from error
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}.") from error


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """Adds the file's name to errors about its content that are raised inside the `with` block."""
    with telling(str(path)):
        yield


@contextmanager
def telling(name: str) -> Iterator[None]:
    """Begins the errors that are raised inside the `with` block with this name."""
    try:
        yield
    except TenutoError as error:
        raise error.within(name) from error.__cause__
