"""The options of `TextClassifier`."""

from __future__ import annotations

from typing import ClassVar

from tenuto.tasks.class_options import ClassOptions
from tenuto.tasks.option import NETWORK, READING, REGULARISERS, option, options
from tenuto.tasks.pace import Pace
from tenuto.tasks.token_options import TokenOptions

LENGTH = "Long texts"
KEEP = ("beginning", "end", "both")


@options(select_by="validation_accuracy")
class TextOptions(ClassOptions, TokenOptions):
    """The options of all tasks over tokens and of both classifiers, and those of `TextClassifier`."""

    pace: ClassVar[Pace] = Pace(steps=1000, epochs=10, rows=(8, 32))

    max_tokens: int | None = option(
        None, "Tokens of a text that are read, at most (max_length elsewhere); how many texts were cut is said.", LENGTH, least=1, none=0, without="all", answering=True
    )
    keep: str = option("beginning", "Which tokens of a longer text are read: beginning, end, or both (half of them from each).", LENGTH, answering=True)
    units: str = option(
        "auto", "What a token of a raw text is: words, letters, or auto: letters where most texts are one word or two, such as names.", READING, metavar="auto|words|letters"
    )
    ngrams: int | None = option(
        None, "Tokens in a row that have a vector of their own, at most; 1 for single tokens only.", READING, least=1, none=0, without="3 where letters are read, else 1"
    )
    pooling: tuple[str, ...] = option(("mean", "max", "last"), "How the outputs over time are pooled for the classifier: mean, max, last, with commas between.", NETWORK)
    label_smoothing: float = option(0.0, "Share of the target that is spread over all classes.", REGULARISERS, least=0, below=1)
