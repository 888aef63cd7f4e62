"""The reference engine's backward pass for a program that stands in the place of a step's derivative (`Traced.rule`): autograd does not know it.

Written to be read: the steps run forward once more and leave their values, then the backward program takes them, last step first.
Letters: B batch, T time, W a state's width.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import torch
from torch import Tensor

from tenuto.engines.packed import padded, places, spread
from tenuto.engines.problem import Buffers, Form, extent, hidden_size, size_of
from tenuto.program.graph import Key, Stack

Values = dict[Key, Tensor]
Walk = Callable[[Form, Mapping[str, Tensor]], tuple[list[Values], Tensor | None, list[Tensor | None]]]


def backward(walk: Walk, form: Form, inputs: Buffers, d_output: Tensor, d_final: Sequence[Tensor], needs: frozenset[str]) -> Buffers:
    """What arrives at x, at the states before the first step, at what resets return to, and at the streams; `needs` names nothing else.

    `walk` gives the values of each step by key, which steps are within their sequences, and which states return before each step.
    """
    if form.packed:
        return _padded(walk, form, inputs, d_output, d_final, needs)
    steps, live, resets = walk(form, inputs)
    traced, hidden, states = form.traced, hidden_size(form, inputs), list(form.cell.widths("state"))
    rows, gates = inputs["x"].shape[1], list(form.cell.widths("gates"))
    arriving = [d.clone() for d in d_final]
    d_gates = inputs["x"].new_zeros(*inputs["x"].shape[:2], len(gates) * hidden)
    found = {name: torch.zeros_like(inputs[name]) for name in needs}
    order = reversed(range(len(steps))) if form.reverse else range(len(steps))
    for t in reversed(list(order)):
        given = {("d_state", name): d for name, d in zip(states, arriving)}
        of_output = d_output[t]
        if live is not None:
            now = live[t]
            given = {key: torch.where(now, d, 0) for key, d in given.items()}
            of_output = torch.where(live[t], of_output, 0)
        if traced.output_state is not None:
            given["d_state", traced.output_state] = given["d_state", traced.output_state] + of_output
        else:
            given["d_output", "output"] = of_output
        result = pull(form, inputs, {**steps[t], **given}, rows, hidden)
        d_gates[t] = torch.cat([result["d_gate", name] for name in gates], -1)
        passed = [result["d_state", name] for name in states]
        if live is not None:
            passed = [torch.where(live[t], d, before) for d, before in zip(passed, arriving)]
        reset = resets[t]
        if reset is not None:
            for name, d in zip(states, passed):
                if f"r.{name}" in needs:
                    found[f"r.{name}"] += torch.where(reset, d, 0)
            passed = [d.masked_fill(reset, 0) for d in passed]
        arriving = passed
        for name in form.cell.widths("streams"):
            if f"stream.{name}" in needs:
                d_stream = result["d_stream", name]
                d_stream = d_stream if live is None else torch.where(live[t], d_stream, 0)
                found[f"stream.{name}"][t if len(inputs[f"stream.{name}"]) > 1 else 0] += d_stream
    if live is not None:
        d_gates = torch.where(live, d_gates, 0)
    ends = {"x": d_gates @ inputs["weight_ih"], **{f"s.{name}": d for name, d in zip(states, arriving)}}
    return {name: ends.get(name, value) for name, value in found.items()}


def pull(form: Form, inputs: Mapping[str, Tensor], values: Values, rows: int, hidden: int) -> Values:
    """One step of the backward program. A stack's operand gets what its products pass through U: the last phase first."""
    stacks = form.traced.stacks
    given = values | {("d_operand", stack.name): inputs["x"].new_zeros(rows, size_of(stack.width_in, hidden)) for stack in stacks}
    for stack in reversed(stacks):
        result = form.traced.backward(given, hidden)
        d_products = [result["d_product", name] for name in stack.products]
        given["d_operand", stack.name] = _through(stack, d_products, inputs[f"U.{stack.name}"])
    return form.traced.backward(given, hidden)


def _through(stack: Stack, d_products: Sequence[Tensor], weight: Tensor) -> Tensor:
    if stack.heads == 1:
        return torch.cat(list(d_products), -1) @ weight
    total: Tensor | float = 0.0
    for d_product, part in zip(d_products, weight.split([d.shape[-1] for d in d_products])):
        blocks = d_product.unflatten(-1, (stack.heads, -1)).transpose(0, 1)  # [heads, B, W / heads]
        total = total + torch.bmm(blocks, part.unflatten(0, (stack.heads, -1))).transpose(0, 1).flatten(1)
    assert isinstance(total, Tensor)
    return total


def _padded(walk: Walk, form: Form, inputs: Buffers, d_output: Tensor, d_final: Sequence[Tensor], needs: frozenset[str]) -> Buffers:
    """Packed rows as a padded batch, and back."""
    time_steps, batch_size = extent(form, inputs)
    where = places(inputs["batch_sizes"], inputs["x"], batch_size)
    found = backward(walk, replace(form, packed=False), padded(form, inputs), spread(d_output, where, time_steps, batch_size), d_final, needs)
    each_step = [name for name in found if name in ("x", "resets") or (name.startswith("stream.") and inputs[name].dim() == 2)]
    return {name: value.flatten(0, 1)[where] if name in each_step else value for name, value in found.items()}
