"""torch's operations in ONNX: one table, by torch's names. Elementwise ones are words of the grammar (`expressions.py`).

An entry is a function of a `Call` (what is written to, what comes out) and the call's arguments: names of tensors, sizes, numbers, lists of these.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from tenuto.errors import ArgumentError
from tenuto.export.onnx.expressions import EXPRESSIONS
from tenuto.export.onnx.scribe import BOOL, FLOAT, INT, Scribe

DTYPES = {torch.float32: 1, torch.int32: 6, torch.int64: 7, torch.bool: 9, torch.float64: 11}  # ONNX's numbers
NUMPY = {torch.float32: FLOAT, torch.int64: INT, torch.bool: BOOL, torch.float64: np.dtype(np.float64), torch.int32: np.dtype(np.int32)}


class Name(str):
    """A tensor of the graph."""


class Size(str):
    """A size that is not known before the graph runs: the name of a tensor [1] of int64."""


@dataclass(frozen=True)
class Call:
    """One call of an operation. dtypes: of the tensors among its arguments, by name. result: a fake tensor like its result, or several."""

    scribe: Scribe
    dtypes: dict[str, torch.dtype]
    ranks: dict[str, int]
    result: Any

    def cast(self, value: str, dtype: torch.dtype) -> Name:
        """The tensor in this dtype."""
        if self.dtypes.get(value) == dtype:
            return Name(value)
        if dtype not in DTYPES:
            raise ArgumentError(f"the model computes in {dtype}, which these files do not hold.", expected="float32, and whole numbers in int64", fix="model.float()")
        return Name(self.scribe.op("Cast", value, to=DTYPES[dtype]))

    def tensor(self, value: Any, dtype: torch.dtype) -> Name:
        """A tensor, a size or a number as a tensor of this dtype."""
        if isinstance(value, Name):
            return self.cast(value, dtype)
        if isinstance(value, Size):
            number = Name(self.scribe.op("Squeeze", value, self.scribe.whole(0)))
            return number if dtype == torch.int64 else Name(self.scribe.op("Cast", number, to=DTYPES[dtype]))
        return Name(self.scribe.constant(value, NUMPY[dtype]))

    def shape(self, sizes: Sequence[Any]) -> str:
        """Sizes as one tensor [n] of int64."""
        if all(isinstance(size, int) for size in sizes):
            return self.scribe.whole(*sizes)
        return self.scribe.op("Concat", *(size if isinstance(size, Size) else self.scribe.whole(size) for size in sizes), axis=0)

    def common(self, *values: Any) -> torch.dtype:
        """The dtype in which torch puts these together."""
        return torch.result_type(*self._likes(values)) if len(values) == 2 else torch.promote_types(*[like.dtype for like in self._likes(values)][:2])

    def _likes(self, values: Sequence[Any]) -> list[Any]:
        return [torch.empty([1] * self.ranks.get(value, 1), dtype=self.dtypes[value]) if isinstance(value, Name) else 1 if isinstance(value, Size) else value for value in values]


Operation = Callable[..., Any]
OPERATIONS: dict[str, Operation] = {}


def entered(*names: str) -> Callable[[Operation], Operation]:
    """Enters an operation under these names of torch's."""

    def enter(operation: Operation) -> Operation:
        OPERATIONS.update(dict.fromkeys(names, operation))
        return operation

    return enter


def _elementwise(kind: str, *, real: bool = False) -> Operation:
    """A word of the grammar on arguments of one dtype: that of the result, or for comparisons the one in which they meet."""

    def write(call: Call, *args: Any, **options: Any) -> str:
        alpha = options.get("alpha", 1)
        if call.result.dtype == torch.bool and kind not in ("and", "or", "not"):
            dtype = call.common(*args)
        else:
            dtype = call.result.dtype
        if dtype == torch.bool and kind not in ("and", "or", "not"):
            dtype = torch.int64
        named = [call.tensor(arg, dtype) for arg in args]
        if alpha != 1:
            named[1] = Name(call.scribe.op("Mul", named[1], call.tensor(alpha, dtype)))
        return EXPRESSIONS[kind](call.scribe, *named, 0)

    return write


_ONE = {word: word for word in "neg abs sign floor reciprocal sqrt rsqrt exp expm1 log log1p sin cos atan erf sigmoid tanh relu".split()}
_TWO = {
    "add": "add", "sub": "sub", "mul": "mul", "div": "div", "pow": "pow", "maximum": "maximum", "minimum": "minimum", "lt": "lt", "le": "le", "gt": "gt", "ge": "ge",
    "eq": "eq", "ne": "ne",
}  # fmt: skip
for _name, _kind in _ONE.items():
    OPERATIONS[f"{_name}.default"] = _elementwise(_kind)
for _name, _kind in _TWO.items():
    for _overload in ("Tensor", "Scalar", "default", "Tensor_Scalar", "Tensor_Tensor"):
        OPERATIONS[f"{_name}.{_overload}"] = _elementwise(_kind)
for _word, _kind in {"and": "and", "or": "or", "not": "not"}.items():
    for _overload in ("default", "Tensor"):
        OPERATIONS[f"logical_{_word}.{_overload}"] = OPERATIONS[f"bitwise_{_word}.{_overload}"] = _elementwise(_kind)


@entered("rsub.Scalar", "rsub.Tensor")
def _rsub(call: Call, value: Any, other: Any) -> str:
    return OPERATIONS["sub.Tensor"](call, other, value)  # type: ignore[no-any-return]


@entered("div.Tensor_mode", "floor_divide.default")
def _divide(call: Call, value: Any, other: Any, rounding_mode: str = "floor") -> str:
    dtype = call.result.dtype
    found = call.scribe.op("Div", call.tensor(value, dtype), call.tensor(other, dtype))  # of whole numbers above zero, Div rounds down as torch does
    return call.scribe.op("Floor", found) if dtype.is_floating_point else found


@entered("where.self", "where.ScalarOther", "where.ScalarSelf", "where.Scalar")
def _where(call: Call, condition: Name, yes: Any, no: Any) -> str:
    dtype = call.result.dtype
    return call.scribe.op("Where", condition, call.tensor(yes, dtype), call.tensor(no, dtype))


@entered("masked_fill.Scalar", "masked_fill.Tensor")
def _masked_fill(call: Call, value: Name, mask: Name, other: Any) -> str:
    return _where(call, mask, other, value)


@entered("clamp.default", "clamp.Tensor")
def _clamp(call: Call, value: Name, min: Any = None, max: Any = None) -> str:
    found, dtype = call.cast(value, call.result.dtype), call.result.dtype
    for kind, limit in (("Max", min), ("Min", max)):
        if limit is not None:
            found = Name(call.scribe.op(kind, found, call.tensor(limit, dtype)))
    return found


@entered("isnan.default")
def _isnan(call: Call, value: Name) -> str:
    return call.scribe.op("IsNaN", value)


@entered(
    "clone.default", "contiguous.default", "detach.default", "alias.default", "lift_fresh_copy.default", "dropout.default", "to.dtype", "to.dtype_layout", "_to_copy.default",
    "to.device", "type_as.default", "detach_.default",
)  # fmt: skip
def _same(call: Call, value: Any, *_: Any, **__: Any) -> str:
    return call.cast(value, call.result.dtype)


@entered("copy.default")
def _copied(call: Call, value: Name, other: Any, non_blocking: bool = False) -> str:
    return call.scribe.op("Expand", call.tensor(other, call.result.dtype), call.scribe.op("Shape", value))


# --- products ----------------------------------------------------------------------------------------------------------------------


@entered("matmul.default", "mm.default", "bmm.default")
def _matmul(call: Call, value: Name, other: Name) -> str:
    return call.scribe.op("MatMul", value, other)


@entered("linear.default")
def _linear(call: Call, value: Name, weight: Name, bias: Name | None = None) -> str:
    known = call.scribe.constants.get(weight)
    turned = call.scribe.op("Transpose", weight, perm=[1, 0]) if known is None else call.scribe.constant(known.T)
    found = call.scribe.op("MatMul", value, turned)
    return found if bias is None else call.scribe.op("Add", found, bias)


@entered("addmm.default")
def _addmm(call: Call, bias: Name, value: Name, other: Name, beta: Any = 1, alpha: Any = 1) -> str:
    if (beta, alpha) != (1, 1):
        raise ArgumentError("the model calls torch.addmm with beta or alpha.", fix="bias + value @ other")
    return call.scribe.op("Add", call.scribe.op("MatMul", value, other), bias)


@entered("embedding.default")
def _embedding(call: Call, weight: Name, places: Name, *_: Any) -> str:
    return call.scribe.op("Gather", weight, places, axis=0)


@entered("conv1d.default", "conv2d.default")
def _convolution(call: Call, value: Name, weight: Name, bias: Name | None = None, stride: Any = 1, padding: Any = 0, dilation: Any = 1, groups: int = 1) -> str:
    axes = call.ranks[value] - 2
    if isinstance(padding, str):
        raise ArgumentError(f"the model has a convolution with padding={padding!r}.", expected="a number", fix="padding=kernel_size // 2")
    each: Callable[[Any], list[int]] = lambda given: [given] * axes if isinstance(given, int) else list(given) * (axes if len(given) == 1 else 1)  # noqa: E731
    return call.scribe.op("Conv", value, weight, *([] if bias is None else [bias]), strides=each(stride), pads=each(padding) * 2, dilations=each(dilation), group=groups)


@entered("max_pool2d_with_indices.default")
def _max_pool(call: Call, value: Name, kernel: Any, stride: Any = (), padding: Any = (0, 0), dilation: Any = (1, 1), ceil_mode: bool = False) -> list[str]:
    largest = call.scribe.op(
        "MaxPool", value, kernel_shape=list(kernel), strides=list(stride or kernel), pads=list(padding) * 2, dilations=list(dilation), ceil_mode=int(ceil_mode)
    )
    return [largest]  # the places are not written


@entered("_native_batch_norm_legit_no_training.default")
def _batch_norm(call: Call, value: Name, weight: Name, bias: Name, mean: Name, variance: Name, momentum: float, eps: float) -> list[str]:
    return [call.scribe.op("BatchNormalization", value, weight, bias, mean, variance, epsilon=float(eps))]  # the moments of a batch are not written


@entered("layer_norm.default")
def _layer_norm(call: Call, value: Name, shape: Any, weight: Name | None = None, bias: Name | None = None, eps: float = 1e-5, *_: Any) -> str:
    scale = weight if weight is not None else call.scribe.constant(np.ones([int(size) for size in shape]))
    return call.scribe.op("LayerNormalization", value, scale, *([] if bias is None else [bias]), axis=-len(shape), epsilon=float(eps))


@entered("softmax.int", "_softmax.default")
def _softmax(call: Call, value: Name, axis: int, *_: Any) -> str:
    return call.scribe.op("Softmax", call.cast(value, call.result.dtype), axis=axis)


@entered("log_softmax.int", "_log_softmax.default")
def _log_softmax(call: Call, value: Name, axis: int, *_: Any) -> str:
    return call.scribe.op("LogSoftmax", call.cast(value, call.result.dtype), axis=axis)


def _reduction(kind: str) -> Operation:
    def write(call: Call, value: Name, axes: Any = None, keep: bool = False, **_: Any) -> str:
        every = range(call.ranks[value]) if axes is None or axes == [] else [axes] if isinstance(axes, int) else axes
        if call.dtypes[value] == torch.bool:
            value = call.cast(value, torch.int64)
        found = call.scribe.reduced(kind, value, list(every), keep)
        return found if call.result.dtype in (call.dtypes.get(value), torch.int64) else call.cast(found, call.result.dtype)

    return write


for _name, _kind in {"sum": "ReduceSum", "mean": "ReduceMean", "amax": "ReduceMax", "amin": "ReduceMin"}.items():
    for _overload in ("default", "dim_IntList", "dim"):
        OPERATIONS[f"{_name}.{_overload}"] = _reduction(_kind)


@entered("cumsum.default")
def _cumsum(call: Call, value: Name, axis: int, **_: Any) -> str:
    return call.scribe.op("CumSum", call.cast(value, call.result.dtype), call.scribe.constant(axis, INT))
