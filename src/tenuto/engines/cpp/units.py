"""Which products run on matrix units (kernels/matrix.h) and which on vectors, by sizes alone: the same call always has the same bits.

In float32 the units need an operand's rows in parts, which costs as much as multiplying each number by about 30 others on vectors, and they work
on 16 rows at a time: narrow products and small batches are left to vectors. Of bfloat16 there is one part, and units win at any size: at one
sequence as much time, at eight half of it (LSTM, 64 to 128, a Xeon of 2024, whose vectors multiply bfloat16 no faster than float32).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import torch

from tenuto.engines.cpp import library
from tenuto.engines.problem import Form, size_of

# Measured on a Xeon with AMX (2023), one core: from here on the units win.
STEP_ROWS = 12  # sequences in the batch, for the products within a step
STEP_WEIGHTS = 1 << 14
CALL_ROWS = 256  # steps times sequences, for the products over many steps at once
CALL_WEIGHTS = 1 << 13


@dataclass(frozen=True)
class Units:
    """The weights, by name, whose products run on matrix units: `steps` those within a step, `chunks` those over a chunk of steps."""

    steps: frozenset[str] = frozenset()
    chunks: frozenset[str] = frozenset()


VECTORS = Units()


@lru_cache(maxsize=4096)
def units(form: Form, batch_size: int, input_size: int, hidden: int, many_rows: bool, dtype: torch.dtype, always: bool) -> Units:
    """What runs on matrix units; `many_rows`: there are `CALL_ROWS` in the call; `always`: everything that can, as `invariant()` and bfloat16 ask."""
    if not library.has_matrix_units(dtype):
        return VECTORS
    sizes = {"weight_ih": input_size * sum(size_of(width, hidden) for width in form.cell.widths("gates").values())}
    for stack in form.traced.stacks:
        sizes[f"U.{stack.name}"] = size_of(stack.width_in, hidden) * sum(size_of(width, hidden) for width in stack.widths)
    if always:
        return Units(frozenset(sizes), frozenset(sizes))
    steps = [name for name, size in sizes.items() if batch_size >= STEP_ROWS and size >= STEP_WEIGHTS]
    chunks = [name for name, size in sizes.items() if many_rows and size >= CALL_WEIGHTS]
    return Units(frozenset(steps), frozenset(chunks))
