"""Sounds in which rising and falling tones are the keywords "up" and "down", and steady ones are background."""

from functools import cache

import numpy as np

from tenuto.data import Recordings, Wave
from tenuto.tasks import Spotter

RATE = 8000
SMALL = {"hidden_size": 16, "num_layers": 1, "batch_size": 12, "epochs": 60, "learning_rate": 0.02, "feature_size": 12, "dropout": 0.0, "band_masks": 0, "time_masks": 0, "noise_db": 20.0}
PITCHES = {"up": (400, 1400), "down": (1400, 400), "other": (900, 900)}


def tone(kind, seed=0):
    """A tone of a third of a second, with silence around it."""
    generator = np.random.default_rng([seed, len(kind)])
    length, factor = int(generator.integers(2200, 3200)), generator.uniform(0.9, 1.1)
    pitch = np.linspace(*PITCHES[kind], length) * factor
    found = np.concatenate([np.zeros(300), np.sin(2 * np.pi * np.cumsum(pitch) / RATE) * np.hanning(length) * 0.4, np.zeros(300)])
    return (found + 0.001 * generator.standard_normal(len(found))).astype(np.float32)


def recordings(count=45, seed=0):
    kinds = [("up", "down", "other")[number % 3] for number in range(count)]
    return Recordings([Wave(tone(kind, seed + number), RATE) for number, kind in enumerate(kinds)], kinds)


def talk(kinds, seed=500):
    """One recording of these tones, with pauses."""
    generator = np.random.default_rng(seed)
    parts = [part for number, kind in enumerate(kinds) for part in (tone(kind, seed + number), (0.001 * generator.standard_normal(int(generator.integers(2000, 6000)))).astype(np.float32))]
    return Wave(np.concatenate(parts), RATE)


@cache
def fitted(**options):
    """A model that tells them well."""
    return Spotter("gru", **{**SMALL, **options}).fit(recordings())
