"""The options of `SequenceClassifier`."""

from __future__ import annotations

from tenuto.tasks.estimator_options import EstimatorOptions
from tenuto.tasks.option import NETWORK, REGULARISERS, TRAINING, option, options


@options(hidden_size=64, patience=40, validation_fraction=0.2)
class ClassifyOptions(EstimatorOptions):
    """Those of every estimator, and its own."""

    num_layers: int = option(2, "Layers on top of one another.", NETWORK, least=1, search={"low": 1, "high": 3})
    bidirectional: bool = option(True, "Read each sequence from both ends, or forward only.", NETWORK, flag="--bidirectional/--forward-only")
    pooling: tuple[str, ...] = option(("mean", "max", "last"), "What the classifier sees of the outputs over time: mean, max, last, with commas.", NETWORK)
    dropout: float = option(0.3, "On the pooled features and between layers.", REGULARISERS, least=0, below=1, search={"low": 0.0, "high": 0.6, "step": 0.05})
    input_noise: float = option(
        0.8, "Deviation of the noise added to the standardised input in training.", REGULARISERS, least=0, search={"low": 0.0, "high": 1.0, "step": 0.1}
    )
    label_smoothing: float = option(0.0, "Share of the target spread over all classes.", REGULARISERS, least=0, below=1)
    missing: str = option("error", "What a missing value becomes: error, forward (the last value) or mean.", TRAINING)
