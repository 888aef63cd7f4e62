"""What is legal in a step, and what to say where it is not: the user's file, the line, and what to write instead."""

from __future__ import annotations

import linecache
import os
import traceback
from types import FrameType

import torch

from tenuto.errors import TenutoError, TraceError

_TORCH = os.path.dirname(torch.__file__) + os.sep
_OURS = os.path.dirname(os.path.dirname(__file__)) + os.sep
_CELLS = os.path.join(_OURS, "cells") + os.sep


def _is_users(filename: str) -> bool:
    """Whether a frame belongs to a cell's author: not torch, not our machinery, but our zoo counts."""
    return filename.startswith(_CELLS) or not (filename.startswith((_TORCH, _OURS, "<")))


def user_line(frame: FrameType | None) -> str:
    """The innermost line of the cell's author, as "lstm.py:38"."""
    while frame is not None:
        if _is_users(frame.f_code.co_filename):
            return f"{os.path.basename(frame.f_code.co_filename)}:{frame.f_lineno}"
        frame = frame.f_back
    return ""


def place(filename: str, line: int) -> str:
    """A place in the user's file with the text that stands there."""
    text = linecache.getline(filename, line).strip()
    return f"{filename}, line {line}" + (f": {text}" if text else "")


def branches() -> TraceError:
    """The error for a step whose course, or one of whose numbers, depends on what a tensor holds."""
    return TraceError(
        "the step branches on a tensor's values, or turns a tensor into a number",
        expected="the same operations for every input",
        fix="write torch.where(condition, a, b) for `a if condition else b`; keep numbers as tensors",
    )


def explain(error: Exception, cell_type: type) -> TraceError:
    """The TraceError for whatever was raised inside a cell's step."""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if _is_users(frame.filename)]
    where = place(frames[-1].filename, frames[-1].lineno or 0) if frames else ""
    name, text = cell_type.__name__, str(error)
    if "Boolean value of Tensor" in text:
        error = branches()
    if isinstance(error, TenutoError):
        told = TraceError(f"{name}.step: {error.what}", expected=error.expected, received=error.received, fix=error.fix)
        return told if "\n  at " in error.what else told.at(where)
    if isinstance(error, AttributeError) and "SimpleNamespace" in text:
        missing = text.rsplit("'", 2)[-2] if "'" in text else text
        return TraceError(
            f"{name}.step uses the name {missing!r}, which the cell does not declare",
            fix="add it to gates (x.name), or to parameters (self.p.name)",
        ).at(where)
    if isinstance(error, AttributeError) and "'p'" in text:
        return TraceError(f"{name}.step uses self.p, but no parameters are declared", fix='parameters = "name ..."').at(where)
    if isinstance(error, AttributeError) and "State" in text:
        return TraceError(f"{name}.step: {text}", fix="declare it in state").at(where)
    return TraceError(f"{name}.step raised {type(error).__name__}: {text.splitlines()[0] if text else ''}").at(where)
