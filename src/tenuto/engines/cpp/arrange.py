"""A call's tensors as the loop reads them: contiguous, states in the order of lengths, block-diagonal weights with their zeros; and the way back."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from tenuto.engines.cpp.rows import Rows, gathered, rows_of
from tenuto.engines.problem import Buffers, Form


def arrange(form: Form, inputs: Buffers, fixed: frozenset[str]) -> tuple[Rows, Buffers]:
    """The rows of each step, and the inputs as the loop reads them: contiguous.

    What the loop itself fetches row by row is called "caller.NAME". `fixed`: the streams that are the same at every step.
    """
    rows, given = rows_of(form, inputs), inputs.copy()
    if not without_gaps(inputs):
        given = {name: tensor if tensor.is_contiguous() else settled(name, tensor) for name, tensor in inputs.items()}
    for name in form.with_heads:
        given[name] = dense(form, name, given[name])
    for name in inputs if gathered(form) else ():
        if name == "x" or (name.startswith("stream.") and name.removeprefix("stream.") not in fixed):
            given[f"caller.{name}"] = given.pop(name)
        elif name.startswith(("s.", "r.", "stream.")) and not form.packed:  # packed, these are in order
            given[name] = inputs[name].flatten(0, -2).index_select(0, rows.packing.places)  # type: ignore[union-attr]
    if form.resets:
        given["resets"] = _flags(form, inputs, rows)
    return rows, given


def _flags(form: Form, inputs: Buffers, rows: Rows) -> Tensor:
    """The resets in the order of the loop's steps, row by row."""
    resets = flags = inputs["resets"]
    if form.packed:
        if form.reverse:
            flags = torch.zeros_like(resets)
            flags[len(flags) - len(rows.before()) :] = resets[rows.index()][rows.before()]
        return flags.contiguous()
    if form.reverse:
        flags = torch.zeros_like(resets)
        flags[:-1] = resets[1:]
        if form.lengths:  # in reverse a sequence starts at its own last step
            flags &= torch.arange(1, len(resets) + 1, device="cpu")[:, None] < inputs["lengths"][None]
    index = rows.index()
    return flags.contiguous() if index is None else flags.flatten()[index]


def without_gaps(tensors: Buffers) -> bool:
    """Whether all of these tensors are contiguous."""
    return all(map(Tensor.is_contiguous, tensors.values()))


def by_columns(weight: Tensor) -> bool:
    """Whether a weight lies column by column, as the transpose of a weight that is stored the other way round (Keras's) does."""
    return not weight.is_contiguous() and weight.t().is_contiguous()


def settled(name: str, tensor: Tensor) -> Tensor:
    """A tensor without gaps; a weight may lie row by row or column by column."""
    weight = name == "weight_ih" or name.startswith("U.")
    return tensor if weight and by_columns(tensor) else tensor.contiguous()


def _heads(form: Form, name: str) -> int:
    return next(stack.heads for stack in form.traced.stacks if f"U.{stack.name}" == name)


def dense(form: Form, name: str, weight: Tensor, zero: bool = False) -> Tensor:
    """Block-diagonal weights [rows, width_in / heads] with their zeros, [rows, width_in]; others as they are."""
    heads = _heads(form, name)
    if heads == 1:
        return settled(name, weight)
    dense = weight.new_zeros(weight.shape[0], weight.shape[1] * heads)
    if not zero:
        for row, column, block in _block_places(form, name, weight):
            dense[row : row + block.shape[0], column : column + block.shape[1]] = block
    return dense


def blocks(form: Form, name: str, dense: Tensor) -> Tensor:
    """The diagonal blocks of dense weights, as they are stored."""
    stored = dense.new_empty(dense.shape[0], dense.shape[1] // _heads(form, name))
    for row, column, block in _block_places(form, name, stored):
        block.copy_(dense[row : row + block.shape[0], column : column + block.shape[1]])
    return stored


def _block_places(form: Form, name: str, stored: Tensor) -> Iterator[tuple[int, int, Tensor]]:
    stack = next(stack for stack in form.traced.stacks if f"U.{stack.name}" == name)
    row, total = 0, stored.shape[0]
    hidden = total // len(stack.products)  # with heads, all products of a stack are equally wide
    for _ in stack.products:
        for head in range(stack.heads):
            height = hidden // stack.heads
            yield row, head * stored.shape[1], stored[row : row + height]
            row += height
