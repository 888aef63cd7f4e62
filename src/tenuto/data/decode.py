"""Reads what a file holds: its digest; its text, in UTF-8, in what its byte order mark says, or as its `Form` says; its lines. An error names the byte and the line.

A file whose name ends in `.gz` is unpacked (`compressed.py`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tenuto.choices import missing_file
from tenuto.data.compressed import MAGIC, bytes_of, is_compressed
from tenuto.data.form import USUAL_FORM, Form, form_with
from tenuto.data.source import Source
from tenuto.encoding import Other, encoding_of, narrow, other_than_utf8
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
        raise DataError(f"{name} is not in {form.encoding}: {byte}.", expected=f"text in {form.encoding}", fix=f"say which encoding it has: {form_with('encoding')}") from error


def lines_of(text: str) -> list[str]:
    """The lines of a text, without their ends. A line ends in LF, CRLF or CR; Unicode's other line separators do not end one.

    Example:
        >>> lines_of("a\\r\\nb\\rc\\u2028d\\n")
        ['a', 'b', 'c\\u2028d']
    """
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    return lines if lines[-1] else lines[:-1]


def decode_utf8(content: bytes, name: str) -> str:
    """The text of `content`, in UTF-8 or in what its byte order mark says; `name` is what an error calls it.

    Raises:
        DataError: it is in another encoding, or no text: the message says which, or which byte on which line.
    Example:
        >>> decode_utf8(b"caf" + bytes([0xc3, 0xa9]), "menu.txt")
        'café'
    """
    codec = encoding_of(content)
    if codec == "utf-8":
        require_utf8(content, name)
    try:
        return content.decode(codec)
    except UnicodeDecodeError as error:
        position = len(content) - len(error.object) + error.start  # the codec may count after the mark
        lines = lines_of(content[:position].decode(codec, errors="replace") + ".")
        before = lines[-1][:-1][-30:]
        start = max(content.rfind(end, 0, position) for end in (b"\n", b"\r")) + 1
        in_line = f", byte {position - start} of the line" if codec.startswith("utf-8") else ""
        raise DataError(
            f"{name} is not {codec.upper().removesuffix('-SIG')}: byte {position} (line {len(lines)}{in_line}) is 0x{content[position]:02x}.",
            expected="text in UTF-8",
            received=f"after {before!r}" if before else "at the beginning of the line",
            fix="copy it again" if codec != "utf-8" else _convert(narrow(content).iconv),
        ) from error


def require_utf8(beginning: bytes, name: str) -> None:
    """Check the beginning of a file that is read piece by piece, as UTF-8.

    Raises:
        DataError: it has another encoding, or is no text.
    """
    codec = encoding_of(beginning)
    marked = Other(codec.upper(), codec.upper()) if codec not in ("utf-8", "utf-8-sig") else None
    other = marked or other_than_utf8(beginning)
    if other is not None:
        raise DataError(f"{name} is {other.said}, not UTF-8.", expected="text in UTF-8", fix=_convert(other.iconv))


def _convert(encoding: str) -> str:
    """What to do about a file in this encoding, as iconv calls it."""
    if not encoding:
        return "write the data as text in UTF-8"
    name = {"LATIN1": "latin-1", "WINDOWS-1252": "cp1252"}.get(encoding, encoding.lower().replace("utf-16", "utf-16-").replace("utf-32", "utf-32-").replace("--", "-").rstrip("-"))
    return f"convert it{', for example' if not encoding.startswith('UTF') else ''}: iconv -f {encoding} -t UTF-8 OLD > NEW; or say which encoding it has: {form_with('encoding', name)}"


@contextmanager
def opening(path: Path) -> Iterator[None]:
    """Turns the system's error about a file that cannot be read, raised inside the `with` block, into a DataError."""
    try:
        yield
    except FileNotFoundError as error:
        raise DataError(f"there is no file {path}.", expected="a data file", fix=missing_file(path)) from error
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
