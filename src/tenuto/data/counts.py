"""What every item of a set has one of, such as its id or its label; and the check that there are as many of them as there are items."""

from __future__ import annotations

from collections.abc import Iterable, Sized
from typing import Any

from tenuto.errors import DataError


def as_ids(ids: Iterable[Any] | None, items: Sized, noun: str) -> tuple[str, ...]:
    """One name for each item, as text; by default its position.

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
    """Raise DataError unless there are as many in `given` as there are items. For the message, `what` names those given and `noun` the items."""
    if len(given) != len(items):
        raise DataError(
            f"there are not as many {what} as {noun}.",
            expected=str(len(items)),
            received=str(len(given)),
            fix=f"give one for each of the {noun}",
        )
