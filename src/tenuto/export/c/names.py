"""Names, texts and comments as C takes them."""

from __future__ import annotations

import re


def identifier(name: str) -> str:
    """A name of a cell's as part of one in C: letters beyond ASCII become their code points."""
    return "".join(letter if letter.isascii() else f"u{ord(letter):x}_" for letter in name)


def literal(text: str) -> str:
    """A text as a string literal of C, in UTF-8; a question mark is written so that no trigraph comes about."""
    plain = {ord("\\"): "\\\\", ord('"'): '\\"', ord("?"): "\\?", ord("\n"): "\\n", ord("\t"): "\\t"}
    return '"' + "".join(plain.get(byte) or (chr(byte) if 32 <= byte < 127 else f"\\{byte:03o}") for byte in text.encode("utf-8", "surrogatepass")) + '"'


def comment(text: str, longest: int = 90) -> str:
    """A text as it may stand in a comment: one line, without what begins or ends one."""
    plain = re.sub(r"[^\x20-\x7e]|\\$", "?", " ".join(str(text).split())).replace("*/", "* /").replace("/*", "/ *").replace("??", "? ?")
    return plain if len(plain) <= longest else f"{plain[: longest - 3]}..."
