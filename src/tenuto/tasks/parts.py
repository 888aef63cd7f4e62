"""Which part of a folder is read when a command is told, or not told, which."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TypeVar

from tenuto.errors import DataError

P = TypeVar("P")


def wanted_part(data: Path, parts: Mapping[str, P | None], split: str | None) -> P:
    """The part asked for, else the test part, else the training part.

    Args:
        parts: what lies where, by "train", "validation" and "test"; None as good as absent.
    Raises:
        DataError: there is no such part.
    """
    there = {name: part for name, part in parts.items() if part is not None}
    wanted = split or ("test" if "test" in there else "train")
    if wanted not in there:
        raise DataError(f"{data} has no {wanted} part.", expected=wanted, received=", ".join(there) or "nothing")
    return there[wanted]
