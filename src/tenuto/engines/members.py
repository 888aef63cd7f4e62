"""Calls of which many are made as one: `torch.vmap`, and batched cotangents (`is_grads_batched=True`, `torch.autograd.functional`, vectorize=True).

Under torch.vmap the time loop's Function makes one call for each member. Where members are many and steps few, a member costs more
than a step, and the loop is made of torch's own operations instead, each of which does all members at once (`many`).

For batched cotangents torch uses an older vmap: its tensors hide a dimension that no Function hears of. So a backward pass gives that
dimension to torch.vmap, of which Functions do hear, and hides it again in the results (`each_apart`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import wraps
from typing import Any

import torch
from torch import Tensor
from torch._functorch.pyfunctorch import FunctionalizeInterpreter, JvpInterpreter, VmapInterpreter, retrieve_all_functorch_interpreters

from tenuto.engines.problem import Form, extent

# A member's call, forward and backward, takes about as long as four steps of torch's operations. Measured on a Xeon with 2 cores, GRU and LSTM, B 1, H 32 and 64.
_STEPS_PER_MEMBER = 4
_FOREIGN = (FunctionalizeInterpreter, JvpInterpreter)


def transformed() -> bool:
    """Whether a function transform is at work (vmap, grad). Only a Function hears of these."""
    found: bool = torch._C._are_functorch_transforms_active()
    return found


def many(form: Form, inputs: Mapping[str, Tensor]) -> bool:
    """Whether a call has more members than are worth a call of their own."""
    if not transformed():
        return False
    count = 1
    for transform in retrieve_all_functorch_interpreters():
        count *= transform.batch_size() if isinstance(transform, VmapInterpreter) else 1
    return count >= _STEPS_PER_MEMBER * extent(form, inputs)[0]


def foreign() -> bool:
    """Whether a transform is at work that the time loop's Function does not know: functionalize, jvp."""
    return transformed() and any(isinstance(transform, _FOREIGN) for transform in retrieve_all_functorch_interpreters())


def hidden() -> bool:
    """Whether tensors may hide a dimension now."""
    found: bool = torch._C._dispatch_tls_is_dispatch_key_included("VmapMode")
    return found


def each_apart(backward: Callable[..., tuple[Any, ...]]) -> Callable[..., tuple[Any, ...]]:
    """A Function's backward for cotangents some of which may hide dimensions."""

    @wraps(backward)
    def run(ctx: Any, *cotangents: Tensor | None) -> tuple[Any, ...]:
        if not hidden() or all(d is None for d in cotangents):
            return backward(ctx, *cotangents)
        depth = _depth()
        shown = [None if d is None else _shown(d, depth) for d in cotangents]
        sizes = torch.broadcast_shapes(*(d.shape[:depth] for d in shown if d is not None))
        flat = [None if d is None else d.expand(*sizes, *d.shape[depth:]).flatten(0, depth - 1) for d in shown]
        places: list[int] = []

        def one(*given: Tensor) -> tuple[Tensor, ...]:
            rest = iter(given)
            found = backward(ctx, *(None if d is None else next(rest) for d in flat))
            places[:] = [place for place, gradient in enumerate(found) if gradient is not None]
            return tuple(found[place] for place in places)

        gradients = torch.func.vmap(one)(*(d for d in flat if d is not None))
        found: list[Tensor | None] = [None] * len(ctx.needs_input_grad)
        for place, gradient in zip(places, gradients, strict=True):
            found[place] = _hide(gradient.unflatten(0, sizes), depth)
        return tuple(found)

    return run


def _depth() -> int:
    """How many of the older vmaps are around."""
    nested: int = torch._C._vmapmode_increment_nesting()
    torch._C._vmapmode_decrement_nesting()
    return nested - 1


def _shown(tensor: Tensor, depth: int) -> Tensor:
    """The tensor with the hidden dimension of each vmap at its front, the outermost first; 1 where it has none."""
    for level in range(depth, 0, -1):
        tensor = torch._remove_batch_dim(tensor, level, 1, 0)
    return tensor


def _hide(tensor: Tensor, depth: int) -> Tensor:
    for level in range(1, depth + 1):
        tensor = torch._add_batch_dim(tensor, 0, level)
    return tensor
