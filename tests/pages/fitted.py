"""Tiny real runs for the tests of pages: each is fitted when a test first asks for it, and then kept for the session.

Where a test needs wrong and right answers, the test part has the same item once with every label: some answers are right and some wrong, whatever the weights.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tenuto.data import Sequences, Source
from tenuto.tasks import LanguageModel, Seq2Seq, SequenceClassifier, SequenceRegressor, Tagger, TextClassifier

HOSTILE = ['<script>alert("x")</script>', "\"><img src=x onerror=alert('y')>", "{{ 7 * 7 }}", "Ünïcode & café </style>"]
SMALL = {"hidden_size": 4, "num_layers": 1, "batch_size": 6, "epochs": 3, "learning_rate": 0.02}
READER = {**SMALL, "word_size": 6, "character_size": 4, "character_hidden_size": 4}
LINES = f"do re mi {HOSTILE[0]} fa sol {HOSTILE[3]} la si\n"


@dataclass(frozen=True)
class Fitted:
    """A saved run with the estimator that wrote it and its test part: `x`, with the right answers `y` (None for a text)."""

    folder: Path
    model: Any
    x: Any
    y: Any


def sequences(classes: list[str], *, name: str = "steps", channels: tuple[str, ...] = ("level", "noise")) -> tuple[Sequences, Sequences]:
    """To train on: four sequences of 3 to 8 steps for each class. To test on: one for each class, and one sequence with every class."""
    random = np.random.default_rng(0)

    def one(level: int, steps: int) -> np.ndarray:
        return np.column_stack([np.full(steps, level), *random.normal(size=(len(channels) - 1, steps))])

    train = [(one(level, 3 + (level + copy) % 6), label) for level, label in enumerate(classes) for copy in range(4)]
    test = [(one(level, 3 + level % 6), label) for level, label in enumerate(classes)] + [(train[0][0], label) for label in classes]
    given = {"came_from": Source(name), "channels": channels}
    return Sequences(*zip(*train), **given), Sequences(*zip(*test), **given)


def classify(folder: Path, classes: int | list[str] = 3, *, with_test: bool = True, data: dict[str, Any] | None = None, **options: Any) -> Fitted:
    """A classifier of sequences."""
    names = [f"class {index}" for index in range(classes)] if isinstance(classes, int) else classes
    train, test = sequences(names, **(data or {}))
    model = SequenceClassifier("gru", **{**SMALL, **options}).fit(train)
    return Fitted(model.save(folder, test=test if with_test else None), model, test.values, list(test.labels))


def regress(folder: Path, names: tuple[str, ...] = ("warmth",)) -> Fitted:
    """A regression; of many held-out sequences there are intervals, of few there are none."""
    train, test = sequences([f"class {index}" for index in range(12)])
    wanted = [np.column_stack([[one[0, 0] * (place + 1) for one in part.values] for place in range(len(names))]) for part in (train, test)]
    first, second = (Sequences(part.values, targets=y, target_names=names) for part, y in zip((train, test), wanted))
    model = SequenceRegressor("gru", **SMALL).fit(first)
    return Fitted(model.save(folder, test=second), model, test.values, wanted[1])


def tag(folder: Path, *, spans: bool = True) -> Fitted:
    """A tagger: of genres and the class of the command, or of verbs and other words. The first two test sentences differ only in their tags."""
    x = [[word, *["some"] * count, *HOSTILE, genre] for word in ("play", "stop") for count in range(3) for genre in ("jazz", "rock")] * 2
    y = [[*(["O"] * (len(words) - 1)), "B-genre"] if spans else ["verb", *(["other"] * (len(words) - 1))] for words in x]
    labels = [words[0] + HOSTILE[2] for words in x] if spans else None
    test = ([x[0], *x[:6]], [["O" if spans else "other"] * len(x[0]), *y[:6]], *([[labels[-1], *labels[:6]]] if labels else []))
    model = Tagger("gru", **{**READER, "hidden_size": 8, "epochs": 10, "learning_rate": 0.05}).fit(x, y, labels=labels)
    return Fitted(model.save(folder, test=test), model, *test[:2])


def text(folder: Path) -> Fitted:
    """A classifier of texts, as lists of words. The first test text is there with both classes."""
    x = [[HOSTILE[0], *["so"] * count, word, *HOSTILE[1:]] for word in ("good", "bad") for count in range(4)] * 3
    y = ["up" if "good" in words else HOSTILE[2] for words in x]
    test = [x[0], *x[:8]], [HOSTILE[2], *y[:8]]
    model = TextClassifier("gru", **READER).fit(x, y)
    return Fitted(model.save(folder, test=test), model, *test)


def translate(folder: Path) -> Fitted:
    """A translator that reverses lists of symbols. The last target is longer than any answer that the model may write."""
    x = [(a, b, *rest) for a in ("jazz", "rock", *HOSTILE[:2]) for b in ("play", *HOSTILE[2:]) for rest in ((), ("end",))]
    y = [words[::-1] for words in x]
    test = [*x[:6], tuple(HOSTILE)], [*y[:6], ("end",) * 40]
    model = Seq2Seq("gru", embedding_size=6, source_unit="tokens", target_unit="tokens", **{**SMALL, "hidden_size": 16, "epochs": 12, "learning_rate": 0.05}).fit(x, y)
    return Fitted(model.save(folder, test=test), model, *test)


def language(folder: Path, **options: Any) -> Fitted:
    """A language model of characters."""
    model = LanguageModel("gru", window=8, validation_fraction=0.2, **{**SMALL, **options}).fit(LINES * 12)
    return Fitted(model.save(folder, test=LINES * 3), model, LINES * 3, None)


RUNS: dict[str, Callable[[Path], Fitted]] = {
    "classify": classify,
    "regress": regress,
    "regress, several hostile names": lambda folder: regress(folder, tuple(HOSTILE)),
    "tag": tag,
    "text": text,
    "translate": translate,
    "language": language,
    "classify, one unit, one epoch, no test part": lambda folder: classify(
        folder, with_test=False, hidden_size=1, epochs=1, bidirectional=False
    ),
    "classify, hostile names": lambda folder: classify(folder, HOSTILE, data={"name": HOSTILE[0], "channels": tuple(HOSTILE)}),
    **{f"classify, {count} classes": lambda folder, count=count: classify(folder, count, epochs=1) for count in (2, 20, 41)},
    "tag, no spans and no labels": lambda folder: tag(folder, spans=False),
    "language, bytes": lambda folder: language(folder, epochs=1, units="bytes"),
    "language, validated within an epoch": lambda folder: language(folder, epochs=2, validate_every=5, max_steps=20),
}
