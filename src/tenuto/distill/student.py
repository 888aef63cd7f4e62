"""The student before it learns: its options, which are the teacher's where nothing else was asked for, and its first weights."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

import torch
from torch import nn

from tenuto.cell import Cell
from tenuto.cells.names import cell_from_name
from tenuto.errors import ArgumentError
from tenuto.layers import Recurrent
from tenuto.tasks.estimator import Estimator
from tenuto.tasks.option import WHERE, options_of

E = TypeVar("E", bound=Estimator)

STARTS = ("front", "all", "nothing")
LEFT_OPEN = ("epochs", "batch_size")  # the student's data, which may be others, say how long it learns


def student_of(teacher: E, cell: str | Cell | None, changes: Mapping[str, Any]) -> E:
    """A new estimator with the teacher's options, another cell and other changes. Files that the teacher was made from are not read again.

    Raises:
        ArgumentError: an option that the task does not have, or a cell that takes other streams than the teacher's.
    """
    found: dict[str, Any] = {}
    for known in options_of(type(teacher)):
        name, kept = known.name, teacher.options_[known.name]
        if known.cell:
            found[name] = _same_cell(teacher, name, follows=known.usual is None)
        elif known.path or (name in LEFT_OPEN and known.usual is None):
            found[name] = None
        elif known.panel == WHERE or known.answering:
            found[name] = getattr(teacher, name)
        else:
            found[name] = tuple(kept) if known.items is not None else kept
    student = type(teacher)(**found)
    student.set_params(**changes, **({} if cell is None else {"cell": cell}))
    _check_streams(teacher, student)
    return student


def _same_cell(teacher: Estimator, name: str, *, follows: bool) -> Cell | None:
    """The teacher's cell under this option; None where it is the cell of the other option, so that both change together."""
    own: Cell = getattr(teacher, f"{name}_")
    return None if follows and own == teacher.cell_ else own


def _check_streams(teacher: Estimator, student: Estimator) -> None:
    theirs, own = (sorted(cell.widths("streams")) for cell in (teacher.cell_, cell_from_name(student.cell)))
    if theirs != own:
        words = [", ".join(names) or "none" for names in (theirs, own)]
        raise ArgumentError("the two cells take other streams, so the two models would read other data.", expected=f"streams of the teacher: {words[0]}", received=f"of the student: {words[1]}")


def copy_weights(teacher: nn.Module, student: nn.Module, start: str) -> int:
    """Set those of the student's weights that `start` names to the teacher's, where there is one of the same name, shape and cell; returns how many numbers these are.

    Args:
        start: "front" (what reads the data), "all", or "nothing".
    """
    if start == "nothing":
        return 0
    others = dict(teacher.named_modules())
    foreign = tuple(
        f"{name}." for name, module in student.named_modules() if isinstance(module, Recurrent) and getattr(others.get(name), "cell", None) != module.cell
    )
    theirs, count = teacher.state_dict(), 0
    with torch.no_grad():
        for name, weight in student.state_dict().items():
            fits = name in theirs and theirs[name].shape == weight.shape
            if fits and not name.startswith(foreign) and (start == "all" or name.startswith("front.")):
                weight.copy_(theirs[name])
                count += weight.numel()
    return count
