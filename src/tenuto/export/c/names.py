"""Names, texts and comments as C takes them."""

from __future__ import annotations

import re

from tenuto.errors import ArgumentError
from tenuto.tongues import argument

# Files of these names would stand before those of the C library.
_HEADERS = frozenset(
    "assert complex ctype errno fenv float inttypes iso646 limits locale math setjmp signal stdarg stdbool stddef stdint stdio stdlib string tgmath time wchar wctype".split()
)
_LONGEST = 40


def check_name(name: str) -> str:
    """The name as it was given, if all that is made of it are names in C.

    Raises:
        ArgumentError: it is none; says which would do.
    """
    expected = f"a letter, then letters of a to z, digits and _, {_LONGEST} at most"
    if not re.fullmatch(rf"[A-Za-z][A-Za-z0-9_]{{0,{_LONGEST - 1}}}", name):
        raise ArgumentError(f"{argument('name', name)} cannot be a name in C.", expected=expected, fix=argument("name", usual_name(name)))
    if name.lower() in _HEADERS:
        raise ArgumentError(f"{argument('name', name)}: {name.lower()}.h is a file of the C library.", expected="another name", fix=argument("name", f"{name}_model"))
    return name


def usual_name(text: str) -> str:
    """A name in C for whatever is called so.

    Example:
        >>> usual_name("my run-2"), usual_name("7segments"), usual_name("math")
        ('my_run_2', 'model_7segments', 'math_model')
    """
    name = re.sub(r"_+", "_", re.sub(r"[^A-Za-z0-9]", "_", text)).strip("_")
    if not name or not name[0].isalpha():
        name = f"model_{name}".strip("_")
    if name.lower() in _HEADERS:
        name += "_model"
    return name[:_LONGEST].rstrip("_")


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
