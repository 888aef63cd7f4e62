"""evaluation.json of the estimators that read text: what they have in common, beside what `runs/folder.py` says.

    SET               as for "classify", `steps` are tokens; and tag_counts: {tag: int}, unknown_words: share of tokens, 0..1
    vocabulary        {kind: "words", size, characters: int, lowercase: bool, most_frequent: [[word, count]]}
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch

from tenuto.cell import cell_to_data
from tenuto.data.sentences.sentences import Sentences
from tenuto.runs.folder import EVALUATION_FORMAT, FORMAT_VERSION
from tenuto.runs.surroundings import machine, now, versions
from tenuto.scores.classification import by_class, wilson_interval
from tenuto.tasks.token_estimator import TextEstimator
from tenuto.train import Outcome


def describe_text_training(
    model: TextEstimator, training: Sentences, validation: Sentences, result: Mapping[str, Any], outcome: Outcome, seconds: float
) -> dict[str, Any]:
    """What every text task's evaluation has after training; the task sets `title` and `examples`.

    Args:
        result: of the validation set, computed in `seconds`.
    """
    network, words = model.network_, model.coder_.words
    trained = sum(line["count"] for line in outcome.metrics)
    return {
        "format": EVALUATION_FORMAT,
        "format_version": FORMAT_VERSION,
        "task": model.task,
        "title": "",
        "data": {"train": describe_sentences(model, training), "validation": describe_sentences(model, validation), "test": None},
        "vocabulary": {
            "kind": "words",
            "size": len(words.entries),
            "characters": len(model.coder_.characters.entries),
            "lowercase": model.lowercase,
            "most_frequent": [list(pair) for pair in zip(words.entries[:20], words.counts[:20])],
        },
        "model": {
            "cell": repr(model.cell_),
            "cell_data": cell_to_data(model.cell_),
            "hidden_size": model.hidden_size,
            "num_layers": model.num_layers,
            "bidirectional": model.bidirectional,
            "dropout": model.dropout,
            "parameters": sum(parameter.numel() for parameter in network.parameters()),
            "weights": [
                {"name": name, "shape": list(parameter.shape), "parameters": parameter.numel()} for name, parameter in network.named_parameters()
            ],
            "summary": str(network),
        },
        "training": {
            "epochs_run": len(outcome.metrics),
            "best_epoch": outcome.best_epoch,
            "stopped": outcome.stopped,
            "seconds": outcome.seconds,
            "seed": model.seed_,
            "steps": outcome.steps,
            "skipped_steps": outcome.skipped_steps,
            "options": {**model.get_params(), "cell": cell_to_data(model.cell_)},
        },
        "results": {"validation": dict(result), "test": None},
        "examples": [],
        "engine": _engine(model, training),
        "speed": {
            "training": {
                "sequences_per_s": trained / outcome.seconds,
                "steps_per_s": trained * float(training.lengths.mean()) / outcome.seconds,
                "optimiser_steps_per_s": outcome.steps / outcome.seconds,
            },
            "prediction": prediction_speed(model, validation, seconds),
        },
        "machine": machine(model.device),
        "versions": versions(),
        "created": now(),
    }


def with_test(model: TextEstimator, data: Sentences, result: Mapping[str, Any], seconds: float) -> dict[str, Any]:
    """The model's evaluation with `data` as its test set."""
    old = model.evaluation_
    return {
        **old,
        "data": {**old["data"], "test": describe_sentences(model, data)},
        "results": {**old["results"], "test": dict(result)},
        "speed": {**old["speed"], "prediction": prediction_speed(model, data, seconds)},
    }


def describe_sentences(model: TextEstimator, data: Sentences) -> dict[str, Any]:
    """The SET object of a set of sentences."""
    low, high = int(data.lengths.min()), int(data.lengths.max())
    width = max(1, -(-(high - low + 1) // 20))
    counts, edges = np.histogram(data.lengths, bins=np.arange(low, high + width + 1, width))
    return {
        "path": data.path,
        "sha256": data.sha256,
        "name": data.name,
        "origin": data.origin,
        "sequences": len(data),
        "sentences": len(data),
        "steps": int(data.lengths.sum()),
        "length_min": low,
        "length_mean": float(data.lengths.mean()),
        "length_max": high,
        "lengths": {"edges": edges.tolist(), "counts": counts.tolist()},
        "class_counts": {str(label): count for label, count in data.class_counts.items()},
        "tag_counts": data.tag_counts,
        "unknown_words": model.coder_.unknown_share(data),
        "missing_values": 0,
    }


def prediction_speed(model: TextEstimator, data: Sentences, seconds: float) -> dict[str, Any]:
    """Sentences and tokens a second."""
    return {"sequences_per_s": len(data) / seconds, "steps_per_s": int(data.lengths.sum()) / seconds, "batch_size": max(model.batch_size, 64)}


def compare(truth: Sequence[Any], predicted: Sequence[Any], known: Sequence[Any]) -> dict[str, Any]:
    """How answers agree with the truth, where the truth may hold what training never saw: that counts as wrong.

    Args:
        truth, predicted: one each, of the same kind as `known`.
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


def hidden_picture(states: torch.Tensor, bidirectional: bool, *, units: int = 64) -> dict[str, Any]:
    """The part of an example that shows what a layer did: states [T, W], the first units of each direction, five digits."""
    halves = ["forward", "backward"] if bidirectional else ["forward"]
    width = states.shape[1] // len(halves)
    shown = min(width, units)
    pieces = torch.cat([states[:, start * width : start * width + shown] for start in range(len(halves))], dim=1)
    return {
        "hidden": [[float(f"{value:.5g}") for value in row] for row in pieces.tolist()],
        "hidden_units_shown": shown * len(halves),
        "directions": [{"name": half, "first": start * shown, "last": (start + 1) * shown} for start, half in enumerate(halves)],
    }


def _engine(model: TextEstimator, training: Sentences) -> dict[str, Any]:
    """Who runs the time loop over tokens on a batch of the usual shape, and why the others do not."""
    steps, batch = int(np.median(training.lengths)), min(model.batch_size, len(training))
    recurrent: Any = model.network_.recurrent
    x = torch.zeros(steps, batch, recurrent.input_size, device=model.device)
    report = recurrent.engine_report(x, lengths=torch.full((batch,), steps))
    return {
        "chosen": report.chosen,
        "table": str(report),
        "reasons": [{"engine": name, "runs": name == report.chosen, "reason": answer.reason} for name, answer in report.answers.items()],
        "shape": f"T {steps}, B {batch}, I {recurrent.input_size}, H {model.hidden_size}",
    }
