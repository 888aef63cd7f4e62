"""One time step of any cell in ONNX, printed from its program."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from tenuto.cell import HIDDEN
from tenuto.engines.problem import size_of
from tenuto.export.onnx.expressions import EXPRESSIONS
from tenuto.export.onnx.scribe import Scribe
from tenuto.program.graph import Key, Node, Stack
from tenuto.program.trace import Traced


@dataclass(frozen=True)
class _Value:
    """A value by its name in the graph. `rows`: whether it has a row for each sequence; `columns`: whether it has all its channels, not one for all."""

    name: str
    rows: bool
    columns: bool


class StepPrinter:
    """Prints a cell's step, or what of it is the same for all steps at once.

    Args:
        scribe: where to. hidden: H.
        inputs: the names of gate inputs, states, parameters and streams by key, [B, W] each (or [T, B, W]); parameters [1, W]. Read when they are needed.
        weights: for each stack of products, its matrix [width_in, sum of widths], by the stack's name.
        rows: the name of the axes before the last, [1] or [2] int64.
        nodes: the program's nodes with others after them; default: the program's.
    """

    def __init__(
        self, scribe: Scribe, traced: Traced, hidden: int, inputs: Mapping[Key, str], weights: Mapping[str, str], rows: str, nodes: Sequence[Node] | None = None
    ) -> None:
        self.scribe, self.hidden, self.inputs, self.weights, self.rows = scribe, hidden, inputs, weights, rows
        self.stacks: Sequence[Stack] = traced.stacks
        self.nodes: Sequence[Node] = traced.forward.nodes if nodes is None else nodes
        self._values: dict[int, _Value] = {}
        self._products: dict[str, str] = {}

    def give(self, number: int, name: str) -> None:
        """Say what a value is called that is known already, with a row for each sequence and all its channels."""
        self._values[number] = _Value(name, True, True)

    def _size(self, number: int) -> int:
        return size_of(self.nodes[number].width, self.hidden)

    def _value(self, number: int) -> _Value:
        if number not in self._values:
            self._values[number] = self._made(number, self.nodes[number])
        return self._values[number]

    def _made(self, number: int, node: Node) -> _Value:
        if node.name is not None:
            role, name = node.name
            return _Value(self._product(name) if role == "product" else self.inputs[node.name], role != "parameter", True)
        if node.kind == "const":
            return _Value(self.scribe.constant(np.full((1, 1), node.value)), False, node.width != HIDDEN and int(node.width) == 1)
        args = [self._value(arg) for arg in node.args]
        if node.kind in ("sum", "mean", "amax"):
            args = [_Value(self._wide(node.args[0]), args[0].rows, True)]
            columns = True
        elif node.kind in ("expand", "spread"):
            columns = True
        else:
            columns = self._size(number) == 1 or any(value.columns and self._size(arg) == self._size(number) for value, arg in zip(args, node.args))
        name = EXPRESSIONS[node.kind](self.scribe, *(value.name for value in args), self._size(number))
        return _Value(name, any(value.rows for value in args), columns)

    def _wide(self, number: int) -> str:
        """The value with all its channels."""
        value, scribe = self._value(number), self.scribe
        return value.name if value.columns else self._expanded(number, scribe.whole(1, self._size(number)))

    def full(self, number: int) -> str:
        """The name of a value with all its channels and a row for each sequence."""
        value = self._value(number)
        if value.rows:
            return self._wide(number)
        return self._expanded(number, self.scribe.op("Concat", self.rows, self.scribe.whole(self._size(number)), axis=0))

    def _expanded(self, number: int, shape: str) -> str:
        if self.nodes[number].gives == "bool":  # not every runtime expands conditions
            ones = self.scribe.op("Where", self._value(number).name, self.scribe.constant(1.0), self.scribe.constant(0.0))
            return self.scribe.op("Greater", self.scribe.op("Expand", ones, shape), self.scribe.constant(0.5))
        return self.scribe.op("Expand", self._value(number).name, shape)

    def _product(self, name: str) -> str:
        """The product of this name: a part of its stack's."""
        if name not in self._products:
            stack = next(stack for stack in self.stacks if name in stack.products)
            whole = self.scribe.op("MatMul", self.full(stack.operand), self.weights[stack.name])
            widths = [size_of(width, self.hidden) for width in stack.widths]
            parts = [whole] if len(widths) == 1 else self.scribe.ops("Split", [whole, self.scribe.whole(*widths)], len(widths), axis=-1)
            self._products.update(zip(stack.products, parts, strict=True))
        return self._products[name]


def dense(weight: np.ndarray, widths: list[int], heads: int) -> np.ndarray:
    """A stack's matrix [width_in, sum of widths], from its rows, which with heads hold only the diagonal blocks."""
    if heads == 1:
        return weight.T
    found, first = [], 0
    for width in widths:
        part, rows, columns = weight[first : first + width], width // heads, weight.shape[1]
        block = np.zeros((columns * heads, width), dtype=weight.dtype)
        for head in range(heads):
            block[head * columns : (head + 1) * columns, head * rows : (head + 1) * rows] = part[head * rows : (head + 1) * rows].T
        found.append(block)
        first += width
    return np.concatenate(found, axis=1)
