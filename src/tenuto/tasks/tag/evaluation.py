"""What only a tagger's evaluation.json has: how its answers are counted, and the sentences that a page shows.

A tag or label that training never had cannot be predicted, so it counts as wrong. `unseen` names such tags with their counts, and
`labels.unseen` such labels; their sentences are left out of `loss`, nats a sentence, which is null where no sentence is left.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from tenuto.data.sentences.sentences import Sentences
from tenuto.scores.classification import LETTERS_OF_A_MISTAKE, by_class, wilson_interval
from tenuto.scores.spans import score_spans
from tenuto.scores.tag_schemes import SCHEMES

MISTAKES_SHOWN, EXAMPLES_SHOWN, TOKENS_SHOWN = 50, 12, 60


class TagSet(NamedTuple):
    """What can be answered: tags and labels in the order of the tables, and the scheme by which the tags mark spans, if they do."""

    tags: list[str]
    labels: list[Any]
    scheme: str | None


class Answers(NamedTuple):
    """What a tagger answers for a set: tags [N][T_i]; labels [N] and their probabilities [N], or None where it knows no labels."""

    tags: list[list[str]]
    labels: list[Any] | None
    certainty: list[float] | None

    @classmethod
    def none(cls, count: int, labels: Sequence[Any]) -> Answers:
        """Empty answers for `count` sentences, to be filled in."""
        return cls([[]] * count, [None] * count if labels else None, [0.0] * count if labels else None)


def tagger_result(known: TagSet, data: Sentences, answers: Answers, loss: float | None, unknown: np.ndarray) -> dict[str, Any]:
    """The RESULT of these answers against the tags and labels of `data`; `unknown` are the positions of the tokens whose word training never saw."""
    tags, labels = answers.tags, answers.labels
    assert data.tags is not None  # checked by the public calls
    gold, guessed = [tag for row in data.tags for tag in row], [tag for row in tags for tag in row]
    flat = compare(gold, guessed, known.tags)
    whole = [list(row) == list(guess) for row, guess in zip(data.tags, tags)]
    by_label = None
    if labels is not None and data.labels is not None:
        truth = data.labels.tolist()
        by_label = {"sequences": len(data), "loss": None, **compare(truth, labels, known.labels)}
        by_label["mistakes"] = _label_mistakes(data, labels, answers.certainty or [])
        whole = [right and one == other for right, one, other in zip(whole, truth, labels)]
    return {
        "sentences": len(data),
        "tokens": int(data.lengths.sum()),
        "loss": loss,
        "accuracy": flat["accuracy"],
        "accuracy_interval": flat["accuracy_interval"],
        "majority_accuracy": flat["majority_accuracy"],
        "macro_f1": flat["macro_f1"],
        "sentence_accuracy": sum(whole) / len(whole),
        "spans": {"scheme": known.scheme, **score_spans(data.tags, tags, SCHEMES[known.scheme])} if known.scheme else None,
        "tags": flat["classes"],
        "confusion": flat["confusion"],
        "unknown": {"tokens": len(unknown), "accuracy": float(np.mean([gold[i] == guessed[i] for i in unknown])) if unknown.size else None},
        "labels": by_label,
        "unseen": flat["unseen"],
        "mistakes": _mistakes(data, tags, labels, whole),
    }


def examples(data: Sentences, answers: Answers, name: str) -> list[dict[str, Any]]:
    """At most twelve short sentences: up to six with mistakes, then right ones."""
    labels = [None] * len(data) if answers.labels is None else answers.labels
    truth = data.labels.tolist() if data.labels is not None else [None] * len(data)
    assert data.tags is not None
    short = [index for index in range(len(data)) if 3 <= data.lengths[index] <= TOKENS_SHOWN] or list(range(len(data)))
    right = {index: list(data.tags[index]) == answers.tags[index] and (answers.labels is None or truth[index] == labels[index]) for index in short}
    wrong = [index for index in short if not right[index]][: EXAMPLES_SHOWN // 2]
    chosen = wrong + [index for index in short if right[index]][: EXAMPLES_SHOWN - len(wrong)]
    return [
        {
            "id": data.ids[index],
            "set": name,
            "tokens": list(data.tokens[index]),
            "tags": list(data.tags[index]),
            "predicted": answers.tags[index],
            "label": None if truth[index] is None else str(truth[index]),
            "predicted_label": None if labels[index] is None else str(labels[index]),
            "correct": right[index],
        }
        for index in chosen
    ]


def compare(truth: Sequence[Any], predicted: Sequence[Any], known: Sequence[Any]) -> dict[str, Any]:
    """How well answers agree with the truth. What training never saw may occur in the truth; it counts as wrong.

    Args:
        truth, predicted: the right and the predicted names, of the same length.
        known: what can be answered, in the order of the tables.
    Returns:
        {accuracy, accuracy_interval, majority_accuracy, macro_f1, classes, confusion (rows: true and known), unseen: {name: count}}
    """
    numbers = {name: index for index, name in enumerate(known)}
    hits = sum(one == other for one, other in zip(truth, predicted, strict=True))
    confusion = np.zeros((len(known), len(known)), dtype=np.int64)
    pairs = [(numbers[one], numbers[other]) for one, other in zip(truth, predicted) if one in numbers]
    if pairs:
        np.add.at(confusion, tuple(np.array(pairs).T), 1)
    unseen: dict[str, int] = {}
    for one in truth:
        if one not in numbers:
            unseen[str(one)] = unseen.get(str(one), 0) + 1
    rows = by_class(confusion, [str(name) for name in known])
    scores = [row["f1"] for row in rows if row["f1"] is not None]
    return {
        "accuracy": hits / len(truth),
        "accuracy_interval": wilson_interval(hits, len(truth)),
        "majority_accuracy": float(confusion.sum(1).max() / len(truth)),
        "macro_f1": sum(scores) / len(scores) if scores else None,
        "classes": rows,
        "confusion": confusion.tolist(),
        "unseen": unseen,
    }


def _mistakes(data: Sentences, tags: Sequence[Sequence[str]], labels: Sequence[Any] | None, whole: Sequence[bool]) -> list[dict[str, Any]]:
    assert data.tags is not None
    wrong = [index for index, right in enumerate(whole) if not right]
    counts = {index: sum(one != other for one, other in zip(data.tags[index], tags[index])) for index in wrong}
    wrong.sort(key=lambda index: (-counts[index], index))
    return [
        {
            "id": data.ids[index],
            "tokens": list(data.tokens[index]),
            "tags": list(data.tags[index]),
            "predicted": list(tags[index]),
            "label": None if data.labels is None else str(data.labels[index]),
            "predicted_label": None if labels is None else str(labels[index]),
        }
        for index in wrong[:MISTAKES_SHOWN]
    ]


def _label_mistakes(data: Sentences, labels: Sequence[Any], certainty: Sequence[float]) -> list[dict[str, Any]]:
    assert data.labels is not None
    truth = data.labels.tolist()
    wrong = sorted((index for index in range(len(data)) if truth[index] != labels[index]), key=lambda index: -certainty[index])
    return [
        {
            "id": data.ids[index],
            "label": str(truth[index]),
            "predicted": str(labels[index]),
            "probability": certainty[index],
            "text": data.text(index)[:LETTERS_OF_A_MISTAKE],
        }
        for index in wrong[:MISTAKES_SHOWN]
    ]
