"""`Columns`: which column of a table of sequences is what."""

from __future__ import annotations

from dataclasses import dataclass

from tenuto.choices import require
from tenuto.tongues import argument, either

TABLES = ("auto", "long", "wide", "triplets")


@dataclass(frozen=True)
class Columns:
    """Which column is what, by name. `channels` names the columns with values; by default they are all other columns.

    Args:
        weight: the column that says how much a sequence counts; None where all count alike.
        targets: the columns with the numbers that a regression predicts; where there are some, no column has a class. In files without columns: the first names what is read as the target.
        table: "long", with one row for each time step; "wide", with one row for each sequence; "triplets", with one row for each value that was measured;
            "auto": the names of the columns decide.
        variable, value: of a table of triplets, the columns that say what was measured, and what came out.
    Raises:
        ArgumentError: another word for the table.
    """

    id: str = "id"
    time: str = "time"
    label: str = "label"
    split: str = "split"
    channels: tuple[str, ...] | None = None
    table: str = "auto"
    weight: str | None = None
    targets: tuple[str, ...] = ()
    variable: str = "variable"
    value: str = "value"

    def __post_init__(self) -> None:
        require("table", self.table, TABLES)

    @property
    def about(self) -> tuple[str | None, ...]:
        """The columns that are no channels."""
        return self.id, self.time, self.split, *self.answers

    @property
    def answers(self) -> tuple[str | None, ...]:
        """The columns with what is to be learnt, and how much each counts; to predict, nobody reads them."""
        return (*(self.targets or (self.label,)), self.weight)


USUAL = Columns()


def columns_with(role: str, value: str | None = None) -> str:
    """What a message calls a part of it: Python gives it in Columns, the command line as an option."""
    option = role if role == "table" else f"{role}_column"
    if role == "target":
        return either("Columns(targets=(...))" if value is None else f"Columns(targets=({value!r},))", argument(option, *([] if value is None else [value])))
    if value is None:
        return either(f"Columns({role}=...)", argument(option))
    return either(f"Columns({role}={value!r})", argument(option, value))
