"""The options of `TextClassifier`."""

from __future__ import annotations

from dataclasses import dataclass

from tenuto.tasks.option import NETWORK, TRAINING, option
from tenuto.tasks.token_options import TokenOptions


@dataclass(kw_only=True, eq=False, repr=False)
class TextOptions(TokenOptions):
    """Those of all tasks over tokens, and its own."""

    pooling: tuple[str, ...] = option(("mean", "max", "last"), "What the classifier sees of the outputs over time: mean, max, last, with commas.", NETWORK)
    label_smoothing: float = option(0.0, "Share of the target spread over all classes.", TRAINING)
