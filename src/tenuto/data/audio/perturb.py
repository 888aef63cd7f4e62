"""Recordings made a little different each time that they are heard in training: faster or slower, louder or softer, with noise; bands and times left out."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tenuto.data.audio.features import FLOOR, Features
from tenuto.data.audio.wave import Wave, resampled

OTHER_CHANNEL, BENDS = 0.5, 5  # of the recordings; frequencies at which a channel's level is drawn, with lines between


@dataclass(frozen=True)
class Perturbation:
    """What is drawn for each recording of each epoch.

    Args:
        speed: 0.1: its speed, and with it its pitch, is multiplied by one of 0.9, 1 and 1.1, each as likely.
        gain_db: its level changes by up to so many decibels, up or down.
        noise_db: white noise is added, softer than the recording by this many decibels or up to 30 more; None for never.
        tract: 0.15: frequencies are multiplied by a number between 0.86 and 1.16, each logarithm of it as likely, as if the vocal tract were shorter or longer; of log-mel features alone.
        channel_db: in half of the recordings each frequency is louder or softer by up to so many decibels, the same at all times, and little different from the next frequency; of log-mel features alone.
        bands: so many masks, each over up to an eighth of the features. times: so many masks, each over up to a tenth of the frames.
    Source:     speed: Ko, Peddinti, Povey & Khudanpur 2015. Tract: Jaitly & Hinton 2013. Masks: Park et al. 2019 (SpecAugment), section 2, without time warping.
    """

    speed: float = 0.0
    gain_db: float = 0.0
    noise_db: float | None = None
    bands: int = 0
    times: int = 0
    tract: float = 0.0
    channel_db: float = 0.0

    @property
    def of_samples(self) -> bool:
        """Whether the samples themselves change."""
        return bool(self.speed or self.gain_db or self.noise_db is not None)

    @property
    def of_frames(self) -> bool:
        """Whether frames are changed: warped, of another channel, or masked."""
        return bool(self.bands or self.times or self.tract or self.channel_db)

    def of_wave(self, wave: Wave, generator: np.random.Generator) -> Wave:
        """The recording with another speed, another level, and noise, as they are drawn."""
        wave = faster(wave, self.drawn_speed(generator))
        samples = wave.samples
        if self.gain_db:
            samples = samples * np.float32(10 ** (self.drawn_gain(generator) / 20))
        if self.noise_db is not None:
            samples = with_noise(samples, self.noise_db + generator.uniform(0, 30), generator)
        return Wave(samples, wave.rate)

    def drawn_speed(self, generator: np.random.Generator) -> float:
        """How many times as fast."""
        return float(generator.choice([1 - self.speed, 1.0, 1 + self.speed])) if self.speed else 1.0

    def drawn_gain(self, generator: np.random.Generator) -> float:
        """How many decibels louder."""
        return float(generator.uniform(-self.gain_db, self.gain_db))

    def warped(self, frames: np.ndarray, features: Features, generator: np.random.Generator) -> np.ndarray:
        """Frames [T, F], not normalised, of another voice; of other features than log-mel as they are."""
        if not self.tract or features.kind != "log-mel":
            return frames
        return features.warped(frames, float(np.exp(generator.uniform(-self.tract, self.tract))))

    def through_channel(self, frames: np.ndarray, features: Features, generator: np.random.Generator) -> np.ndarray:
        """Frames [T, F], not normalised, as by another microphone in another room; of other features than log-mel as they are."""
        if not self.channel_db or features.kind != "log-mel" or generator.random() >= OTHER_CHANNEL:
            return frames
        levels = np.interp(np.linspace(0, BENDS - 1, frames.shape[1]), np.arange(BENDS), generator.uniform(-self.channel_db, self.channel_db, BENDS))
        return louder(frames, levels)

    def masked(self, frames: np.ndarray, generator: np.random.Generator) -> np.ndarray:
        """Normalised frames [T, F] with masks: zero, the mean, stands where nothing is to be heard."""
        found = frames.copy()
        for _ in range(self.bands):
            width = int(generator.integers(0, frames.shape[1] // 8 + 1))
            first = int(generator.integers(0, frames.shape[1] - width + 1))
            found[:, first : first + width] = 0
        for _ in range(self.times):
            width = int(generator.integers(0, len(frames) // 10 + 1))
            first = int(generator.integers(0, len(frames) - width + 1))
            found[first : first + width] = 0
        return found


def louder(energies: np.ndarray, levels: np.ndarray | float) -> np.ndarray:
    """Log-mel energies [T, F] with so many decibels more, [F] or one number; those at the floor, of digital silence, stay there."""
    nats = np.float32(np.log(10) / 10) * np.asarray(levels, dtype=np.float32)
    return np.where(energies > FLOOR, np.maximum(energies + nats, np.float32(FLOOR)), energies)


def faster(wave: Wave, factor: float) -> Wave:
    """The recording `factor` times as fast, and as high, at its own rate."""
    return wave if factor == 1 else resampled(Wave(wave.samples, round(wave.rate * factor)), wave.rate)


def with_noise(samples: np.ndarray, below_db: float, generator: np.random.Generator) -> np.ndarray:
    """Samples with white noise that is softer by so many decibels, in root mean square; silence stays silent."""
    level = float(np.sqrt(np.mean(np.square(samples, dtype=np.float64)))) * 10 ** (-below_db / 20)
    return (samples + level * generator.standard_normal(len(samples))).astype(np.float32)
