"""Warnings that a process gives once: that something runs slower than it could, or not where it was asked to, and why."""

from __future__ import annotations

import warnings

_said: set[str] = set()


def once(text: str, reason: str = "") -> None:
    """Warns with `text`, unless this process has already warned for the same reason (default: with the same text)."""
    if (reason or text) not in _said:
        _said.add(reason or text)
        warnings.warn(text, UserWarning, stacklevel=3)
