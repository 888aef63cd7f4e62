"""Live streams: one step at a time through a stack of layers, the state kept in place between calls."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from tenuto import engines
from tenuto.engines import Problem
from tenuto.engines.stepping import stepper
from tenuto.errors import ArgumentError, ShapeError, describe
from tenuto.layers.functional import bind
from tenuto.layers.stack import Direction
from tenuto.program import cell_of


class Stream:
    """A stream that a layer's `step` moves on: weights as they were when it was opened, and the state of each layer.

    Made by `Recurrent.stream` or by the drop-ins' `stream`. `state` gives and takes what whole-sequence calls give and take,
    so a stream can go on where a sequence ended, and the other way round.
    """

    def __init__(
        self,
        layers: Sequence[Direction],
        x: Tensor,
        state: Sequence[Tensor] | None,
        wrap: Callable[..., Any],
        before: Callable[[int, Tensor], Tensor] | None,
        after: Callable[[int, Tensor, Tensor], Tensor] | None,
        engine: str,
    ) -> None:
        if any(direction.reverse for direction in layers):
            raise ArgumentError("a stream has no end to begin at: this layer runs in reverse", fix="use a layer that only runs forward")
        self._shape, self._dtype, self._wrap, self._before, self._after = x.shape, x.dtype, wrap, before, after
        self._steppers = []
        self.engines: list[str] = []  # the engine of each layer, by name
        for number, direction in enumerate(layers):
            cell = cell_of(direction.handle)
            initial = list(direction.reset_state) if state is None else [value[number] for value in state]
            form, inputs, result = bind(cell, direction.tensors(x[None], None, None), initial, [], False)
            if result != inputs["x"].dtype:
                raise ArgumentError(f"streams of {result} are not supported", fix="layer.float() before opening the stream")
            chosen = engines.choose(Problem.of(form, inputs, False), engine)
            self._steppers.append(stepper(chosen, form, inputs))
            self.engines.append(chosen.name)
            x = x.new_zeros(x.shape[0], self._steppers[-1](x).shape[1])
            self._steppers[-1].set_state([inputs[f"s.{name}"] for name in cell.widths("state")])
        self._only = self._steppers[0] if len(self._steppers) == 1 and before is None and after is None else None

    def advance(self, x: Tensor) -> Tensor:
        """The output [B, W] for the next x [B, I]; it is overwritten by the step after the next one."""
        if x.shape != self._shape or x.dtype != self._dtype:
            raise ShapeError("the step does not fit the stream", expected=f"x {list(self._shape)} {self._dtype}", received=f"x {describe(x)}")
        if not x.is_contiguous():
            x = x.contiguous()
        if self._only is not None:
            return self._only(x)
        with torch.no_grad():
            for number, step in enumerate(self._steppers):
                read = x if self._before is None else self._before(number, x[None])[0].contiguous()
                output = step(read)
                x = output if self._after is None else self._after(number, x[None], output[None])[0]
        return x

    @property
    def state(self) -> Any:
        """The state as whole-sequence calls return it: a named tuple (or torch.nn's form) of [L, B, W], copied."""
        return self._wrap(*(torch.stack(values) for values in zip(*(step.state() for step in self._steppers), strict=True)))

    @state.setter
    def state(self, values: Any) -> None:
        states = [values] if isinstance(values, Tensor) else list(values)
        for number, step in enumerate(self._steppers):
            current = step.state()
            chosen = [value[number] for value in states]
            if [value.shape for value in chosen] != [value.shape for value in current]:
                shapes = [list(value.shape) for value in states]
                raise ShapeError("the state does not fit the stream", expected=f"{[list(v.shape) for v in self.state]}", received=f"{shapes}")
            step.set_state(chosen)
