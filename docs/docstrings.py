"""Docstrings of this project in the form that mkdocstrings reads: what is shown exactly as written (examples, equations) becomes a block of code.

This is a griffe extension: it changes each docstring before it is parsed.
"""

from __future__ import annotations

import re
import textwrap
from typing import Any

from griffe import Extension, Object

SECTION = re.compile(r"^(Equations|Shapes|Source|Note|Example|Attributes \(after fit\)):[ \t]*(.*(?:\n[ \t]+\S.*|\n(?=\n[ \t]+\S))*)", re.MULTILINE)
INLINE = re.compile(r"^(Returns|Raises|Parameters|Yields):[ \t]+(\S.*(?:\n[ \t]+\S.*)*)", re.MULTILINE)  # on one line, where Google's style has a list


class AsWritten(Extension):
    """Turns the sections that Google's style does not know into Markdown."""

    def on_object(self, *, obj: Object, **rest: Any) -> None:
        """Called with each object that is documented."""
        if obj.is_attribute:
            obj.docstring = None  # griffe found the docstring of its type; a class explains its attributes under "Attributes:"
        elif obj.docstring is not None:
            obj.docstring.value = INLINE.sub(_markdown, SECTION.sub(_markdown, textwrap.dedent(obj.docstring.value)))


def _markdown(section: re.Match[str]) -> str:
    first, _, rest = section[2].partition("\n")
    text = "\n".join(part for part in (first.strip(), textwrap.dedent(rest).rstrip()) if part)
    if section[1] == "Example":
        return "\nExamples:\n" + textwrap.indent(text, "    ") + "\n"
    if section[1] in ("Equations", "Shapes"):
        return f"\n**{section[1]}**\n\n```text\n{text}\n```\n"
    return f"\n**{section[1]}:** {' '.join(text.split())}\n"
