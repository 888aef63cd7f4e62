"""The options that classifiers have: how much a class counts, and whether probabilities are calibrated."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tenuto.tasks.option import TRAINING, option, options


@options()
class ClassOptions:
    """What `SequenceClassifier` and `TextClassifier` take, in addition to what every estimator takes."""

    class_weight: str | Mapping[Any, float] | None = option(
        None,
        "How much an example of each class counts in training: balanced (all of a class together count as much as those of any other), or weights as LABEL=NUMBER with commas between. "
        "A class without a weight has 1.",
        TRAINING,
        none="none",
        without="all examples alike",
        pairs=True,
    )
    calibrated: bool = option(
        True, "After training, divide the logits by the temperature at which the validation part is most likely, so that probabilities are as often right as they say.",
        TRAINING, flag="--calibrated/--not-calibrated", search=False,
    )  # fmt: skip
