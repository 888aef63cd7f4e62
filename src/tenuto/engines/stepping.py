"""One step at a time, for live streams: a state that stays where it is, and is moved on by each step.

`Stepper` is what an engine may offer for this; `Repeated` is what every engine has, its forward pass on a sequence of one step.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import torch
from torch import Tensor

from tenuto.engines.problem import Buffers, Engine, Form


class Stepper(Protocol):
    """A time loop that is run step by step: weights as they were when it was made, and a state that it owns."""

    def __call__(self, x: Tensor) -> Tensor:
        """The output [B, W] of the next step for x [B, I], contiguous. Valid until the step after the next one."""
        ...

    def state(self) -> list[Tensor]:
        """A copy of the states [B, W], in the cell's order."""
        ...

    def set_state(self, values: Sequence[Tensor]) -> None:
        """Goes on from these states [B, W]."""
        ...


class Repeated:
    """An engine's forward pass, a step a call."""

    def __init__(self, engine: Engine, form: Form, inputs: Buffers) -> None:
        self._engine, self._form = engine, form
        self._inputs = {name: tensor.detach().clone() for name, tensor in inputs.items()}
        self._names = [f"s.{name}" for name in form.cell.widths("state")]

    @torch.no_grad()
    def __call__(self, x: Tensor) -> Tensor:
        result = self._engine.forward(self._form, {**self._inputs, "x": x[None]}, False)
        self._inputs.update(zip(self._names, result.final, strict=True))
        return result.output[0]

    def state(self) -> list[Tensor]:
        return [self._inputs[name].clone() for name in self._names]

    def set_state(self, values: Sequence[Tensor]) -> None:
        self._inputs.update((name, value.detach().clone()) for name, value in zip(self._names, values, strict=True))


def stepper(engine: Engine, form: Form, inputs: Buffers) -> Stepper:
    """The engine's own way to run step by step, or `Repeated`. `inputs` as for one step: x [1, B, I]."""
    own = getattr(engine, "stepper", None)
    made: Stepper = own(form, inputs) if own is not None else Repeated(engine, form, inputs)
    return made
