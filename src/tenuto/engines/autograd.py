"""The one autograd Function and the one pair of operations, for all engines; buffers travel by name.

`tenuto::forward` and `tenuto::backward` are opaque to torch.compile and know their shapes through `Engine.empty`.
The Function's backward is a Function of its own, whose derivative runs through the reference engine, so gradients exist
to any order whatever the engine. (custom_op.register_autograd was not used: it fails with vmap and double backward.)
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor
from torch.autograd import forward_ad
from torch.library import Library

from tenuto import process
from tenuto.engines import members, reference
from tenuto.engines.problem import NOT_DIFFERENTIABLE, Buffers, Engine, Form, Result
from tenuto.program import traced_of
from tenuto.program.handles import handle_of_traced, require_unchanged

_library = Library("tenuto", "FRAGMENT")
_library.define("forward(str key, Tensor[] inputs, bool keep) -> Tensor[]")
_library.define("backward(str key, Tensor[] inputs, Tensor[] kept, Tensor[] cotangents, str needs) -> Tensor[]")

_ENGINES: dict[str, Engine] = {}


def register(engine: Engine) -> None:
    """Makes an engine known to the operations by its name."""
    _ENGINES[engine.name] = engine


@lru_cache(maxsize=None)
def key_of(form: Form, engine: str) -> str:
    """A form and an engine (the one that runs, or the one asked for) as text, which is what an operation in a graph can hold."""
    flags = [form.bias, form.lengths, form.resets, form.reverse]
    key = json.dumps([engine, json.loads(handle_of_traced(form.traced)), flags])
    _FORMS.setdefault(key, (form, engine))
    return key


_FORMS: dict[str, tuple[Form, str]] = {}


def read(key: str) -> tuple[Form, str]:
    """The form and the engine's name that `key_of` wrote, also in another process."""
    if key not in _FORMS:
        engine, cell, flags = json.loads(key)
        traced = traced_of(json.dumps(cell))
        key_of(Form(traced.cell, *flags, traced=traced), engine)
    return _FORMS[key]


def _read(key: str) -> tuple[Form, Engine]:
    form, engine = read(key)
    return form, _ENGINES[engine]


def by_name(form: Form, tensors: Sequence[Tensor]) -> Buffers:
    return dict(zip(form.names, tensors, strict=True))


def _flat(result: Result) -> list[Tensor]:
    return [result.output, *result.final, *result.saved]


def _kept(form: Form, results: Sequence[Tensor]) -> list[Tensor]:
    """Those of an engine's results that its backward may read: not the final states, which the user may write into."""
    return [results[0], *results[form.results :]]


def _forward(key: str, inputs: Sequence[Tensor], keep: bool) -> list[Tensor]:
    """An engine's forward; gradients and autocast are off: engines compute in the dtypes they are given."""
    form, engine = _read(key)
    return _flat(engine.forward(form, by_name(form, inputs), keep))


def _backward(
    key: str, inputs: Sequence[Tensor], kept: Sequence[Tensor], cotangents: Sequence[Tensor], needs: Sequence[str]
) -> list[Tensor]:
    """An engine's backward; gradients and autocast are off."""
    form, engine = _read(key)
    d_output, *d_final = cotangents
    result = Result(kept[0], [], list(kept[1:]))
    gradients = engine.backward(form, by_name(form, inputs), result, d_output, d_final, frozenset(needs))
    return [gradients[name] for name in needs]


def _forward_operation(key: str, inputs: Sequence[Tensor], keep: bool) -> list[Tensor]:
    process.tell_torch()  # compiled code calls this directly
    require_unchanged(_read(key)[0].traced)
    with torch.no_grad(), torch.amp.autocast("cpu", enabled=False):
        return _forward(key, inputs, keep)


def _backward_operation(
    key: str, inputs: Sequence[Tensor], kept: Sequence[Tensor], cotangents: Sequence[Tensor], needs: str
) -> list[Tensor]:
    process.tell_torch()
    with torch.no_grad(), torch.amp.autocast("cpu", enabled=False):
        return [gradient.contiguous() for gradient in _backward(key, inputs, kept, cotangents, needs.split())]


_library.impl("forward", _forward_operation, "CompositeExplicitAutograd")
_library.impl("backward", _backward_operation, "CompositeExplicitAutograd")


@torch.library.register_fake("tenuto::forward")
def _(key: str, inputs: list[Tensor], keep: bool) -> list[Tensor]:
    form, engine = _read(key)
    return _flat(engine.empty(form, by_name(form, inputs), keep))


@torch.library.register_fake("tenuto::backward")
def _(key: str, inputs: list[Tensor], kept: list[Tensor], cotangents: list[Tensor], needs: str) -> list[Tensor]:
    named = by_name(_read(key)[0], inputs)
    return [torch.empty_like(named[name], memory_format=torch.contiguous_format) for name in needs.split()]


def each(count: int, function: Callable[..., Any], in_dims: Sequence[Any], args: Sequence[Any]) -> Any:
    """A batching rule that works for any function: one call per member of the batch."""
    results = [
        function(*(arg if dim is None else arg.select(dim, k) for arg, dim in zip(args, in_dims, strict=True)))
        for k in range(count)
    ]
    stacked = tuple(torch.stack(values) for values in zip(*results, strict=True))
    return stacked, (0,) * len(stacked)


_ORDINARY = {Tensor, torch.nn.Parameter}


def ordinary(tensors: Iterable[Tensor]) -> bool:
    """Whether nothing intercepts operations (no tracing, no transform, no subclass) and there are numbers to compute with.

    Then an engine is called directly, not as an operation. `tensors`: all on one device, so only the first is asked for it.
    """
    return (
        _ORDINARY.issuperset(map(type, tensors))
        and not next(iter(tensors)).is_meta
        and torch._C._len_torch_dispatch_stack() == 0
        and torch._C._get_tracing_state() is None
        and not members.transformed()
        and not _compiling()
    )


@lru_cache(maxsize=4096)
def _wanted(form: Form, needed: tuple[bool, ...]) -> tuple[tuple[str, ...], tuple[int, ...]]:
    """The names of the inputs whose gradients are needed, and their places among the arguments of `TimeLoop`."""
    places = [k + 2 for k, name in enumerate(form.names) if needed[k + 2] and name not in NOT_DIFFERENTIABLE]
    return tuple(form.names[k - 2] for k in places), tuple(places)


class _Function(torch.autograd.Function):
    """A Function that can be called without first binding its arguments to a signature, which takes longer than a short loop."""

    @classmethod
    def apply_at_once(cls, *args: Any) -> Any:
        """`apply` where no transform and no compiler is at work."""
        return super(torch.autograd.Function, cls).apply(*args)


class TimeLoop(_Function):
    """The steps of one layer in one direction: (key, keep, *inputs) to (output, *final states, *saved)."""

    @staticmethod
    def forward(key: str, keep: bool, *inputs: Tensor) -> tuple[Tensor, ...]:
        if ordinary(inputs):
            return tuple(_forward(key, inputs, keep))
        return tuple(torch.ops.tenuto.forward(key, list(inputs), keep))

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:
        key, _, *tensors = inputs
        ctx.key, ctx.count = key, len(tensors)
        ctx.set_materialize_grads(False)  # otherwise zeros as large as everything that is saved are made for it
        form, _ = _read(key)
        ctx.mark_non_differentiable(*output[form.results :])
        ctx.save_for_backward(*tensors, *_kept(form, output))

    @staticmethod
    @members.each_apart
    def backward(ctx: Any, *cotangents: Tensor) -> tuple[Any, ...]:
        form, _ = _read(ctx.key)
        tensors = ctx.saved_tensors  # read once: activation checkpointing refuses a second time
        inputs, kept = tensors[: ctx.count], tensors[ctx.count :]
        named = by_name(form, inputs)
        results = (kept[0], *(named[f"s.{name}"] for name in form.cell.widths("state")))
        given = [torch.zeros_like(result) if d is None else d for d, result in zip(cotangents, results)]
        needs, places = _wanted(form, ctx.needs_input_grad)
        if forward_mode((*tensors, *given)) or members.many(inputs[0].shape[0]):
            _, function, values = _through_reference(ctx.key, ctx.count, len(kept), " ".join(needs), (*tensors, *given))
            gradients = function(*values)
        elif torch.is_grad_enabled() or torch.is_autocast_enabled("cpu") or members.transformed() or not ordinary(tensors):
            gradients = TimeLoopGradient.apply(ctx.key, ctx.count, len(kept), " ".join(needs), *inputs, *kept, *given)
        else:  # no second derivative will be asked for
            gradients = _backward(ctx.key, inputs, kept, given, needs)
        found: list[Tensor | None] = [None] * (2 + ctx.count)
        for place, gradient in zip(places, gradients, strict=True):
            found[place] = gradient
        return tuple(found)

    @staticmethod
    def vmap(info: Any, in_dims: tuple[Any, ...], *args: Any) -> Any:
        return each(info.batch_size, TimeLoop.apply, in_dims, args)


class TimeLoopGradient(_Function):
    """The gradients of `TimeLoop`'s inputs: (key, count, kept, needs, *inputs, *results, *cotangents) to those that are needed."""

    @staticmethod
    def forward(key: str, count: int, kept: int, needs: str, *tensors: Tensor) -> tuple[Tensor, ...]:
        inputs, results, cotangents = tensors[:count], tensors[count : count + kept], tensors[count + kept :]
        return tuple(torch.ops.tenuto.backward(key, list(inputs), list(results), list(cotangents), needs))

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:
        ctx.key, ctx.count, ctx.kept, ctx.needs, *tensors = inputs
        ctx.save_for_backward(*tensors)

    @staticmethod
    @members.each_apart
    def backward(ctx: Any, *second: Tensor) -> tuple[Any, ...]:
        form, function, values = _through_reference(ctx.key, ctx.count, ctx.kept, ctx.needs, ctx.saved_tensors)
        pull = torch.func.vjp(function, *values)[1]
        gradients = iter(pull(tuple(second)))
        d_inputs = [next(gradients) if name not in NOT_DIFFERENTIABLE else None for name in form.names]
        return None, None, None, None, *d_inputs, *([None] * ctx.kept), *gradients

    @staticmethod
    def vmap(info: Any, in_dims: tuple[Any, ...], *args: Any) -> Any:
        return each(info.batch_size, TimeLoopGradient.apply, in_dims, args)


def _through_reference(key: str, count: int, kept: int, needs: str, tensors: Sequence[Tensor]) -> Any:
    """The first gradient as a differentiable function of the float inputs and the cotangents, through the reference engine."""
    form, _ = _read(key)
    named = by_name(form, tensors[:count])
    floats = [name for name in form.names if name not in NOT_DIFFERENTIABLE]
    wanted = needs.split()

    def gradient(*values: Tensor) -> tuple[Tensor, ...]:
        inputs = {**named, **dict(zip(floats, values, strict=False))}

        def run(*chosen: Tensor) -> tuple[Tensor, ...]:
            output, final = reference.run(form, {**inputs, **dict(zip(wanted, chosen, strict=True))})
            return output, *final

        pull = torch.func.vjp(run, *(inputs[name] for name in wanted))[1]
        return pull(tuple(values[len(floats) :]))

    return form, gradient, [*(named[name] for name in floats), *tensors[count + kept :]]


def _compiling() -> bool:
    """Whether torch.compile is at work, in Dynamo or in the tracing behind it."""
    return torch.compiler.is_compiling() or torch._guards.TracingContext.try_get() is not None


def forward_mode(tensors: Iterable[Tensor]) -> bool:
    """Whether these may carry tangents: then the loop is made of torch's own operations, by the reference engine.

    These go with whatever else is around: derivatives of any kind and order, and vmap. A Function's `jvp` could not nest.
    """
    if forward_ad._current_level < 0:
        return False
    if members.transformed() or members.hidden():
        return True
    return any(forward_ad.unpack_dual(tensor).tangent is not None for tensor in tensors)


def time_loop(form: Form, engine: Engine, inputs: Buffers, keep: bool, opaque: bool = False) -> tuple[Tensor, list[Tensor]]:
    """Runs the steps through an engine, differentiably: output [T, B, W] and the final states.

    `opaque`: as operations that torch does not look into, whatever the engine is made of.
    """
    if forward_mode(inputs.values()):
        result = reference.Reference().forward(form, inputs, keep)
        return result.output, result.final
    compiling, transformed = _compiling(), members.transformed()
    if compiling or opaque:  # what an engine cannot foretell is not kept: its backward runs forward again
        keep = keep and engine.foretells(form, inputs)
    elif engine.recorded(form, inputs) or not (keep or transformed):
        result = engine.forward(form, inputs, keep)
        return result.output, result.final
    apply = TimeLoop.apply if compiling or opaque or transformed else TimeLoop.apply_at_once
    results = apply(key_of(form, engine.name), keep, *map(inputs.__getitem__, form.names))
    return results[0], list(results[1 : form.results])
