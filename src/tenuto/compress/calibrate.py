"""What weights read, on data: second moments of x, of whatever a cell's products are taken of, and of the inputs of linear maps.

A recurrent layer's weights are found by where they lie in memory: a stack of products may be part of a parameter, or put together from several. Its steps run once more, as the cell is written.
Letters: K columns of a weight, N rows read.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack
from typing import Any

import torch
from torch import Tensor, nn

from tenuto.engines import Form
from tenuto.engines.packed import by_padding
from tenuto.engines.problem import hidden_size, size_of
from tenuto.engines.reference import run, walk
from tenuto.errors import ArgumentError
from tenuto.explain.held.listening import Listening
from tenuto.program.step import run_step

Seen = dict[int, list[tuple[slice, Tensor]]]  # by the parameter's identity: rows, and [K, K] moments of what they read


class Calibration:
    """Adds up what each weight of a network reads.

    Args:
        network: of floats.
    """

    def __init__(self, network: nn.Module) -> None:
        self._network = network
        self._starts = {(parameter.data_ptr(), parameter.shape[-1]): parameter for parameter in network.parameters() if parameter.dim() == 2}
        self._moments: dict[tuple[int, int, int], Tensor] = {}

    def over(self, calls: Iterable[Callable[[], Any]]) -> Seen:
        """The moments over these calls of the network.

        Raises:
            ArgumentError: there are none, or the network reads something that is not finite.
        """
        with ExitStack() as hooks, torch.no_grad():
            for part in self._network.modules():
                if isinstance(part, nn.Linear):
                    hooks.callback(part.register_forward_pre_hook(self._linear).remove)
            for call in calls:
                with Listening(self._network) as heard:
                    call()
                for one in heard.calls:
                    self._loop(one.form, one.inputs)
        if not self._moments:
            raise ArgumentError("the network read nothing of the data to calibrate with.", expected="data as for `predict`, at least one item")
        found: Seen = {}
        for (parameter, first, last), moments in self._moments.items():
            if not bool(torch.isfinite(moments).all()):
                raise ArgumentError("on the data to calibrate with, the network computes numbers that are not finite.", fix="look at the data")
            found.setdefault(parameter, []).append((slice(first, last), moments))
        return found

    def _linear(self, part: nn.Linear, given: tuple[Tensor, ...]) -> None:
        if isinstance(part._parameters.get("weight"), nn.Parameter):
            self._add(part.weight, 0, len(part.weight), given[0].reshape(-1, given[0].shape[-1]))

    def _loop(self, form: Form, inputs: Mapping[str, Tensor]) -> None:
        if form.packed:
            by_padding(self._padded, form, inputs)
        else:
            self._padded(form, inputs)

    def _padded(self, form: Form, inputs: Mapping[str, Tensor]) -> tuple[Tensor, list[Tensor]]:
        x = inputs["x"]
        live = torch.ones(x.shape[:2], dtype=torch.bool)
        if form.lengths:
            live = torch.arange(len(x))[:, None] < inputs["lengths"].cpu()
        self._weight(inputs["weight_ih"], 0, len(inputs["weight_ih"]), x.cpu()[live])
        if form.traced.stacks and len(x):
            read = self._operands(form, inputs, live)
            hidden = hidden_size(form, inputs)
            for stack in form.traced.stacks:
                row, weight = 0, inputs[f"U.{stack.name}"]
                for width in (size_of(width, hidden) for width in stack.widths):
                    for part in read[stack.products[0]].chunk(stack.heads, -1):
                        self._weight(weight, row, row + width // stack.heads, part)
                        row += width // stack.heads
        return run(form, inputs)

    def _operands(self, form: Form, inputs: Mapping[str, Tensor], live: Tensor) -> dict[str, Tensor]:
        """What each product is taken of, [N, width], over all steps within their sequences."""
        values, _, _ = walk(form, inputs)
        steps: list[dict[str, Tensor]] = []

        def product(name: str, operand: Tensor) -> Tensor:
            steps[-1][name] = operand
            return now["product", name]

        for now in values:
            steps.append({})
            run_step(form.cell, now, product)
        return {name: torch.stack([step[name] for step in steps]).cpu()[live] for name in steps[0]}

    def _weight(self, weight: Tensor, first: int, last: int, read: Tensor) -> None:
        """Rows of a weight as an engine is given it: a parameter, or rows of one."""
        for (start, columns), parameter in self._starts.items():
            apart = weight.data_ptr() - start
            size = columns * parameter.element_size()
            if columns == weight.shape[-1] and 0 <= apart < len(parameter) * size and apart % size == 0:
                self._add(parameter, apart // size + first, apart // size + last, read)
                return
        rows = last - first  # a stack that was put together from several parameters: its rows are known by their numbers
        for parameter in self._starts.values():
            for start in range(0, len(parameter) - rows + 1, rows) if parameter.shape[-1] == weight.shape[-1] else ():
                if torch.equal(parameter[start : start + rows], weight[first:last].to(parameter)):
                    self._add(parameter, start, start + rows, read)
                    return

    def _add(self, parameter: Tensor, first: int, last: int, read: Tensor) -> None:
        rows = read.detach().double().cpu()
        key = (id(parameter), first, last)
        self._moments[key] = self._moments.get(key, torch.zeros((), dtype=torch.float64)) + rows.T @ rows
