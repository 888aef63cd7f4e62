"""An average of the weights over the steps of a run: exponential, or the plain mean since the averaging began."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import torch
from torch import nn
from torch.nn.modules.batchnorm import _NormBase  # of batch and instance normalisation: the layers that keep statistics


class WeightAverage:
    """The running average of a module's trainable parameters, and of the statistics that its layers keep (batch normalisation), which belong to them.

    Args:
        model: the module whose weights are averaged; the average starts at their present values.
        decay: of the exponential average. At step n it is (1 + n) / (10 + n) where that is less, so that the initial weights are soon
            forgotten. None for the plain mean of the weights after each step (Polyak & Juditsky 1992).
    Example:
        >>> layer = nn.Linear(1, 1, bias=False)
        >>> average = WeightAverage(layer, decay=None)
        >>> for value in (1.0, 2.0, 6.0):
        ...     _ = nn.init.constant_(layer.weight, value)
        ...     average.update(layer)
        >>> with average.swapped(layer):
        ...     layer.weight.item()
        3.0
        >>> layer.weight.item()
        6.0
    """

    def __init__(self, model: nn.Module, decay: float | None) -> None:
        self.decay, self.steps = decay, 0
        self.values = {name: parameter.detach().clone() for name, parameter in _averaged(model)}

    @torch.no_grad()
    def update(self, model: nn.Module) -> None:
        """Add the weights as they are after a step to the average."""
        self.steps += 1
        share = 1 / self.steps if self.decay is None else 1 - min(self.decay, (1 + self.steps) / (10 + self.steps))
        for name, parameter in _averaged(model):
            self.values[name].lerp_(parameter, share)

    @contextlib.contextmanager
    def swapped(self, model: nn.Module) -> Iterator[None]:
        """Inside the block the module has the averaged weights; afterwards it has its own again."""
        own = {name: parameter.detach().clone() for name, parameter in _averaged(model)}
        self._put(model, self.values)
        try:
            yield
        finally:
            self._put(model, own)

    def state(self) -> dict[str, Any]:
        """What `restore` takes: numbers and tensors."""
        return {"steps": self.steps, "values": dict(self.values)}

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from what `state` gave."""
        self.steps = state["steps"]
        for name, value in self.values.items():
            value.copy_(state["values"][name])

    @staticmethod
    @torch.no_grad()
    def _put(model: nn.Module, values: dict[str, torch.Tensor]) -> None:
        for name, parameter in _averaged(model):
            parameter.copy_(values[name])


def _averaged(model: nn.Module) -> Iterator[tuple[str, torch.Tensor]]:
    yield from ((name, parameter) for name, parameter in model.named_parameters() if parameter.requires_grad)
    for place, module in model.named_modules():
        if isinstance(module, _NormBase):
            yield from ((f"{place}.{name}", buffer) for name, buffer in module.named_buffers(recurse=False) if buffer.is_floating_point())
