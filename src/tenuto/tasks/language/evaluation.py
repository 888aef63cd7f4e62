"""What only a language model's evaluation.json has: a passage with the loss of each token, and the most surprising places."""

from __future__ import annotations

from typing import Any

import numpy as np

from tenuto.data.text.vocabulary import Vocabulary

PASSAGE, SURPRISING, AROUND = 1500, 12, 40  # tokens shown, tokens listed, characters around each of them
WINDOWS = (256,)  # lengths of the windows in which a text is read as well, each from a zero state
SAMPLES: tuple[dict[str, float], ...] = ({"temperature": 1.0}, {"temperature": 0.7}, {"temperature": 1.0, "top_p": 0.9})
SAMPLE_LENGTH = 400


def passage(vocabulary: Vocabulary, tokens: np.ndarray, nats: np.ndarray, name: str) -> dict[str, Any]:
    """The beginning of a text [N], with the nats [N - 1] of all tokens but the first; `name` is that of the set."""
    words = [vocabulary.shown(int(token)) for token in tokens[1 : PASSAGE + 1]]
    return {"set": name, "tokens": words, "loss": [round(float(value), 4) for value in nats[:PASSAGE]]}


def surprising(vocabulary: Vocabulary, tokens: np.ndarray, nats: np.ndarray) -> list[dict[str, Any]]:
    """The tokens with the highest loss, with the text around them."""
    found = []
    for place in np.argsort(-nats, kind="stable")[:SURPRISING].tolist():
        before, after = tokens[max(0, place + 1 - AROUND) : place + 1], tokens[place + 2 : place + 2 + AROUND]
        found.append(
            {
                "before": vocabulary.decode(before)[-AROUND:],
                "text": vocabulary.shown(int(tokens[place + 1])),
                "after": vocabulary.decode(after)[:AROUND],
                "loss": float(nats[place]),
            }
        )
    return found
