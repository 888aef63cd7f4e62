"""Cells as text: what a compiled graph, a layer and an operation hold in a cell's place; and whether its step is still what it was."""

from __future__ import annotations

import json

from tenuto.cell import Cell, cell_from_data, cell_to_data
from tenuto.errors import CellError
from tenuto.program.identity import require
from tenuto.program.trace import Traced, alone, trace

_by_handle: dict[str, Traced] = {}
_handles: dict[Traced, str] = {}
_alike: dict[str, int] = {}  # how many cells of this process have the same class by name, fields and maths


def handle_of(cell: Cell) -> str:
    """A cell as text that names its class, its fields and its maths: what a compiled graph can hold in its place; the same in every process."""
    return handle_of_traced(trace(cell))


def handle_of_traced(traced: Traced) -> str:
    """See `handle_of`. Cells that only their classes tell apart, as those of a factory may be, are numbered."""
    handle = _handles.get(traced)
    return _new_handle(traced) if handle is None else handle


def _new_handle(traced: Traced) -> str:
    content = [cell_to_data(traced.cell), traced.maths["digest"], traced.layout]
    text = json.dumps(content)
    with alone():
        if traced not in _handles:
            number = _alike[text] = _alike.get(text, -1) + 1
            handle = json.dumps([*content, number])
            _by_handle[handle] = traced
            _handles[traced] = handle
        return _handles[traced]


def traced_of(handle: str) -> Traced:
    """The programs of the cell that `handle_of` named, as they are now: a layer follows what its step reads, as any function of Python does.

    Also in another process, if the cell's class is known there and unchanged.

    Raises:
        CellError: the class is unknown, or its step is another one by now, for which the weights are not.
    """
    traced = _by_handle.get(handle)
    if traced is None:
        data, digest, layout, _ = json.loads(handle)
        traced = trace(cell_from_data(data))
        if (traced.maths["digest"], traced.layout) != (digest, layout):
            raise CellError(f"the step of {traced.cell!r} is not the one that was compiled.", fix="compile again")
        _by_handle[handle] = traced
    if not traced.reading.holds():
        now = trace(traced.cell)
        if now.layout == traced.layout and now.maths["declared"] == traced.maths["declared"]:
            _by_handle[handle] = traced = now
        else:  # statements in another order are the same maths, and the weights stay where they are
            require(traced.maths, now.maths, type(traced.cell).__name__, "this layer was made", "make the layer anew")
    return traced


def require_unchanged(traced: Traced) -> None:
    """Refuses to run a step as it stands where it is not the one that was traced.

    Raises:
        CellError: something that the step reads has another value by now; says what differs.
    """
    if not traced.reading.holds():
        fix = "call the layer again, or compile it again; a value that is to change is best a stream, a parameter or a field of the cell"
        require(traced.maths, trace(traced.cell).maths, type(traced.cell).__name__, "this call began or was compiled", fix)
