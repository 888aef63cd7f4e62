"""What a layer's call is given beside its input, initial states and a step mask, in the loop's shapes; or an error in words.

Letters: B batch, T time, W the width of a state.
"""

from __future__ import annotations

from typing import Any

import keras
import torch
from torch import Tensor

from tenuto.errors import ArgumentError, ShapeError, describe


def tensors_in(sizes: Any, given: Any, name: str) -> Any:
    """Initial states with a tensor for each state, nested as they were given; lists of numbers become tensors.

    Args:
        sizes: the width of each state, in a list for each cell of a stack: `state_size` of a Keras layer.
        given: tensors, arrays, Keras variables or lists of numbers; where there is one state, it need not be in a list.
        name: the layer's, for errors.
    Raises:
        ArgumentError: there are too few states, or too many, or one is None.
    """
    if isinstance(sizes, int):
        if isinstance(given, list | tuple) and len(given) == 1 and not _is_number(given[0]):
            return [_tensor(given[0], name)]
        return _tensor(given, name)
    sizes = list(sizes)
    if len(sizes) == 1 and (not isinstance(given, list | tuple) or (len(given) > 1 and _is_number(given))):
        return [tensors_in(sizes[0], given, name)]
    given = given if isinstance(given, list | tuple) else [given]
    if len(given) != len(sizes):
        raise ArgumentError(
            f"{name}: initial_state has {len(given)} {'entry' if len(given) == 1 else 'entries'}.",
            expected=f"one for each of {sizes}, the widths of the states",
            received=", ".join(describe(state) if isinstance(state, Tensor) else type(state).__name__ for state in given) or "nothing",
            fix="leave initial_state out for zeros",
        )
    return [tensors_in(size, state, name) for size, state in zip(sizes, given)]


def states_of(sizes: Any, given: Any, rows: int, dtype: str, name: str) -> list[Tensor]:
    """Initial states [B, W] in the order of the cells, from what `tensors_in` takes; one row, [1, W] or [W], stands for all.

    Raises:
        ShapeError: a state has another shape.
        ArgumentError: there are too few states, or too many, or one is None.
    """
    widths = keras.tree.flatten(sizes)
    states = keras.tree.flatten(tensors_in(sizes, given, name))
    return [_rows(keras.ops.convert_to_tensor(state, dtype=dtype), rows, width, name) for state, width in zip(states, widths)]


def mask_of(mask: Any, rows: int, time_steps: int, name: str) -> Tensor | None:
    """The step mask [B, T] bool, from whatever Keras passes on: a tensor, a list with one for each input, or nothing.

    Raises:
        ShapeError: it has no row for each sequence, or no entry for each step. (One row stands for all.)
    """
    if isinstance(mask, list | tuple) and not _is_number(keras.tree.flatten(mask)[0]):
        mask = keras.tree.flatten(mask)[0]
    if mask is None:
        return None
    mask = keras.ops.convert_to_tensor(mask).to(torch.bool)
    found = mask.flatten(1) if mask.dim() == 3 else mask
    if found.dim() == 1:
        found = found.unsqueeze(0)
    if found.dim() != 2 or found.shape[1] != time_steps or found.shape[0] not in (1, rows):
        raise ShapeError(
            f"{name}: the mask does not fit the input.",
            expected=f"mask [{rows}, {time_steps}]: an entry for each step of each sequence",
            received=f"mask {describe(mask)}",
        )
    return found.expand(rows, time_steps)


def _is_number(value: Any) -> bool:
    if isinstance(value, list | tuple):
        return bool(value) and _is_number(value[0])
    return isinstance(value, bool | int | float) or (isinstance(value, Tensor) and value.dim() == 0)


def _tensor(given: Any, name: str) -> Any:
    """A tensor for one state; what has a dtype stays as it is."""
    if given is None or isinstance(given, str | dict):
        raise ArgumentError(
            f"{name}: an initial state is {type(given).__name__}.",
            expected="a tensor [B, W] for each state",
            fix="leave initial_state out for zeros",
        )
    if isinstance(given, list | tuple):
        return torch.stack([torch.as_tensor(_tensor(value, name)) for value in given])
    return given


def _rows(state: Tensor, rows: int, width: int, name: str) -> Tensor:
    shape = tuple(state.shape)
    if shape == (rows, width):
        return state
    if shape not in ((1, width), (width,)):
        raise ShapeError(
            f"{name}: an initial state has the wrong shape.",
            expected=f"[{rows}, {width}], or one row for all sequences: [1, {width}] or [{width}]",
            received=describe(state),
        )
    return state.expand(rows, width)
