"""An amount that a caller asks for, such as a share of the units: a number as users have it, also numpy's, within its bounds."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tenuto.errors import ArgumentError
from tenuto.scalars import number
from tenuto.tongues import argument


def amount(name: str, value: Any, expected: str, fits: Callable[[float], bool]) -> float:
    """The amount as a float.

    Args:
        name: of the argument. expected: what may be given, in words. fits: whether a number is within the bounds.
    Raises:
        ArgumentError: it is no number, or out of bounds.
    """
    found = number(value)
    if found is None or not fits(found):
        raise ArgumentError(f"{argument(name, value)} is out of range.", expected=expected)
    return float(found)
