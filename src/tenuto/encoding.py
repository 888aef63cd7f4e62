"""In which encoding the text of a file is. A byte order mark says it; without one, text is UTF-8, and what is something else is told apart for the message."""

from __future__ import annotations

import codecs
import unicodedata
from typing import NamedTuple

_MARKS = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF32_LE, "utf-32"), (codecs.BOM_UTF32_BE, "utf-32"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))
_WIDE = {"utf-16-le": "UTF-16LE", "utf-16-be": "UTF-16BE", "utf-32-le": "UTF-32LE", "utf-32-be": "UTF-32BE"}
LOOKED_AT = 4096  # bytes at the beginning of a file; a multiple of four
_NO_TEXT = ((b"PK\x03\x04", "a ZIP archive, as .xlsx files are"), (b"\x1f\x8b", "compressed by gzip"), (b"%PDF", "a PDF"), (b"\xd0\xcf\x11\xe0", "an .xls or .doc file"))


class Other(NamedTuple):
    """What a file holds that is not UTF-8: in words, and the encoding as iconv calls it ("" where it is no text at all)."""

    said: str
    iconv: str


def encoding_of(content: bytes) -> str:
    """Python's name of the encoding that the byte order mark says, which decoding takes away; UTF-8 where there is none.

    Example:
        >>> encoding_of("a".encode("utf-16")), encoding_of(b"a")
        ('utf-16', 'utf-8')
    """
    return next((codec for mark, codec in _MARKS if content.startswith(mark)), "utf-8")


def other_than_utf8(content: bytes) -> Other | None:
    """What this is, where it has no byte order mark and its bytes say that it is not UTF-8; None where they do not.

    Text in UTF-16 is often valid UTF-8 too, with a zero byte beside each letter, so this is asked before decoding.

    Example:
        >>> other_than_utf8("a,b".encode("utf-16-le")).iconv, other_than_utf8(b"a,b")
        ('UTF-16LE', None)
    """
    for magic, said in _NO_TEXT:
        if content.startswith(magic):
            return Other(said, "")
    head = content[:LOOKED_AT]
    zeros = head.count(b"\0")
    if zeros < 2 or zeros * 40 < len(head) or (not head.isascii() and _is_text(head, "utf-8")):  # a zero here and there is no encoding
        return None
    for codec in ("utf-32-le", "utf-32-be", "utf-16-le", "utf-16-be"):
        if len(content) % (4 if "32" in codec else 2) == 0 and _is_text(head, codec):
            return Other(f"{_WIDE[codec]} without a byte order mark", _WIDE[codec])
    return None


def narrow(content: bytes) -> Other:
    """What text is most likely that has no byte order mark and is not UTF-8: an encoding of one byte for each character."""
    windows = any(0x80 <= byte <= 0x9F for byte in content)
    return Other("Windows-1252" if windows else "Latin-1", "WINDOWS-1252" if windows else "LATIN1")


def _is_text(head: bytes, codec: str) -> bool:
    """Whether these bytes are letters that exist, in that encoding."""
    try:
        text = codecs.getincrementaldecoder(codec)().decode(head)  # half a character may stand at the end
    except UnicodeDecodeError:
        return False
    if "16" in codec and 2 * sum(ord(letter) < 0x100 for letter in text) < head.count(b"\0"):
        return False  # the bytes are in the other order: the zeros are not those of letters and spaces
    return not any(letter not in "\t\r\n\0" and unicodedata.category(letter)[0] == "C" for letter in text)
