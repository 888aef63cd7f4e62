"""The options of `TextClassifier`."""

from __future__ import annotations

from tenuto.tasks.option import NETWORK, REGULARISERS, option, options
from tenuto.tasks.token_options import TokenOptions


@options(select_by="validation_accuracy")
class TextOptions(TokenOptions):
    """The options of all tasks over tokens, and those of `TextClassifier`."""

    pooling: tuple[str, ...] = option(("mean", "max", "last"), "How the outputs over time are pooled for the classifier: mean, max, last, with commas between.", NETWORK)
    label_smoothing: float = option(0.0, "Share of the target that is spread over all classes.", REGULARISERS, least=0, below=1)
