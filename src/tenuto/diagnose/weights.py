"""What the recurrent weights and the gates look like by themselves: the size of eigenvalues and singular values, and how often gates stand at an end of their range."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from tenuto.engines.problem import hidden_size
from tenuto.explain.held.gates import gates_of, values_of
from tenuto.explain.held.listening import Call
from tenuto.explain.held.steps import Walk

NEAR_END = 0.05  # a gate is saturated within this share of its range from an end


@dataclass(frozen=True)
class Matrix:
    """One recurrent matrix U. radius: the size of its largest eigenvalue; None where it is not square. norm: its largest singular value."""

    radius: float | None
    norm: float


@dataclass(frozen=True)
class Saturation:
    """How one gate stood over all steps and units.

    Attributes:
        low, high: between which numbers it lies. mean: of its values. at_low, at_high: the shares of its values within 5 % of the range from either end; of a range with one end,
            at_low is the share that is exactly there.
    """

    low: float
    high: float
    mean: float
    at_low: float
    at_high: float

    @property
    def share(self) -> float:
        """The share of its values at either end."""
        return self.at_low + self.at_high


def matrices_of(call: Call) -> dict[str, Matrix]:
    """Each recurrent matrix by the name of its gate or product."""
    found = {}
    for stack in call.form.traced.stacks:
        weight = call.inputs[f"U.{stack.name}"]
        rows = [hidden_size(call.form, call.inputs) if width == "H" else int(width) for width in stack.widths]
        for name, part in zip(stack.products, weight.split(rows)):
            blocks = part.unflatten(0, (stack.heads, -1))
            square = blocks.shape[1] == blocks.shape[2]
            radius = float(torch.linalg.eigvals(blocks).abs().max()) if square and part.numel() else None
            found[name] = Matrix(radius, float(torch.linalg.matrix_norm(blocks, 2).max()))
    return found


def saturation_of(call: Call, walk: Walk) -> dict[str, Saturation]:
    """Each gate that has an end to its range, by name."""
    traced = call.form.traced
    every = {key: torch.cat([values[key] for values in walk.values]) for key in traced.forward.inputs}
    with torch.no_grad():
        values = values_of(traced)(every, hidden_size(call.form, call.inputs))
    found = {}
    for gate in gates_of(traced):
        value: Tensor = values["gate", gate.name].unflatten(0, (len(walk.values), call.rows))
        value = value if walk.live is None else value[walk.live[..., 0].expand(value.shape[:2])]
        low, high = torch.isfinite(torch.tensor([gate.low, gate.high])).tolist()
        if not (low or high) or not value.numel():
            continue
        margin = NEAR_END * (gate.high - gate.low) if low and high else 0.0
        at_low = float((value <= gate.low + margin).double().mean()) if low else 0.0
        at_high = float((value >= gate.high - margin).double().mean()) if high else 0.0
        found[gate.name] = Saturation(gate.low, gate.high, float(value.mean()), at_low, at_high)
    return found
