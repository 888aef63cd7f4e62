"""Recordings in which tones say words: a low tone is "lo", a high one "hi", with pauses between."""

from functools import cache

import numpy as np

from tenuto.data import Recordings, Wave
from tenuto.tasks import Transcriber

RATE = 8000
SMALL = {"hidden_size": 24, "num_layers": 1, "batch_size": 8, "epochs": 60, "learning_rate": 0.02, "feature_size": 12, "together": 2, "dropout": 0.0, "time_masks": 0, "units": "characters"}


def said(words, seed=0, pause=0.12):
    """A recording of these words."""
    generator = np.random.default_rng([seed, len(words)])
    pieces = []
    for word in words:
        length, pitch = int(generator.integers(1200, 1800)), {"lo": 350, "hi": 1500}[word] * generator.uniform(0.95, 1.05)
        tone = np.sin(2 * np.pi * pitch * np.arange(length) / RATE) * np.hanning(length) * 0.4
        pieces += [tone, np.zeros(int(RATE * pause))]
    sound = np.concatenate([np.zeros(400), *pieces]) + 0.001 * generator.standard_normal(400 + sum(map(len, pieces)))
    return Wave(sound.astype(np.float32), RATE)


def recordings(count=60):
    generator = np.random.default_rng(1)
    texts = [generator.choice(["lo", "hi"], size=1 + number % 4).tolist() for number in range(count)]
    waves = [said(words, seed, pause=0.12 + 1.5 * (seed % 5 == 4)) for seed, words in enumerate(texts)]
    for place in range(7, count, 12):
        waves[place], texts[place] = Wave(np.zeros(4000 + 900 * (place % 3), np.float32), RATE), []
    return Recordings(waves, texts=[" ".join(words) for words in texts], speakers=[f"s{number % 3}" for number in range(count)])


@cache
def fitted(**options):
    """A model that reads them well."""
    return Transcriber("gru", **{**SMALL, **options}).fit(recordings())
