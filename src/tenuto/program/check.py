"""What is wrong with a step, in words: the user's file, the line, and what to write instead."""

from __future__ import annotations

import os
import re
import sysconfig
from types import FrameType, TracebackType

import torch
from torch import Tensor

from tenuto.declaration import place_of, place_of_step
from tenuto.errors import TenutoError, TraceError
from tenuto.place import Place
from tenuto.program.vocabulary import OTHERWISE

_TORCH = os.path.dirname(torch.__file__) + os.sep
_PACKAGES = os.path.dirname(os.path.dirname(torch.__file__)) + os.sep
_PYTHON = sysconfig.get_path("stdlib") + os.sep
_OURS = os.path.dirname(os.path.dirname(__file__)) + os.sep
_CELLS = os.path.join(_OURS, "cells") + os.sep
_ACTIVATIONS = os.path.join(_OURS, "activations.py")
_MADE = ("<frozen", "<__array_function__", "<eval_with_key")  # files of functions that no user wrote


def _is_ours(filename: str) -> bool:
    """Whether a frame belongs to what runs a step, not to what a step is made of (the zoo, activations)."""
    return filename.startswith(_OURS) and not filename.startswith(_CELLS) and filename != _ACTIVATIONS


def _is_users(filename: str) -> bool:
    """Whether a frame may belong to a cell's author: not torch, not Python's library, not us; but our zoo counts."""
    if filename.startswith(_CELLS):
        return True
    if filename.startswith((_TORCH, _OURS, *_MADE)):
        return False
    return not filename.startswith(_PYTHON) or "-packages" in filename[len(_PYTHON) :]


def _innermost(places: list[Place]) -> Place | None:
    """The innermost line that the author wrote, of lines from the innermost to the step: lines of other packages (numpy) do not count."""
    if not places:
        return None
    package = _package(places[-1].filename)
    return next(place for place in places if _package(place.filename) in ("", package))


def _package(filename: str) -> str:
    return filename[len(_PACKAGES) :].partition(os.sep)[0] if filename.startswith(_PACKAGES) else ""


def users_place(frame: FrameType | None, through: bool = True) -> Place | None:
    """The innermost line of the cell's author among the frames of a step.

    Args:
        through: look past our own frames too, as long as they belong to the step. Otherwise a call of our own gives no line.
    """
    places = []
    while frame is not None:
        filename = frame.f_code.co_filename
        if _is_users(filename):
            places.append(Place(filename, frame.f_lineno))
        elif _is_ours(filename) and (places or not through or frame.f_code.co_name in ("new_state", "run_step", "discover")):
            break
        frame = frame.f_back
    return _innermost(places)


def place_of_error(traceback: TracebackType | None) -> Place | None:
    """The innermost line of the cell's author in the traceback of what a step raised."""
    places: list[Place] = []
    while traceback is not None:
        filename = traceback.tb_frame.f_code.co_filename
        if _is_users(filename):
            places.insert(0, Place(filename, traceback.tb_lineno))
        traceback = traceback.tb_next
    return _innermost(places)


def branches() -> TraceError:
    """The error for a step that branches on what a tensor holds, or takes a number out of it."""
    return TraceError(
        "the step branches on a tensor's values, or turns a tensor into a number.",
        expected="the same operations for every input",
        fix="write torch.where(condition, a, b) for `a if condition else b`; keep numbers as tensors",
    )


# What Python says of a mistake, what it means in a step, and what to write instead.
_MEANT = (
    (r"'?_?\bState\b'?|tuple indices must be|must be Tensor, not tuple|'(tuple|Tensor)' and '(Tensor|tuple)'",
     "uses the whole state as if it were one value", "name the state that is meant: s.h"),
    (r"SimpleNamespace", "uses all parameters at once as if they were one value", "name the one that is meant: self.p.NAME"),
)  # fmt: skip


def explain(error: Exception, cell: object) -> TraceError:
    """The TraceError for whatever was raised inside a cell's step."""
    kind = type(cell)
    place = place_of_error(error.__traceback__) or place_of_step(kind) or place_of(kind)
    where, name, text = place.told if place else "", kind.__name__, str(error)
    if "Boolean value of Tensor" in text:
        error = branches()
    if isinstance(error, TenutoError):
        return TraceError(f"{name}.step: {error.what}", expected=error.expected, received=error.received, fix=error.fix).at(where)
    unknown = re.search(r"derivative for '?(?:aten::)?(\w+)", text)
    if unknown:
        fix = "torch.floor(v / w)" if unknown[1] == "floor_divide" else OTHERWISE
        return TraceError(f"{name}.step uses {unknown[1]}, whose derivative torch does not know.", fix=fix).at(where)
    missing = re.search(r"has no attribute '(\w+)'", text)
    if isinstance(error, AttributeError) and missing:
        return _missing(cell, name, missing[1], text).at(where)
    for pattern, what, fix in _MEANT:
        if isinstance(error, (TypeError, AttributeError)) and re.search(pattern, text):
            return TraceError(f"{name}.step {what}.", received=text.splitlines()[0], fix=fix).at(where)
    said = f": {text.splitlines()[0].removesuffix('.')}" if text else ""
    return TraceError(f"{name}.step raised {type(error).__name__}{said}.").at(where)


def _missing(cell: object, name: str, missing: str, text: str) -> TraceError:
    """The error for a name that does not exist: of a parameter, a state, a field, or a method of tensors."""
    declared = tuple(cell.widths("parameters"))  # type: ignore[attr-defined]
    if "SimpleNamespace" in text:
        said = f"the parameters {', '.join(declared)}" if declared else "no parameters"
        return TraceError(
            f"{name}.step uses self.p.{missing}, but the cell declares {said}.",
            fix=f'parameters = "{" ".join([*declared, missing])}" declares the name {missing!r}: one trained weight per channel',
        )
    if f"'{name}'" in text:
        if missing in declared:
            return TraceError(f"{name}.step uses self.{missing}, which is a parameter.", fix=f"self.p.{missing}")
        return TraceError(f"{name}.step uses self.{missing}, but the cell has no field of that name.", fix=f"declare it in the class, {missing}: float = 0.1")
    if "'State'" in text and hasattr(Tensor, missing):
        return TraceError(f"{name}.step uses the whole state as if it were one value (s.{missing}).", fix=f"name the state that is meant: s.h.{missing}")
    if "'State'" in text:
        states = tuple(cell.widths("state"))  # type: ignore[attr-defined]
        return TraceError(
            f"{name}.step uses s.{missing}, but the cell declares the states {', '.join(states)}; {missing!r} is none of them.",
            fix=f'declare it in state: state = "{" ".join([*states, missing])}"',
        )
    return TraceError(f"{name}.step raised AttributeError: {text.splitlines()[0].removesuffix('.')}.")
