"""Rows to train on: a recording, what was heard before and comes after it, and where in it its keyword may be told."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch

from tenuto.data.audio.hearing import Hearing
from tenuto.data.audio.perturb import Perturbation, with_noise
from tenuto.data.audio.recordings import Recordings
from tenuto.data.audio.wave import Wave, resampled

LONGEST_S = 4.0  # background is cut into pieces of so many seconds, so that an hour of it counts as an hour
MOST_GAP_S = 0.4
MOST_TIMES = 8
NOISY = 0.5  # of the rows; clean ones must be known too
QUIET_DB = (-75.0, -45.0)  # of a gap, below full scale


def times(keywords: np.ndarray) -> int:
    """How often an epoch reads the row of a keyword, so that these are as many as rows of background, as nearly as whole numbers allow: where nearly all is background, a network first learns to say nothing.

    Args:
        keywords: [N] int of each row; 0 for background.
    Example:
        >>> [times(np.array(keywords)) for keywords in ([1, 2], [0, 1, 0, 0, 0, 0, 2, 0, 0])]
        [1, 4]
    """
    said = int((keywords > 0).sum())
    return min(max(1, round((len(keywords) - said) / max(said, 1))), MOST_TIMES)


class Row(NamedTuple):
    """What is heard, and what is to be said.

    Attributes:
        steps: [T, F]. keyword: its number; 0 for none. begin, end: of the span in which it may be told, in steps. counted: [T] bool; other steps may say anything.
    """

    steps: np.ndarray
    keyword: int
    begin: int
    end: int
    counted: np.ndarray


class Rows:
    """The rows of a set: of each keyword's recording one, and of background as many as it has pieces.

    Args:
        targets: [N] int, the keyword of each recording; 0 for background. least: steps that a span has at least.
        late_s: seconds after the end of a recording in which its keyword may still be told.
    """

    def __init__(self, data: Recordings, targets: Sequence[int] | np.ndarray, hearing: Hearing, *, late_s: float, least: int) -> None:
        self.hearing, self.late_s, self.least = hearing, late_s, least
        rate = hearing.features.rate
        self.waves, self.keywords, self.owners = list[Wave](), list[int](), list[int]()
        for place, (wave, keyword) in enumerate(zip(data.waves, np.asarray(targets).tolist())):
            samples = resampled(wave, rate).samples
            count = 1 if keyword else max(1, round(len(samples) / (LONGEST_S * rate)))
            for piece in np.array_split(samples, count):
                self.waves.append(Wave(piece, rate))
                self.keywords.append(keyword)
                self.owners.append(place)
        self.lengths = np.array([len(self.plain(number).steps) for number in range(len(self))], dtype=np.int64)

    def __len__(self) -> int:
        return len(self.waves)

    @property
    def read(self) -> np.ndarray:
        """[M] int64: the numbers of the rows that an epoch reads; see `times`."""
        keywords = np.array(self.keywords)
        return np.repeat(np.arange(len(self)), np.where(keywords > 0, times(keywords), 1))

    def plain(self, number: int) -> Row:
        """A row without anything around it but silence at its end."""
        own = self.waves[number].samples
        samples = np.concatenate([own, np.zeros(self._after(), dtype=np.float32)])
        return self._row(number, (0, len(own)), len(samples), self.hearing(Wave(samples, self.hearing.features.rate)), uncounted=(0, 0))

    def changed(self, number: int, change: Perturbation, context_s: float, generator: np.random.Generator) -> Row:
        """The row as it is heard in training: with another speed and level, parts of other recordings around it, noise over all of it, and masks."""
        rate = self.hearing.features.rate
        only = Perturbation(change.speed, change.gain_db)
        own = only.of_wave(self.waves[number], generator).samples
        before, after, uncounted = np.empty(0, np.float32), np.zeros(self._after(), np.float32), (0, 0)
        if context_s:
            left, right = (int(generator.integers(len(self))) for _ in range(2))
            sizes = [int(generator.uniform(0, context_s) * rate) for _ in range(2)]
            pauses = [int(generator.uniform(0, MOST_GAP_S) * rate) for _ in range(2)]
            if self.keywords[right]:
                pauses[1] += self._after()  # so that no step in the span belongs to another keyword
            gaps = [self._quiet(count, generator) for count in pauses]
            sounds = [only.of_wave(self.waves[one], generator).samples for one in (left, right)]
            before = np.concatenate([sounds[0][len(sounds[0]) - min(sizes[0], len(sounds[0])) :], gaps[0]])
            following = np.concatenate([gaps[1], sounds[1][: sizes[1]]])
            after = np.concatenate([following, self._quiet(max(0, self._after() - len(following)), generator)])
            uncounted = (len(before) * bool(self.keywords[left]), (len(after) - pauses[1]) * bool(self.keywords[right]))
        noisy = change.noise_db is not None and generator.random() < NOISY
        around = np.concatenate([before, own, after])
        if noisy and change.noise_db is not None:
            around = with_noise(around, change.noise_db + generator.uniform(0, 30), generator)
        frames = change.warped(self.hearing.features(around), self.hearing.features, generator)
        frames = self.hearing.normaliser(change.through_channel(frames, self.hearing.features, generator))
        return self._row(number, (len(before), len(own)), len(around), self.hearing.stacked(change.masked(frames, generator)), uncounted)

    def _row(self, number: int, sizes: tuple[int, int], count: int, steps: np.ndarray, uncounted: tuple[int, int]) -> Row:
        """The row of these steps [T, F]. sizes: samples before its recording, and of it; count: of all. uncounted: samples at the beginning and at the end that may say anything."""
        rate, step = self.hearing.features.rate, self.hearing.together * self.hearing.features.shift
        (before, own), keyword, counted = sizes, self.keywords[number], np.ones(len(steps), dtype=bool)
        counted[: -(-uncounted[0] // step)] = False
        if uncounted[1]:
            counted[-(-(count - uncounted[1]) // step) :] = False
        begin = -(-before // step)
        end = min(len(steps), -(-(before + own + round(self.late_s * rate)) // step))
        return Row(steps, keyword, begin if keyword else 0, max(end, begin + self.least) if keyword else 0, counted)

    def _after(self) -> int:
        """Samples after a recording, so that a span has its least number of steps however short the recording is."""
        step = self.hearing.together * self.hearing.features.shift
        return max(round(self.late_s * self.hearing.features.rate), (self.least + 1) * step)

    @staticmethod
    def _quiet(count: int, generator: np.random.Generator) -> np.ndarray:
        level = 10 ** (generator.uniform(*QUIET_DB) / 20)
        return (level * generator.standard_normal(count)).astype(np.float32)


class Rowed(NamedTuple):
    """Rows side by side: x [T, B, F], padded with zeros; lengths, keywords, begins, ends [B]; counted [T, B] bool."""

    x: torch.Tensor
    lengths: torch.Tensor
    keywords: torch.Tensor
    begins: torch.Tensor
    ends: torch.Tensor
    counted: torch.Tensor

    @classmethod
    def of(cls, rows: Sequence[Row]) -> Rowed:
        """From rows of any lengths."""
        lengths = [len(row.steps) for row in rows]
        x = np.zeros((max(lengths), len(rows), rows[0].steps.shape[1]), dtype=np.float32)
        counted = np.zeros((max(lengths), len(rows)), dtype=bool)
        for place, row in enumerate(rows):
            x[: len(row.steps), place], counted[: len(row.steps), place] = row.steps, row.counted
        keywords, begins, ends = (torch.tensor([getattr(row, name) for row in rows]) for name in ("keyword", "begin", "end"))
        return cls(torch.from_numpy(x), torch.tensor(lengths), keywords, begins, ends, torch.from_numpy(counted))
