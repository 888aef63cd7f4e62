"""`Hearing`: from the samples of a recording to what a network reads of it, at once or as a stream: resampled, features, normalised, neighbouring frames together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from tenuto.data.audio.features import SHIFT_MS, Features
from tenuto.data.audio.normalise import Normaliser
from tenuto.data.audio.wave import Resampler, Wave, check_rate, resampled
from tenuto.data.plain import array_of, plain_array
from tenuto.errors import ArgumentError
from tenuto.tongues import argument


@dataclass(frozen=True)
class Hearing:
    """What a network reads of a sound.

    Args:
        features: which they are, and of which rate. normaliser: brings them to mean 0.
        together: how many neighbouring frames, side by side, are one step; zeros complete the last step.
        ahead: of how many later steps the frames stand beside those of a step; after the end these are zeros. A stream waits for them.
    """

    features: Features
    normaliser: Normaliser
    together: int = 1
    ahead: int = 0

    @property
    def width(self) -> int:
        """Numbers of a step."""
        return self.size * self.together * (1 + self.ahead)

    @property
    def size(self) -> int:
        """Numbers of a frame."""
        return self.features.size * self.normaliser.views

    @property
    def step_seconds(self) -> float:
        """From the beginning of a step to that of the next."""
        return self.together * self.features.shift / self.features.rate

    def steps(self, samples: int) -> int:
        """Steps of so many samples, at the rate of the features."""
        return -(-self.features.count(samples) // self.together)

    def __call__(self, wave: Wave) -> np.ndarray:
        """[T, width] float32."""
        return self.stacked(self.normaliser(self.frames(wave)))

    def frames(self, wave: Wave) -> np.ndarray:
        """[frames, F] float32, as they are before they are normalised."""
        return self.features(resampled(wave, self.features.rate).samples)

    def stacked(self, frames: np.ndarray) -> np.ndarray:
        """[T, width] from normalised frames [frames, F]."""
        return self.looking_ahead(self.side_by_side(frames))

    def side_by_side(self, frames: np.ndarray) -> np.ndarray:
        """[T, together * F] from frames [frames, F]; F is `size`."""
        steps = -(-len(frames) // self.together)
        return np.pad(frames, ((0, steps * self.together - len(frames)), (0, 0))).reshape(steps, self.size * self.together)

    def looking_ahead(self, steps: np.ndarray, *, ended: bool = True) -> np.ndarray:
        """[T, width] from [T, together * F]: each step with those after it; where the recording has not ended, the last `ahead` of them are left out."""
        if not self.ahead:
            return steps
        following = np.pad(steps, ((0, self.ahead * ended), (0, 0)))
        count = max(0, len(following) - self.ahead)
        return np.concatenate([following[later : later + count] for later in range(1 + self.ahead)], axis=1)

    def stream(self, rate: int) -> HearingStream:
        """The same for samples that come in chunks.

        Args:
            rate: of these samples.
        Raises:
            ArgumentError: it normalises by the whole recording, or no sound has such a rate.
        """
        check_rate(rate)
        if not self.normaliser.streams:
            raise ArgumentError(
                f"{argument('normalise', self.normaliser.rule)} needs a whole recording, so there is no stream of it.", expected="a model that normalises by its training set, or causally",
                fix=f"train with {argument('normalise', 'causal')}",
            )  # fmt: skip
        return HearingStream(self, rate)

    def to_data(self) -> dict[str, Any]:
        """As plain data."""
        return {"features": {**self.features.to_data(), "shift_ms": SHIFT_MS}, "normaliser": self.normaliser.to_data(), "together": self.together, "ahead": self.ahead}

    @classmethod
    def from_data(cls, data: Mapping[str, Any]) -> Hearing:
        """From what `to_data` gave."""
        features = {name: value for name, value in data["features"].items() if name != "shift_ms"}
        return cls(Features(**features), Normaliser.from_data(data["normaliser"]), data["together"], data["ahead"])


class HearingStream:
    """Steps of a sound that comes in chunks; what is too short for the next step is kept for it. All steps together have the bits of the whole sound's.

    Attributes:
        samples: how many came, at their own rate.
    """

    def __init__(self, hearing: Hearing, rate: int) -> None:
        self.hearing, self.rate, self.samples = hearing, rate, 0
        self._resampler = Resampler(rate, hearing.features.rate)
        self._features, self._normaliser = hearing.features.stream(), hearing.normaliser.stream()
        self._left = np.empty((0, hearing.features.size), dtype=np.float32)
        self._waiting = np.empty((0, hearing.features.size * hearing.together), dtype=np.float32)  # for the steps after them

    def accept(self, samples: np.ndarray) -> np.ndarray:
        """[T, width] float32: the steps that these samples [N] float32 complete."""
        self.samples += len(samples)
        return self._ready(self._steps(self._features.accept(self._resampler.accept(samples))))

    def finish(self, silence_s: float = 0.0) -> np.ndarray:
        """[T, width] float32: the rest, and so many seconds of silence after it."""
        silence = np.zeros(round(silence_s * self.rate), dtype=np.float32)
        frames = [self._features.accept(self._resampler.accept(silence)), self._features.accept(self._resampler.finish()), self._features.finish()]
        found = self._steps(np.concatenate(frames))
        rest, self._left = self.hearing.side_by_side(self._left), self._left[:0]
        return self._ready(np.concatenate([found, rest]), ended=True)

    def kept(self) -> dict[str, Any]:
        """All that it keeps, as plain data.

        Raises:
            ArgumentError: the sound has another rate than the features; what a resampler keeps is not ours to read.
        """
        if self.rate != self.hearing.features.rate:
            raise ArgumentError(
                f"a stream of {self.rate} samples a second, of a model of {self.hearing.features.rate}, has no snapshot: what its resampler keeps cannot be read.",
                expected=f"{argument('rate', self.hearing.features.rate)}", fix="bring the sound to that rate first: tenuto.data.audio.wave.Resampler",
            )  # fmt: skip
        return {"samples": self.samples, "left": plain_array(self._left), "waiting": plain_array(self._waiting), "features": self._features.kept(), "normaliser": self._normaliser.kept()}

    def resume(self, kept: Mapping[str, Any]) -> None:
        """Go on from what `kept` gave."""
        self.samples, self._left, self._waiting = kept["samples"], array_of(kept["left"]), array_of(kept["waiting"])
        self._features.resume(kept["features"])
        self._normaliser.resume(kept["normaliser"])

    def _steps(self, frames: np.ndarray) -> np.ndarray:
        frames = np.concatenate([self._left, self._normaliser.accept(frames)])
        whole = len(frames) // self.hearing.together * self.hearing.together
        self._left = frames[whole:].copy()
        return self.hearing.side_by_side(frames[:whole])

    def _ready(self, steps: np.ndarray, *, ended: bool = False) -> np.ndarray:
        steps = np.concatenate([self._waiting, steps])
        found = self.hearing.looking_ahead(steps, ended=ended)
        self._waiting = steps[len(found) :].copy()
        return found
