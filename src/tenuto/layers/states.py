"""The state that a user gives a layer or a cell: which tensors it is, in the cell's order; and what is wrong with it, in words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import Tensor

from tenuto.errors import ShapeError, describe


def listed(state: Any, names: Sequence[str], *, bare: bool = False, call: str = "layer(x, {})") -> list[Tensor]:
    """The tensors of a state, one for each of the cell's.

    Args:
        state: a tuple or a list of tensors; where the cell has one state, also the tensor alone.
        names: the cell's states.
        bare: the one state is the tensor alone, as torch.nn has it.
        call: how the state is given, for the message.
    Raises:
        ShapeError: it is anything else.
    """
    alone = isinstance(state, Tensor)
    if alone and len(names) == 1:
        return [state]
    if isinstance(state, (tuple, list)) and len(state) == len(names) and not bare:
        wrong = [name for name, value in zip(names, state, strict=True) if not isinstance(value, Tensor)]
        if not wrong:
            return list(state)
        received = _kind(state[list(names).index(wrong[0])])
        raise ShapeError(f"{wrong[0]} of the state is no tensor.", expected=_expected(names, bare), received=received, fix=_mend(wrong[0], received))
    raise ShapeError(f"the state {_wrong(state, len(names))}.", expected=_expected(names, bare), received=_received(state), fix=call.format(_shown(names)))


def _wrong(state: Any, count: int) -> str:
    if isinstance(state, Tensor):
        return "is one tensor"
    if isinstance(state, (tuple, list)) and len(state) != count:
        return f"has {len(state)} part{'s' * (len(state) != 1)}"
    return f"is given as {type(state).__name__}"


def _received(state: Any) -> str:
    if isinstance(state, Tensor):
        return describe(state)
    if not isinstance(state, (tuple, list)):
        return _kind(state)
    parts = ", ".join(describe(value) if isinstance(value, Tensor) else _kind(value) for value in state)
    return f"{type(state).__name__} of {len(state)}" + (f": {parts}" if parts else "")


def _shown(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"({', '.join(names)})"


def _expected(names: Sequence[str], bare: bool) -> str:
    if bare:
        return f"{names[0]}, a tensor"
    if len(names) == 1:
        return f"{names[0]}, a tensor, alone or in a tuple"
    return f"{_shown(names)}, a tuple of {len(names)} tensors"


def _kind(value: Any) -> str:
    return "None" if value is None else type(value).__name__


def _mend(name: str, kind: str) -> str:
    return f"torch.zeros of {name}'s shape where it starts from zeros" if kind == "None" else f"torch.as_tensor({name})"
