"""The options of `AudioClassifier`."""

from __future__ import annotations

from typing import ClassVar

from tenuto.tasks.audio_options import CHANGED, HEARD, AudioOptions
from tenuto.tasks.class_options import ClassOptions
from tenuto.tasks.option import NETWORK, REGULARISERS, option, options
from tenuto.tasks.pace import Pace


@options(hidden_size=64, num_layers=1, dropout=0.5, together=1, tract=0.15, validation_fraction=0.2, select_by="validation_accuracy")
class SoundOptions(ClassOptions, AudioOptions):
    """The options of tasks over recordings and of classifiers, and those of `AudioClassifier`."""

    pace: ClassVar[Pace] = Pace(steps=1200, epochs=20, rows=(8, 32))

    bidirectional: bool = option(True, "Read each recording from both ends, or forward only.", NETWORK, flag="--bidirectional/--forward-only")
    normalise: str = option(
        "auto", "By whose mean and deviation features are standardised: training (of the training set), causal (of the frames so far), recording (of the whole recording), mean (the recording's mean, the training set's deviation), both (as training and as mean, side by side); "
        "auto: both, unless the recordings' means tell much of their classes, else training.", HEARD,
    )
    channel_db: float | None = option(
        None, "By how many decibels each frequency is louder or softer, at most, in half of the recordings, as by another microphone in another room; of log-mel features.", CHANGED, least=0, none=-1, without="10 where features are normalised as both, else 0",
    )
    halvings: int = option(2, "Convolutions before the layers, each of which makes a recording half as long.", NETWORK, least=0, search={"low": 0, "high": 3})
    shortcut: bool = option(True, "Where there are convolutions: the answer is read off them too, not only off the layers.", NETWORK, flag="--shortcut/--no-shortcut")
    pooling: tuple[str, ...] = option(("mean", "max", "last"), "How the outputs over time are pooled for the answer: mean, max, last, parts (the means of eight parts), with commas between.", NETWORK)
    label_smoothing: float = option(0.0, "Share of the target that is spread over all classes.", REGULARISERS, least=0, below=1)
