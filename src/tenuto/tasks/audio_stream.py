"""`AudioStream`: sound in chunks of any sizes, through features and network, to what a task says of each step: as the whole recording would give it, to the last bit."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Generic, TypeVar

import numpy as np

from tenuto.data.audio.hearing import Hearing
from tenuto.data.audio.wave import checked
from tenuto.errors import ArgumentError
from tenuto.files import DAMAGE
from tenuto.train.nested import nested_of, plain_nested

Event = TypeVar("Event")
S = TypeVar("S", bound="AudioStream[Any]")
Run = Callable[[np.ndarray, Any], tuple[np.ndarray, Any]]


class AudioStream(ABC, Generic[Event]):
    """A stream of sound that is heard as it comes; what is kept meanwhile does not grow.

    Args:
        run: a function of (steps [T, F], state) to what the task reads of them, [T, J], and the next state.
        rate: of the samples.
        identity: a function that gives, by name, what a snapshot of this stream must have in common with the stream that goes on from it.
        silence_s: so many seconds of silence are heard after the end.
    Attributes:
        latency_s: from a sound to the step that has heard it, at most.
    """

    def __init__(self, hearing: Hearing, run: Run, rate: int, identity: Callable[[], dict[str, Any]], silence_s: float = 0.0) -> None:
        self._hearing, self._run, self._identity, self._silence_s = hearing.stream(rate), run, identity, silence_s
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
        if hasattr(samples, "__len__") and not len(samples):
            return iter(())
        return iter(self._heard(self._hearing.accept(checked(samples, self._hearing.rate, "the chunk").samples), last=False))

    def finish(self) -> Iterator[Event]:
        """Hear the end: what was still inside is flushed, exactly as far as the sound goes."""
        self._require_open()
        self._over = True
        return iter([*self._heard(self._hearing.finish(self._silence_s), last=True), *self._ended()])

    def snapshot(self) -> dict[str, Any]:
        """All that the stream keeps, as plain data that JSON can hold, too: a stream of the same model with the same options goes on from it to the last bit, also in another process.

        Raises:
            ArgumentError: the stream was finished; its rate is not the model's (what a resampler keeps cannot be read).
        """
        self._require_open()
        return {"of": self._identity(), "hearing": self._hearing.kept(), "state": plain_nested(self._state), **self._kept()}

    def restore(self: S, snapshot: Mapping[str, Any]) -> S:
        """Go on from what `snapshot` gave; this stream itself. Where that cannot be, it stays as it was.

        Raises:
            ArgumentError: it is no snapshot, a damaged one, or one of another model or of other options. As `snapshot`.
        """
        before = self.snapshot()
        missing = set(before) - set(snapshot) if isinstance(snapshot, Mapping) else set(before)
        if missing:
            raise ArgumentError("this is no snapshot of a stream.", expected="what stream.snapshot() gave", received=f"no {', '.join(sorted(missing))}")
        given = snapshot["of"] if isinstance(snapshot["of"], Mapping) else {}
        differ = sorted(name for name, value in before["of"].items() if given.get(name) != value)
        if differ:
            raise ArgumentError(
                f"the snapshot is of another stream: it differs in {', '.join(differ)}.", expected="the same model, and the same arguments of model.stream()",
                received=", ".join(f"{name} {given.get(name)}" for name in differ)[:200],
            )  # fmt: skip
        try:
            self._go_on(snapshot)
        except DAMAGE as error:
            self._go_on(before)
            raise ArgumentError(
                "the snapshot is damaged.", expected="what stream.snapshot() gave, unchanged", received=f"{type(error).__name__}: {error}", fix="go on from an older one, or hear the sound again"
            ) from error
        return self

    def _go_on(self, snapshot: Mapping[str, Any]) -> None:
        self._hearing.resume(snapshot["hearing"])
        self._state = nested_of(snapshot["state"])
        self._resume(snapshot)

    def _heard(self, steps: np.ndarray, *, last: bool) -> list[Event]:
        if not len(steps):
            return []
        rows, self._state = self._run(steps, self._state)
        return self._read(rows, last=last)

    def _require_open(self) -> None:
        if self._over:
            raise ArgumentError("this stream was finished.", fix="open another one: model.stream()")

    @abstractmethod
    def _read(self, rows: np.ndarray, *, last: bool) -> list[Event]:
        """What these steps [T, J] say; `last`: the sound ends with them."""

    @abstractmethod
    def _ended(self) -> list[Event]:
        """What is left to say when the sound has ended."""

    @abstractmethod
    def _kept(self) -> dict[str, Any]:
        """What the task keeps between two steps, as plain data by name."""

    @abstractmethod
    def _resume(self, kept: Mapping[str, Any]) -> None:
        """Set what `_kept` gave."""
