"""The derivative of a step, traced in the same way as the step.

The step is a function of gate inputs, products, states, parameters and streams; it returns new states, the output, and the
operand of each stack of products. Its vector-Jacobian product is one flat graph. An operand never depends on its own
product, so the gradients fall into phases by themselves, last phase first: the gradients of a stack's products, times U,
are the cotangent of its operand, and so on back to the states.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import reduce

import torch
from torch import Tensor

from tenuto.cell import Cell, Width
from tenuto.program import aten
from tenuto.program.graph import Builder, Key, Program, Stack
from tenuto.program.recording import record
from tenuto.program.trace import Markers, explained, flat_step
from tenuto.program.translate import Translation


def derive(
    cell: Cell,
    markers: Markers,
    products: Mapping[str, tuple[Width, Width]],
    stacks: tuple[Stack, ...],
    output_state: str | None,
) -> Program:
    """The backward program of a cell: from all inputs of the forward one and the cotangents of its results to those of its inputs."""
    keys = markers.input_keys(products)
    step, results = flat_step(cell, keys, products)
    first = {stack.products[0]: stack for stack in stacks}
    cotangents: dict[Key, tuple[Key, Width]] = {}  # the result of the step -> the key and width of its cotangent
    for role, name in results:
        if role == "state":
            cotangents[role, name] = ("d_state", name), cell.widths("state")[name]
        elif role == "output" and output_state is None:
            cotangents[role, name] = ("d_output", name), _output_width(cell, markers, keys, products)
        elif role == "operand" and name in first:
            cotangents[role, name] = ("d_operand", first[name].name), first[name].width_in
    chosen = [k for k, key in enumerate(results) if key in cotangents]

    def backward(*flat: Tensor) -> Sequence[Tensor | None]:
        # the gradient of one number: torch.func.vjp imports torch's compiler (1.6 s), and grad with cotangents sympy (0.4 s; torch 2.13)
        values, made = flat[: len(keys)], step(*flat[: len(keys)])
        ends = [(made[k] * cotangent).sum() for k, cotangent in zip(chosen, flat[len(keys) :], strict=True) if made[k].requires_grad]
        return torch.autograd.grad(reduce(torch.add, ends), values, allow_unused=True) if ends else [None] * len(values)

    builder = Builder()
    numbers = [builder.input(key, markers.width_of(key, products)) for key in keys]
    numbers += [builder.input(key, width) for key, width in cotangents.values()]
    generator = torch.Generator().manual_seed(1)
    incoming = [
        torch.randn(markers.rows, markers.size(width), generator=generator, dtype=torch.float64) for _, width in cotangents.values()
    ]
    # torch's anomaly detection looks for NaN in every gradient, which the tracer would take for a branch on values
    with explained(cell, markers), torch.autograd.set_detect_anomaly(False):
        values = [value.requires_grad_() for value in markers.values(keys, products)]
        recorded = record(backward, values + incoming, aten.decompositions(), pure=True)
        found = Translation(builder, markers.rows, markers.label).run(recorded, numbers)
    outputs: list[tuple[Key, int]] = [
        ((f"d_{key[0]}", key[1]), builder.constant(0.0, markers.width_of(key, products)) if number is None else number)
        for key, number in zip(keys, found, strict=True)
    ]
    return builder.program(f"{cell!r}: the derivative of one step", outputs)


def _output_width(
    cell: Cell, markers: Markers, keys: list[Key], products: Mapping[str, tuple[Width, Width]]
) -> Width:
    step, results = flat_step(cell, keys, products)
    with explained(cell, markers):
        value = step(*markers.values(keys, products))[results.index(("output", "output"))]
    return markers.label(value.shape[1])
