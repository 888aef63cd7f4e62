"""The rows of a state, for every encoder: some of them chosen, each repeated, several states side by side, rows put in place.

A state is a named tuple of tensors and of states inside; its rows are axis 1 of each tensor, and axis 0 of those that its class says in `rows_first`.
Of attention, rows may have kept different numbers of steps; they are filled up at the old end, where nothing is ever read.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import pad


def chosen_rows(state: Any, rows: Any) -> Any:
    """The state of these rows, a slice or [R] int."""
    return _mapped(lambda axis, tensor: tensor[rows] if axis == 0 else tensor[:, rows].contiguous(), state)


def repeated_rows(state: Any, times: int) -> Any:
    """The state with each row so many times, one after the other."""
    return _mapped(lambda axis, tensor: tensor.repeat_interleave(times, axis), state)


def copied(state: Any) -> Any:
    """The same numbers in tensors of its own; those of a beginning are often one row, or a parameter, seen as many."""
    return _mapped(lambda axis, tensor: tensor.clone(), state)


def joined_rows(states: Sequence[Any]) -> Any:
    """The rows of several states as one state, in order.

    Example:
        >>> import torch
        >>> joined_rows([(torch.zeros(1, 2, 3),), (torch.zeros(1, 4, 3),)])[0].shape
        torch.Size([1, 6, 3])
    """
    return _mapped(lambda axis, *parts: torch.cat(_alike(parts), axis), *states)


def with_rows(state: Any, rows: Tensor, those: Any) -> Any:
    """The state in which the rows [R] int are `those`; its tensors are written to, where they are as large."""

    def put(axis: int, into: Tensor, own: Tensor) -> Tensor:
        into, own = _alike([into, own])
        into[rows if axis == 0 else (slice(None), rows)] = own.to(into.dtype)
        return into

    return _mapped(put, state, those)


def _alike(parts: Sequence[Tensor]) -> list[Tensor]:
    """The same with as many kept steps, [L, B, S, W], where these differ."""
    if parts[0].dim() != 4 or len({part.shape[2] for part in parts}) == 1:
        return list(parts)
    most = max(part.shape[2] for part in parts)
    return [pad(part, (0, 0, most - part.shape[2], 0)) for part in parts]


def _mapped(change: Callable[..., Tensor], *states: Any) -> Any:
    first = states[0]
    early = getattr(first, "rows_first", ())
    names = getattr(first, "_fields", range(len(first)))
    parts = [change(0 if name in early else 1, *values) if isinstance(values[0], Tensor) else _mapped(change, *values) for name, values in zip(names, zip(*states))]
    return type(first)(*parts) if hasattr(first, "_fields") else tuple(parts)
