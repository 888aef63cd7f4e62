"""What a tagger's evaluation.json holds: the layout stands in `runs/folder.py` under "tag"; this is how it is counted, and what it has beside.

A tag or label that training never had cannot be predicted, so it counts as wrong. `unseen` names such tags with their counts, and
`labels.unseen` such labels; their sentences are left out of `loss`, nats a sentence, which is null where no sentence is left.
`mistakes` are at most 50 sentences, those with the most wrong tags first: [{id, tokens, tags, predicted, label, predicted_label}].
An example has also what the layer did: {correct, steps, hidden, hidden_units_shown, directions} as for "classify".
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch

from tenuto.data.sentences.lexicon import UNKNOWN
from tenuto.data.sentences.sentences import Sentences
from tenuto.scores.spans import score_spans
from tenuto.tasks.token_evaluation import compare, hidden_picture

if TYPE_CHECKING:
    from tenuto.tasks.tag.estimator import Tagger

MISTAKES_SHOWN, EXAMPLES_SHOWN, TOKENS_SHOWN = 50, 12, 60


class Answers(NamedTuple):
    """What a tagger answers for a set: tags [N][T_i]; labels [N] and their probabilities [N], or None where it knows no labels."""

    tags: list[list[str]]
    labels: list[Any] | None
    certainty: list[float] | None


def tagger_result(model: Tagger, data: Sentences, answers: Answers, loss: float | None) -> dict[str, Any]:
    """The RESULT of these answers against the tags and labels of `data`."""
    tags, labels = answers.tags, answers.labels
    assert data.tags is not None  # checked by the public calls
    gold, guessed = [tag for row in data.tags for tag in row], [tag for row in tags for tag in row]
    flat = compare(gold, guessed, model.tags_)
    whole = [list(row) == list(guess) for row, guess in zip(data.tags, tags)]
    by_label = None
    if labels is not None and data.labels is not None:
        truth = data.labels.tolist()
        by_label = {"sequences": len(data), "loss": None, **compare(truth, labels, model.labels_.tolist())}
        by_label["mistakes"] = _label_mistakes(data, labels, answers.certainty or [])
        whole = [right and one == other for right, one, other in zip(whole, truth, labels)]
    coded = model.coder_.code(data)
    unknown = np.flatnonzero(coded.type_words[coded.types] == UNKNOWN)
    return {
        "sentences": len(data),
        "tokens": int(data.lengths.sum()),
        "loss": loss,
        "accuracy": flat["accuracy"],
        "accuracy_interval": flat["accuracy_interval"],
        "majority_accuracy": flat["majority_accuracy"],
        "macro_f1": flat["macro_f1"],
        "sentence_accuracy": sum(whole) / len(whole),
        "spans": score_spans(data.tags, tags) if model.spans_ else None,
        "tags": flat["classes"],
        "confusion": flat["confusion"],
        "unknown": {"tokens": len(unknown), "accuracy": float(np.mean([gold[i] == guessed[i] for i in unknown])) if unknown.size else None},
        "labels": by_label,
        "unseen": flat["unseen"],
        "mistakes": _mistakes(data, tags, labels, whole),
    }


def tagger_examples(model: Tagger, data: Sentences, name: str) -> list[dict[str, Any]]:
    """At most twelve sentences, short ones: six with mistakes where there are as many, then right ones."""
    predicted = model.predict(data)
    labels = model.predict_labels(data).tolist() if model.labels_.size else [None] * len(data)
    truth = data.labels.tolist() if data.labels is not None else [None] * len(data)
    assert data.tags is not None
    short = [index for index in range(len(data)) if 3 <= data.lengths[index] <= TOKENS_SHOWN] or list(range(len(data)))
    right = {index: list(data.tags[index]) == predicted[index] and (not model.labels_.size or truth[index] == labels[index]) for index in short}
    wrong = [index for index in short if not right[index]][: EXAMPLES_SHOWN // 2]
    chosen = wrong + [index for index in short if right[index]][: EXAMPLES_SHOWN - len(wrong)]
    examples = []
    for index, states in zip(chosen, model.hidden_states(data.select(chosen)) if chosen else []):
        examples.append(
            {
                "id": data.ids[index],
                "set": name,
                "tokens": list(data.tokens[index]),
                "tags": list(data.tags[index]),
                "predicted": predicted[index],
                "label": None if truth[index] is None else str(truth[index]),
                "predicted_label": None if labels[index] is None else str(labels[index]),
                "correct": right[index],
                "steps": len(data.tokens[index]),
                **hidden_picture(torch.from_numpy(states), model.bidirectional),
            }
        )
    return examples


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
        {"id": data.ids[index], "label": str(truth[index]), "predicted": str(labels[index]), "probability": certainty[index]}
        for index in wrong[:MISTAKES_SHOWN]
    ]
