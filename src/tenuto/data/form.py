"""How a file is written: what separates its columns, which mark a decimal number has, how its characters are encoded, whether its first line names the columns.

Readers of all kinds of data take the same four, as a `Form`; where nothing is said, the file's suffix and its content decide.
"""

from __future__ import annotations

import codecs
import re
from dataclasses import dataclass

from tenuto.choices import require
from tenuto.errors import ArgumentError
from tenuto.tongues import argument, either

HEADERS = ("auto", "yes", "no")
_NAMES = {"tab": "\t", "\\t": "\t", "space": " ", "comma": ",", "semicolon": ";", "pipe": "|"}
# Codecs of Python's that are no encoding of files.
_NO_FILES = {"idna", "punycode", "unicode_escape", "unicode-escape", "raw_unicode_escape", "raw-unicode-escape", "undefined"}
_DECIMAL_COMMA = re.compile(r"\s*[+-]?(\d+,\d*|,\d+|\d+)([eE][+-]?\d+)?\s*", re.ASCII)


@dataclass(frozen=True)
class Form:
    """How a file is written.

    Args:
        separator: what stands between two columns: one character, or its name ("tab", "space" for any run of spaces, "comma", "semicolon", "pipe").
            Default: by the file's suffix, a comma in .csv and a tab in .tsv.
        decimal: the mark of decimal numbers, "." or ",".
        encoding: of its characters, as Python names it: "utf-8", "latin-1", "cp1252", "utf-16".
        header: whether the first line names the columns: "yes", "no", or "auto", where the reader tells by what is in it. Without a header the
            columns are named by their numbers, from "0".
    Raises:
        ArgumentError: a separator of several characters, another decimal mark, an encoding that is not known, another word for the header.
    Example:
        >>> Form(separator="semicolon", decimal=",").between(".csv")
        ';'
    """

    separator: str = ""
    decimal: str = "."
    encoding: str = "utf-8"
    header: str = "auto"

    def __post_init__(self) -> None:
        separator = _NAMES.get(self.separator.lower(), self.separator)
        object.__setattr__(self, "separator", separator)
        if len(separator) > 1 or separator in ('"', "\n", "\r") or separator.isalnum():
            raise ArgumentError(
                f"{argument('separator', self.separator)} does not separate columns.",
                expected=f"one character that is no letter, digit or quote, or one of {', '.join(name for name in _NAMES if name.isalpha())}",
                fix=f"for example {argument('separator', ';')} or {argument('separator', 'tab')}",
            )
        require("decimal", self.decimal, (".", ","))
        require("header", self.header, HEADERS)
        try:
            known = codecs.lookup(self.encoding)
            if not getattr(known, "_is_text_encoding", True) or known.name in _NO_FILES:
                raise LookupError
        except (LookupError, ValueError):
            raise ArgumentError(
                f"{argument('encoding', self.encoding[:40])} is not known.", expected="utf-8, latin-1, cp1252, utf-16, shift_jis, gb18030, or another one that Python knows"
            ) from None

    @property
    def codec(self) -> str:
        """Python's own name of the encoding."""
        return codecs.lookup(self.encoding).name

    def between(self, suffix: str) -> str:
        """What stands between two columns of a file with this suffix.

        Raises:
            ArgumentError: that is the decimal mark too.
        """
        separator = self.separator or ("," if suffix == ".csv" else "\t")
        if separator == self.decimal == ",":
            raise ArgumentError("the comma is both the separator and the decimal mark.", expected="two different marks", fix=f"say what separates the columns: {form_with('separator', ';')}")
        return separator

    def number(self, cell: str) -> str:
        """The text of a number with a point as its decimal mark.

        Raises:
            ValueError: with a decimal comma, it is no such number; a point would be one of thousands, and nobody can be sure.
        Example:
            >>> Form(decimal=",").number("-1,5e3"), Form().number("1.5")
            ('-1.5e3', '1.5')
        """
        if self.decimal == ".":
            return cell
        if not _DECIMAL_COMMA.fullmatch(cell):
            raise ValueError(f"{cell[:40]!r} is no number with a decimal comma")
        return cell.replace(",", ".")


USUAL_FORM = Form()


def form_with(name: str, value: str | None = None) -> str:
    """What a message calls a part of the form: Python gives it in a Form, the command line as an option."""
    if value is None:
        return either(f"form=Form({name}=...)", argument(name))
    return either(f"form=Form({name}={value!r})", argument(name, value))
