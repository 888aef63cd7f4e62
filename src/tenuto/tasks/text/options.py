"""The options of `TextClassifier`."""

from __future__ import annotations

from tenuto.tasks.option import NETWORK, READING, REGULARISERS, option, options
from tenuto.tasks.token_options import TokenOptions


@options(select_by="validation_accuracy")
class TextOptions(TokenOptions):
    """The options of all tasks over tokens, and those of `TextClassifier`."""

    units: str = option(
        "auto", "What a token of a raw text is: words, letters, or auto: letters where most texts are one word or two, such as names.", READING, metavar="auto|words|letters"
    )
    pooling: tuple[str, ...] = option(("mean", "max", "last"), "How the outputs over time are pooled for the classifier: mean, max, last, with commas between.", NETWORK)
    label_smoothing: float = option(0.0, "Share of the target that is spread over all classes.", REGULARISERS, least=0, below=1)
