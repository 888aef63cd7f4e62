"""`AudioStream`: sound in chunks of any sizes, through features and network, to what a task says of each step: as the whole recording would give it, to the last bit."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Generic, TypeVar

import numpy as np
import torch

from tenuto.data.audio.hearing import Hearing
from tenuto.data.audio.wave import checked
from tenuto.data.plain import array_of, plain
from tenuto.errors import ArgumentError

Event = TypeVar("Event")
Run = Callable[[np.ndarray, Any], tuple[np.ndarray, Any]]


class AudioStream(ABC, Generic[Event]):
    """A stream of sound that is heard as it comes; what is kept meanwhile does not grow.

    Args:
        run: a function of (steps [T, F], state) to logits [T, V] and the next state.
        rate: of the samples.
        silence_s: so many seconds of silence are heard after the end.
    Attributes:
        latency_s: from a sound to the step that has heard it, at most.
    """

    def __init__(self, hearing: Hearing, run: Run, rate: int, silence_s: float = 0.0) -> None:
        self._hearing, self._run, self._silence_s = hearing.stream(rate), run, silence_s
        self._state: Any = None
        self._over = False
        features = hearing.features
        self.latency_s = (1 + hearing.ahead) * hearing.step_seconds + (features.frame - features.shift) / features.rate

    @property
    def seconds(self) -> float:
        """How much was heard."""
        return self._hearing.samples / self._hearing.rate

    def accept(self, samples: Any) -> Iterator[Event]:
        """Hear the next samples: [N] or [N, channels], floats in -1..1 or whole numbers with a sign, N of any size. All of it is heard, whether or not the events are taken.

        Raises:
            ArgumentError: the stream was finished. DataError: no samples, or some that are not finite.
        """
        self._require_open()
        if not len(samples):
            return iter(())
        return iter(self._heard(self._hearing.accept(checked(samples, self._hearing.rate, "the chunk").samples), last=False))

    def finish(self) -> Iterator[Event]:
        """Hear the end: what was still inside is flushed, exactly as far as the sound goes."""
        self._require_open()
        self._over = True
        return iter([*self._heard(self._hearing.finish(self._silence_s), last=True), *self._ended()])

    def _heard(self, steps: np.ndarray, *, last: bool) -> list[Event]:
        if not len(steps):
            return []
        logits, self._state = self._run(steps, self._state)
        return self._read(logits, last=last)

    def _require_open(self) -> None:
        if self._over:
            raise ArgumentError("this stream was finished.", fix="open another one: model.stream()")

    def snapshot(self) -> dict[str, Any]:
        """All that the stream keeps, as plain data that JSON can hold, too: a stream of the same model goes on from it to the last bit, also in another process.

        Raises:
            ArgumentError: the stream was finished; its rate is not the model's (what a resampler keeps cannot be read).
        """
        self._require_open()
        state = None if self._state is None else [plain(one.cpu().numpy()) for one in self._state]
        return {"hearing": self._hearing.kept(), "state": state, "task": self._kept()}

    def restore(self, snapshot: Mapping[str, Any]) -> None:
        """Go on from what `snapshot` of a stream of the same model gave.

        Raises:
            ArgumentError: it is no snapshot; the stream was finished.
        """
        self._require_open()
        missing = {"hearing", "state", "task"} - set(snapshot)
        if missing:
            raise ArgumentError("this is no snapshot of a stream.", expected="what stream.snapshot() gave", received=f"no {', '.join(sorted(missing))}")
        self._hearing.resume(snapshot["hearing"])
        self._state = None if snapshot["state"] is None else tuple(torch.from_numpy(array_of(one)) for one in snapshot["state"])
        self._restore(snapshot["task"])

    def _kept(self) -> dict[str, Any]:
        """What the task keeps between two steps, as plain data."""
        raise ArgumentError(f"{type(self).__name__} has no snapshot.", fix="keep the stream itself")

    def _restore(self, kept: Mapping[str, Any]) -> None:
        """Set what `_kept` gave."""
        self._kept()

    @abstractmethod
    def _read(self, logits: np.ndarray, *, last: bool) -> list[Event]:
        """What these steps [T, V] say; `last`: the sound ends with them."""

    @abstractmethod
    def _ended(self) -> list[Event]:
        """What is left to say when the sound has ended."""
