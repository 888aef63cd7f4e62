"""`Changing`: recordings as training hears them, a little different each time; what costs time and repeats is kept."""

from __future__ import annotations

import numpy as np

from tenuto.data.audio.hearing import Hearing
from tenuto.data.audio.perturb import Perturbation, faster, louder
from tenuto.data.audio.wave import Wave

UNSEEN = 0.2  # of the recordings, where features are given as they are and less their mean: either is left out in so many, so that the network learns to read each
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
        frames = self.change.warped(self._frames(index, generator), self.hearing.features, generator)
        frames = self.change.masked(self.hearing.normaliser(self.change.through_channel(frames, self.hearing.features, generator)), generator)
        if self.hearing.normaliser.views == 2:
            seen, half = generator.random(), frames.shape[1] // 2
            if seen < 2 * UNSEEN:
                frames[:, half * (seen >= UNSEEN) :][:, :half] = 0
        return self.hearing.stacked(frames)

    def _frames(self, index: int, generator: np.random.Generator) -> np.ndarray:
        """[frames, F], before they are normalised."""
        change, energies = self.change, self.hearing.features.kind == "log-mel"
        if change.noise_db is not None or (change.gain_db and not energies):
            return self.hearing.frames(change.of_wave(self.waves[index], generator))
        frames = self._at_speed(index, change.drawn_speed(generator))
        if not change.gain_db:
            return frames
        return louder(frames, change.drawn_gain(generator))

    def _at_speed(self, index: int, speed: float) -> np.ndarray:
        found = self._kept.get((index, speed))
        if found is None:
            found = self.hearing.frames(faster(self.waves[index], speed))
            self._numbers += found.size
            if self._numbers <= MOST_KEPT:
                self._kept[index, speed] = found
        return found
