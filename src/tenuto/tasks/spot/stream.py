"""`SpotterStream`: sound in chunks of any sizes to keywords, as the whole recording would give them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from tenuto.data.audio.hearing import Hearing
from tenuto.tasks.audio_stream import AudioStream, Run
from tenuto.tasks.spot.detector import Detector, Rule


class Event(NamedTuple):
    """A keyword that was heard.

    Attributes:
        time: in seconds from the beginning of the stream on; the end of the step that told it.
        score: 0..1, the network's probability, without boost: the geometric mean of the steps that told it.
    """

    keyword: str
    time: float
    score: float


class SpotterStream(AudioStream[Event]):
    """A stream of sound in which keywords are told as they are heard. Keywords, times and scores are those of the whole recording, to the last bit.

    Args:
        hearing, run, rate, identity: as for `AudioStream`. late_s: so long after it was said a keyword may still be told; so much silence is heard after the end.
    """

    def __init__(self, hearing: Hearing, keywords: Sequence[str], rule: Rule, run: Run, rate: int, identity: Callable[[], dict[str, Any]], *, late_s: float) -> None:
        super().__init__(hearing, run, rate, identity, late_s)
        self._keywords, self._step_seconds, self._detector = tuple(keywords), hearing.step_seconds, Detector(rule)

    def _read(self, rows: np.ndarray, *, last: bool) -> list[Event]:
        told = self._detector.accept(rows)
        return [Event(self._keywords[one.keyword], min((one.step + 1) * self._step_seconds, self.seconds), one.score) for one in told]

    def _ended(self) -> list[Event]:
        return []

    def _kept(self) -> dict[str, Any]:
        return {"detector": self._detector.kept()}

    def _resume(self, kept: Mapping[str, Any]) -> None:
        self._detector.resume(kept["detector"])
