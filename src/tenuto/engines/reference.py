"""The reference engine: the time loop, written to be read. Any device, any float dtype, any order of derivative.

The other engines are tested against it.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from tenuto.engines import by_program, integers
from tenuto.engines.packed import by_padding
from tenuto.engines.problem import Buffers, Form, Problem, Result, Stepper, Yes, empty_result, hidden_size, output_width, size_of
from tenuto.engines.stepping import Repeated
from tenuto.program.graph import Key, Stack
from tenuto.program.handles import require_unchanged
from tenuto.program.step import run_step


class Reference:
    """Runs the cell's own `step` once per time step, in torch."""

    name = "reference"

    def supports(self, problem: Problem) -> Yes:
        return Yes("runs every cell, step by step in Python")

    def over_time(self, form: Form, inputs: Buffers, result: Result, state: str) -> None:
        return None

    def stepper(self, form: Form, inputs: Buffers) -> Stepper:
        return Repeated(self, form, inputs)

    def rivals(self, problem: Problem) -> bool:
        return False

    def measurements(self) -> Path | None:
        return None

    def recorded(self, form: Form, inputs: Mapping[str, Tensor]) -> bool:
        return True

    def foretells(self, form: Form, inputs: Mapping[str, Tensor]) -> bool:
        return True

    def forward(self, form: Form, inputs: Buffers, keep: bool, foretold: bool = False) -> Result:
        output, final = run(form, inputs)
        return Result(output.clone(), [value.clone() for value in final], [])

    def again(self, form: Form, inputs: Buffers) -> None:
        return None

    def empty(self, form: Form, inputs: Buffers, keep: bool) -> Result:
        return empty_result(form, inputs)

    def backward(
        self,
        form: Form,
        inputs: Buffers,
        result: Result,
        d_output: Tensor,
        d_final: list[Tensor],
        needs: frozenset[str],
    ) -> Buffers:
        if form.traced.rule != "derivative":
            return by_program.backward(walk, form, inputs, d_output, d_final, needs)
        return replay(run, form, inputs, d_output, d_final, needs)


def replay(
    forward: Any, form: Form, inputs: Buffers, d_output: Tensor, d_final: list[Tensor], needs: frozenset[str]
) -> Buffers:
    """The gradients of a differentiable forward pass, by running it again under autograd."""
    leaves = {name: tensor.detach() for name, tensor in inputs.items()}
    for name in needs:
        leaves[name].requires_grad_()
    with torch.enable_grad():
        output, final = forward(form, leaves)
    ends = [(output, d_output), *zip(final, d_final, strict=True)]
    ends = [(end, gradient) for end, gradient in ends if end.requires_grad]
    order = sorted(needs)
    gradients: Any = [None] * len(order)
    if ends:
        gradients = torch.autograd.grad(
            [end for end, _ in ends], [leaves[n] for n in order], [g for _, g in ends], allow_unused=True
        )
    return {
        name: torch.zeros_like(leaves[name]) if gradient is None else gradient.contiguous()
        for name, gradient in zip(order, gradients, strict=True)
    }


def run(form: Form, inputs: Mapping[str, Tensor]) -> tuple[Tensor, list[Tensor]]:
    """Output [T, B, W] (packed [N, W]) and final states [B, W] of the time loop; differentiable any number of times."""
    if form.packed:
        return by_padding(run, form, inputs)
    if inputs["x"].shape[0] == 0:
        width = size_of(output_width(form), hidden_size(form, inputs))
        nothing = project(form, inputs, inputs["x"])  # so that autograd has a history for it
        return nothing.sum(-1, keepdim=True).expand(-1, -1, width), [inputs[f"s.{name}"] for name in form.cell.widths("state")]
    outputs, state = _steps(form, inputs)
    return torch.stack(outputs), state


def walk(form: Form, inputs: Mapping[str, Tensor]) -> tuple[list[dict[Key, Tensor]], Tensor | None, list[Tensor | None]]:
    """The values of each step by the keys of its program; which steps are within their sequences; whose state returns on the way into each."""
    values: list[dict[Key, Tensor]] = []
    _steps(form, inputs, values)
    return values[::-1] if form.reverse else values, _live(form, inputs), [_reset(form, inputs, t) if form.resets else None for t in range(len(values))]


def _steps(form: Form, inputs: Mapping[str, Tensor], kept: list[dict[Key, Tensor]] | None = None) -> tuple[list[Any], list[Tensor]]:
    """The outputs in the order of time, and the final states. `kept` gets the values of each step, as they are run."""
    require_unchanged(form.traced)
    x, cell = inputs["x"], form.cell
    states, gates = tuple(cell.widths("state")), tuple(cell.widths("gates"))
    # in a step every value is [B, W], parameters included, so that the same may be done with each of them
    fixed: dict[Key, Tensor] = {("parameter", name): inputs[f"p.{name}"].expand(x.shape[1], -1) for name in cell.widths("parameters")}
    state = [inputs[f"s.{name}"] for name in states]
    live = _live(form, inputs)
    if live is not None:  # padding may hold anything, NaN included
        x = torch.where(live, x, 0)
    # unbind, not an index at each step, whose derivative would write an array over all steps each time
    gate_inputs = project(form, inputs, x).unbind()
    streams = {name: inputs[f"stream.{name}"].unbind() for name in cell.widths("streams")}
    outputs: list[Any] = [None] * x.shape[0]
    for t in reversed(range(x.shape[0])) if form.reverse else range(x.shape[0]):
        if form.resets:
            state = [
                torch.where(reset, inputs[f"r.{name}"], value)
                for name, value in zip(states, state, strict=True)
                if (reset := _reset(form, inputs, t)) is not None
            ] or state
        values = dict(fixed)
        values |= {("gate", name): value for name, value in zip(gates, gate_inputs[t].chunk(len(gates), -1), strict=True)}
        values |= {("state", name): value for name, value in zip(states, state, strict=True)}
        values |= {("stream", name): steps[t if len(steps) > 1 else 0] for name, steps in streams.items()}
        products = Products(form, inputs)
        new, output = run_step(cell, values, products)
        if kept is not None:
            kept.append(values | {("product", name): value for name, value in products.made.items()})
        new_state = [getattr(new, name).to(x.dtype) for name in states]  # a constant may have come in torch's default dtype
        output = output.to(x.dtype)
        if live is not None:
            new_state = [torch.where(live[t], after, before) for after, before in zip(new_state, state, strict=True)]
            output = torch.where(live[t], output, 0)
        state, outputs[t] = new_state, output
    return outputs, state


def project(form: Form, inputs: Mapping[str, Tensor], x: Tensor) -> Tensor:
    """The gates' inputs, W x + b, for x [..., I]."""
    if not form.integers:
        return torch.nn.functional.linear(x, inputs["weight_ih"], inputs.get("bias"))
    product = integers.product(x, inputs["weight_ih"], inputs["scale.weight_ih"], _range(form, inputs, "weight_ih"))
    return inputs["bias"] + product if form.bias else product


def _range(form: Form, inputs: Mapping[str, Tensor], name: str) -> integers.Range | None:
    """The scale that what a weight multiplies is rounded with, where it is known before."""
    return integers.Range(inputs[f"{form.most}{name}"], form.static) if form.static else None


def _live(form: Form, inputs: Mapping[str, Tensor]) -> Tensor | None:
    """[T, B, 1] bool: which steps are within their sequence's length."""
    if not form.lengths:
        return None
    steps = torch.arange(inputs["x"].shape[0], device=inputs["x"].device)
    return (steps[:, None] < inputs["lengths"][None, :])[..., None]


def _reset(form: Form, inputs: Mapping[str, Tensor], t: int) -> Tensor | None:
    """[B, 1] bool: whose state returns to its initial value on the way into step t; None where no state can."""
    resets = inputs["resets"]
    if not form.reverse:
        return resets[t][:, None]
    return resets[t + 1][:, None] if t + 1 < resets.shape[0] else None


class Products:
    """`U.name @ value` for one step: each stack is one matrix product, made when the first of its products is asked for."""

    def __init__(self, form: Form, inputs: Mapping[str, Tensor]) -> None:
        self.stacks = {name: stack for stack in form.traced.stacks for name in stack.products}
        self.form, self.inputs, self.hidden, self.made = form, inputs, hidden_size(form, inputs), dict[str, Tensor]()

    def __call__(self, name: str, value: Tensor) -> Tensor:
        if name not in self.made:
            stack = self.stacks[name]
            widths = [size_of(width, self.hidden) for width in stack.widths]
            parts = self._multiply(stack, value, widths)
            self.made.update(zip(stack.products, parts, strict=True))
        return self.made[name]

    def _multiply(self, stack: Stack, value: Tensor, widths: list[int]) -> list[Tensor]:
        weight = self.inputs[f"U.{stack.name}"]
        if f"scale.U.{stack.name}" in self.inputs:
            within = _range(self.form, self.inputs, f"U.{stack.name}")
            return integers.products(value, weight, self.inputs[f"scale.U.{stack.name}"], stack.heads, widths, within)
        if stack.heads == 1:
            return list(torch.nn.functional.linear(value, weight).split(widths, -1))
        blocks = value.unflatten(-1, (stack.heads, -1)).transpose(0, 1)  # [heads, B, width_in / heads]
        return [
            torch.bmm(blocks, part.unflatten(0, (stack.heads, -1)).transpose(1, 2)).transpose(0, 1).flatten(1)
            for part in weight.split(widths, 0)
        ]
