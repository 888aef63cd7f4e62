"""`Recordings`: sounds of one channel, each with a class, a transcript or neither; and `Reject`, one that could not be used, with the reason."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from tenuto.data.audio.hearing import Hearing
from tenuto.data.audio.wave import Wave, checked, read_wave
from tenuto.data.counts import as_ids, require_one_each
from tenuto.data.labels import as_labels, label_counts
from tenuto.data.source import Source, Sourced
from tenuto.data.split import divide, random_split
from tenuto.data.weights import taken
from tenuto.errors import DataError
from tenuto.process import kept_property
from tenuto.tongues import either

_GIVEN = Source("recordings")


class Reject(NamedTuple):
    """A recording that was left out: what it was called, and why."""

    identity: str
    reason: str


class Recordings(Sourced):
    """A set of recordings, held in memory as they were recorded; whoever reads them brings them to one rate.

    Args:
        waves: N of them. labels: the class of each. texts: what is said in each; may be empty. speakers: who says it.
        ids: one text for each, to name it in messages. Default: "0", "1", ...
        came_from: what to call the set. rejects: what its reader left out.
    Raises:
        DataError: no recording, or not one label, text, speaker or id for each.
    Example:
        >>> beep = Wave(np.sin(np.arange(800) / 4).astype(np.float32), 8000)
        >>> Recordings([beep, beep], ["high", "low"])
        Recordings(2, 0.2 s, labels)
    """

    def __init__(
        self,
        waves: Iterable[Wave],
        labels: Any = None,
        *,
        texts: Iterable[str] | None = None,
        speakers: Iterable[str] | None = None,
        ids: Iterable[Any] | None = None,
        came_from: Source = _GIVEN,
        rejects: Iterable[Reject] = (),
    ) -> None:
        self.waves = list(waves)
        self.rejects = tuple(rejects)
        if not self.waves:
            said = "; ".join(f"{one.identity}: {one.reason}" for one in self.rejects[:3])
            raise DataError("there are no recordings.", expected="one or more that can be read", received=f"{len(self.rejects)} that cannot: {said}" if said else "none", fix="check the data")
        self.ids = as_ids(ids, self.waves, "recordings")
        self.labels = None if labels is None else as_labels(labels)
        self.texts = None if texts is None else [str(text) for text in texts]
        self.speakers = None if speakers is None else [str(speaker) for speaker in speakers]
        for name, given in (("labels", self.labels), ("texts", self.texts), ("speakers", self.speakers)):
            if given is not None:
                require_one_each(name, given, self.waves, "recordings")
        self.came_from = came_from
        self._heard: tuple[Hearing, list[np.ndarray]] | None = None

    @classmethod
    def of(cls, given: Any, y: Any = None, *, rate: int | None = None, transcribed: bool = False) -> Recordings:
        """Recordings as they are; or from a list of paths, waves and arrays [N] of samples.

        Args:
            y: labels, or, if `transcribed`, texts. rate: of arrays, in samples a second.
        Raises:
            DataError: something that is no sound, a file that cannot be read, arrays without a rate.
        """
        if isinstance(given, Recordings) and y is None:
            return given
        if isinstance(given, (str, Path, Wave)):
            kind, fix = ("recording", "put it in a list") if isinstance(given, Wave) else ("path", "put it in a list, or read a manifest with read_recordings")
            raise DataError(f"a single {kind} is not a set of recordings.", expected="a list of paths, arrays or waves", received=str(given)[:80], fix=fix)
        known = {"texts": y} if transcribed else {"labels": y}
        if isinstance(given, Recordings):
            return cls(given.waves, **known, speakers=given.speakers, ids=given.ids, came_from=given.came_from.part())
        items = list(given)
        ids = [str(item) if isinstance(item, (str, Path)) else str(place) for place, item in enumerate(items)]
        return cls([_wave(item, rate, name) for item, name in zip(items, ids)], **known, ids=ids)

    def __len__(self) -> int:
        return len(self.waves)

    def __repr__(self) -> str:
        has = [name for name in ("labels", "texts", "speakers") if getattr(self, name) is not None]
        return ", ".join([f"Recordings({len(self)}", f"{self.seconds.sum():.1f} s", *has]) + ")"

    @kept_property
    def seconds(self) -> np.ndarray:
        """[N] float64."""
        return np.array([wave.seconds for wave in self.waves])

    @property
    def class_counts(self) -> dict[Any, int]:
        """How many recordings each label has."""
        return label_counts(self.labels)

    def select(self, indices: Sequence[int] | np.ndarray, *, origin: str | None = None) -> Recordings:
        """The recordings at these positions."""
        chosen = [int(index) for index in indices]

        def of(each: list[str] | None) -> list[str] | None:
            return None if each is None else [each[index] for index in chosen]

        return Recordings(
            [self.waves[index] for index in chosen], taken(self.labels, chosen), texts=of(self.texts), speakers=of(self.speakers),
            ids=[self.ids[index] for index in chosen], came_from=self.came_from.part(origin),
        )  # fmt: skip

    def require_texts(self) -> list[str]:
        """What is said in each.

        Raises:
            DataError: that is not known.
        """
        if self.texts is None:
            raise DataError("the recordings have no transcripts.", expected="a text for each", fix=either("give y, or Recordings with texts", "name the column that has them: --text-column"))
        return self.texts

    def heard(self, hearing: Hearing) -> list[np.ndarray]:
        """[T, width] float32 of each recording, kept for the next call with the same hearing."""
        if self._heard is None or self._heard[0] is not hearing:
            self._heard = hearing, [hearing(wave) for wave in self.waves]
        return self._heard[1]

    def _content_sha256(self) -> str:
        found = hashlib.sha256()
        for wave in self.waves:
            found.update(str(wave.rate).encode())
            found.update(wave.samples.tobytes())
        known = [None if self.labels is None else self.labels.tolist(), self.texts, self.speakers]
        found.update(json.dumps(known, ensure_ascii=False).encode("utf-8", "surrogatepass"))
        return found.hexdigest()


def split_by_speaker(data: Recordings, fraction: float, *, seed: Any) -> tuple[Recordings, Recordings]:
    """Splits a set at random. Where there are speakers and ten or more of them, each is wholly in one part; else recordings are divided whoever speaks.

    Raises:
        DataError: there is only one recording. ArgumentError: fraction is not between 0 and 1.
    """
    speakers = sorted(set(data.speakers or ()))
    if len(speakers) < 10:
        return random_split(data, fraction, seed=seed)
    generator = np.random.default_rng(seed)
    goal, held = fraction * len(data), set[str]()
    amount = 0
    for speaker in generator.permutation(np.array(speakers)).tolist():
        if amount < goal and len(held) < len(speakers) - 1:
            held.add(speaker)
            amount += (data.speakers or []).count(speaker)
    return divide(data, np.array([speaker in held for speaker in data.speakers or ()]), f"{len(held)} of {len(speakers)} speakers, seed {seed}")


def _wave(item: Any, rate: int | None, name: str) -> Wave:
    if isinstance(item, (str, Path)):
        return read_wave(item)
    if isinstance(item, Wave):
        return checked(item.samples, item.rate, f"recording {name}")
    if rate is None:
        raise DataError("an array of samples does not say its rate.", expected="paths, or Wave(samples, rate)", received=type(item).__name__, fix="give the option rate, in samples a second")
    return checked(item, rate, f"recording {name}")
