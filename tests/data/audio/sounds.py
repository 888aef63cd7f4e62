"""Small sounds for tests, made here and seeded."""

import numpy as np

from tenuto.data.audio.wave import Wave


def sound(samples, rate=8000, seed=0):
    """A tone that rises, with noise: [samples] float32 in -1..1."""
    generator, times = np.random.default_rng([seed, samples]), np.arange(samples) / rate
    return (0.3 * np.sin(2 * np.pi * (200 + 300 * times) * times) + 0.05 * generator.standard_normal(samples)).astype(np.float32)


def wave(samples, rate=8000, seed=0):
    return Wave(sound(samples, rate, seed), rate)


def chunks(samples, generator, largest):
    """The same samples in pieces of sizes that are drawn, zero among them."""
    place = 0
    while place < len(samples):
        size = int(generator.integers(0, largest + 1))
        yield samples[place : place + size]
        place += size
