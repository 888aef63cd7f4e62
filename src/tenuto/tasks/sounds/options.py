"""The options of `AudioClassifier`."""

from __future__ import annotations

from typing import ClassVar

from tenuto.tasks.audio_options import AudioOptions
from tenuto.tasks.class_options import ClassOptions
from tenuto.tasks.option import NETWORK, REGULARISERS, option, options
from tenuto.tasks.pace import Pace


@options(hidden_size=64, validation_fraction=0.2, select_by="validation_accuracy")
class SoundOptions(ClassOptions, AudioOptions):
    """The options of tasks over recordings and of classifiers, and those of `AudioClassifier`."""

    pace: ClassVar[Pace] = Pace(steps=1200, epochs=20, rows=(8, 32))

    bidirectional: bool = option(True, "Read each recording from both ends, or forward only.", NETWORK, flag="--bidirectional/--forward-only")
    pooling: tuple[str, ...] = option(("mean", "max", "last"), "How the outputs over time are pooled for the answer: mean, max, last, parts (the means of eight parts), with commas between.", NETWORK)
    label_smoothing: float = option(0.0, "Share of the target that is spread over all classes.", REGULARISERS, least=0, below=1)
