"""What an export is called, where its files and functions are called after the model: a name in C."""

from __future__ import annotations

import re

from tenuto.errors import ArgumentError
from tenuto.export.targets import TARGETS
from tenuto.tongues import argument

# Files of these names would stand before those of the C library.
_HEADERS = frozenset(
    "assert complex ctype errno fenv float inttypes iso646 limits locale math setjmp signal stdarg stdbool stddef stdint stdio stdlib string tgmath time wchar wctype".split()
)
_LONGEST = 40


def check_name(to: str, name: str | None) -> None:
    """Check the name that was given for this target.

    Raises:
        ArgumentError: it is no name in C; says which would do. Or the target's files have names of their own.
    """
    if name is None:
        return
    if not TARGETS[to].named:
        raise ArgumentError(f"{argument('name', name)}: the files of an export to {to} have names of their own.", fix=f"leave {argument('name')} out")
    expected = f"a letter, then letters of a to z, digits and _, {_LONGEST} at most"
    if not re.fullmatch(rf"[A-Za-z][A-Za-z0-9_]{{0,{_LONGEST - 1}}}", name):
        raise ArgumentError(f"{argument('name', name)} cannot be a name in C.", expected=expected, fix=argument("name", usual_name(name)))
    if name.lower() in _HEADERS:
        raise ArgumentError(f"{argument('name', name)}: {name.lower()}.h is a file of the C library.", expected="another name", fix=argument("name", f"{name}_model"))


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
