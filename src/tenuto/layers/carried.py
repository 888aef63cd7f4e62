"""What encoders share whose state is all that a stream has to carry: a live stream that calls the encoder with one step, and the report of those without an engine."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from tenuto.engines.problem import Yes
from tenuto.errors import ArgumentError


def as_state(state: Any, kind: type) -> Any:
    """The state as this named tuple; one that came back from a file has the names of its parts, and no class.

    Raises:
        ArgumentError: its parts have other names.
    """
    if getattr(state, "_fields", None) != kind._fields:  # type: ignore[attr-defined]
        raise ArgumentError("the state is that of another encoder.", expected=f"a {kind.__name__}, as this model returned it", received=type(state).__name__)
    return state if isinstance(state, kind) else kind(*state)


class TorchReport:
    """As `tenuto.engines.EngineReport`, for encoders that torch runs. about: what runs, in a few words; reason: with which operations."""

    chosen = "torch"

    def __init__(self, about: str, reason: str) -> None:
        self.about = about
        self.answers: Mapping[str, Yes] = {"torch": Yes(reason)}

    def __str__(self) -> str:
        return f"{self.about}\n  torch      runs       {self.answers['torch'].reason}"


class CarriedStream:
    """A live stream that an encoder's `step` advances. state: as `forward` returns it."""

    def __init__(self, state: Any) -> None:
        self.state = state


class Carrying:
    """Live streams of an encoder whose `forward` takes one step and its state."""

    training: bool
    bidirectional: bool
    batch_first: bool

    def begin(self, batch_size: int) -> Any:
        """The state before the first step."""
        raise NotImplementedError

    def stream(self, batch_size: int = 1, state: Any = None) -> CarriedStream:
        """Opens a live stream of `batch_size` rows; `step` advances it.

        Args:
            state: to go on from, as `forward` returns it; None for the beginning.
        Raises:
            ArgumentError: in training mode, or where each step sees later ones.
        """
        name = type(self).__name__
        if self.training:
            raise ArgumentError(f"{name}.stream: the model is in training mode.", fix="model.eval()")
        if self.bidirectional:
            raise ArgumentError(f"{name}.stream: each step sees later ones, and a live stream has none yet.", fix="bidirectional=False")
        return CarriedStream(self.begin(batch_size) if state is None else state)

    def step(self, x: Tensor, stream: CarriedStream) -> Tensor:
        """One time step of a live stream: x [B, I] to the output [B, W]. The numbers are those of `forward` over the whole sequence, except for rounding."""
        with torch.no_grad():
            found = self(x[:, None] if self.batch_first else x[None], stream.state)  # type: ignore[operator]
        stream.state = found.state
        output: Tensor = found.output[:, 0] if self.batch_first else found.output[0]
        return output
