"""One of each thing for each item of a set: its names, and the check that as many came as are needed."""

from __future__ import annotations

from collections.abc import Iterable, Sized
from typing import Any

from tenuto.errors import DataError


def as_ids(ids: Iterable[Any] | None, items: Sized, noun: str) -> tuple[str, ...]:
    """One name an item, as text; by default its position.

    Args:
        noun: what the items are, for the message: "sequences", "pairs".
    Raises:
        DataError: more or fewer ids than items.
    Example:
        >>> as_ids(None, ["a", "b"], "sentences")
        ('0', '1')
    """
    made = tuple(str(identity) for identity in (range(len(items)) if ids is None else ids))
    require_one_each("ids", made, items, noun)
    return made


def require_one_each(what: str, given: Sized, items: Sized, noun: str) -> None:
    """Raises DataError unless there are as many `given`, which are `what`, as there are items, which are `noun`."""
    if len(given) != len(items):
        raise DataError(
            f"there are not as many {what} as {noun}.",
            expected=str(len(items)),
            received=str(len(given)),
            fix=f"give one for each of the {noun}",
        )
