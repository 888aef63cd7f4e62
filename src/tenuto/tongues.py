"""A message in two tongues: Python says `hidden_size=0`, the command line `--hidden-size 0`. One text holds both, and is shown in one of them.

    f"{argument('hidden_size', 0)} is out of range."

What differs stands between marks, control characters that a text has nowhere else. An error shows itself in Python's tongue (`errors.py`); the
command line, which alone knows how its options are typed, shows the other one (`cli/flags.py`).
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable
from typing import Any

_OPEN, _OR, _CLOSE = "\x0e", "\x1f", "\x0f"
_FLAG, _VALUE, _END = "\x11", "\x12", "\x13"
_EITHER = re.compile(f"{_OPEN}([^{_OPEN}{_CLOSE}]*){_CLOSE}")  # the innermost: what differs may hold something that differs
_TYPED = re.compile(f"{_FLAG}([^{_FLAG}{_END}]*){_END}")
_MARKS = re.compile(f"[{_OPEN}{_OR}{_CLOSE}{_FLAG}{_VALUE}{_END}]")
_ABSENT: Any = object()

# From an argument's name and its value as it is typed ("" for None; None where only the name is told) to the words of a command line.
Flags = Callable[[str, "str | None"], str]


def argument(name: str, value: Any = _ABSENT) -> str:
    """An argument of a call, and perhaps its value: `hidden_size=0`, or `--hidden-size 0`.

    Example:
        >>> in_python(argument("units", "words")), in_python(argument("units"))
        ("units='words'", 'units')
    """
    if value is _ABSENT:
        return either(name, f"{_FLAG}{name}{_END}")
    return either(f"{name}={_MARKS.sub('', repr(value))}", f"{_FLAG}{name}{_VALUE}{_MARKS.sub('', typed(value))}{_END}")


def either(python: str, command: str) -> str:
    """What Python says, and what the command line says instead.

    Example:
        >>> text = "give " + either("y", "a column of labels")
        >>> in_python(text), in_command(text, lambda name, value: name)
        ('give y', 'give a column of labels')
    """
    return f"{_OPEN}{python}{_OR}{command}{_CLOSE}"


def in_python(text: str) -> str:
    """The text as Python says it."""
    return _chosen(text, 0)


def in_command(text: str, flags: Flags) -> str:
    """The text as the command line says it."""

    def as_typed(found: re.Match[str]) -> str:
        name, value, given = found[1].partition(_VALUE)
        return flags(name, given if value else None)

    return _TYPED.sub(as_typed, _chosen(text, 1))


def typed(value: Any) -> str:
    """A value as it is typed on a command line; nothing for None.

    Example:
        >>> typed(("mean", "last")), typed(0.5), typed("a b")
        ('mean,last', '0.5', "'a b'")
    """
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (list, tuple)):
        return ",".join(map(typed, value))
    return shlex.quote(str(value))


def typed_path(path: object) -> str:
    """A path as a word of a command line that can be typed as it stands.

    Example:
        >>> print(typed_path("runs/gru-1"), typed_path("my runs/it's one"), typed_path("-x"))
        runs/gru-1 'my runs/it'"'"'s one' ./-x
    """
    text = str(path)
    return shlex.quote(f"./{text}" if text.startswith("-") else text)


def _chosen(text: str, tongue: int) -> str:
    while (found := _EITHER.search(text)) is not None:
        text = text[: found.start()] + found[1].split(_OR)[tongue] + text[found.end() :]
    return text
