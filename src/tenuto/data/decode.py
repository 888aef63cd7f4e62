"""Text files as text: UTF-8 with or without a byte order mark, or an error that names the byte and the line."""

from __future__ import annotations

import hashlib
from pathlib import Path

from tenuto.errors import DataError


def read_utf8(path: str | Path) -> tuple[str, str]:
    """A file's text, with its line ends as they are, and the SHA-256 digest of its bytes.

    Raises:
        DataError: there is no such file, it cannot be read, or it is not UTF-8: the message says which byte on which line.
    """
    path = Path(path)
    try:
        content = path.read_bytes()
    except FileNotFoundError as error:
        raise DataError(f"there is no file {path}.", expected="a text file", fix="check the path") from error
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}.") from error
    return decode_utf8(content, str(path)), hashlib.sha256(content).hexdigest()


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
        line = content.count(b"\n", 0, position) + 1
        start = content.rfind(b"\n", 0, position) + 1
        before = content[start:position].decode("utf-8", errors="replace")[-30:]
        raise DataError(
            f"{name} is not UTF-8: byte {position} (line {line}, byte {position - start} of the line) is 0x{content[position]:02x}.",
            expected="text in UTF-8",
            received=f"after {before!r}" if before else "at the line's beginning",
            fix="convert it, for example: iconv -f LATIN1 -t UTF-8 OLD > NEW",
        ) from error
