"""Exact contributions: what each number of the input, and of the state before the first step, adds to an answer, measured from a reference.

DeepLIFT (Shrikumar, Greenside, Kundaje 2017) with a rule for every operation of a step, so that the parts of each row add up to
f(x) - f(reference) for any cell. Of several references the mean is taken (DeepSHAP: Lundberg, Lee 2017), with its standard error.
Letters: T time, B batch, F features, R references, L layers, D directions, W a state's width, K classes.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from tenuto.cell import state_type
from tenuto.errors import ArgumentError, ShapeError, TenutoError, describe
from tenuto.explain.operations import rule_of
from tenuto.explain.tape import Tape
from tenuto.explain.torch_layers import TorchLayers
from tenuto.networks.anatomy import Network

# How much of a row's parts rounding may lose, of the sum of their sizes, before something must be wrong: a value that left torch, for example.
_LOST = {torch.float64: 1e-8, torch.float32: 1e-3}


class Contributions(NamedTuple):
    """What an answer is made of.

    Attributes:
        values: by the input's name, shaped like that input. For each row, all of them and `base` add up to `prediction`.
        base: [B] the target at the reference, the mean over all references. prediction: [B] the target at the input.
        gap: [B] how far the sum is from the prediction, of the reference where it is farthest: what rounding lost.
        standard_error: as `values`, of the mean over the references; None where there is one.
    """

    values: dict[str, Tensor]
    base: Tensor
    prediction: Tensor
    gap: Tensor
    standard_error: dict[str, Tensor] | None = None


def contributions(
    function: Callable[..., Any],
    inputs: Mapping[str, Tensor],
    references: Mapping[str, Tensor] | Sequence[Mapping[str, Tensor]],
    target: int | Callable[[Any], Tensor],
    *,
    batch_axis: int | Mapping[str, int] = 1,
) -> Contributions:
    """The contributions of named tensors to a function's answer, row by row.

    Args:
        function: called as `function(**inputs)`; a model, or any function of tensors. What else it reads (lengths, masks) is the same in both runs.
        inputs: float tensors by name, B rows each.
        references: one mapping or R of them, with tensors that go with the inputs ([T, 1, F] for all rows, or [T, B, F]). An input that is left out is its
            own reference, and has no part.
        target: what of the answer is explained: a function that gives one number a row [B], or a class k of the answer [B, K].
        batch_axis: where the rows lie in the inputs, for all or by name.
    Raises:
        ShapeError: a reference or the target does not fit.
        ArgumentError: an unknown name; no reference.
        TenutoError: an operation has no rule; the model is in training mode, draws random numbers, or branches on a value; the parts do not add up.
    Example:
        >>> found = contributions(lambda x: x.tanh().sum(0), {"x": torch.ones(3, 1, 2)}, {"x": torch.zeros(3, 1, 2)}, target=1)
        >>> found.values["x"].sum((0, 2)).round(decimals=4), found.prediction.round(decimals=4)
        (tensor([2.2848]), tensor([2.2848]))
    """
    try:
        return _contributions(function, dict(inputs), references, target, batch_axis)
    except TenutoError as error:
        raise error.within("contributions") from None


def _contributions(
    function: Callable[..., Any], inputs: dict[str, Tensor], references: Any, target: int | Callable[[Any], Tensor], batch_axis: int | Mapping[str, int]
) -> Contributions:
    _require_evaluation(function)
    given = [references] if isinstance(references, Mapping) else list(references)
    if not given:
        raise ArgumentError("there is no reference.", expected="one or more", fix="zeros_like(x), or some rows of the training part")
    axes = {name: batch_axis if isinstance(batch_axis, int) else batch_axis.get(name, 1) for name in inputs}
    rows = {tensor.shape[axes[name]] for name, tensor in inputs.items() if tensor.dim() > axes[name]}
    if len(rows) != 1:
        shown = ", ".join(f"{name} {describe(tensor)}" for name, tensor in inputs.items())
        raise ShapeError("the inputs do not have the same rows.", expected="one number of rows B in all", received=shown)
    (count,) = rows
    runs = [_one(function, inputs, _fitting(inputs, reference), target, axes, count) for reference in given]
    values = {name: torch.stack([run.values[name] for run in runs]).mean(0) for name in inputs}
    spread = None
    if len(runs) > 1:
        spread = {name: torch.stack([run.values[name] for run in runs]).std(0) / math.sqrt(len(runs)) for name in inputs}
    base = torch.stack([run.base for run in runs]).mean(0)
    return Contributions(values, base, runs[0].prediction, torch.stack([run.gap for run in runs]).amax(0), spread)


def layer_contributions(
    layer: nn.Module,
    x: Tensor,
    references: Tensor | Sequence[Tensor],
    target: int | Callable[[Any], Tensor],
    *,
    state: Any = None,
    reference_state: Any = None,
    **call: Any,
) -> Contributions:
    """The contributions of x, and of the state before the first step, to what a recurrent layer or a model makes of them.

    Args:
        layer: called as `layer(x, state, **call)`: a `tenuto.Recurrent` or drop-in, one of torch.nn's, a model of these.
        x, references: as the layer takes x; a reference may have one row for all.
        target: of what the layer returns; see `contributions`.
        state, reference_state: states [L * D, B, W] in a tuple by name (or a tuple, or one tensor), and their reference, zeros if not given. Their parts are "state.NAME".
        call: lengths, resets, streams: the same in both runs.
    Raises:
        As `contributions`.
    """
    batch_axis = 0 if getattr(layer, "batch_first", False) else 1
    parts = [] if state is None else [state] if isinstance(state, Tensor) else list(state)
    names = list(getattr(state, "_fields", None) or (["h", "c"] if len(parts) == 2 else [f"{k}" for k in range(len(parts))]))
    names = ["h"] if isinstance(state, Tensor) else names
    zero = [torch.zeros_like(part) for part in parts]
    back = zero if reference_state is None else [reference_state] if isinstance(reference_state, Tensor) else list(reference_state)

    def run(x: Tensor, **states: Tensor) -> Any:
        if not states:
            return layer(x, **call)
        values = [states[f"state.{name}"] for name in names]
        own = values[0] if isinstance(state, Tensor) else state_type(tuple(names))(*values) if hasattr(state, "_fields") else tuple(values)
        return layer(x, own, **call)

    _require_evaluation(layer)
    inputs = {"x": x} | {f"state.{name}": part for name, part in zip(names, parts)}
    others = [references] if isinstance(references, Tensor) else list(references)
    given = [{"x": other} | {f"state.{name}": part for name, part in zip(names, back)} for other in others]
    return contributions(run, inputs, given, target, batch_axis={"x": batch_axis} | {f"state.{name}": 1 for name in names})


def network_contributions(
    network: Network, batch: Any, references: Tensor | Sequence[Tensor], target: int | Callable[[Any], Tensor]
) -> Contributions:
    """The contributions of x = front(batch) [T, B, F], what a task's network reads, to what its head gives.

    Args:
        network: front, encoder, head; in evaluation mode.
        references: like x, or with one row for all.
        target: of what the network's `forward` gives; see `contributions`.
    Raises:
        As `contributions`.
    """
    _require_evaluation(network)
    with torch.no_grad():
        x = network.front(batch)
    own = vars(network.front)
    before = {name: own[name] for name in ("forward",) if name in own}

    def run(x: Tensor) -> Any:
        own["forward"] = lambda *_: x  # while this call lasts the front gives what is explained, and is otherwise what it was
        try:
            return network(batch)
        finally:
            del own["forward"]
            own.update(before)

    others = [references] if isinstance(references, Tensor) else list(references)
    return contributions(run, {"x": x}, [{"x": other} for other in others], target)


@contextmanager
def _in_small_steps() -> Iterator[None]:
    """Without torch's one operation for a whole attention or transformer layer, whose parts nobody could tell."""
    before = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        yield
    finally:
        torch.backends.mha.set_fastpath_enabled(before)


def _require_evaluation(function: Any) -> None:
    if isinstance(function, nn.Module) and any(module.training for module in function.modules()):
        raise TenutoError("the model is in training mode, where it may drop and draw at random.", fix="model.eval()")


def _fitting(inputs: Mapping[str, Tensor], reference: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """A reference for each input, laid out as the input is."""
    unknown = set(reference) - set(inputs)
    if unknown:
        raise ArgumentError(f"a reference has no input: {sorted(unknown)[0]!r}.", expected="one of " + ", ".join(inputs))
    found = {}
    for name, value in inputs.items():
        if not value.is_floating_point():
            raise ShapeError(
                f"{name} is not of real numbers.", received=describe(value), fix="explain what an embedding gives for tokens, not their numbers"
            )
        other = reference.get(name, value)
        try:
            found[name] = torch.empty_like(value).copy_(other.expand(value.shape))
        except RuntimeError:
            raise ShapeError(
                f"the reference of {name} does not fit.", expected=f"{list(value.shape)}, or 1 in place of a size", received=describe(other)
            ) from None
    return found


def _one(
    function: Callable[..., Any],
    inputs: dict[str, Tensor],
    references: dict[str, Tensor],
    target: int | Callable[[Any], Tensor],
    axes: Mapping[str, int],
    count: int,
) -> Contributions:
    tape = Tape(rule_of)
    followed = {name: value.detach().clone() for name, value in inputs.items()}
    slots = [tape.follow(value, references[name]) for name, value in followed.items()]
    with torch.no_grad(), _in_small_steps(), tape, TorchLayers():
        answer = function(**followed)
        result = answer[..., target] if isinstance(target, int) else target(answer)
    if not isinstance(result, Tensor) or tuple(result.shape) != (count,):
        received = describe(result) if isinstance(result, Tensor) else type(result).__name__
        raise ShapeError("the target does not give one number for each row.", expected=f"[{count}]", received=received, fix="target=lambda answer: answer[:, 0], for example")
    with torch.no_grad():
        value, base = tape.value_of(result), tape.reference_of(result)
        found = tape.pull(result, torch.ones_like(value), slots)
        parts, total, size = {}, base.double().clone(), base.double().abs() + value.double().abs()
        for (name, own), m in zip(followed.items(), found):
            part = torch.where(m == 0, 0, m * (own - references[name]))
            each = part.double().movedim(axes[name], 0).reshape(count, -1) if part.dim() > axes[name] else part.double().expand(count, 1)
            parts[name], total, size = part, total + each.sum(1), size + each.abs().sum(1)
        plain = function(**{name: other.clone() for name, other in references.items()})
        plain = plain[..., target] if isinstance(target, int) else target(plain)
        gap = torch.maximum((total - value.double()).abs(), (plain.double() - base.double()).abs())  # the second: what went another way than through torch
    scale = value.double().abs() + base.double().abs()
    drowned = ~torch.isfinite(size) & torch.isfinite(scale) | (gap > 1e3 * scale) & (gap > 1.0)
    if bool(drowned.any()):
        row = int(drowned.nonzero()[0])
        raise TenutoError(
            "the parts are so large that rounding loses their sum: near the reference something is divided by almost nothing, step after step.",
            expected=f"row {row}: parts about as large as the answer, {float(value[row]):.4g}", received=f"parts of {float(size[row]):.3g} together",
            fix="another reference, at which no normalisation has equal values to normalise: other items, or the mean of these; or a gradient method",
        )  # fmt: skip
    lost = ~(gap <= _LOST.get(value.dtype, 1e-1) * size)
    if bool(lost.any()):
        row = int(lost.nonzero()[0])
        raise TenutoError(
            "the parts do not add up to the answer: something of the model is not known to torch, or is not the same for each row.",
            expected=f"row {row}: {float(value[row] - plain[row]):.6g}", received=f"{float(total[row] - base[row]):.6g}",
            fix="keep values in tensors (no .data, no .numpy()), and rows apart",
        )  # fmt: skip
    return Contributions(parts, base, value, gap.to(value.dtype))
