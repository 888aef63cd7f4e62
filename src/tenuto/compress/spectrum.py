"""How a layer's memory fades or grows: the Jacobian of its step, at states that the data leads to, before and after something was taken away.

Letters: D all states of a layer together.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from tenuto.explain.held.fixed_points import jacobian
from tenuto.explain.held.listening import Call, Listening
from tenuto.explain.held.steps import StepMap, steps_of
from tenuto.layers.mode import in_mode

PLACES = 4  # steps of one sequence at which it is looked at
MOST = 1024  # D, at most: the Jacobian has D² numbers


@dataclass(frozen=True)
class Spectrum:
    """The recurrent Jacobian of one layer and direction, before and after: the mean over a few steps of one sequence.

    Attributes:
        layer: its name. radius_before, radius_after: the size of its largest eigenvalue. gain_before, gain_after: its largest singular value.
    """

    layer: str
    radius_before: float
    radius_after: float
    gain_before: float
    gain_after: float

    def __str__(self) -> str:
        return f"memory of {self.layer}: spectral radius {self.radius_before:.3g} → {self.radius_after:.3g}, largest singular value {self.gain_before:.3g} → {self.gain_after:.3g}"


def spectra(before: nn.Module, after: nn.Module, given: tuple[Any, ...]) -> list[Spectrum]:
    """For each layer and direction of two networks that read the same.

    Args:
        given: what the networks are called with; the first sequence is looked at.
    """
    if len(given) == 1 and hasattr(given[0], "select") and not isinstance(given[0], torch.Tensor):
        given = (given[0].select(torch.tensor([0])),)
    one, other = _measured(before, given), _measured(after, given)
    return [Spectrum(name, one[name][0], other[name][0], one[name][1], other[name][1]) for name in one if name in other]


def _measured(network: nn.Module, given: tuple[Any, ...]) -> dict[str, tuple[float, float]]:
    """Spectral radius and largest singular value, by layer."""
    with in_mode(network, training=False), torch.no_grad(), Listening(network) as heard:
        network(*given)
    found: dict[str, tuple[float, float]] = {}
    for call in heard.calls:
        if call.name not in found and not call.packed:
            values = _of_call(call.unpacked())
            if values:
                found[call.name] = tuple(sum(part) / len(values) for part in zip(*values))  # type: ignore[assignment]
    return found


def _of_call(call: Call) -> Sequence[tuple[float, float]]:
    """Both numbers at a few steps of the first row."""
    steps, x = steps_of(call), call.inputs["x"]
    length = int(call.inputs["lengths"][0]) if call.form.lengths else len(x)
    found = []
    for t in torch.linspace(0, length - 1, min(PLACES, length)).round().long().tolist():
        earlier = t + 1 if call.form.reverse else t - 1
        inside = 0 <= earlier < length
        state = torch.cat([steps.states[name][earlier, 0] if inside else call.inputs[f"s.{name}"][0] for name in steps.states])
        if len(state) > MOST:
            return []
        streams = {name: call.inputs[f"stream.{name}"][t if len(call.inputs[f"stream.{name}"]) > 1 else 0, 0] for name in call.form.cell.widths("streams")}
        slopes = jacobian(StepMap(call, x[t, 0], streams), state.double()[None])[1][0]
        if bool(torch.isfinite(slopes).all()):
            found.append((float(torch.linalg.eigvals(slopes).abs().max()), float(torch.linalg.matrix_norm(slopes, 2))))
    return found
