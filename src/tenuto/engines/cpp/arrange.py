"""A call's tensors as the loop reads them: contiguous, states in the order of lengths, block-diagonal weights with their zeros; and the way back."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from tenuto.engines.cpp.rows import Rows, packed, whole
from tenuto.engines.problem import Buffers, Form


def fixed_streams(inputs: Buffers) -> frozenset[str]:
    """The streams that are the same at every step."""
    return frozenset(
        name.removeprefix("stream.") for name, t in inputs.items() if name.startswith("stream.") and t.shape[0] == 1
    )


def arrange(form: Form, inputs: Buffers) -> tuple[Rows, Buffers]:
    """The rows of each step, and the inputs as the loop reads them: contiguous; "padded." is what it packs by length itself."""
    x = inputs["x"]
    time_steps, batch_size, _ = x.shape
    fixed = fixed_streams(inputs)
    rows = packed(inputs["lengths"], time_steps, form.reverse) if form.lengths else whole(time_steps, batch_size, form.reverse)
    given = {}
    for name, tensor in inputs.items():
        if name == "x" or (name.startswith("stream.") and name.removeprefix("stream.") not in fixed):
            given[f"padded.{name}" if form.lengths else name] = tensor.contiguous()
        elif name == "resets":
            flags = tensor
            if form.reverse:
                flags = torch.zeros_like(tensor)
                flags[:-1] = tensor[1:]
                if form.lengths:  # a sequence's own last step is where it starts
                    flags &= torch.arange(1, time_steps + 1)[:, None] < inputs["lengths"][None]
            index = rows.index()
            given[name] = flags.contiguous() if index is None else flags.flatten()[index]
        elif rows.packing is not None and name.startswith(("s.", "r.", "stream.")):
            given[name] = tensor.flatten(0, -2)[rows.packing.places]
        elif name.startswith("U."):
            given[name] = dense(form, name, tensor)
        elif name == "weight_ih":
            given[name] = settled(tensor)
        else:
            given[name] = tensor.contiguous()
    return rows, given


def by_columns(weight: Tensor) -> bool:
    """Whether a weight lies column by column, as the transpose of a weight that is stored the other way round (Keras's) does."""
    return not weight.is_contiguous() and weight.t().is_contiguous()


def settled(weight: Tensor) -> Tensor:
    """A weight whose rows or columns lie without gaps, which is what the loop reads."""
    return weight if by_columns(weight) else weight.contiguous()


def transposed(form: Form, inputs: Buffers) -> frozenset[str]:
    """The weights that lie column by column, where the loop reads them as they lie."""
    stacks = [f"U.{stack.name}" for stack in form.traced.stacks if stack.heads == 1]
    return frozenset(name for name in ("weight_ih", *stacks) if by_columns(inputs[name]))


def _heads(form: Form, name: str) -> int:
    return next(stack.heads for stack in form.traced.stacks if f"U.{stack.name}" == name)


def dense(form: Form, name: str, weight: Tensor, zero: bool = False) -> Tensor:
    """Block-diagonal weights [rows, width_in / heads] with their zeros, [rows, width_in]; others as they are."""
    heads = _heads(form, name)
    if heads == 1:
        return settled(weight)
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
