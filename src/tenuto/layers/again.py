"""Calls that are like one before them: what was checked and chosen for that one is not checked and chosen again.

A short loop is over sooner than its checks. So a call is remembered by all that its checks and its choice depend on: the cell, the engine asked for, and
each tensor's name and shape, all of one dtype; with gradients also which tensors have one. No tensor is remembered, and no number: weights are read anew at each call.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Any, TypeVar

import torch
from torch import Tensor, nn
from torch.autograd import forward_ad

from tenuto import engines, process
from tenuto.engines import autograd
from tenuto.engines.cpp.memory import in_main_memory, zeros
from tenuto.engines.problem import Again, Engine, Form
from tenuto.program.reads import Reading

R = TypeVar("R")
_MOST = 512  # calls that are remembered; then all are forgotten
_known: dict[Hashable, tuple[Again, tuple[str, ...], Reading]] = {}
_ORDINARY = frozenset({Tensor, nn.Parameter})
_FULL = frozenset({torch.float32, torch.float64})

# Asked at each call, which takes some twenty microseconds: none of these is looked up in its module.
_compiling, _autocast, _tracing = torch.compiler.is_compiling, torch._C._is_any_autocast_enabled, torch._C._get_tracing_state
_modes, _transformed, _gradients = torch._C._len_torch_dispatch_stack, torch._C._are_functorch_transforms_active, torch.is_grad_enabled


class _WithGradients:
    """As `engines.problem.Again`, for calls that a backward pass may follow."""

    def __init__(self, form: Form, inputs: Mapping[str, Tensor], engine: Engine) -> None:
        self._form, self._key = form, autograd.key_of(form, engine.name)
        self.zeros = [zeros(*inputs[f"s.{name}"].shape, dtype=inputs["x"].dtype) for name in form.cell.widths("state")]

    def __call__(self, x: Tensor, given: dict[str, Tensor]) -> list[Tensor]:
        return autograd.at_once(self._key, self._form, given, True)


def ordinary() -> bool:
    """Whether nothing else than a call's own arguments decides how it is made: no transform, no mode, no engine asked for by the environment.

    It is asked before the first operation of a call, so here a forked child's torch is told to use one thread.
    """
    if _compiling() or _autocast() or _modes() or _transformed() or forward_ad._current_level >= 0 or _tracing() is not None or engines.by_environment():
        return False
    process.tell_torch()
    return True


def key_of(handle: str, tensors: Mapping[str, Tensor], initial_state: Sequence[Tensor], reverse: bool, engine: str) -> Hashable | None:
    """What an ordinary call is remembered by; None where it may not be, since there are other tensors than plain ones of one full dtype in main memory. engine: as `engines.settled` gives it.

    (What has 16 bits is widened for the engine, so such a call's tensors are not those that a loop could be given again. A call that a backward pass may
    follow takes tensors with gaps; others are given again as they are.)
    """
    x, lengths = tensors["x"], tensors.get("lengths")
    dtype, shapes, learning, learns, gaps = x.dtype, list[Hashable](), _gradients(), False, False
    if dtype not in _FULL:
        return None
    for tensor in (*tensors.values(), *initial_state):
        if type(tensor) not in _ORDINARY or (tensor.dtype is not dtype and tensor is not lengths) or not in_main_memory(tensor):
            return None
        if not tensor.is_contiguous():
            gaps = True
        if learning:
            learns = learns or tensor.requires_grad
            shapes.append((tensor.shape, tensor.requires_grad))
        else:
            shapes.append(tensor.shape)
    if gaps and not learns:
        return None
    return handle, reverse, engine, dtype, tuple(tensors), learning, *shapes


def run(key: Hashable, tensors: dict[str, Tensor], initial_state: Sequence[Tensor]) -> list[Tensor] | None:
    """The output and the final states of a call that is like a remembered one; None where there is none like it, or what the cell's step reads is another by now."""
    found = _known.get(key)
    if found is None:
        return None
    again, states, reading = found
    if not reading.holds():
        return None
    given = tensors.copy()
    x, start = given["x"], initial_state or again.zeros
    for number, name in enumerate(states):
        given[f"s.{name}"] = start[number]
    return again(x, given)


def remember(key: Hashable, form: Form, inputs: dict[str, Tensor], engine: Engine, gradients: bool) -> None:
    """Remembers a call, where others like it can be made in less time. gradients: whether a backward pass may follow."""
    again: Again | None
    if gradients:
        again = None if engine.recorded(form, inputs) else _WithGradients(form, inputs, engine)
    else:
        again = engine.again(form, inputs)
    if again is None:
        return
    if len(_known) >= _MOST:
        _known.clear()
    _known[key] = again, tuple(form.cell.widths("state")), form.traced.reading


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


def call(checked: set[Hashable], key: Hashable | None, quick: Callable[[], R | None], whole: Callable[[], R]) -> R:
    """A layer's call.

    Args:
        checked: the keys of calls of this layer that passed their checks; that of this one is added. key: from `layer_key`.
        quick: the call without its checks, None where that cannot be; asked where one like it passed them. whole: the call with them.
    """
    if key is not None and key in checked and (found := quick()) is not None:
        return found
    results = whole()
    if key is not None:
        if len(checked) >= _MOST:
            checked.clear()
        checked.add(key)
    return results
