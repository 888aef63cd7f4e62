"""The loop over time of an encoder whose steps are torch's own operations."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor


def in_steps(
    advance: Callable[[Tensor, Any], tuple[Tensor, Any]], x: Tensor, state: Any, first: Any, live: Tensor | None, even: int, resets: Tensor | None
) -> tuple[list[Tensor], Any]:
    """Step after step: the output [B, W] of each, and the state after the last.

    Args:
        advance: one step. x: [T, B, I].
        state, first: that before the first step, and that to which resets return.
        live: [T, B] bool, rows that have not ended; `even`: at so many first steps all are. resets: [T, B] bool.
    """
    outputs = []
    for t in range(len(x)):
        before = state
        if resets is not None:
            state = chosen(resets[t], first, state)
        output, after = advance(x[t], state)
        state = after if live is None or t < even else chosen(live[t], after, before)
        outputs.append(output)
    return outputs, state


def chosen(rows: Tensor, one: Any, other: Any) -> Any:
    """The state `one` in those rows where `rows` [B] is true, and `other` elsewhere. Rows are the first axis of a tensor; in a controller's state, the second."""
    parts = []
    for a, b in zip(one, other):
        if isinstance(a, Tensor):
            parts.append(torch.where(rows.view(-1, *[1] * (a.dim() - 1)), a, b))
        else:
            parts.append(type(a)(*(torch.where(rows[:, None], inner, outer) for inner, outer in zip(a, b))))
    return type(one)(*parts)
