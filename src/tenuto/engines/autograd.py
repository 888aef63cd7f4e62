"""The one autograd Function and the one pair of operations, for all engines; buffers travel by name.

`tenuto::forward` and `tenuto::backward` are opaque to torch.compile and know their shapes through `Engine.empty`.
The Function's backward is a Function of its own, whose derivative runs the steps once more under autograd, so gradients exist
to any order whatever the engine. (custom_op.register_autograd was not used: it fails with vmap and double backward.)
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor
from torch.autograd import forward_ad
from torch.library import Library

from tenuto import process
from tenuto.engines import members, reference, vendor
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
    flags: list[bool | int] = [form.bias, form.lengths, form.resets, form.reverse, form.packed, form.integers, form.static, form.sparse]
    while len(flags) > 4 and not flags[-1]:  # as earlier versions wrote it, which had fewer
        flags.pop()
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


def _forward(key: str, inputs: Sequence[Tensor], keep: bool, foretold: bool = False) -> list[Tensor]:
    """An engine's forward; gradients and autocast are off: engines compute in the dtypes they are given."""
    form, engine = _read(key)
    return _flat(engine.forward(form, by_name(form, inputs), keep, foretold))


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
        return _forward(key, inputs, keep, foretold=True)


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


def _asked(ctx: Any, inputs: Sequence[Tensor]) -> tuple[bool, ...]:
    """Of which arguments a gradient is asked for now: `torch.autograd.grad(y, x)` asks for that of x alone, a penalty on it does too.

    torch tells it of no leaf; `time_loop` sees to it that the weights are none.
    """
    needed = ctx.needs_input_grad
    asked = (
        tensor.is_leaf or torch._C._will_engine_execute_node(node) if need else False
        for need, tensor, (node, _) in zip(needed[2:], inputs, ctx.next_functions, strict=True)
    )
    return *needed[:2], *asked


def autocast(device: torch.device) -> bool:
    """Whether torch narrows what is computed on this device."""
    return device.type != "meta" and torch.is_autocast_enabled(device.type)


def exact(device: torch.device) -> AbstractContextManager[Any]:
    """Without autocast, which would narrow torch's own operations inside the engines."""
    return torch.autocast(device.type, enabled=False) if autocast(device) else nullcontext()


class _Function(torch.autograd.Function):
    """A Function that can be called without first binding its arguments to a signature, which takes longer than a short loop."""

    @classmethod
    def apply_at_once(cls, *args: Any) -> Any:
        """`apply` where no transform and no compiler is at work."""
        return super(torch.autograd.Function, cls).apply(*args)


_ALIKE = "alike"  # as `keep`: what is kept is as large whatever the lengths are, so that the members of a vmap can be stacked


class TimeLoop(_Function):
    """The steps of one layer in one direction: (key, keep, *inputs) to (output, *final states, *saved)."""

    @staticmethod
    def forward(key: str, keep: bool | str, *inputs: Tensor) -> tuple[Tensor, ...]:
        if ordinary(inputs):
            return tuple(_forward(key, inputs, bool(keep), foretold=keep == _ALIKE))
        return tuple(torch.ops.tenuto.forward(key, list(inputs), bool(keep)))

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
        if torch.compiler.is_dynamo_compiling():
            _keep_dynamo_out()
        return _pulls["first"](ctx, *cotangents)

    @staticmethod
    def pull(ctx: Any, *cotangents: Tensor) -> tuple[Any, ...]:
        """What `backward` does."""
        form, engine = _read(ctx.key)
        tensors = ctx.saved_tensors  # read once: activation checkpointing refuses a second time
        inputs, kept = tensors[: ctx.count], tensors[ctx.count :]
        named = by_name(form, inputs)
        results = (kept[0], *(named[f"s.{name}"] for name in form.cell.widths("state")))
        given = [torch.zeros_like(result) if d is None else d for d, result in zip(cotangents, results)]
        ordinarily = ordinary(tensors)
        needed = _asked(ctx, inputs) if ordinarily and named["x"].requires_grad else ctx.needs_input_grad
        needs, places = _wanted(form, needed)
        gradients: Sequence[Tensor | None]
        if by_operations((*tensors, *given)) or (not ordinarily and members.many(form, named) and not engine.name.startswith("invariant")):
            with exact(named["x"].device):
                _, function, values = _through_reference(ctx.key, ctx.count, len(kept), needs, (*tensors, *given))
                gradients = function(*values)
        elif ordinarily:
            with exact(named["x"].device):
                gradients = _gradients_with_history(form, named, given, needs) if torch.is_grad_enabled() else _backward(ctx.key, inputs, kept, given, needs)
        else:
            gradients = TimeLoopGradient.apply(ctx.key, ctx.count, len(kept), " ".join(needs), *inputs, *kept, *given)
        found: list[Tensor | None] = [None] * (2 + ctx.count)
        for place, gradient in zip(places, gradients, strict=True):
            found[place] = gradient
        return tuple(found)

    @staticmethod
    def vmap(info: Any, in_dims: tuple[Any, ...], key: str, keep: bool | str, *inputs: Tensor) -> Any:
        return each(info.batch_size, TimeLoop.apply, in_dims, (key, _ALIKE if keep else keep, *inputs))


class TimeLoopGradient(_Function):
    """The gradients of `TimeLoop`'s inputs: (key, count, kept, needs, *inputs, *results, *cotangents) to those that are needed."""

    @staticmethod
    def forward(key: str, count: int, kept: int, needs: str, *tensors: Tensor) -> tuple[Tensor, ...]:
        inputs, results, cotangents = tensors[:count], tensors[count : count + kept], tensors[count + kept :]
        return tuple(torch.ops.tenuto.backward(key, list(inputs), list(results), list(cotangents), needs))

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:
        ctx.key, ctx.count, ctx.kept, ctx.needs, *tensors = inputs
        ctx.set_materialize_grads(False)  # what nobody asked for need not be differentiated
        ctx.save_for_backward(*tensors)

    @staticmethod
    @members.each_apart
    def backward(ctx: Any, *second: Tensor) -> tuple[Any, ...]:
        if torch.compiler.is_dynamo_compiling():
            _keep_dynamo_out()
        return _pulls["second"](ctx, *second)

    @staticmethod
    def pull(ctx: Any, *second: Tensor) -> tuple[Any, ...]:
        """What `backward` does."""
        asked = [(name, d) for name, d in zip(ctx.needs.split(), second, strict=True) if d is not None]
        form, function, values = _through_reference(ctx.key, ctx.count, ctx.kept, [name for name, _ in asked], ctx.saved_tensors)
        if not asked:
            return (None,) * (4 + len(ctx.saved_tensors))
        with exact(values[0].device):
            gradients = iter(torch.func.vjp(function, *values)[1](tuple(d for _, d in asked)))
        d_inputs = [next(gradients) if name not in NOT_DIFFERENTIABLE else None for name in form.names]
        return None, None, None, None, *d_inputs, *([None] * ctx.kept), *gradients

    @staticmethod
    def vmap(info: Any, in_dims: tuple[Any, ...], *args: Any) -> Any:
        return each(info.batch_size, TimeLoopGradient.apply, in_dims, args)


_pulls: dict[str, Callable[..., tuple[Any, ...]]] = {"first": TimeLoop.pull, "second": TimeLoopGradient.pull}


def _keep_dynamo_out() -> bool:
    """Keeps Dynamo from reading a backward pass: in compiled code that calls `loss.backward()` it reads each Function's `backward` too.

    Dynamo calls this itself when it comes to one; below are cells, caches and engines, which it cannot read.
    """
    for name, pull in _pulls.items():
        if not hasattr(pull, "_torchdynamo_disable"):
            _pulls[name] = torch._dynamo.disable(pull)
    return True


_keep_dynamo_out._dynamo_marked_constant = True  # type: ignore[attr-defined]  # as torch.compiler.assume_constant_result does, which loads Dynamo


def _through_reference(key: str, count: int, kept: int, wanted: Sequence[str], tensors: Sequence[Tensor]) -> Any:
    """The first gradient of the inputs that are wanted, as a differentiable function of the float inputs and the cotangents."""
    form, _ = _read(key)
    named = by_name(form, tensors[:count])
    floats = [name for name in form.names if name not in NOT_DIFFERENTIABLE]

    def gradient(*values: Tensor) -> tuple[Tensor, ...]:
        inputs = {**named, **dict(zip(floats, values, strict=False))}

        def run(*chosen: Tensor) -> tuple[Tensor, ...]:
            output, final = reference.run(form, {**inputs, **dict(zip(wanted, chosen, strict=True))})
            return output, *final

        pull = torch.func.vjp(run, *(inputs[name] for name in wanted))[1]
        return pull(tuple(values[len(floats) :]))

    return form, gradient, [*(named[name] for name in floats), *tensors[count + kept :]]


def _gradients_with_history(form: Form, inputs: Buffers, cotangents: Sequence[Tensor], needs: Sequence[str]) -> list[Tensor | None]:
    """The gradients of the inputs that are needed, themselves differentiable to any order.

    The steps run once more under autograd, by torch's own loop where there is one.
    """
    sources = [inputs[name].view_as(inputs[name]) for name in needs]
    inputs = {**inputs, **dict(zip(needs, sources, strict=True))}
    output, final = vendor.run_to_any_order(form, inputs) or reference.run(form, inputs)
    ends = [(end, d) for end, d in zip((output, *final), cotangents, strict=True) if end.requires_grad]
    return list(torch.autograd.grad([end for end, _ in ends], sources, [d for _, d in ends], create_graph=True, allow_unused=True))


def _compiling() -> bool:
    """Whether torch.compile is at work, in Dynamo or in the tracing behind it."""
    return torch.compiler.is_compiling() or torch._guards.TracingContext.try_get() is not None


def by_operations(tensors: Iterable[Tensor]) -> bool:
    """Whether the loop has to be made of torch's own operations, by the reference engine: these may carry tangents (forward mode), or torch
    is making a graph that knows no Function.

    Operations go with whatever else is around: derivatives of any kind and order, and vmap. A Function's `jvp` could not nest.
    """
    if forward_ad._current_level < 0:  # within torch.compile also where there is a jvp
        return members.foreign()
    if members.transformed() or members.hidden():
        return True
    return any(forward_ad.unpack_dual(tensor).tangent is not None for tensor in tensors)


def time_loop(form: Form, engine: Engine, inputs: Buffers, keep: bool, opaque: bool = False) -> tuple[Tensor, list[Tensor]]:
    """Runs the steps through an engine, differentiably: output [T, B, W] (packed [N, W]) and the final states.

    `opaque`: as operations that torch does not look into, whatever the engine is made of.
    """
    if by_operations(inputs.values()):
        result = reference.Reference().forward(form, inputs, keep)
        return result.output, result.final
    compiling, transformed = _compiling(), members.transformed()
    if compiling or opaque:  # what an engine cannot foretell is not kept: its backward runs forward again
        keep = keep and engine.foretells(form, inputs)
    elif engine.recorded(form, inputs) or not (keep or transformed):
        result = engine.forward(form, inputs, keep)
        return result.output, result.final
    if not (compiling or opaque or transformed):
        output, *final = at_once(key_of(form, engine.name), form, inputs, keep)
        return output, final
    results = TimeLoop.apply(key_of(form, engine.name), keep, *map(inputs.__getitem__, form.names))
    return results[0], list(results[1 : form.results])


def at_once(key: str, form: Form, inputs: Buffers, keep: bool) -> list[Tensor]:
    """The output and the final states through the Function, where no transform and no compiler is at work. key: of the form and an engine (`key_of`)."""
    x, given = inputs["x"], [inputs[name] for name in form.names]
    if x.requires_grad:
        given = [tensor.view_as(tensor) if tensor.requires_grad and tensor is not x else tensor for tensor in given]
    return list(TimeLoop.apply_at_once(key, keep, *given)[: form.results])
