"""One step at a time, for live streams, by an engine that has no better way: its forward pass on a sequence of one step."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from tenuto.engines.problem import Buffers, Engine, Form


class Repeated:
    """An engine's forward pass, one step per call; see `problem.Stepper`."""

    def __init__(self, engine: Engine, form: Form, inputs: Buffers) -> None:
        self._engine, self._form = engine, form
        self._inputs = {name: tensor.detach().clone() for name, tensor in inputs.items()}
        self._names = [f"s.{name}" for name in form.cell.widths("state")]

    @torch.no_grad()
    def __call__(self, x: Tensor, streams: Mapping[str, Tensor] = {}) -> Tensor:
        self._inputs.update((f"stream.{name}", value[None].detach().clone()) for name, value in streams.items())
        result = self._engine.forward(self._form, {**self._inputs, "x": x[None]}, False)
        self._inputs.update(zip(self._names, result.final, strict=True))
        return result.output[0]

    def state(self) -> list[Tensor]:
        return [self._inputs[name].clone() for name in self._names]

    def set_state(self, values: Sequence[Tensor]) -> None:
        self._inputs.update((name, value.detach().clone()) for name, value in zip(self._names, values, strict=True))
