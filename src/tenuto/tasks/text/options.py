"""The options of `TextClassifier`."""

from __future__ import annotations

from tenuto.tasks.option import NETWORK, REGULARISERS, option, options
from tenuto.tasks.token_options import TokenOptions


@options()
class TextOptions(TokenOptions):
    """Those of all tasks over tokens, and its own."""

    pooling: tuple[str, ...] = option(("mean", "max", "last"), "What the classifier sees of the outputs over time: mean, max, last, with commas.", NETWORK)
    label_smoothing: float = option(0.0, "Share of the target spread over all classes.", REGULARISERS, least=0, below=1)
