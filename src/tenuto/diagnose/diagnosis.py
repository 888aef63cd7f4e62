"""`Diagnosis`: what was measured of a model's gradients and memory, layer by layer, and what follows from it.

Letters: T steps, K directions.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tenuto.choices import at_or_called
from tenuto.diagnose.advice import Advice, by_what_to_try
from tenuto.diagnose.weights import Matrix, Saturation
from tenuto.files import write_text


@dataclass(frozen=True, eq=False)
class LayerDiagnosis:
    """One recurrent layer in one direction.

    Attributes:
        name: the path of the module, and which layer and direction. cell: its maths. reverse: whether it reads from the end to the beginning. steps: T.
        gradient: by state, [T], the root of the mean square over rows of the norm of dL/ds_t, the gradient of the loss by the state after step t.
        exponents: [K], the largest Lyapunov exponents, per step.
        gain: [T], by how much a small change of the state grows in 1, 2, ... T steps: the norm of the product of the steps' Jacobians (see `pushed.Growth`).
        influence: [T] by lag 0, 1, ...: the norm of the derivative of an item's last output by the input that many steps before it.
        share, horizon: the smallest lag from which on `influence` stays below this share of its largest value; None where it does not within the steps.
        gates: by name, how often each stands at an end of its range. matrices: by name of gate or product, the recurrent weights.
    """

    name: str
    cell: str
    reverse: bool
    gradient: Mapping[str, np.ndarray]
    exponents: np.ndarray
    gain: np.ndarray
    influence: np.ndarray
    share: float
    horizon: int | None
    gates: Mapping[str, Saturation]
    matrices: Mapping[str, Matrix]

    @property
    def steps(self) -> int:
        """T."""
        return len(self.influence)


@dataclass(frozen=True, eq=False)
class Clipping:
    """What clipping by norm does.

    Attributes:
        norms: [n], of the gradient of all weights, for each batch. limit: at which norm it is cut; None where it is not.
    """

    norms: np.ndarray
    limit: float | None

    @property
    def cut(self) -> float:
        """The share of batches whose gradient is cut."""
        return 0.0 if self.limit is None else float((self.norms > self.limit).mean())

    @property
    def left(self) -> float:
        """What is left of the length of those gradients that are cut, in the median; 1 where none is."""
        beyond = self.norms[self.norms > (np.inf if self.limit is None else self.limit)]
        return 1.0 if self.limit is None or not len(beyond) else float(self.limit / np.median(beyond))


@dataclass(frozen=True, eq=False)
class Diagnosis:
    """What was measured of a model, and what follows from it.

    Attributes:
        layers: one for each recurrent layer and direction, in the order in which they ran. loss: of the batch that was followed. clipping: of the batches.
        advice: what follows, each with its threshold; empty where nothing stands out.
        outside: what else carries something from step to step and is in none of these numbers, a sentence for each: a memory outside the state, attention.
    """

    layers: tuple[LayerDiagnosis, ...]
    loss: float
    clipping: Clipping
    advice: tuple[Advice, ...]
    outside: tuple[str, ...] = ()

    def __iter__(self) -> Iterator[LayerDiagnosis]:
        return iter(self.layers)

    def __len__(self) -> int:
        return len(self.layers)

    def __getitem__(self, layer: str | int) -> LayerDiagnosis:
        """A layer by its name, or by its place.

        Raises:
            ArgumentError: there is none of that name.
        """
        return at_or_called(self.layers, layer, "recurrent layer")

    def __str__(self) -> str:
        lines = []
        for layer in self.layers:
            horizon = f"beyond {layer.steps} steps" if layer.horizon is None else f"{layer.horizon} of {layer.steps} steps"
            lines.append(f"{layer.name}: largest Lyapunov exponent {layer.exponents[0]:+.3g} a step, memory horizon {horizon} ({layer.share:g})")
        said = ["\n".join(one.finding for one in alike) + f" {alike[0].do}" for alike in by_what_to_try(self.advice)]
        return "\n".join([*lines, *self.outside, *said])

    def to_html(self, path: str | Path, title: str = "") -> Path:
        """Write the page.

        Args:
            path: the file; what is there is replaced. title: the heading, for example the name of a run.
        """
        from tenuto.diagnose.page import page_of

        write_text(Path(path), page_of(self, title))
        return Path(path)
