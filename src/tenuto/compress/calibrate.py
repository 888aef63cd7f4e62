"""What weights read, on data: second moments of x, of whatever a cell's products are taken of, and of the inputs of linear maps. Where a gate and a product are only added, of both together.
And the largest number that each row of a recurrent layer's weights reads.

A recurrent layer's weights are found by where they lie in memory: a stack of products may be part of a parameter, or put together from several. Its steps run once more, as the cell is written.
Letters: K columns of a weight, N rows read.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from tenuto.engines import Form
from tenuto.engines.packed import by_padding
from tenuto.engines.problem import hidden_size, size_of
from tenuto.engines.reference import run, walk
from tenuto.errors import ArgumentError
from tenuto.explain.held.listening import Listening
from tenuto.program.bounds import bounded
from tenuto.program.step import run_step
from tenuto.program.summed import summed

Part = tuple[int, int, int]  # a parameter's identity, the first of some rows and the one after the last


class Added(NamedTuple):
    """Rows of two weights whose products are added: `together` [K, L] are the moments of what the rows of the first read, with those of what the rows of the second read."""

    first: Part
    second: Part
    together: Tensor


class Seen(NamedTuple):
    """What weights read.

    Attributes:
        moments: by the parameter's identity: rows, and [K, K] moments of what they read.
        added: rows of W and of U whose products a step only adds.
        most: by the identity of a recurrent layer's parameter: the largest number that each of its rows reads, [N]; 1 where a cell keeps what it reads between -1 and 1. NaN: a row read nothing.
    """

    moments: dict[int, list[tuple[slice, Tensor]]]
    added: list[Added]
    most: dict[int, Tensor]


class Calibration:
    """Adds up what each weight of a network reads.

    Args:
        network: of floats.
    """

    def __init__(self, network: nn.Module) -> None:
        self._network = network
        self._starts = {(parameter.data_ptr(), parameter.shape[-1]): parameter for parameter in network.parameters() if parameter.dim() == 2}
        self._moments: dict[Part, Tensor] = {}
        self._added: dict[tuple[Part, Part], Tensor] = {}
        self._most: dict[int, Tensor] = {}

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
        found: dict[int, list[tuple[slice, Tensor]]] = {}
        for (parameter, first, last), moments in self._moments.items():
            if not bool(torch.isfinite(moments).all()):
                raise ArgumentError("on the data to calibrate with, the network computes numbers that are not finite.", fix="look at the data")
            found.setdefault(parameter, []).append((slice(first, last), moments))
        often = Counter(part for pair in self._added for part in pair)  # rows that several layers share are added to several products
        return Seen(found, [Added(*pair, together) for pair, together in self._added.items() if often[pair[0]] == often[pair[1]] == 1], self._most)

    def _linear(self, part: nn.Linear, given: tuple[Tensor, ...]) -> None:
        if isinstance(part._parameters.get("weight"), nn.Parameter):
            self._add((id(part.weight), 0, len(part.weight)), given[0].reshape(-1, given[0].shape[-1]))

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
        given = x.cpu()[live]
        whole = self._place(inputs["weight_ih"], 0, len(inputs["weight_ih"]))
        self._add(whole, given)
        self._widen(whole, given)
        if form.traced.stacks and len(x):
            read = self._operands(form, inputs, live)
            hidden = hidden_size(form, inputs)
            gates = self._rows_of_gates(form, inputs, hidden)
            held = bounded(form.traced.forward.nodes, form.traced.forward.outputs)
            for stack in form.traced.stacks:
                row, weight = 0, inputs[f"U.{stack.name}"]
                widest = torch.cat([read[stack.products[0]].flatten(), torch.ones(1).to(x)]) if ("operand", stack.name) in held else read[stack.products[0]]
                for product, width in zip(stack.products, (size_of(width, hidden) for width in stack.widths)):
                    self._widen(self._place(weight, row, row + width), widest)
                    if stack.heads == 1 and product in gates:
                        self._add_both(gates[product], self._place(weight, row, row + width), given, read[product])
                    for part in read[stack.products[0]].chunk(stack.heads, -1):
                        self._add(self._place(weight, row, row + width // stack.heads), part)
                        row += width // stack.heads
        return run(form, inputs)

    def _rows_of_gates(self, form: Form, inputs: Mapping[str, Tensor], hidden: int) -> dict[str, Part | None]:
        """The rows of W for each gate, by the name of the product that is only added to it."""
        added, row, found = summed(form.traced), 0, {}
        for gate, width in form.cell.widths("gates").items():
            if gate in added:
                found[added[gate]] = self._place(inputs["weight_ih"], row, row + size_of(width, hidden))
            row += size_of(width, hidden)
        return found

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

    def _place(self, weight: Tensor, first: int, last: int) -> Part | None:
        """Where some rows of a weight, as an engine is given it, stand: it is a parameter, or rows of one. None where it is neither."""
        for (start, columns), parameter in self._starts.items():
            apart = weight.data_ptr() - start
            size = columns * parameter.element_size()
            if columns == weight.shape[-1] and 0 <= apart < len(parameter) * size and apart % size == 0:
                return id(parameter), apart // size + first, apart // size + last
        rows = last - first  # a stack that was put together from several parameters: its rows are known by their numbers
        for parameter in self._starts.values():
            for start in range(len(parameter) - rows + 1) if parameter.shape[-1] == weight.shape[-1] else ():
                if torch.equal(parameter[start : start + rows], weight[first:last].to(parameter)):
                    return id(parameter), start, start + rows
        return None

    def _add(self, part: Part | None, read: Tensor) -> None:
        if part is not None:
            rows = read.detach().double().cpu()
            self._moments[part] = self._moments.get(part, torch.zeros((), dtype=torch.float64)) + rows.T @ rows

    def _widen(self, part: Part | None, read: Tensor) -> None:
        if part is not None:
            parameter, first, last = part
            rows = next(len(one) for one in self._starts.values() if id(one) == parameter)
            most = self._most.setdefault(parameter, torch.full((rows,), torch.nan))
            most[first:last] = torch.fmax(most[first:last], read.detach().abs().amax().cpu().float()) if read.numel() else most[first:last]

    def _add_both(self, first: Part | None, second: Part | None, one: Tensor, other: Tensor) -> None:
        if first is not None and second is not None:
            together = one.detach().double().cpu().T @ other.detach().double().cpu()
            self._added[first, second] = self._added.get((first, second), torch.zeros((), dtype=torch.float64)) + together
