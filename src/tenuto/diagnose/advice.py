"""Sentences of advice, each of which follows from a number that was measured and a threshold that is printed beside it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tenuto.pages.wording import percent

GROWS = 10.0  # a change of the state that grows to this many times itself within the sequence
FADES = 0.5  # a memory horizon below this share of the steps
SATURATED = 0.5  # the share of a gate's values at the ends of its range
SILENT = 0.9  # the same of a range with one end: relu puts half of any centred input there
SHALLOW = 0.1  # the gradient that reaches the lowest layer, as a share of that at the highest
CUT = 0.5  # the share of batches whose gradient is cut
SPREAD = 5.0  # the largest norm of a gradient over the median one
IDLE = 3.0  # a limit this many times above the largest norm


@dataclass(frozen=True)
class Advice:
    """One finding.

    Attributes:
        place: the layer, or "the gradient". found: what was measured, with the number. threshold: what it was compared with. do: what to try.
    """

    place: str
    found: str
    threshold: str
    do: str

    def __str__(self) -> str:
        return f"{self.finding} {self.do}"

    @property
    def finding(self) -> str:
        """All but what to try."""
        return f"{self.place}: {self.found} ({self.threshold})."


def by_what_to_try(advice: Sequence[Advice]) -> list[list[Advice]]:
    """Those that ask for the same beside each other, as layers that are alike mostly do."""
    found: dict[str, list[Advice]] = {}
    for one in advice:
        found.setdefault(one.do, []).append(one)
    return list(found.values())


def advice_of(layers: Any, clipping: Any, window: bool) -> tuple[Advice, ...]:
    """What follows from a diagnosis.

    Args:
        layers: `LayerDiagnosis` each, the lowest first. clipping: a `Clipping`. window: whether training cuts sequences into windows.
    """
    found: list[Advice] = []
    for layer in layers:
        found += _of_layer(layer, window)
    return (*found, *_of_depth(layers), *_of_clipping(clipping))


def _of_layer(layer: Any, window: bool) -> list[Advice]:
    found = []
    finite = layer.gain[np.isfinite(layer.gain)]
    if len(finite) and finite.max() > GROWS:
        lag = int(np.nanargmax(layer.gain)) + 1
        found.append(Advice(
            layer.name, f"a small change of its state grows {finite.max():.3g} times within {lag} steps (largest Lyapunov exponent {layer.exponents[0]:+.3g} a step)", f"threshold: {GROWS:g} times",
            "Gradients that go back through these steps explode: clip them (clip_norm), start the recurrent weights orthogonal (recurrent_start), or bound their largest singular value (spectral_bound, tenuto.layers.bound_spectrum).",
        ))  # fmt: skip
    horizon, steps = layer.horizon, layer.steps
    if horizon is not None and steps > 2 and horizon < FADES * steps:
        found.append(Advice(
            layer.name, f"what it reads has less than {layer.share:.3g} of its largest influence after {horizon} of {steps} steps", f"threshold: {FADES:g} of the steps",
            f"If the answer depends on what was read earlier than that: {_longer(layer)}",
        ))  # fmt: skip
    if horizon is None and steps > 2 and window:
        found.append(Advice(
            layer.name, f"what it read {steps} steps ago, at the beginning of the window, still has {layer.share:.3g} of the largest influence or more", f"threshold: a horizon within the {steps} steps",
            "Gradients end at the window's beginning, and the memory does not: a longer window may teach it more.",
        ))  # fmt: skip
    for name, gate in layer.gates.items():
        most = SATURATED if np.isfinite(gate.high) else SILENT
        if gate.share > most:
            ends = f"{percent(gate.at_low, 0)} at {gate.low:g}" + (f", {percent(gate.at_high, 0)} at {gate.high:g}" if np.isfinite(gate.high) else "")
            found.append(Advice(
                layer.name, f"gate {name} stands at an end of its range ({ends})", f"threshold: {percent(most, 0)} of its values",
                "No gradient passes a gate there: lower the learning rate or the size of the inputs, decay the weights, or start its bias nearer to zero.",
            ))  # fmt: skip
    return found


def _longer(layer: Any) -> str:
    """What makes this layer's memory longer."""
    gates = set(layer.gates)
    if "f" in gates:
        return f"a larger forget bias (forget_bias) or a chrono start (longest={layer.steps}), and sequences made shorter in time."
    if "z" in gates:
        return f"a chrono start (longest={layer.steps}), an LSTM, and sequences made shorter in time."
    return "an orthogonal or identity start of the recurrent weights (recurrent_start), or a cell with gates: lstm, gru."


def gradient_of(layer: Any) -> float:
    """The mean, over states and steps, of the gradient that comes to a layer."""
    return float(np.nanmean([np.nanmean(values) for values in layer.gradient.values()]))


def _of_depth(layers: Any) -> list[Advice]:
    forward = [layer for layer in layers if not layer.reverse]
    if len(forward) < 2:
        return []
    lowest, highest = gradient_of(forward[0]), gradient_of(forward[-1])
    if not (0 < lowest < SHALLOW * highest):
        return []
    return [Advice(
        forward[0].name, f"its states get {lowest / highest:.2g} of the gradient that those of {forward[-1].name} get", f"threshold: {SHALLOW:g}",
        "The gradient fades on its way down: residual connections, pre-norm blocks (tenuto.layers.Blocks), or fewer layers.",
    )]  # fmt: skip


def _of_clipping(clipping: Any) -> list[Advice]:
    norms, limit = clipping.norms[np.isfinite(clipping.norms)], clipping.limit
    if not len(norms):
        return []
    found = []
    if len(norms) < len(clipping.norms):
        found.append(Advice("the gradient", f"{len(clipping.norms) - len(norms)} of {len(clipping.norms)} batches have a gradient that is not finite", "threshold: none", "Look for values in these batches that are not finite or very large; clip, or skip such steps (non_finite=\"skip\")."))
    if limit is not None and clipping.cut > CUT:
        found.append(Advice(
            "the gradient", f"{percent(clipping.cut, 0)} of the batches are cut at {limit:g}, to {clipping.left:.2g} of their length in the median", f"threshold: {percent(CUT, 0)}",
            "Clipping then sets the length of nearly every step, in place of the learning rate: raise the limit, or lower the learning rate.",
        ))  # fmt: skip
    if limit is not None and norms.max() * IDLE < limit:
        found.append(Advice("the gradient", f"the largest norm is {norms.max():.3g}, and the limit {limit:g}", f"threshold: {IDLE:g} times", "Clipping does nothing here. A limit near twice the median norm would stop a rare jump."))
    if (limit is None or limit > norms.max()) and len(norms) > 2 and norms.max() > SPREAD * np.median(norms):
        found.append(Advice(
            "the gradient", f"the largest norm is {norms.max():.3g}, {norms.max() / np.median(norms):.3g} times the median", f"threshold: {SPREAD:g} times",
            f"One such batch undoes many steps: clip at about {2 * np.median(norms):.2g} (clip_norm).",
        ))  # fmt: skip
    return found
