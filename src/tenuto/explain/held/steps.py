"""What a recurrent layer holds at each step: its states by name and the values of its gates; and its step as a map from states to states.

The steps run once more, in torch, as the cell is written. A step starts from the state that the layer itself put out, so that rounding, which differs between
engines, does not grow from step to step.
Letters: T time, B batch, N points, W a state's width, D all states together, H hidden size.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor

from tenuto.engines import autograd
from tenuto.engines.problem import hidden_size, size_of
from tenuto.engines.reference import Products, project
from tenuto.explain.held.gates import gates_of, values_of
from tenuto.explain.held.listening import Call
from tenuto.program.graph import Key
from tenuto.program.handles import require_unchanged
from tenuto.program.step import run_step


@dataclass(frozen=True, eq=False)
class Steps:
    """Of one call, by name: states [T, B, W] after each step, gates [T, B, H] in it. Beyond a row's length they mean nothing."""

    states: dict[str, Tensor]
    gates: dict[str, Tensor]


@dataclass(frozen=True, eq=False)
class Walk:
    """What the steps of a call were given and left, in the order of time. Beyond a row's length it means nothing.

    Attributes:
        values: of each step, by the keys of the step's program, products included: [B, W]. states: after each step, in the cell's order, [B, W] each.
        live: [T, B, 1] bool, which steps are within their sequences; None where all are. returns: for each step [B, 1] bool, whose state returned to its initial value on the way into it, or None.
    """

    values: list[dict[Key, Tensor]]
    states: list[list[Tensor]]
    live: Tensor | None
    returns: list[Tensor | None]


def walk_of(call: Call) -> Walk:
    """The steps of a call that is not packed, run once more."""
    form, inputs, cell = call.form, call.inputs, call.form.cell
    require_unchanged(form.traced)
    gates, names = tuple(cell.widths("gates")), tuple(cell.widths("state"))
    x, live = inputs["x"], None
    if form.lengths:  # padding may hold anything
        live = (torch.arange(len(x), device=x.device)[:, None] < inputs["lengths"])[..., None]
        x = torch.where(live, x, 0)
    kept: list[dict[Key, Tensor]] = []
    after: list[list[Tensor]] = []
    with torch.no_grad(), autograd.exact(x.device):
        fixed: dict[Key, Tensor] = {("parameter", name): inputs[f"p.{name}"].expand(call.rows, -1) for name in cell.widths("parameters")}
        projected = project(form, inputs, x)
        state = [inputs[f"s.{name}"] for name in names]
        for t in reversed(range(len(x))) if form.reverse else range(len(x)):
            back = _returns(call, t)
            if back is not None:
                state = [torch.where(back, inputs[f"r.{name}"], value) for name, value in zip(names, state)]
            values = dict(fixed)
            values |= {("gate", name): value for name, value in zip(gates, projected[t].chunk(len(gates), -1))}
            values |= {("state", name): value for name, value in zip(names, state)}
            values |= {("stream", name): inputs[f"stream.{name}"][t if len(inputs[f"stream.{name}"]) > 1 else 0] for name in cell.widths("streams")}
            products = Products(form, inputs)
            new, _ = run_step(cell, values, products)
            put_out = {form.traced.output_state: call.output[t]}
            made = [put_out.get(name, getattr(new, name)).to(x.dtype) for name in names]
            state = made if live is None else [torch.where(live[t], one, before) for one, before in zip(made, state)]
            kept.append(values | {("product", name): value for name, value in products.made.items()})
            after.append(state)
    if form.reverse:
        kept, after = kept[::-1], after[::-1]
    return Walk(kept, after, live, [_returns(call, t) for t in range(len(x))])


def steps_of(call: Call) -> Steps:
    """The states and gates of a call that is not packed."""
    walk, traced = walk_of(call), call.form.traced
    every = {key: torch.cat([values[key] for values in walk.values]) for key in traced.forward.inputs}
    with torch.no_grad():
        found = values_of(traced)(every, hidden_size(call.form, call.inputs))
    states = {name: torch.stack([state[place] for state in walk.states]) for place, name in enumerate(call.form.cell.widths("state"))}
    return Steps(states, {gate.name: found["gate", gate.name].unflatten(0, (len(walk.values), call.rows)) for gate in gates_of(traced)})


def _returns(call: Call, t: int) -> Tensor | None:
    """[B, 1]: whose state returns to its initial value on the way into step t; None where none does."""
    if not call.form.resets:
        return None
    resets = call.inputs["resets"]
    place = t + 1 if call.form.reverse else t  # in reverse, a new document ends the one before it
    return resets[place][:, None].bool() if place < len(resets) else None


@dataclass(frozen=True, eq=False)
class StepMap:
    """One step of a layer in float64, as a map of all its states [N, D] to those after it, while the input stays the same.

    Attributes:
        call: whose weights it has. read: [I], the input. streams: by name, [W] each.
    """

    call: Call
    read: Tensor
    streams: dict[str, Tensor]
    _inputs: dict[str, Tensor] = field(init=False)

    def __post_init__(self) -> None:
        doubled = {name: tensor.double() if tensor.is_floating_point() else tensor for name, tensor in self.call.inputs.items()}
        object.__setattr__(self, "_inputs", doubled)

    @property
    def sizes(self) -> dict[str, int]:
        """The widths of the states by name, in their order; D is their sum."""
        hidden = hidden_size(self.call.form, self._inputs)
        return {name: size_of(width, hidden) for name, width in self.call.form.cell.widths("state").items()}

    def __call__(self, states: Tensor) -> Tensor:
        """[N, D] to [N, D]."""
        return self._step(states)[0]

    def output(self, states: Tensor) -> Tensor:
        """[N, W], what the layer puts out where it comes to these states."""
        return self._step(states)[1]

    def _step(self, states: Tensor) -> tuple[Tensor, Tensor]:
        form, inputs, cell, rows = self.call.form, self._inputs, self.call.form.cell, len(states)
        gates = tuple(cell.widths("gates"))
        projected = torch.nn.functional.linear(self.read.double()[None], inputs["weight_ih"], inputs.get("bias")).expand(rows, -1)
        values: dict[Key, Tensor] = {("parameter", name): inputs[f"p.{name}"].expand(rows, -1) for name in cell.widths("parameters")}
        values |= {("gate", name): value for name, value in zip(gates, projected.chunk(len(gates), -1))}
        values |= {("state", name): value for name, value in zip(self.sizes, states.split(list(self.sizes.values()), -1))}
        values |= {("stream", name): value.double().expand(rows, -1) for name, value in self.streams.items()}
        new, output = run_step(cell, values, Products(form, inputs))
        return torch.cat([getattr(new, name).double() for name in self.sizes], -1), output.double()
