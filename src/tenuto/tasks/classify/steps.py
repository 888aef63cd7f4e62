"""A classifier of sequences as a model of steps: standardised channels, layers, outputs pooled over the steps so far."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tenuto.data.sequences.standardise import Standardiser
from tenuto.networks.pooled import PooledNetwork
from tenuto.networks.pooling import PooledHead
from tenuto.tasks.stepped import Channels, Linear, PooledClasses, StepModel

MISSING = 0.1  # of the values that are drawn, where the model takes missing ones


def classifier_steps(network: PooledNetwork, standardiser: Standardiser, classes: list[str], probabilities: Callable[[Any], np.ndarray]) -> StepModel:
    """The model of steps.

    Args:
        probabilities: sequences to the probability of each class, as the estimator gives it.
    """
    encoder: Any = network.encoder
    front: Any = network.front
    head = network.head
    assert isinstance(head, PooledHead)
    shift, scale, usual = standardiser.maps
    names = tuple(map(str, standardiser.channels))

    def draw(generator: np.random.Generator, steps: int) -> np.ndarray:
        low, high = standardiser.minimum, standardiser.maximum
        values = generator.uniform(low, high, (steps, len(names))).astype(np.float32)
        return values if standardiser.missing == "error" else np.where(generator.random(values.shape) < MISSING, np.float32("nan"), values)

    def answers(values: np.ndarray) -> np.ndarray:
        return probabilities([values[:length] for length in range(1, len(values) + 1)])

    reads = Channels(names, shift, scale, standardiser.missing, usual, tuple(front.inputs), dict(front.streams))
    return StepModel(reads, ((encoder, None),), PooledClasses(tuple(classes), head.pooling, Linear.of(head.linear)), draw, answers)
