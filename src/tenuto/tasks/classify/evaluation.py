"""evaluation.json of a classifier: everything that a report shows, as plain data (the layout stands in `runs/folder.py`)."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from tenuto.cell import cell_to_data
from tenuto.data import Sequences
from tenuto.runs.folder import EVALUATION_FORMAT, FORMAT_VERSION
from tenuto.runs.surroundings import machine, now, versions
from tenuto.scores.classification import classification_result
from tenuto.train import Outcome

if TYPE_CHECKING:
    from tenuto.tasks.classify.estimator import SequenceClassifier

STEPS_SHOWN, UNITS_SHOWN, EXAMPLES_SHOWN = 400, 128, 4


def describe_training(model: SequenceClassifier, training: Sequences, validation: Sequences, outcome: Outcome) -> dict[str, Any]:
    """The whole evaluation after training, without a test set."""
    started = time.perf_counter()
    probabilities = model.predict_proba(validation)
    seconds = time.perf_counter() - started
    result = classification_result(probabilities, model._targets(validation), _names(model), validation.ids)
    trained = sum(line["count"] for line in outcome.metrics)
    mean_length = float(training.lengths.mean())
    network, standardiser = model.network_, model.standardiser_
    cell = type(model.cell_).__name__
    return {
        "format": EVALUATION_FORMAT,
        "format_version": FORMAT_VERSION,
        "task": "classify",
        "title": f"{cell} classifier, {len(model.classes_)} classes, {len(training.channels)} channels",
        "classes": _names(model),
        "data": {"train": describe_set(training), "validation": describe_set(validation), "test": None},
        "channels": [
            {"name": name, "mean": mean, "deviation": deviation, "minimum": low, "maximum": high}
            for name, mean, deviation, low, high in zip(
                standardiser.channels,
                standardiser.mean.tolist(),
                standardiser.deviation.tolist(),
                standardiser.minimum.tolist(),
                standardiser.maximum.tolist(),
            )
        ],
        "model": {
            "cell": repr(model.cell_),
            "cell_data": cell_to_data(model.cell_),
            "hidden_size": model.hidden_size,
            "num_layers": model.num_layers,
            "bidirectional": model.bidirectional,
            "dropout": model.dropout,
            "pooling": list(model.pooling),
            "parameters": sum(parameter.numel() for parameter in network.parameters()),
            "weights": [
                {"name": name, "shape": list(parameter.shape), "parameters": parameter.numel()}
                for name, parameter in network.named_parameters()
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
        "results": {"validation": result, "test": None},
        "examples": _examples(model, validation, probabilities, "validation"),
        "engine": _engine(model, training),
        "speed": {
            "training": {
                "sequences_per_s": trained / outcome.seconds,
                "steps_per_s": trained * mean_length / outcome.seconds,
                "optimiser_steps_per_s": outcome.steps / outcome.seconds,
            },
            "prediction": _speed(validation, seconds, model),
        },
        "machine": machine(model.device),
        "versions": versions(),
        "created": now(),
    }


def describe_test(model: SequenceClassifier, data: Sequences, targets: np.ndarray) -> dict[str, Any]:
    """The evaluation with `data` as its test set."""
    started = time.perf_counter()
    probabilities = model.predict_proba(data)
    seconds = time.perf_counter() - started
    old = model.evaluation_
    return {
        **old,
        "data": {**old["data"], "test": describe_set(data)},
        "results": {**old["results"], "test": classification_result(probabilities, targets, _names(model), data.ids)},
        "examples": _examples(model, data, probabilities, "test"),
        "speed": {**old["speed"], "prediction": _speed(data, seconds, model)},
    }


def describe_set(data: Sequences) -> dict[str, Any]:
    """The SET object: where it came from and how large it is."""
    counts, edges = np.histogram(data.lengths, bins=_length_edges(data.lengths))
    return {
        "path": data.path,
        "sha256": data.sha256,
        "name": data.name,
        "origin": data.origin,
        "sequences": len(data),
        "steps": int(data.lengths.sum()),
        "length_min": int(data.lengths.min()),
        "length_mean": float(data.lengths.mean()),
        "length_max": int(data.lengths.max()),
        "lengths": {"edges": edges.tolist(), "counts": counts.tolist()},
        "class_counts": {str(label): count for label, count in data.class_counts.items()},
        "missing_values": data.missing_values,
    }


def _length_edges(lengths: np.ndarray) -> np.ndarray:
    """Whole-number edges of at most 20 bins."""
    low, high = int(lengths.min()), int(lengths.max())
    width = max(1, -(-(high - low + 1) // 20))
    return np.arange(low, high + width + 1, width)


def _names(model: SequenceClassifier) -> list[str]:
    return [str(label) for label in model.classes_.tolist()]


def _speed(data: Sequences, seconds: float, model: SequenceClassifier) -> dict[str, Any]:
    return {
        "sequences_per_s": len(data) / seconds,
        "steps_per_s": int(data.lengths.sum()) / seconds,
        "batch_size": max(model.batch_size, 64),
    }


def _engine(model: SequenceClassifier, training: Sequences) -> dict[str, Any]:
    """Who runs the time loop on a batch of the usual shape, and why the others do not."""
    steps, batch = int(training.lengths.max()), min(model.batch_size, len(training))
    x = torch.zeros(steps, batch, model.n_features_in_, device=model.device)
    report = model.network_.recurrent.engine_report(x, lengths=torch.full((batch,), steps))
    return {
        "chosen": report.chosen,
        "table": str(report),
        "reasons": [
            {"engine": name, "runs": name == report.chosen, "reason": answer.reason} for name, answer in report.answers.items()
        ],
        "shape": f"T {steps}, B {batch}, I {model.n_features_in_}, H {model.hidden_size}",
    }


def _examples(model: SequenceClassifier, data: Sequences, probabilities: np.ndarray, name: str) -> list[dict[str, Any]]:
    """At most four sequences with their hidden states: the surest mistake first, then right ones, each of another class."""
    targets = model._targets(data)
    predicted, certainty = probabilities.argmax(1), probabilities.max(1)
    wrong = np.flatnonzero(predicted != targets)
    chosen = [int(wrong[np.argmax(certainty[wrong])])] if wrong.size else []
    for target in range(len(model.classes_)):
        right = np.flatnonzero((targets == target) & (predicted == target))
        if right.size and len(chosen) < EXAMPLES_SHOWN and target not in targets[chosen]:
            chosen.append(int(right[len(right) // 2]))
    part = data.select(chosen)
    names = _names(model)
    return [
        _example(model, part, row, hidden)
        | {
            "set": name,
            "label": names[targets[index]],
            "predicted": names[predicted[index]],
            "correct": bool(targets[index] == predicted[index]),
            "probabilities": [float(value) for value in probabilities[index]],
        }
        for row, (index, hidden) in enumerate(zip(chosen, model.hidden_states(part)))
    ]


def _example(model: SequenceClassifier, part: Sequences, row: int, hidden: np.ndarray) -> dict[str, Any]:
    width = hidden.shape[1] // (2 if model.bidirectional else 1)
    shown = min(width, UNITS_SHOWN)
    halves = ["forward", "backward"] if model.bidirectional else ["forward"]
    pieces = [hidden[:STEPS_SHOWN, start * width : start * width + shown] for start in range(len(halves))]
    values = part.values[row]
    return {
        "id": part.ids[row],
        "steps": len(values),
        "steps_shown": min(len(values), STEPS_SHOWN),
        "channels": list(part.channels),
        "input": _rounded(values[:STEPS_SHOWN]),
        "hidden": _rounded(np.concatenate(pieces, axis=1)),
        "hidden_units_shown": shown * len(halves),
        "directions": [{"name": half, "first": start * shown, "last": (start + 1) * shown} for start, half in enumerate(halves)],
    }


def _rounded(values: np.ndarray) -> list[list[float]]:
    """Five significant digits: enough for a picture, a third of the file."""
    return [[float(f"{value:.5g}") for value in row] for row in values.tolist()]
