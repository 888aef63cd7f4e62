"""An encoder run over a sequence in pieces, each going on from the state of the one before."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor


def in_chunks(model: Any, x: Tensor, sizes: tuple[int, ...], lengths: list[int] | None = None, **each_step: Tensor | None) -> tuple[Tensor, Any]:
    """The output of all pieces together, and the last state. each_step: what else has a row for each step, such as resets."""
    state, outputs, begun = None, [], 0
    for size in sizes:
        part = slice(begun, begun + size)
        left = None if lengths is None else [min(max(length - begun, 0), size) for length in lengths]
        output, state = model(x[part], state, lengths=left, **{name: None if value is None else value[part] for name, value in each_step.items()})
        outputs.append(output)
        begun += size
    return torch.cat(outputs), state
