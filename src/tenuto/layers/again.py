"""Calls without gradients that are like one before them: what was checked and chosen for that one is not checked and chosen again.

A short loop is over sooner than its checks. So a call that was made by an engine that can make others like it (`engines.problem.Again`) is remembered
by all that its checks and its choice depend on: the cell, the engine asked for, and each tensor's name and shape, all of one dtype. No tensor is
remembered, and no number: weights are read anew at each call.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd import forward_ad

from tenuto import engines
from tenuto.engines.cpp.memory import in_main_memory
from tenuto.engines.problem import Again, Engine, Form

_MOST = 512  # calls that are remembered; then all are forgotten
_known: dict[Hashable, tuple[Again, tuple[str, ...]]] = {}
_ORDINARY = frozenset({Tensor, nn.Parameter})
_FULL = frozenset({torch.float32, torch.float64})

# Asked at each call, which takes some twenty microseconds: none of these is looked up in its module.
_compiling, _autocast, _tracing = torch.compiler.is_compiling, torch._C._is_any_autocast_enabled, torch._C._get_tracing_state
_modes, _transformed, _gradients = torch._C._len_torch_dispatch_stack, torch._C._are_functorch_transforms_active, torch.is_grad_enabled


def ordinary() -> bool:
    """Whether nothing else than a call's own arguments decides how it is made: no gradients, no transform, no mode, no engine asked for by the environment."""
    return not (
        _gradients() or _compiling() or _autocast() or _modes() or _transformed() or forward_ad._current_level >= 0 or _tracing() is not None
    ) and not engines.by_environment()  # fmt: skip


def key_of(handle: str, tensors: Mapping[str, Tensor], initial_state: Sequence[Tensor], reverse: bool, engine: str) -> Hashable | None:
    """What an ordinary call is remembered by; None where it may not be, since there are other tensors than plain ones of one full dtype in main memory. engine: as `engines.settled` gives it.

    (What has 16 bits is widened for the engine, so such a call's tensors are not those that a loop could be given again.)
    """
    x, lengths = tensors["x"], tensors.get("lengths")
    dtype, shapes = x.dtype, []
    if dtype not in _FULL:
        return None
    for tensor in (*tensors.values(), *initial_state):
        if type(tensor) not in _ORDINARY or (tensor.dtype is not dtype and tensor is not lengths) or not tensor.is_contiguous() or not in_main_memory(tensor):
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


def layer_key(x: Any, state: Any, *options: Hashable) -> Hashable | None:
    """What a whole layer's checks depend on, beside what each of its loops is remembered by: then a call like one before skips them, too. None where it may not.

    Args:
        x, state: as the user gave them; the state as one tensor, a tuple of tensors, or None.
        options: the layer's attributes that a call depends on.
    """
    if type(x) is not Tensor or x.dim() != 3 or not ordinary():
        return None
    states = () if state is None else state if isinstance(state, tuple) else (state,)
    for value in states:
        if type(value) is not Tensor:
            return None
    return x.shape, type(state), *[value.shape for value in states], *options


def keep(checked: set[Hashable], key: Hashable) -> None:
    """Remembers that a layer's call like this one passed its checks."""
    if len(checked) >= _MOST:
        checked.clear()
    checked.add(key)
