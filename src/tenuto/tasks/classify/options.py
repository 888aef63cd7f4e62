"""The options of `SequenceClassifier`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tenuto.tasks.option import NETWORK, TRAINING, WHERE, option


@dataclass(kw_only=True, eq=False, repr=False)
class ClassifyOptions:
    """What `tenuto fit classify` and the constructor take."""

    cell: Any = option("lstm", "lstm, gru, rnn, layer-norm-lstm, ... (`tenuto show` lists them), or your own: FILE.py:CLASS.", NETWORK, cell=True, first=True)
    hidden_size: int = option(64, "Units of a layer, in each direction.", NETWORK, search=[32, 64, 128, 256])
    num_layers: int = option(2, "Layers on top of one another.", NETWORK, search={"low": 1, "high": 3})
    bidirectional: bool = option(True, "Read each sequence from both ends, or forward only.", NETWORK, flag="--bidirectional/--forward-only")
    pooling: tuple[str, ...] = option(("mean", "max", "last"), "What the classifier sees of the outputs over time: mean, max, last, with commas.", NETWORK)
    dropout: float = option(0.3, "On the pooled features and between layers.", TRAINING, search={"low": 0.0, "high": 0.6, "step": 0.05})
    input_noise: float = option(0.8, "Deviation of the noise added to the standardised input.", TRAINING, search={"low": 0.0, "high": 1.0, "step": 0.1})
    label_smoothing: float = option(0.0, "Share of the target spread over all classes.", TRAINING)
    epochs: int = option(100, "At most.", TRAINING)
    batch_size: int = option(32, "Sequences a step.", TRAINING)
    learning_rate: float = option(3e-3, "The highest of the schedule.", TRAINING, search={"low": 5e-4, "high": 2e-2, "log": True})
    weight_decay: float = option(0.01, "Of AdamW, on matrices.", TRAINING)
    clip_norm: float | None = option(1.0, "Gradients are scaled down to this norm; 0 for never.", TRAINING, none=0)
    schedule: str = option("cosine", "cosine or constant.", TRAINING)
    patience: int | None = option(40, "Stop after so many epochs without a lower validation loss; 0 for never.", TRAINING, none=0)
    time_limit_s: float | None = option(None, "Stop after the epoch in which so many seconds have passed.", TRAINING)
    validation_fraction: float = option(0.2, "Of each class, held out to stop by, if DATA has no validation part.", TRAINING)
    missing: str = option("error", "What a missing value becomes: error, forward (the last value) or mean.", TRAINING)
    random_state: int | None = option(0, "Of the split, the weights, the batches and the noise.", TRAINING, typed="seed")
    engine: str = option("auto", "Who runs the time loop; auto takes the fastest that can.", WHERE)
    device: str = option("cpu", "cpu, cuda, ...", WHERE, search=False)
