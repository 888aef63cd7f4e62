"""The parts of a data set by name: which word means which part."""

from __future__ import annotations

from tenuto.errors import DataError


def split_name(text: str) -> str:
    """The split that a word in a file means."""
    known = {"train": "train", "training": "train", "test": "test", "testing": "test", "validation": "validation"}
    known |= {"valid": "validation", "val": "validation", "dev": "validation"}
    if text.strip().lower() not in known:
        raise DataError(f"{text!r} is not a split.", expected="train | validation | test", fix="name each sequence's split so")
    return known[text.strip().lower()]
