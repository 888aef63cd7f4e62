"""Calls without gradients that are like one before them: what was checked and chosen for that one is not checked and chosen again.

A short loop is over sooner than its checks. So a call that was made by an engine that can make others like it (`engines.problem.Again`) is remembered
by all that its checks and its choice depend on: the cell, the engine asked for, and each tensor's name and shape, all of one dtype. No tensor is
remembered, and no number: weights are read anew at each call.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence

import torch
from torch import Tensor, nn
from torch.autograd import forward_ad

from tenuto import engines
from tenuto.engines.cpp.memory import in_main_memory
from tenuto.engines.problem import Again, Engine, Form

_MOST = 512  # calls that are remembered; then all are forgotten
_known: dict[Hashable, tuple[Again, tuple[str, ...]]] = {}
_ORDINARY = frozenset({Tensor, nn.Parameter})

# Asked at each call, which takes some twenty microseconds: none of these is looked up in its module.
_compiling, _autocast, _tracing = torch.compiler.is_compiling, torch._C._is_any_autocast_enabled, torch._C._get_tracing_state
_modes, _transformed, _gradients = torch._C._len_torch_dispatch_stack, torch._C._are_functorch_transforms_active, torch.is_grad_enabled


def key_of(handle: str, tensors: Mapping[str, Tensor], initial_state: Sequence[Tensor], reverse: bool, engine: str) -> Hashable | None:
    """What a call is remembered by; None where it may not be, since something else than the tensors' shapes decides how it is made. engine: as `engines.settled` gives it."""
    if (
        _gradients() or _compiling() or _autocast() or _modes() or _transformed() or forward_ad._current_level >= 0 or _tracing() is not None
        or engines.by_environment()
    ):  # fmt: skip
        return None
    x = tensors["x"]
    dtype, shapes = x.dtype, []
    for tensor in (*tensors.values(), *initial_state):
        if type(tensor) not in _ORDINARY or tensor.dtype is not dtype or not tensor.is_contiguous() or not in_main_memory(tensor):
            return None
        shapes.append(tensor.shape)
    return handle, reverse, engine, dtype, tuple(tensors), *shapes


def run(key: Hashable, tensors: dict[str, Tensor], initial_state: Sequence[Tensor]) -> list[Tensor] | None:
    """The output and the final states of a call that is like a remembered one; None where there is none like it."""
    found = _known.get(key)
    if found is None:
        return None
    again, states = found
    given = tensors.copy()
    x = given["x"]
    for number, name in enumerate(states):
        given[f"s.{name}"] = initial_state[number] if initial_state else again.zeros[number]
    return again(x, given)


def remember(key: Hashable, form: Form, inputs: dict[str, Tensor], engine: Engine) -> None:
    """Remembers a call, where its engine can make others like it."""
    again = engine.again(form, inputs)
    if again is None:
        return
    if len(_known) >= _MOST:
        _known.clear()
    _known[key] = again, tuple(form.cell.widths("state"))
