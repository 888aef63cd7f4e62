"""A layer's time loop between two runs: multipliers of its output and final states become those of x, of the states before it and of its streams.

The pair of the cell (`program/pair.py`) is one more cell, so the engines run it: forward with both runs side by side, then backward in time.
Letters: B batch, T time, H hidden size, N rows of packed sequences.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache

import torch
from torch import Tensor

from tenuto.engines import Buffers, Form, Problem, choose
from tenuto.engines.problem import NOT_DIFFERENTIABLE, hidden_size, size_of
from tenuto.errors import ArgumentError
from tenuto.program import Traced
from tenuto.program.pair import Pair, paired, weights_of


@lru_cache(maxsize=256)
def _pair_of(form: Form) -> Form:
    if form.integers:
        raise ArgumentError(
            f"the contributions through a layer of {type(form.cell).__name__} cannot be told: it rounds what it multiplies to whole numbers, and a rounding has no slope.",
            expected="a model with activations as floats", fix="another method, or explain the model that this one was made from",
        )  # fmt: skip
    both = paired(form.traced)
    return Form(both.cell, form.bias, form.lengths, form.resets, form.reverse, form.packed, traced=both)


class PairedLoop:
    """Both runs of a layer, side by side, and the way back.

    Args:
        form, engine: of the layer's loop.
        inputs: of the run that is explained, as `engines.problem` has them.
        references: those of them, by name, that differ in the reference run.
    """

    def __init__(self, form: Form, engine: str, inputs: Mapping[str, Tensor], references: Mapping[str, Tensor]) -> None:
        self._pair = _pair_of(form)
        assert isinstance(self._pair.cell, Pair)
        self._both = _both(form, self._pair, self._pair.cell.prefix, inputs, references)
        self._runner = choose(Problem.of(self._pair, self._both, True), engine if engine in ("reference", "cpp") else "auto")
        self._states = [inputs[f"s.{name}"] for name in form.cell.widths("state")]
        self._output = form.traced.output_state  # the state that the output is, if it is one
        self._needs = frozenset(name for name in references if name not in NOT_DIFFERENTIABLE)
        with torch.no_grad():
            self._result = self._runner.forward(self._pair, self._both, True)

    def result(self) -> list[Tensor]:
        """The output and the final states of the run that is explained."""
        return [self._result.output, *self._result.final[: len(self._states)]]

    def reference(self) -> list[Tensor] | None:
        """Those of the reference run; None where the engine has not kept its output at each step."""
        cell = self._pair.cell
        assert isinstance(cell, Pair)
        second = None if self._output is None else self._runner.over_time(self._pair, self._both, self._result, cell.prefix + self._output)
        return None if second is None else [second, *self._result.final[len(self._states) :]]

    def multipliers(self, d_output: Tensor | None, d_final: Sequence[Tensor | None]) -> Buffers:
        """The multipliers of the inputs that differ between the two runs, by the engines' names.

        Args:
            d_output, d_final: the multipliers that arrive at the output and at each final state; None for zeros.
        """
        with torch.no_grad():
            arriving = torch.zeros_like(self._result.output) if d_output is None else d_output.contiguous()
            ends = [torch.zeros_like(state) if d is None else d.contiguous() for state, d in zip(self._states, d_final)]
            ends += [torch.zeros_like(state) for state in self._states]
            return self._runner.backward(self._pair, self._both, self._result._replace(final=[]), arriving, ends, self._needs)


def _both(form: Form, pair: Form, prefix: str, inputs: Mapping[str, Tensor], references: Mapping[str, Tensor]) -> Buffers:
    """The inputs of the pair: the gate inputs of the reference run are projected here, for all steps at once."""
    second = {**inputs, **references}
    given = {name: tensor for name, tensor in inputs.items() if not name.startswith("U.")}
    gates, read = list(form.cell.widths("gates")), _without_padding(form, second)
    weights = inputs["weight_ih"].chunk(len(gates))
    biases = inputs["bias"].chunk(len(gates)) if form.bias else [None] * len(gates)
    for name, weight, bias in zip(gates, weights, biases):  # one by one: each lies in one piece, as a stream must
        given[f"stream.{prefix}{name}"] = torch.nn.functional.linear(read, weight, bias)
    for kind in ("s", "r", "stream"):
        given |= {f"{kind}.{prefix}{name.removeprefix(kind + '.')}": tensor for name, tensor in second.items() if name.startswith(kind + ".")}
    matrices = _matrices(form.traced, inputs, hidden_size(form, inputs))
    whole = {stack.products: inputs[f"U.{stack.name}"] for stack in form.traced.stacks}  # as it lies, where a stack is the same in both
    for name, products in weights_of(form.traced, pair.traced).items():
        known = whole.get(tuple(products))
        given[f"U.{name}"] = torch.cat([matrices[each] for each in products]) if known is None else known
    return {name: given[name] for name in pair.names}


def _matrices(traced: Traced, inputs: Mapping[str, Tensor], hidden: int) -> dict[str, Tensor]:
    """The recurrent matrices by product."""
    found: dict[str, Tensor] = {}
    for stack in traced.stacks:
        rows = [size_of(width, hidden) for width in stack.widths]
        found |= dict(zip(stack.products, inputs[f"U.{stack.name}"].split(rows)))
    return found


def _without_padding(form: Form, inputs: Mapping[str, Tensor]) -> Tensor:
    """The input of the reference run; padding may hold anything."""
    x = inputs["x"]
    if form.packed or not form.lengths:
        return x
    steps = torch.arange(x.shape[0], device=x.device)
    return torch.where((steps[:, None] < inputs["lengths"][None])[..., None], x, 0)
