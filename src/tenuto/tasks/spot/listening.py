"""A set of recordings as one long stream: in an order that is drawn, with pauses; where each keyword is said; what the network says at each step."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from tenuto.data.audio.hearing import Hearing
from tenuto.data.audio.recordings import Recordings
from tenuto.data.audio.wave import Wave, resampled
from tenuto.scores.spotting import Occurrence
from tenuto.tasks.audio_stream import Run

PAUSES_S = (0.3, 1.0)
PAUSE_DB = -60.0  # of the noise in pauses, below full scale
BLOCK_S = 30.0  # heard at once


class Heard(NamedTuple):
    """A set as a stream.

    Attributes:
        rows: [T, 1 + K] float64, log-probabilities at each step. occurrences: where keywords are said. seconds: of all of it.
        order: the recordings' places in the set, as they come. begins: [N], where each begins, in seconds; in that order.
    """

    rows: np.ndarray
    occurrences: list[Occurrence]
    seconds: float
    order: list[int]
    begins: list[float]


def pieces_of(data: Recordings, rate: int, *, seed: int = 0) -> Iterator[tuple[int | None, np.ndarray]]:
    """The recordings in an order that is drawn, each with its place in the set, and after each a pause, with None: samples [N] float32."""
    generator = np.random.default_rng([seed, len(data)])
    for place in generator.permutation(len(data)).tolist():
        yield place, resampled(data.waves[place], rate).samples
        count = int(generator.uniform(*PAUSES_S) * rate)
        yield None, (10 ** (PAUSE_DB / 20) * generator.standard_normal(count)).astype(np.float32)


def listened(data: Recordings, names: Sequence[str | None], hearing: Hearing, run: Run, *, late_s: float) -> Heard:
    """A set as a stream.

    Args:
        names: of each recording, its keyword; None for background. run: as for `AudioStream`.
        late_s: so many seconds after the end of a recording its keyword may still be told.
    """
    rate, samples, sounds = hearing.features.rate, 0, list[np.ndarray]()
    occurrences, order, begins = list[Occurrence](), list[int](), list[float]()
    for place, sound in pieces_of(data, rate):
        if place is not None:
            order.append(place)
            begins.append(samples / rate)
            name = names[place]
            if name is not None:
                occurrences.append(Occurrence(name, samples / rate, (samples + len(sound)) / rate + late_s))
        samples += len(sound)
        sounds.append(sound)
    return Heard(rows_of(Wave(np.concatenate(sounds), rate), hearing, run, late_s=late_s), occurrences, samples / rate, order, begins)


def rows_of(wave: Wave, hearing: Hearing, run: Run, *, late_s: float) -> np.ndarray:
    """[T, 1 + K] float64: log-probabilities at each step of a recording of any length, and of so many seconds of silence after it."""
    stream, state, rows, block = hearing.stream(wave.rate), None, list[np.ndarray](), round(BLOCK_S * wave.rate)
    for first in range(0, len(wave.samples) + block, block):
        sound = wave.samples[first : first + block]
        steps = stream.accept(sound) if len(sound) else stream.finish(late_s)
        if len(steps):
            read, state = run(steps, state)
            rows.append(read)
    return np.concatenate(rows)


def sound_around(data: Recordings, rate: int, time: float, seconds: float) -> Wave:
    """What was heard before `time` in the stream of this set, so many seconds of it, and a moment after."""
    first, last, samples, parts = round((time - seconds) * rate), round((time + 0.25) * rate), 0, list[np.ndarray]()
    for _, sound in pieces_of(data, rate):
        if samples + len(sound) > first and samples < last:
            parts.append(sound[max(0, first - samples) : last - samples])
        samples += len(sound)
        if samples >= last:
            break
    return Wave(np.concatenate([np.zeros(1, np.float32), *parts]), rate)
