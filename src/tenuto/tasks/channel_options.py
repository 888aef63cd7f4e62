"""The options of tasks with one answer for a sequence of channels: what stands between the channels and the answer."""

from __future__ import annotations

from typing import ClassVar

from tenuto.tasks.estimator_options import EstimatorOptions
from tenuto.tasks.option import NETWORK, REGULARISERS, TRAINING, option, options
from tenuto.tasks.pace import Pace


@options(hidden_size=64, validation_fraction=0.2)
class ChannelOptions(EstimatorOptions):
    """The options of every estimator, and those of `SequenceClassifier` and `SequenceRegressor`."""

    pace: ClassVar[Pace] = Pace(steps=1000, epochs=20, rows=(8, 32))

    num_layers: int = option(2, "Number of layers, each on top of the one before.", NETWORK, least=1, search={"low": 1, "high": 3})
    bidirectional: bool = option(True, "Read each sequence from both ends, or forward only.", NETWORK, flag="--bidirectional/--forward-only")
    halvings: int | None = option(
        None, "Convolutions before the layers, each of which makes a series half as long.", NETWORK, least=0, none=-1, without="as many as the length of the series suggests"
    )
    shortcut: bool = option(True, "Where there are convolutions: the answer is read off them too, not only off the layers.", NETWORK, flag="--shortcut/--no-shortcut")
    pooling: tuple[str, ...] = option(
        ("auto",),
        "How the outputs over time are pooled for the answer: mean, max, last, parts (the means of eight parts), with commas between; auto: the first three, and parts if series are long.",
        NETWORK,
    )
    dropout: float = option(0.3, "Dropout rate on the pooled features and between layers.", REGULARISERS, least=0, below=1, search={"low": 0.0, "high": 0.6, "step": 0.05})
    input_noise: float | None = option(
        None,
        "Standard deviation of the noise that is added to the standardised input in training.",
        REGULARISERS,
        least=0,
        none=-1,
        without="less than the usual change from step to step",
        search={"low": 0.0, "high": 0.8, "step": 0.1},
    )
    level_noise: float = option(
        0.0, "Standard deviation of noise that is the same at all steps of a sequence, one number for each channel: for levels that differ from one recording to the next.", REGULARISERS, least=0
    )
    observed: tuple[str, ...] = option(
        (),
        "What the network reads beside the values, with commas between: mask (1 where a value was measured, else 0), gap (1 / (1 + time since it was last measured, in mean steps)).",
        NETWORK,
    )
    layout: str = option(
        "case-time-channel", "What the axes of an array of three are: case-time-channel, or case-channel-time, as sktime and aeon have them.", TRAINING, search=False, answering=True, in_python=True
    )  # fmt: skip
    missing: str = option("error", "What happens to a missing value: error, forward (the value before it again) or mean (of its channel); a cell that takes the mask, such as grud, takes error for mean.", TRAINING)
