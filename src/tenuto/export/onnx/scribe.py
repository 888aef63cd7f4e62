"""`Scribe`: writes the nodes of an ONNX graph, one after another, and gives their results by name."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

FLOAT, INT, BOOL = np.dtype(np.float32), np.dtype(np.int64), np.dtype(np.bool_)


class Scribe:
    """The nodes and constants of one graph. A body of Scan has a scribe of its own (`inner`), which shares names and constants with the one outside.

    Attributes:
        opset: the version of ONNX's operators that is written.
        nodes: in order. constants: arrays by name.
    """

    def __init__(self, opset: int) -> None:
        self.opset = opset
        self.nodes: list[Any] = []
        self.constants: dict[str, np.ndarray] = {}
        self._known: dict[tuple[Any, ...], str] = {}
        self._numbers: Iterator[int] = itertools.count()

    def inner(self) -> Scribe:
        """A scribe for a body, which may read all that is written outside so far."""
        made = Scribe(self.opset)
        made.constants, made._known, made._numbers = self.constants, self._known, self._numbers
        return made

    def name(self, said: str) -> str:
        """A name that nothing else has."""
        return f"{said}_{next(self._numbers)}"

    def op(self, kind: str, *inputs: str, **attributes: Any) -> str:
        """The result of an operator with one result."""
        return self.ops(kind, inputs, 1, **attributes)[0]

    def ops(self, kind: str, inputs: Sequence[str], results: int, **attributes: Any) -> list[str]:
        """The results of an operator."""
        from onnx import helper

        names = [self.name(kind.lower()) for _ in range(results)]
        self.nodes.append(helper.make_node(kind, list(inputs), names, name=names[0], **attributes))
        return names

    def constant(self, value: Any, dtype: Any = FLOAT) -> str:
        """An array that does not change."""
        array = np.ascontiguousarray(np.asarray(value, dtype=dtype)).reshape(np.shape(value))
        key = (array.dtype.str, array.shape, array.tobytes())
        if key not in self._known:
            self._known[key] = name = self.name("constant")
            self.constants[name] = array
        return self._known[key]

    def whole(self, *values: int) -> str:
        """Whole numbers, as one axis."""
        return self.constant(list(values), INT)

    def size(self, value: str, axis: int) -> str:
        """How large an axis is, [1] int64."""
        return self.op("Shape", value, start=axis, end=axis + 1) if axis >= 0 else self.op("Shape", value, start=axis)

    def reduced(self, kind: str, value: str, axes: Sequence[int], keep: bool) -> str:
        """ReduceSum, ReduceMean, ReduceMax, ...: from which version on axes are an input differs."""
        if kind == "ReduceSum" or self.opset >= 18:
            return self.op(kind, value, self.whole(*axes), keepdims=int(keep))
        return self.op(kind, value, axes=list(axes), keepdims=int(keep))
