"""Weights of one layer by the names of its gates, whatever library they come from, and the `Recurrent` that they make.

Letters: I input, H hidden, G gates.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from tenuto.cell import Cell
from tenuto.errors import ShapeError, describe
from tenuto.layers import Recurrent
from tenuto.program import trace


@dataclass(frozen=True)
class Gates:
    """One layer in one direction.

    Attributes:
        inputs, recurrent: by gate, [H, I] and [H, W]; recurrent also by product. bias: by gate, [H]; empty for none.
        parameters: the cell's, by name. initial: the first state by name, where it is not zeros.
    """

    inputs: Mapping[str, Tensor]
    recurrent: Mapping[str, Tensor]
    bias: Mapping[str, Tensor] = field(default_factory=dict)
    parameters: Mapping[str, Tensor] = field(default_factory=dict)
    initial: Mapping[str, Tensor] = field(default_factory=dict)


def blocks(stacked: Tensor, gates: Sequence[str]) -> dict[str, Tensor]:
    """The row blocks of a stacked weight by gate."""
    return dict(zip(gates, stacked.chunk(len(gates)), strict=True))


def recurrent_of(cell: Cell, layers: Sequence[Sequence[Gates]], *, reverse: bool = False, batch_first: bool = False) -> Recurrent:
    """The layer with these weights: for each layer of a stack one direction, or both, forward first.

    Raises:
        ShapeError: a weight does not fit.
    """
    first = layers[0][0]
    hidden, inputs = next(iter(first.inputs.values())).shape
    start = any(one.initial for directions in layers for one in directions)
    made = Recurrent(
        cell, inputs, hidden, len(layers), bias=any(one.bias for directions in layers for one in directions), bidirectional=len(layers[0]) == 2, reverse=reverse,
        batch_first=batch_first, learned_state=start, dtype=next(iter(first.inputs.values())).dtype,
    )  # fmt: skip
    wanted = dict(made.named_parameters())
    gates = list(cell.widths("gates"))
    multiplied = {name for stack in trace(cell).stacks for name in stack.products}  # a gate that the step does not read, as f where it is 1 - i, has no product
    stacked = [gate for gate in gates if gate in multiplied]
    for number, directions in enumerate(layers):
        for direction, one in enumerate(directions):
            suffix = f"_l{number}" + ("_reverse" if direction else "")
            values = {"weight_ih": torch.cat([one.inputs[gate] for gate in gates])}
            if stacked:
                values["weight_hh"] = torch.cat([one.recurrent[gate] for gate in stacked])
            values |= {f"weight_{name}": value for name, value in one.recurrent.items() if name not in gates}
            if made.bias:
                values["bias"] = torch.cat([one.bias.get(gate, torch.zeros(hidden)) for gate in gates])
            zero = {name: torch.zeros_like(wanted[name + suffix]) for name in cell.widths("parameters")}
            values |= {**zero, **one.parameters}
            if start:
                values |= {f"initial_{name}": one.initial.get(name, torch.zeros_like(wanted[f"initial_{name}{suffix}"])) for name in cell.widths("state")}
            for name, value in values.items():
                _fill(wanted.pop(name + suffix), name + suffix, value)
    assert not wanted, f"without a value: {sorted(wanted)}"
    return made.eval()


def _fill(into: Tensor, name: str, value: Tensor) -> None:
    if into.shape != value.shape:
        raise ShapeError(f"{name} does not fit the layer.", expected=f"{list(into.shape)}", received=describe(value))
    with torch.no_grad():
        into.copy_(value)
