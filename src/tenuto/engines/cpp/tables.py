"""The tables of kernels/loop.h, field by field, for ctypes; and how columns are cut into panels of vectors."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from ctypes import c_int64, c_void_p
from dataclasses import dataclass
from typing import Any

import numpy

RULES = "FIXED STEP PREVIOUS CHUNK RING_NEXT RING_PREVIOUS".split()
ACTIONS = "PACK CLEAR PRODUCT PASS REDUCE COPY GATHER SCATTER FILL LAST START LEAD LINE ENTER LEAVE OUTER SUM UNPACK SYNC".split()
KINDS = "float parts integer sparse bfloat16 bfloat16_units".split()
REDUCTIONS = {"sum": 0, "mean": 1, "amax": 2}


def _structure(name: str, fields: str) -> type[ctypes.Structure]:
    """A structure whose fields are all 64 bits wide; those that end in * are addresses."""
    typed = [(field.rstrip("*"), c_void_p if field.endswith("*") else c_int64) for field in fields.split()]
    return type(name, (ctypes.Structure,), {"_fields_": typed})


Buffer: Any = _structure("Buffer", "base* first* stride rule array offset")
Pointers: Any = _structure("Pointers", "count array offset* to*")
Pass: Any = _structure("Pass", "function* width buffer*")
Panel: Any = _structure("Panel", "vectors column packed")
Product: Any = _structure(
    "Product",
    "operand result initial segments segment_column* segment_depth* panels panel* panel_of_thread* packed* source* lanes*"
    " lane_stride depth_stride kind scale* most* fixed",
)
Outer: Any = _structure("Outer", "operand gradient columns panels panel* packed* target* lanes* lane_stride column_stride kind turned*")
Sum: Any = _structure("Sum", "gradient vectors column* target* lanes* sums*")
Reduction: Any = _structure("Reduction", "how source target width")
Copy: Any = _structure("Copy", "source target width")
Reset: Any = _structure("Reset", "source target initial width")
Operation: Any = _structure("Operation", "action data*")


class List(ctypes.Structure):
    """A list of operations."""

    _fields_ = [("count", c_int64), ("operation", c_void_p)]


class Loop(ctypes.Structure):
    """A whole time loop."""

    _fields_ = [
        *((name, c_int64) for name in "steps batch threads by_units backward buffers pointers chunks turn".split()),
        *((name, c_void_p) for name in "rows row_of chunk".split()),
        *((name, c_int64) for name in "time_steps reverse packed".split()),
        *((name, c_void_p) for name in "order length address first flags buffer pointer".split()),
        *((name, List) for name in "prepare before step after finish".split()),
    ]


def integers(values: Sequence[int]) -> numpy.ndarray:
    """An array of 64-bit integers, which must outlive the tables that point at it."""
    return numpy.array(values, dtype=numpy.int64)


@dataclass(frozen=True)
class Vector:
    """One vector of columns: where it stands in the result, which item (gate) and channel it begins with, how many lanes count."""

    column: int
    item: int
    channel: int
    lanes: int


def cut(columns: Sequence[int], widths: Sequence[int], lanes: int, panel: int, threads: int) -> tuple[list[list[Vector]], list[int]]:
    """Panels of at most `panel` neighbouring vectors, and for each thread the number of its first panel, and the end.

    Each item (a gate) stands at its column and is as wide as its width. Threads share the channels of every item evenly, as
    `Member.share` in kernels/team.h does.
    """
    panels: list[list[Vector]] = []
    starts = [0]
    for thread in range(threads):
        vectors = []
        for item, (column, width) in enumerate(zip(columns, widths)):
            count = -(-width // lanes)
            for v in range(count * thread // threads, count * (thread + 1) // threads):
                vectors.append(Vector(column + v * lanes, item, v * lanes, min(lanes, width - v * lanes)))
        current: list[Vector] = []
        for vector in vectors:
            if current and (len(current) == panel or vector.column != current[-1].column + lanes):
                panels.append(current)
                current = []
            current.append(vector)
        if current:
            panels.append(current)
        starts.append(len(panels))
    return panels, starts
