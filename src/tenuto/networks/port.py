"""`Port`: one tensor that goes into a network or comes out of it, as files that hold the network describe it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

Axis = int | str  # a number, or the name of a size that is free: "time", "batch"


@dataclass(frozen=True)
class Port:
    """One tensor by name.

    Attributes:
        name: letters, digits and underscores.
        axes: its sizes: numbers, or names of sizes that are free. "time" and "batch" are what they say.
        dtype: "float32", "float64", "int64" or "bool".
        below: of whole numbers, the first that is too large: a number, or the name of an axis (then they are places on it).
        counts: of whole numbers, the axis that they count: `least` .. its size.
        says: what it is, in a few words. positive: of numbers with a fraction, whether none is below 0.
    """

    name: str
    axes: tuple[Axis, ...]
    dtype: str = "float32"
    below: Axis | None = None
    counts: str | None = None
    says: str = ""
    least: int = 1
    positive: bool = False

    @property
    def over_time(self) -> bool:
        """Whether it has a value for each step."""
        return "time" in self.axes

    def to_data(self) -> dict[str, Any]:
        """As plain data."""
        more = {name: value for name, value in (("below", self.below), ("counts", self.counts), ("says", self.says), ("positive", self.positive)) if value}
        if self.counts is not None:
            more["least"] = self.least
        return {"name": self.name, "axes": list(self.axes), "dtype": self.dtype, **more}
