"""Live streams: one step at a time through a stack of layers, the state kept in place between calls."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from tenuto import engines
from tenuto.engines import Problem
from tenuto.engines.problem import Stepper
from tenuto.errors import ArgumentError, ShapeError, describe
from tenuto.layers.checks import check_streams
from tenuto.layers.functional import bind
from tenuto.layers.stack import Direction
from tenuto.layers.states import listed
from tenuto.program import traced_of


class _Narrow:
    """The steps of a 16-bit layer, whose state stays in the dtype that it is computed in from step to step.

    What is read and what is said have their places, since making a tensor takes longer than filling one.
    """

    def __init__(self, stepper: Stepper, x: Tensor, compute: torch.dtype, result: torch.dtype) -> None:
        self._stepper, self._result, self._turn = stepper, result, 0
        with torch.inference_mode(False):
            self._x = torch.empty_like(x, dtype=compute)
        self._outputs: list[Tensor] = []

    def __call__(self, x: Tensor, streams: Mapping[str, Tensor] = {}) -> Tensor:
        said = self._stepper(self._x.copy_(x.detach() if x.requires_grad else x), streams)
        if not self._outputs:
            with torch.inference_mode(False):
                self._outputs = [torch.empty_like(said, dtype=self._result) for _ in range(2)]
        self._turn = 1 - self._turn
        return self._outputs[self._turn].copy_(said.detach() if said.requires_grad else said)

    def state(self) -> list[Tensor]:
        return [value.to(self._result) for value in self._stepper.state()]

    def set_state(self, values: Sequence[Tensor]) -> None:
        self._stepper.set_state(values)


class Stream:
    """A live stream that a layer's `step` advances: the weights as they were when it was opened, and the state of each layer.

    A layer's `stream` makes it. `state` gives and takes what whole-sequence calls give and take,
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
        streams: Mapping[str, Tensor] = {},
    ) -> None:
        if any(direction.reverse for direction in layers):
            raise ArgumentError("this layer runs in reverse, but a live stream has no end to start from.", fix="use a layer that only runs forward")
        self._shape, self._dtype, self._wrap, self._before, self._after = x.shape, x.dtype, wrap, before, after
        self._states = tuple(traced_of(layers[0].handle).cell.widths("state"))
        self._streams = {name: (x.shape[0], value.shape[-1]) for name, value in streams.items()}
        self._steppers: list[Stepper] = []
        self.engines: list[str] = []  # the engine of each layer, by name
        for number, direction in enumerate(layers):
            traced = traced_of(direction.handle)
            initial = list(direction.reset_state) if state is None else [value[number] for value in state]
            read = x if before is None else before(number, x[None])[0].detach().contiguous()
            form, inputs, result = bind(traced, direction.tensors(read[None], None, None), initial, [], False)
            chosen = engines.choose(Problem.of(form, inputs, False, result), engine)
            stepper = chosen.stepper(form, inputs)
            self._steppers.append(stepper if result == inputs["x"].dtype else _Narrow(stepper, read, inputs["x"].dtype, result))
            self.engines.append(chosen.name)
            output = torch.zeros_like(self._steppers[-1](read))
            x = output if after is None else after(number, x[None], output[None])[0].detach()
            self._steppers[-1].set_state([inputs[f"s.{name}"] for name in traced.cell.widths("state")])
        self._only = self._steppers[0] if len(self._steppers) == 1 and before is None and after is None and not streams else None

    def advance(self, x: Tensor, streams: Mapping[str, Tensor] | None = None) -> Tensor:
        """The output [B, W] for the next x [B, I] and the cell's streams [B, W]; it is overwritten by the step after the next one."""
        if x.shape != self._shape or x.dtype != self._dtype:
            raise ShapeError("the step does not fit the stream.", expected=f"x {list(self._shape)} {self._dtype}", received=f"x {describe(x)}")
        if not x.is_contiguous():
            x = x.contiguous()
        if streams is not None or self._streams:
            streams = self._checked(streams or {})
        elif self._only is not None:
            return self._only(x)
        with torch.no_grad():
            for number, step in enumerate(self._steppers):
                read = x if self._before is None else self._before(number, x[None])[0].contiguous()
                output = step(read, streams or {})
                x = output if self._after is None else self._after(number, x[None], output[None])[0]
        return x

    def _checked(self, streams: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        """The streams of one step, each as the cell declares it."""
        check_streams(streams, self._streams)
        for name, shape in self._streams.items():
            value = streams.get(name)
            if value is None or value.shape != shape:
                raise ShapeError(
                    f"the stream {name!r} does not fit the step." if name in streams else f"the stream {name!r} is missing.",
                    expected=f"streams={{{name!r}: a tensor {list(shape)}}}", received=None if value is None else describe(value),
                )  # fmt: skip
        return streams

    @property
    def state(self) -> Any:
        """The state as whole-sequence calls return it: a named tuple (or torch.nn's form) of [L, B, W], copied."""
        return self._wrap(*(torch.stack(values) for values in zip(*(step.state() for step in self._steppers), strict=True)))

    @state.setter
    def state(self, values: Any) -> None:
        states = listed(values, self._states, call="stream.state = {}")
        for number, step in enumerate(self._steppers):
            current = step.state()
            chosen = [value[number] for value in states]
            if [value.shape for value in chosen] != [value.shape for value in current]:
                shapes = [list(value.shape) for value in states]
                raise ShapeError("the state does not fit the stream.", expected=f"{[list(v.shape) for v in self.state]}", received=f"{shapes}")
            step.set_state(chosen)


class Streaming:
    """What the layers that can run as live streams share; each says in `_open` how its stream is made."""

    training: bool
    engine: str
    input_size: int
    weight_ih_l0: Tensor

    def stream(self, batch_size: int = 1, state: Any = None) -> Stream:
        """Opens a live stream of `batch_size` rows, with the weights as they are now; `step` advances it.

        Args:
            state: the state to go on from, as `forward` returns it; None for the initial state.
        Raises:
            ArgumentError: in training mode, or for a layer with a reverse direction.
        Example:
            >>> import tenuto
            >>> layer = tenuto.GRU(3, 4).eval()
            >>> stream = layer.stream()
            >>> layer.step(torch.zeros(1, 3), stream).shape
            torch.Size([1, 4])
        """
        if self.training:
            raise ArgumentError(f"{type(self).__name__}.stream: the layer is in training mode.", fix="layer.eval()")
        values = None if state is None else self._listed(state)
        return self._open(self.weight_ih_l0.new_zeros(batch_size, self.input_size), values)

    def step(self, x: Tensor, stream: Stream, *, streams: Mapping[str, Tensor] | None = None) -> Tensor:
        """One time step of a live stream: x [B, I] to the output [B, W], valid until the step after the next one.

        `streams`: where the cell declares any, the value of each at this step, by name, [B, W].

        The stream's state is updated in place. The numbers are those of `forward` over the whole sequence.
        """
        return stream.advance(x, streams)

    def _listed(self, state: Any) -> list[Tensor]:
        """The tensors of a state as `forward` takes it, in the cell's order."""
        raise NotImplementedError

    def _open(self, x: Tensor, state: list[Tensor] | None) -> Stream:
        """The stream of rows like x [B, I], from these states [L, B, W] or from the initial one."""
        raise NotImplementedError
