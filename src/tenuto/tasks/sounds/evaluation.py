"""What only this task's evaluation.json has: example recordings, with what was heard and what was answered."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from tenuto.data.audio.hearing import Hearing
from tenuto.data.audio.recordings import Recordings
from tenuto.tasks.audio_evaluation import shown

EXAMPLES_SHOWN, MISTAKES_SHOWN = 4, 2


def examples(data: Recordings, name: str, hearing: Hearing, classes: Sequence[str], targets: np.ndarray, probabilities: np.ndarray) -> list[dict[str, Any]]:
    """At most four recordings: the two most confident mistakes first, then right ones, each of another class.

    Args:
        targets: [N]. probabilities: [N, K].
    """
    predicted, certainty = probabilities.argmax(1), probabilities.max(1)
    wrong = np.flatnonzero(predicted != targets)
    chosen = wrong[np.argsort(-certainty[wrong], kind="stable")][:MISTAKES_SHOWN].tolist()
    for target in range(len(classes)):
        right = np.flatnonzero((targets == target) & (predicted == target))
        if right.size and len(chosen) < EXAMPLES_SHOWN and target not in targets[chosen]:
            chosen.append(int(right[len(right) // 2]))
    return [
        {
            **shown(data, index, name, hearing),
            "label": classes[targets[index]],
            "predicted": classes[predicted[index]],
            "correct": bool(targets[index] == predicted[index]),
            "probabilities": [float(value) for value in probabilities[index]],
        }
        for index in chosen
    ]
