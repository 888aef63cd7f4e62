"""Where something stands in a user's file, as messages say it: the file, the line and its text. Cells of a notebook are named as the notebook names them."""

from __future__ import annotations

import linecache
import os
import re
import sys
from dataclasses import dataclass


@dataclass(frozen=True)
class Place:
    """A line of a file, of a notebook's cell, or of what was typed."""

    filename: str
    line: int

    def __str__(self) -> str:
        return f"{os.path.basename(_name(self.filename))}:{self.line}"

    @property
    def told(self) -> str:
        """The place with the text that stands there."""
        text = linecache.getline(self.filename, self.line).strip()
        return f"{_name(self.filename)}, line {self.line}" + (f": {text}" if text else "")

    def inside(self, name: str) -> Place | None:
        """The last line below this one (a `class` or `def`) in its block that begins with `name`; None where there is none, or no text is known."""
        lines = linecache.getlines(self.filename)
        if not 0 < self.line <= len(lines):
            return None
        found, depth = None, _indent(lines[self.line - 1])
        for number, text in enumerate(lines[self.line :], self.line + 1):
            words = text.strip()
            if words and not words.startswith(("#", ")")) and _indent(text) <= depth and not lines[self.line - 1].strip().startswith("@"):
                break
            if re.match(rf"((async )?def )?{re.escape(name)}\b", words):
                found = Place(self.filename, number)
        return found


def _indent(text: str) -> int:
    return len(text) - len(text.lstrip())


def _name(filename: str) -> str:
    """A file as people know it: a notebook's cell has a file whose name nobody has seen."""
    if "ipykernel_" not in filename and not filename.startswith("<ipython-input"):
        return filename
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    named = getattr(getattr(shell, "compile", None), "format_code_name", lambda name: None)(filename)  # ("Cell", "In[5]")
    return " ".join(named) if named else "notebook cell"
