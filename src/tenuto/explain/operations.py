"""torch's operations in two runs: which are linear, which are elementwise, which are made of others, and what is left.

- Linear in each argument (sums, products of matrices, convolutions, all that moves numbers about): autograd's derivative of the operation
  itself, taken half way between the runs; of a product that is the multiplier, (b + b0)/2.
- Elementwise: the rules of `program/multipliers.py`, those of a cell's step.
- Composed: run once more as the operations that they are made of (`composed.py`, and torch's own decompositions).
- A layer's time loop: `loop.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from tenuto.engines import autograd
from tenuto.explain.composed import COMPOSED
from tenuto.explain.loop import PairedLoop
from tenuto.explain.tape import Call, Rule, refusal
from tenuto.program.aten import decompositions
from tenuto.program.multipliers import Tensors, multipliers, of_largest
from tenuto.program.translate import PLAIN

_LINEAR = frozenset(
    "add sub rsub mm addmm bmm baddbmm addbmm mv addmv dot linear matmul convolution _convolution mkldnn_convolution t transpose permute view _unsafe_view"
    " reshape _reshape_alias expand select slice index index_select gather diagonal cat stack split split_with_sizes unsafe_split unsafe_split_with_sizes"
    " unsafe_chunk unbind sum mean cumsum clone squeeze unsqueeze constant_pad_nd reflection_pad1d replication_pad1d flip roll repeat unfold avg_pool1d"
    " avg_pool2d _adaptive_avg_pool1d _adaptive_avg_pool2d adaptive_avg_pool1d masked_fill index_put scatter scatter_add index_add select_scatter"
    " slice_scatter triu tril embedding upsample_linear1d upsample_nearest1d _trilinear".split()
)
_SHAPES = frozenset("new_zeros new_ones new_empty new_full zeros_like ones_like empty_like full_like new_empty_strided".split())
_SAME = frozenset("detach alias lift lift_fresh _to_copy copy".split())
_QUESTIONS = frozenset("_local_scalar_dense is_nonzero equal".split())


def rule_of(func: Any) -> Rule | None:
    """The rule of an operation of torch's, or of ours."""
    name = str(func)
    packet = name.removeprefix("aten.").partition(".")[0]
    if name == "tenuto.loop.default":
        return _loop
    if name in COMPOSED:
        return _composed
    if packet == "_pack_padded_sequence":
        return _packed
    for names, rule in ((_LINEAR, _linear), (_SHAPES, _unfollowed), (_SAME, _same), (_QUESTIONS, _question)):
        if packet in names:
            return rule
    if name in PLAIN:
        return _elementwise
    if packet in ("amax", "max") and name != "aten.max.other":
        return _largest
    if func in decompositions():
        return _decomposed
    returns = func._schema.returns
    if all(str(each.type) in ("Tensor", "bool", "int") for each in returns) and packet in ("argmax", "argmin", "isnan", "isinf", "isfinite", "any", "all"):
        return _answer
    return _implicit if torch._C._dispatch_has_kernel_for_dispatch_key(func.name(), "CompositeImplicitAutograd") else None


def _unfollowed(call: Call) -> Any:
    return call.func(*call.args, **call.options)


def _answer(call: Call) -> Any:
    """A result that has no slope: fine where it is the same in both runs."""
    result, reference = call.both()
    if torch.equal(result, reference):
        return result
    raise refusal(f"the result of {call.name} is not the same on the reference, and has no slope", "a target and a model without it")


def _question(call: Call) -> Any:
    result, reference = call.both()
    if result == reference:
        return result
    raise refusal("the model branches on a value, and goes another way on the reference", "torch.where(condition, a, b) for `a if condition else b`")


def _same(call: Call) -> Any:
    """The value itself, perhaps in another dtype or place."""
    result, reference = call.both()
    if not (result.is_floating_point() or torch.equal(result, reference)):
        raise refusal("the model turns real numbers into whole numbers, and others on the reference", "torch.floor or torch.round, which keep real numbers")
    if not result.is_floating_point():
        return result
    source = call.flat[call.places[0]]
    dtype = source.dtype if source.is_floating_point() else result.dtype
    if call.name.startswith("aten.copy"):  # copy(target, source): the target's old value does not count
        shapes = [call.flat[place].shape if place == 1 else None for place in call.places]
        return call.note(result, reference, lambda m: [None if m[0] is None or shape is None else m[0].sum_to_size(shape) for shape in shapes])
    return call.note(result, reference, lambda m: [None if m[0] is None else m[0].to(device=source.device, dtype=dtype)])


def _linear(call: Call) -> Any:
    result, reference = call.both()
    if not all(call.flat[place].is_floating_point() for place in call.places):
        if isinstance(result, Tensor) and torch.equal(result, reference):
            return result
        raise refusal(f"a condition that is not the same on the reference goes into {call.name}", "torch.where(condition, a, b)")
    func = torch.ops.aten.reshape.default if call.name in ("aten.view.default", "aten._unsafe_view.default") else call.func

    def pull(arrived: Sequence[Tensor | None]) -> Sequence[Tensor | None]:
        several = len(call.places) > 1
        flat = list(call.flat)
        for place in call.places:
            middle = 0.5 * (call.flat[place] + call.flat0[place]) if several else call.flat[place]
            flat[place] = middle.detach().requires_grad_()
        args, options = call.with_flat(flat)
        with torch.enable_grad():
            made = func(*args, **options)
        results = [made] if isinstance(made, Tensor) else list(made)
        chosen = [(each, m) for each, m in zip(results, arrived, strict=True) if m is not None]
        return torch.autograd.grad([each for each, _ in chosen], [flat[place] for place in call.places], [m for _, m in chosen], allow_unused=True)

    return call.note(result, reference, pull)


def _elementwise(call: Call) -> Any:
    result, reference = call.both()
    if not result.is_floating_point() and torch.equal(result, reference):
        return result
    kind = PLAIN[call.name]

    def pull(arrived: Sequence[Tensor | None]) -> Sequence[Tensor | None]:
        (m,) = arrived
        assert m is not None
        f, choice = Tensors(m.dtype), kind == "where"
        values = [_as_value(value, m, choice and k == 0) for k, value in enumerate(call.flat)]
        values0 = [_as_value(value, m, choice and k == 0) if k in call.places else values[k] for k, value in enumerate(call.flat0)]
        found = multipliers(f, kind, values, values0, result, reference)
        return [_passed(m, found[place], values[place], values0[place]) for place in call.places]

    return call.note(result, reference, pull)


def _as_value(value: Any, like: Tensor, condition: bool) -> Tensor:
    if not isinstance(value, Tensor):
        return torch.tensor(value, dtype=like.dtype, device=like.device)
    return value if condition else value.to(like.dtype)


def _passed(m: Tensor, part: Any, value: Tensor, reference: Tensor) -> Tensor | None:
    """m times an argument's multiplier, which is of no account where nothing arrives or nothing differs, even if it is no number there."""
    if part is None:
        return None
    product = m * part
    if not bool(torch.isfinite(product).all()):
        product = torch.where((m == 0) | ((value == reference) & ~torch.isfinite(product)), 0, product)
    return product.sum_to_size(value.shape)


def _largest(call: Call) -> Any:
    """The maximum over some axes, or over one together with its places."""
    value, value0 = call.args[0], call.args0[0]
    result, reference = call.both()
    places = None
    axes: Any = list(range(value.dim()))
    if call.name == "aten.amax.default":
        axes, keep = call.args[1] if len(call.args) > 1 and call.args[1] else axes, call.args[2] if len(call.args) > 2 else False
    elif call.name == "aten.max.dim":
        axes, keep = [call.args[1]], call.args[2] if len(call.args) > 2 else False
        (result, places), (reference, _) = result, reference
    else:
        keep = False
    wide = lambda v: v if keep else _with_axes(v, axes, value.dim())  # noqa: E731

    def pull(arrived: Sequence[Tensor | None]) -> Sequence[Tensor | None]:
        assert arrived[0] is not None
        part = of_largest(Tensors(value.dtype, axes), value, value0, wide(result), wide(reference))
        return [wide(arrived[0]) * part]

    call.note(result, reference, pull)
    return result if places is None else (result, places)


def _with_axes(v: Tensor, axes: Sequence[int], dims: int) -> Tensor:
    for axis in sorted(axis % dims for axis in axes):
        v = v.unsqueeze(axis)
    return v


def _composed(call: Call) -> Any:
    args, options = call.with_flat(call.given)
    with call.tape:
        return COMPOSED[call.name](call.tape, *args, **options)


def _decomposed(call: Call) -> Any:
    args, options = call.with_flat(call.given)
    with call.tape:
        return decompositions()[call.func](*args, **options)


def _packed(call: Call) -> Any:
    """The rows of padded sequences, and how many each step has."""
    (result, sizes), (reference, _) = call.both()

    def pull(arrived: Sequence[Tensor | None]) -> Sequence[Tensor | None]:
        with torch.enable_grad():
            source = call.args[0].detach().requires_grad_()
            return torch.autograd.grad(call.func(source, *call.args[1:])[0], source, arrived[0])

    call.note(result, reference, pull)
    return result, sizes


def _implicit(call: Call) -> Any:
    """What torch itself writes with other operations."""
    args, options = call.with_flat(call.given)
    with call.tape:
        return call.func.decompose(*args, **options)


def _loop(call: Call) -> Any:
    """A layer in one direction."""
    key, tensors = call.args
    form, engine = autograd.read(key)
    inputs, second = autograd.by_name(form, tensors), autograd.by_name(form, call.args0[1])
    names = [form.names[place - 1] for place in call.places]  # before the tensors stands the key
    wrong = next((name for name in names if name.split(".")[0] not in ("x", "s", "r", "stream")), None)
    if wrong is not None:
        raise refusal(f"the weight {wrong!r} of a recurrent layer depends on what is explained", "weights that are the same for every input")
    loop = PairedLoop(form, engine, inputs, {name: second[name] for name in names})
    result, reference = loop.result(), loop.reference() or call.func(*call.args0, **call.options0)

    def pull(arrived: Sequence[Tensor | None]) -> Sequence[Tensor | None]:
        found = loop.multipliers(arrived[0], arrived[1:])
        return [found[name] for name in names]

    return call.note(result, reference, pull)
