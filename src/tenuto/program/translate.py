"""torch's operations as words of the grammar: one row for each operation known here, and an error that explains each other.

Every recorded value has a type before it gets a number: how wide it is, whether it is a number or a condition, and that it has one
row for each sequence (or is the same for all). What has no such type is refused, with the user's line.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch

from tenuto.cell import Width
from tenuto.errors import TraceError
from tenuto.program.calls import refusal
from tenuto.program.graph import Builder
from tenuto.program.recording import Operation, Recording

PLAIN = {
    f"aten.{name}": kind
    for names, kind in (
        ("add.Tensor add.Scalar", "add"), ("sub.Tensor sub.Scalar", "sub"), ("mul.Tensor mul.Scalar", "mul"),
        ("div.Tensor div.Scalar", "div"), ("pow.Tensor_Scalar pow.Tensor_Tensor pow.Scalar", "pow"),
        ("maximum.default", "maximum"), ("minimum.default", "minimum"), ("neg.default", "neg"), ("abs.default", "abs"),
        ("sign.default sgn.default", "sign"), ("floor.default", "floor"), ("reciprocal.default", "reciprocal"),
        ("sqrt.default", "sqrt"), ("rsqrt.default", "rsqrt"), ("exp.default", "exp"), ("expm1.default", "expm1"),
        ("log.default", "log"), ("log1p.default", "log1p"), ("sin.default", "sin"), ("cos.default", "cos"),
        ("atan.default", "atan"), ("erf.default", "erf"), ("sigmoid.default", "sigmoid"), ("tanh.default", "tanh"),
        ("relu.default", "relu"), ("lt.Scalar lt.Tensor", "lt"), ("le.Scalar le.Tensor", "le"), ("gt.Scalar gt.Tensor", "gt"),
        ("ge.Scalar ge.Tensor", "ge"), ("eq.Scalar eq.Tensor", "eq"), ("ne.Scalar ne.Tensor", "ne"),
        ("logical_and.default bitwise_and.Tensor", "and"), ("logical_or.default bitwise_or.Tensor", "or"), ("bitwise_xor.Tensor", "ne"),
        ("logical_not.default bitwise_not.default", "not"), ("where.self where.ScalarOther where.ScalarSelf", "where"),
    )
    for name in names.split()
}  # fmt: skip
_SAME = {
    f"aten.{name}"
    for name in "alias.default clone.default detach.default view.default _unsafe_view.default reshape.default contiguous.default"
    " lift_fresh_copy.default lift_fresh.default view_as.default squeeze.dims".split()
}
# What torch computes with whole numbers (counts of conditions) and a program with real ones; the results are the same.
_WHOLE = {
    f"aten.{name}"
    for name in "sum.dim_IntList add.Tensor add.Scalar sub.Tensor sub.Scalar mul.Tensor mul.Scalar neg.default abs.default sign.default"
    " maximum.default minimum.default where.self where.ScalarOther where.ScalarSelf expand.default clamp.default amax.default amin.default".split()
}


@dataclass
class Translation:
    """A recording on its way into a builder.

    Args:
        rows: the size of the batch that it was recorded with. label: the width that a size stands for.
    """

    builder: Builder
    rows: int
    label: Callable[[int], Width]
    numbers: dict[Operation, int] = field(default_factory=dict)

    def run(self, recording: Recording, inputs: Sequence[int]) -> list[int | None]:
        """The numbers of the recording's results for these inputs; None for one that is zero.

        Raises:
            TraceError: an operation that the grammar has no words for, or one that mixes the rows of the batch.
        """
        given = iter(inputs)
        needed = _needed(recording)
        for operation in recording.operations:
            if operation.name == "argument":
                self.numbers[operation] = next(given)
            elif operation in needed:
                self.numbers[operation] = self._typed(operation)
        return [None if result is None else self.numbers[result] for result in recording.results]

    def number(self, arg: Any) -> int:
        """The number of an argument: a recorded value, or one of Python's numbers."""
        return self.numbers[arg] if isinstance(arg, Operation) else self.builder.constant(float(arg))

    def _typed(self, operation: Operation) -> int:
        """The value of one operation: a number or a condition, whichever it is in torch."""
        name, shape, place = operation.name, operation.shape, operation.place
        where, source = (place.told, str(place)) if place else ("", "")
        if shape is None or len(shape) > 2 or (len(shape) == 2 and shape[0] not in (1, self.rows)):
            raise refusal(name, operation.written).at(where)
        if operation.dtype.is_complex:
            raise TraceError("the step computes with complex numbers.", fix="keep a state for each part").at(where)
        found = self._one(operation, name, self.label(shape[-1]) if shape else 1, source)
        if found is None:
            raise refusal(name, operation.written).at(where)
        return self.builder.condition(found) if operation.dtype == torch.bool else self.builder.real(found)

    def _one(self, operation: Operation, name: str, width: Width, source: str) -> int | None:
        args, builder, number, dtype = operation.args, self.builder, self.number, operation.dtype
        if operation.value is not None:
            return builder.constant(operation.value)
        if name in ("aten.full.default", "aten.full_like.default", "aten.scalar_tensor.default"):
            return builder.constant(float(args[0 if name == "aten.scalar_tensor.default" else 1]), width)  # type: ignore[arg-type]
        if name == "aten.empty_permuted.default":
            return builder.constant(0.0, width)  # a buffer that torch's formula returns and nobody reads
        if name in _SAME:
            return number(args[0]) if _same_shape(args[0], operation) else None
        if name == "aten._to_copy.default":
            if not (dtype.is_floating_point or dtype == torch.bool or _dtype(args[0]) == torch.bool):
                raise TraceError("the step turns real numbers into whole numbers.", fix="torch.floor(v) rounds and keeps a real number").at(
                    operation.place.told if operation.place else ""
                )
            return number(args[0])
        if not (dtype.is_floating_point or dtype == torch.bool or name in _WHOLE):
            return None
        if name == "aten.isnan.default":
            return builder.apply("ne", (number(args[0]), number(args[0])), width, source)
        if name == "aten.isinf.default":
            size = builder.apply("abs", (number(args[0]),), width, source)
            return builder.apply("eq", (size, builder.constant(float("inf"))), width, source)
        if name in ("aten.add.Tensor", "aten.sub.Tensor") and operation.kwargs.get("alpha", 1) != 1:
            scaled = builder.apply("mul", (number(args[1]), number(operation.kwargs["alpha"])), width, source)
            return builder.apply(PLAIN[name], (number(args[0]), scaled), width, source)
        if name in ("aten.clamp.default", "aten.clamp.Tensor"):
            return self._clamp(args, width, source)
        if name in PLAIN:
            return builder.apply(PLAIN[name], tuple(map(number, args)), width, source)
        return self._across(args, name, width, source)

    def _clamp(self, args: tuple[Any, ...], width: Width, source: str) -> int:
        low, high = (list(args[1:]) + [None, None])[:2]
        value = self.number(args[0])
        if low is not None:
            value = self.builder.apply("maximum", (value, self.number(low)), width, source)
        return value if high is None else self.builder.apply("minimum", (value, self.number(high)), width, source)

    def _across(self, args: tuple[Any, ...], name: str, width: Width, source: str) -> int | None:
        """Operations that make one channel of many, or many of one."""
        apply = self.builder.apply
        if name in ("aten.expand.default", "aten.copy.default"):
            value = self.number(args[0 if "expand" in name else 1])
            return value if self.builder.nodes[value].width == width else apply("expand", (value,), width, source)
        if name == "tenuto_program.spread.default":
            return apply("spread", (self.number(args[0]),), width, source)
        if name == "tenuto_program.mean.default":
            return apply("mean", (self.number(args[0]),), 1, source)
        if not (isinstance(args[0], Operation) and args[0].shape is not None and len(args[0].shape) == 2 and _over_channels(args)):
            return None
        if name in ("aten.sum.dim_IntList", "aten.amax.default"):
            return apply("sum" if "sum" in name else "amax", (self.number(args[0]),), 1, source)
        if name == "aten.amin.default":
            turned = apply("neg", (self.number(args[0]),), self.builder.nodes[self.number(args[0])].width, source)
            return apply("neg", (apply("amax", (turned,), 1, source),), 1, source)
        if name == "aten.linalg_vector_norm.default" and args[1] == 2:
            value = self.number(args[0])
            square = apply("mul", (value, value), self.builder.nodes[value].width, source)
            return apply("sqrt", (apply("sum", (square,), 1, source),), 1, source)
        if name == "aten.any.dim":
            return apply("amax", (self.builder.condition(self.number(args[0])),), 1, source)
        return None


def _needed(recording: Recording) -> set[Operation]:
    """The operations that a result depends on."""
    found, todo = set[Operation](), [result for result in recording.results if result is not None]
    while todo:
        operation = todo.pop()
        if operation not in found:
            found.add(operation)
            if operation.name == "aten.full_like.default":
                continue  # of its argument only the shape is read
            todo += [arg for arg in _flat((operation.args, *operation.kwargs.values())) if isinstance(arg, Operation)]
    return found


def _flat(values: Any) -> Iterator[Any]:
    for value in values:
        yield from _flat(value) if isinstance(value, (tuple, list)) else (value,)


def _dtype(arg: Any) -> torch.dtype | None:
    return arg.dtype if isinstance(arg, Operation) else None


def _same_shape(arg: Operation, operation: Operation) -> bool:
    """Whether an operation that only gives its argument another shape keeps its rows and channels. A lone constant may gain an axis."""
    before, after = arg.shape, operation.shape
    if before is None or after is None:
        return False
    return before == after or (len(before) < 2 and before[-1:] == (after[-1:] if before else ()) and before.numel() == after.numel())


def _over_channels(args: tuple[Any, ...]) -> bool:
    """Whether a reduction goes over the channels alone and keeps the axis: its last two arguments (a norm's order stands before them)."""
    if len(args) < 3:
        return False
    dims, keep = args[-2:]
    return (list(dims) if isinstance(dims, (list, tuple)) else [dims]) in ([-1], [1]) and keep is True
