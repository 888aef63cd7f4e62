"""What `tenuto::loop` does, the operation that stands in graphs for a layer in one direction (see `tenuto.operation`).

A graph holds the cell, the form and the engine asked for, and no size: the engine is chosen when the graph runs, from the tensors it
is given, so one graph serves batches and lengths of every size and machines of every kind. Where gradients are needed, the operation is
the time loop's Function, at run time and, in torch.compile, while the graph of the backward pass is made.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import torch
from torch import Tensor

from tenuto import process
from tenuto.engines import Problem, asked, autograd, choose, members, needs_gradients, time_loop
from tenuto.engines.problem import Buffers, Form, empty_result


def listened(tensors: Iterable[Tensor]) -> bool:
    """Whether a graph is made of what is called now, or tensors are not what they seem: then the operation is called, not an engine.

    A function transform alone (vmap, jvp) is left to the Function, which knows how it goes with each.
    """
    return not members.transformed() and not autograd.ordinary(tensors)


def call(form: Form, engine: str, inputs: Buffers) -> tuple[Tensor, list[Tensor]]:
    """The time loop as one operation: output [T, B, W] (packed [N, W]) and the final states; `engine`: the one asked for (`engines.narrowed`)."""
    output, *final = torch.ops.tenuto.loop(autograd.key_of(form, engine), list(map(inputs.__getitem__, form.names)))
    return output, final


def _read(key: str) -> tuple[Form, str, torch.dtype | None]:
    """The form, the engine asked for, and the 16-bit dtype of the layer's numbers, if they have 16 bits."""
    form, engine = autograd.read(key)
    return form, *asked(engine)


def run(key: str, inputs: Sequence[Tensor]) -> list[Tensor]:
    """Without gradients."""
    process.tell_torch()  # compiled code comes here at once
    form, engine, narrow = _read(key)
    with torch.no_grad(), torch.amp.autocast("cpu", enabled=False):
        named = autograd.by_name(form, inputs)
        result = choose(Problem.of(form, named, False, narrow), engine).forward(form, named, False)
        return [tensor.contiguous() for tensor in (result.output, *result.final)]


def run_with_gradients(keyset: Any, key: str, inputs: Sequence[Tensor]) -> list[Tensor]:
    """With gradients, where any are asked for."""
    form, engine, narrow = _read(key)
    named = autograd.by_name(form, inputs)
    if not needs_gradients(named):
        with torch._C._AutoDispatchBelowAutograd():
            found: list[Tensor] = torch.ops.tenuto.loop.default.redispatch(keyset & torch._C._after_autograd_keyset, key, inputs)
        return found
    output, final = time_loop(form, choose(Problem.of(form, named, True, narrow), engine), named, True, opaque=listened(inputs))
    return [output, *final]


def empty(key: str, inputs: Sequence[Tensor]) -> list[Tensor]:
    """Tensors shaped like `run`'s results."""
    form, _ = autograd.read(key)
    result = empty_result(form, autograd.by_name(form, inputs))
    return [result.output, *result.final]


def run_each(info: Any, in_dims: tuple[Any, ...], key: str, inputs: Sequence[Tensor]) -> tuple[list[Tensor], list[int]]:
    """Under vmap: one call per member of the batch."""
    results, dims = autograd.each(info.batch_size, lambda *members: torch.ops.tenuto.loop(key, list(members)), in_dims[1], inputs)
    return list(results), list(dims)
