"""How the docstrings of this project read to mkdocstrings: what is shown as it stands (examples, equations) becomes a block of code.

A griffe extension: it changes each docstring before that is parsed.
"""

from __future__ import annotations

import re
import textwrap
from typing import Any

from griffe import Extension, Object

SECTION = re.compile(r"^(Equations|Shapes|Source|Note|Example):[ \t]*(.*(?:\n[ \t]+\S.*|\n(?=\n[ \t]+\S))*)", re.MULTILINE)


class AsWritten(Extension):
    """Turns the sections that Google's style does not know into Markdown."""

    def on_object(self, *, obj: Object, **rest: Any) -> None:
        """Called with each object that is documented."""
        if obj.docstring is not None:
            obj.docstring.value = SECTION.sub(_markdown, textwrap.dedent(obj.docstring.value))


def _markdown(section: re.Match[str]) -> str:
    first, _, rest = section[2].partition("\n")
    text = "\n".join(part for part in (first.strip(), textwrap.dedent(rest).rstrip()) if part)
    if section[1] == "Example":
        return "Examples:\n" + textwrap.indent(text, "    ") + "\n"
    if section[1] in ("Equations", "Shapes"):
        return f"**{section[1]}**\n\n```text\n{text}\n```\n"
    return f"**{section[1]}:** {' '.join(text.split())}\n"
