"""`AudioEstimator`: what tasks over recordings share: how recordings are read, heard, changed in training, and put into batches."""

from __future__ import annotations

from abc import abstractmethod
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, TypeVar

import numpy as np
import torch

from tenuto.choices import require
from tenuto.data.audio.changing import Changing
from tenuto.data.audio.features import Features
from tenuto.data.audio.hearing import Hearing
from tenuto.data.audio.normalise import RULES, Normaliser
from tenuto.data.audio.perturb import Perturbation
from tenuto.data.audio.recordings import Recordings
from tenuto.data.audio.wave import check_rate
from tenuto.data.sequences.batches import Batch, bucketed_batches
from tenuto.networks.reduction import ReducedRecurrent
from tenuto.tasks.audio_exported import ExportedAudio
from tenuto.tasks.audio_options import AudioOptions
from tenuto.tasks.batches import Batches
from tenuto.tasks.estimator import Estimator
from tenuto.tasks.evaluation import UsualCall, describe_set
from tenuto.train import Checkpoint, Launch, Observer

E = TypeVar("E", bound="AudioEstimator")


class AudioEstimator(AudioOptions, ExportedAudio, Estimator):
    """What is fitted on recordings.

    Attributes (after fit):
        hearing_: from samples to what the network reads (`tenuto.data.audio.hearing`).
    """

    takes = {"string": True}
    transcribed: ClassVar[bool]  # whether answers are texts, not labels
    rules: ClassVar[tuple[str, ...]] = RULES  # by which features may be normalised

    hearing_: Hearing

    def fit(
        self: E,
        x: Any,
        y: Any = None,
        *,
        validation: Any = None,
        test: Any = None,
        observers: Iterable[Observer] = (),
        checkpoint: str | Path | Checkpoint | None = None,
        launch: Launch | None = None,
    ) -> E:
        """Train. Ctrl-C ends training early and keeps the best weights so far. A fit that fails leaves the estimator as it was.

        Args:
            x: `Recordings`, or a list of paths of sound files, of `Wave`s, and of arrays [N] of samples, whose rate is the option `rate`.
            y: the answers, see the class. Not needed with `Recordings` that have them.
            validation, test: `Recordings`, or (x, y). observers, checkpoint, launch: see `tenuto.tasks.estimator.Estimator.fit`.
        Raises:
            DataError: the recordings cannot be used as they are. ArgumentError: an option out of range, or a package is not installed.
            TrainingError: the loss or a gradient became NaN or infinite. RunError: the checkpoint is of another run.
        """
        with self._as_before(), self._calling("fit"):
            self.check()
            if self.rate is not None:
                check_rate(self.rate)
            sets = [None if given is None else self._to_learn(*given) if isinstance(given, tuple) else self._to_learn(given) for given in ((x, y), validation, test)]
        return super().fit(sets[0], validation=sets[1], test=sets[2], observers=observers, checkpoint=checkpoint, launch=launch)

    def _to_learn(self, x: Any, y: Any = None) -> Recordings:
        return Recordings.of(x, y, rate=self.rate, transcribed=self.transcribed)

    def _read(self, x: Any, y: Any = None) -> Recordings:
        rate = self.hearing_.features.rate if hasattr(self, "hearing_") else self.rate
        return Recordings.of(x, y, rate=rate, transcribed=self.transcribed)

    def check_options(self) -> None:
        super().check_options()
        Features(self.rate or 16000, self.features, self.feature_size)
        require("normalise", self.normalise, self.rules)

    def _settled(self, training: Recordings) -> dict[str, Any]:
        rates = Counter(wave.rate for wave in training.waves)
        return super()._settled(training) | ({} if self.rate else {"rate": max(rates, key=lambda rate: (rates[rate], -rate))})

    def _prepare(self, training: Recordings, held_out: Recordings) -> None:
        features = Features(self.options_["rate"], self.features, self.feature_size)
        unknown = Hearing(features, Normaliser(RULES[0], np.zeros(self.feature_size), np.ones(self.feature_size)), self.together, self.ahead)
        frames = [unknown.frames(wave) for wave in training.waves]
        self.hearing_ = replace(unknown, normaliser=Normaliser.learn(frames, self._rule_of(training, frames)))

    def _rule_of(self, training: Recordings, frames: list[np.ndarray]) -> str:
        """By which rule features are normalised; frames: [T, F] of each recording."""
        return self.normalise

    @staticmethod
    def _with_rejects(data: Recordings, parts: tuple[Recordings, Recordings]) -> tuple[Recordings, Recordings]:
        """The two parts of a set, of which the first tells what its reader left out."""
        parts[0].rejects = data.rejects
        return parts

    # --- batches ---------------------------------------------------------------------------------------------------------

    def _lengths(self, data: Recordings) -> np.ndarray:
        """[N] int64, in steps."""
        return np.array([len(one) for one in data.heard(self.hearing_)], dtype=np.int64)

    def _passes(self, training: Recordings, rows: np.ndarray) -> Callable[[int], list[np.ndarray]]:
        """The batches of each epoch, of these rows of the training part."""
        lengths, size, seed = self._lengths(training)[rows], self.options_["batch_size"], self.seed_
        return lambda epoch: [rows[batch] for batch in bucketed_batches(lengths, size, seed=seed, epoch=epoch)]

    def _changing(self, training: Recordings) -> Callable[[int], np.ndarray]:
        """A function from a position to what is heard of it in training, which differs each time; what is drawn follows from torch's generator, which checkpoints keep."""
        options, hearing, heard = self.options_, self.hearing_, training.heard(self.hearing_)
        change = perturbation_of(options)
        changing = Changing(training.waves, hearing, change)

        def hear(index: int) -> np.ndarray:
            if not change.of_samples and not change.of_frames:
                return heard[index]
            return changing(index, np.random.default_rng(int(torch.randint(2**62, ()).item())))

        return hear

    def _batches(self, data: Recordings) -> Batches:
        heard = data.heard(self.hearing_)
        return Batches(self._lengths(data), max(self.options_["batch_size"], 64), partial(padded, heard.__getitem__), self._most_steps())

    def _usual_call(self, training: Recordings) -> UsualCall:
        steps, rows = int(np.median(self._lengths(training))), min(self.options_["batch_size"], len(training))
        encoder: Any = self.network_.encoder
        if isinstance(encoder, ReducedRecurrent):
            encoder, steps = encoder.recurrent, -(-steps // encoder.together)
        return UsualCall(encoder, steps, rows, lengths=True)

    def _describe(self, data: Recordings) -> dict[str, Any]:
        return describe_set(data, self._lengths(data), seconds=round(float(data.seconds.sum()), 3), rejected=len(data.rejects), rejects=[one._asdict() for one in data.rejects[:50]])

    # --- what a run keeps ------------------------------------------------------------------------------------------------

    @abstractmethod
    def _kept(self) -> dict[str, Any]:
        return {"hearing": self.hearing_.to_data()}

    def _restore(self, kept: Mapping[str, Any]) -> None:
        self.hearing_ = Hearing.from_data(kept["hearing"])


def perturbation_of(options: Mapping[str, Any]) -> Perturbation:
    """How the options say that recordings are changed in training."""
    return Perturbation(options["speed"], options["gain_db"], options["noise_db"], options["band_masks"], options["time_masks"], options["tract"], options["channel_db"] or 0.0)


def padded(heard: Callable[[int], np.ndarray], indices: np.ndarray, targets: np.ndarray | None = None) -> Batch:
    """What is heard of the recordings at `indices`, [T_i, F] each, as one batch, padded with zeros; `targets` [N] int for the whole set."""
    rows = [heard(int(index)) for index in indices]
    lengths = torch.tensor([len(row) for row in rows])
    x = np.zeros((int(lengths.max()), len(rows), rows[0].shape[1]), dtype=np.float32)
    for place, row in enumerate(rows):
        x[: len(row), place] = row
    return Batch(torch.from_numpy(x), lengths, None if targets is None else torch.from_numpy(targets[indices]), np.asarray(indices))
