"""`Changing`: recordings as training hears them, a little different each time; what costs time and repeats is kept."""

from __future__ import annotations

import numpy as np

from tenuto.data.audio.features import FLOOR
from tenuto.data.audio.hearing import Hearing
from tenuto.data.audio.perturb import Perturbation, faster
from tenuto.data.audio.wave import Wave

MOST_KEPT = 1 << 28  # numbers of features that are kept: 1 GiB, some 18 hours at three speeds


class Changing:
    """What is heard of a recording in training.

    The features of a recording at each of its three speeds are kept. A level changes log-mel energies by a number, so that their features need not be read off the sound again; energies that are at the floor, those of digital silence, stay there.
    With noise, and cepstra of another level, all is read off the changed samples each time.

    Args:
        waves: N recordings. hearing: of the model. change: what is drawn.
    """

    def __init__(self, waves: list[Wave], hearing: Hearing, change: Perturbation) -> None:
        self.waves, self.hearing, self.change = waves, hearing, change
        self._kept: dict[tuple[int, float], np.ndarray] = {}
        self._numbers = 0

    def __call__(self, index: int, generator: np.random.Generator) -> np.ndarray:
        """[T, width] float32 of the recording at `index`, as it is drawn."""
        frames = self.hearing.normaliser(self.change.warped(self._frames(index, generator), self.hearing.features, generator))
        return self.hearing.stacked(self.change.masked(frames, generator))

    def _frames(self, index: int, generator: np.random.Generator) -> np.ndarray:
        """[frames, F], before they are normalised."""
        change, energies = self.change, self.hearing.features.kind == "log-mel"
        if change.noise_db is not None or (change.gain_db and not energies):
            return self.hearing.frames(change.of_wave(self.waves[index], generator))
        frames = self._at_speed(index, change.drawn_speed(generator))
        if not change.gain_db:
            return frames
        nats = np.float32(change.drawn_gain(generator) * np.log(10) / 10)  # of energy
        return np.where(frames > FLOOR, np.maximum(frames + nats, np.float32(FLOOR)), frames)

    def _at_speed(self, index: int, speed: float) -> np.ndarray:
        found = self._kept.get((index, speed))
        if found is None:
            found = self.hearing.frames(faster(self.waves[index], speed))
            self._numbers += found.size
            if self._numbers <= MOST_KEPT:
                self._kept[index, speed] = found
        return found
