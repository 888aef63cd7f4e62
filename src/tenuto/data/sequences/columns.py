"""`Columns`: which column of a table of sequences is what."""

from __future__ import annotations

from dataclasses import dataclass

from tenuto.choices import require
from tenuto.tongues import argument, either

TABLES = ("auto", "long", "wide")


@dataclass(frozen=True)
class Columns:
    """Which column is what, by name. `channels` names the columns with values; by default they are all other columns.

    Args:
        table: "long", with one row for each time step; "wide", with one row for each sequence; "auto": the names of the columns decide.
    Raises:
        ArgumentError: another word for the table.
    """

    id: str = "id"
    time: str = "time"
    label: str = "label"
    split: str = "split"
    channels: tuple[str, ...] | None = None
    table: str = "auto"

    def __post_init__(self) -> None:
        require("table", self.table, TABLES)


USUAL = Columns()


def columns_with(role: str, value: str | None = None) -> str:
    """What a message calls a part of it: Python gives it in Columns, the command line as an option."""
    option = role if role == "table" else f"{role}_column"
    if value is None:
        return either(f"Columns({role}=...)", argument(option))
    return either(f"Columns({role}={value!r})", argument(option, value))
