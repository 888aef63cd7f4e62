"""The options of `SequenceClassifier`."""

from __future__ import annotations

from tenuto.tasks.class_options import ClassOptions
from tenuto.tasks.estimator_options import EstimatorOptions
from tenuto.tasks.option import NETWORK, REGULARISERS, TRAINING, option, options


@options(hidden_size=64, patience=40, validation_fraction=0.2)
class ClassifyOptions(ClassOptions, EstimatorOptions):
    """The options of every estimator and of both classifiers, and those of `SequenceClassifier`."""

    num_layers: int = option(2, "Number of layers, each on top of the one before.", NETWORK, least=1, search={"low": 1, "high": 3})
    bidirectional: bool = option(True, "Read each sequence from both ends, or forward only.", NETWORK, flag="--bidirectional/--forward-only")
    pooling: tuple[str, ...] = option(("mean", "max", "last"), "How the outputs over time are pooled for the classifier: mean, max, last, with commas between.", NETWORK)
    dropout: float = option(0.3, "Dropout rate on the pooled features and between layers.", REGULARISERS, least=0, below=1, search={"low": 0.0, "high": 0.6, "step": 0.05})
    input_noise: float = option(
        0.8, "Standard deviation of the noise that is added to the standardised input in training.", REGULARISERS, least=0, search={"low": 0.0, "high": 1.0, "step": 0.1}
    )
    label_smoothing: float = option(0.0, "Share of the target that is spread over all classes.", REGULARISERS, least=0, below=1)
    missing: str = option("error", "What happens to a missing value: error, forward (the value before it again) or mean (of its channel).", TRAINING)
