"""Where what a run is differs from what is kept of one: options, data, weights, and the maths of its cells."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from tenuto.program.identity import are_descriptions, difference


class Differing(NamedTuple):
    """A place in two nests of plain data, with what stands there now and what was kept; None for nothing."""

    place: str
    here: Any
    there: Any


def differences(here: Any, there: Any, place: str = "") -> Iterator[Differing]:
    """Each place at which the two differ. Maths is compared as maths; what was kept before there was any of it is not compared with any."""
    if are_descriptions(here, there):
        found = difference(there, here)
        if found is not None:
            yield Differing(f"{place} ({found.what})", found.now, found.was)
    elif isinstance(here, dict) and isinstance(there, dict):
        for key in dict.fromkeys([*here, *there]):
            if key != MATHS or key in there:
                yield from differences(here.get(key), there.get(key), f"{place}.{key}".strip("."))
    elif here != there:
        yield Differing(place, here, there)


MATHS = "maths"  # the key of an identity under which the cells' maths stands, by name


def short(value: Any) -> str:
    """A value as a message has it."""
    text = "absent" if value is None else str(value)
    return text if len(text) <= 170 else f"{text[:167]}..."
