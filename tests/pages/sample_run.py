"""A run folder written by hand, as `tenuto.runs.folder` documents it: what the report's tests read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch

from tenuto.runs.folder import write_run

CREATED = "2026-01-31T12:00:00Z"
CELL = {"class": "tenuto.cells.lstm:LSTM", "heads": 1, "rank": None, "activation": "tanh", "recurrent_activation": "sigmoid"}


def sample_evaluation(classes: list[str], *, hidden: int = 64, bidirectional: bool = False, with_test: bool = True) -> dict[str, Any]:
    """An evaluation with numbers that agree with one another: the confusion matrix gives accuracy, F1 and support."""
    random = np.random.default_rng(0)
    channels = [f"cepstrum {index + 1}" for index in range(12)]
    confusion = np.diag(random.integers(24, 60, len(classes)))
    confusion[0, 1], confusion[-1, 0] = 3, 2
    if len(classes) > 2:
        confusion[2, 0] += 1
    result = _result(confusion, classes)
    sets = {
        "train": _set("train", 216, classes, "80 % of the training sequences, by class, seed 0"),
        "validation": _set("validation", 54, classes, "20 % of the training sequences, by class, seed 0"),
        "test": _set("test", int(confusion.sum()), classes, "given") if with_test else None,
    }
    return {
        "format": "tenuto evaluation",
        "format_version": 1,
        "task": "classify",
        "title": f"LSTM classifier, {len(classes)} classes, 12 channels",
        "classes": classes,
        "data": sets,
        "channels": [
            {"name": name, "mean": float(random.normal()), "deviation": 0.3, "minimum": -1.7, "maximum": 1.9} for name in channels
        ],
        "model": {
            "cell": "LSTM(activation='tanh')",
            "cell_data": CELL,
            "hidden_size": hidden,
            "num_layers": 1,
            "bidirectional": bidirectional,
            "dropout": 0.2,
            "pooling": ["mean", "last"],
            "parameters": 20873,
            "weights": [
                {"name": "recurrent.weight_ih_l0", "shape": [4 * hidden, 12], "parameters": 4 * hidden * 12},
                {"name": "head.weight", "shape": [len(classes), 2 * hidden], "parameters": len(classes) * 2 * hidden},
            ],
            "summary": "LSTM",
        },
        "training": {
            "epochs_run": 40,
            "best_epoch": 30,
            "stopped": "early stopping",
            "seconds": 21.3,
            "seed": 0,
            "steps": 280,
            "skipped_steps": 0,
            "options": {"cell": CELL, "batch_size": 32, "learning_rate": 0.003, "clip_norm": 1.0},
        },
        "results": {"validation": result, "test": result if with_test else None},
        "examples": [_example(index, classes, channels, hidden, bidirectional, random) for index in range(min(3, len(classes)))],
        "engine": {
            "chosen": "vendor",
            "table": "engine     runs\nvendor     yes\nreference  yes, slower",
            "reasons": [
                {"engine": "cpp", "runs": False, "reason": "no C++ compiler was found"},
                {"engine": "vendor", "runs": True, "reason": "oneDNN has this cell; lengths are kept by packing"},
                {"engine": "reference", "runs": True, "reason": "runs everything; a Python loop, so slower"},
            ],
            "shape": "T 29, B 32, I 12, H 64",
        },
        "speed": {
            "training": {"sequences_per_s": 612.4, "steps_per_s": 9731.0, "optimiser_steps_per_s": 19.1},
            "prediction": {"sequences_per_s": 5210.9, "steps_per_s": 80021.3, "batch_size": 64},
        },
        "machine": {"processor": "A processor", "cores": 2, "threads": 2, "platform": "Linux", "memory_bytes": 24 << 30, "device": "cpu"},
        "versions": {"tenuto": "0.1.0", "python": "3.11.7", "torch": "2.13.0+cpu", "numpy": "2.4.6"},
        "created": CREATED,
    }


def sample_metrics(epochs: int = 40, best: int = 30) -> list[dict[str, Any]]:
    """Curves that fall and flatten, with one value that is not known."""
    random = np.random.default_rng(1)
    lines = []
    for epoch in range(1, epochs + 1):
        train = 2.2 * np.exp(-epoch / 7) + 0.01 + 0.02 * random.random()
        validation = 2.2 * np.exp(-epoch / 6) + 0.06 + 0.03 * random.random()
        norm = 0.4 + 3 * np.exp(-epoch / 10) * random.random()
        lines.append(
            {
                "epoch": epoch,
                "train_loss": train,
                "validation_loss": validation,
                "validation_accuracy": min(1.0, 1 - 0.8 * np.exp(-epoch / 5)),
                "learning_rate": 0.003 * (1 - epoch / (epochs + 10)),
                "gradient_norm_mean": norm,
                "gradient_norm_max": norm * 2.4 if epoch != 5 else None,
                "clipped_steps": int(norm > 1) * 3,
                "steps": 7 * epoch,
                "skipped_steps": 0,
                "sequences": 216,
                "seconds": 0.53 * epoch,
                "epoch_seconds": 0.53,
                "best": epoch == best,
            }
        )
    return lines


def write_sample_run(folder: Path, classes: list[str] | None = None, *, changes: dict[str, Any] | None = None, epochs: int = 40, **options: Any) -> Path:
    """Write a whole run folder; `changes` replaces top-level entries of the evaluation, `options` go to `sample_evaluation`."""
    classes = classes or [str(index) for index in range(1, 10)]
    evaluation = {**sample_evaluation(classes, **options), **(changes or {})}
    config = {"tenuto": "0.1.0", "created": CREATED, "task": "classify", "data": evaluation["data"]}
    return write_run(folder, config=config, tensors={"w": torch.zeros(2)}, metrics=sample_metrics(epochs), evaluation=evaluation)


def _set(name: str, sequences: int, classes: list[str], origin: str) -> dict[str, Any]:
    share = sequences // len(classes)
    return {
        "path": f"data/vowels-{name}.npz",
        "sha256": "0123456789abcdef" * 4,
        "name": "Japanese Vowels",
        "origin": origin,
        "sequences": sequences,
        "steps": sequences * 15,
        "length_min": 7,
        "length_mean": 15.37,
        "length_max": 29,
        "class_counts": {label: share for label in classes},
        "missing_values": 0,
        "lengths": {"edges": [7, 11, 15, 19, 23, 29], "counts": [30, 80, 60, 30, 16]},
    }


def _result(confusion: np.ndarray, classes: list[str]) -> dict[str, Any]:
    right, total = np.diag(confusion), int(confusion.sum())
    precision, recall = right / confusion.sum(axis=0), right / confusion.sum(axis=1)
    f1 = 2 * precision * recall / (precision + recall)
    return {
        "sequences": total,
        "loss": 0.0731,
        "accuracy": float(right.sum() / total),
        "accuracy_interval": [0.962, 0.991],
        "majority_accuracy": float(confusion.sum(axis=1).max() / total),
        "macro_f1": float(f1.mean()),
        "confusion": confusion.tolist(),
        "classes": [
            {"name": name, "precision": precision[i], "recall": recall[i], "f1": f1[i], "support": int(confusion[i].sum())}
            for i, name in enumerate(classes)
        ],
        "mistakes": [{"id": "17", "label": classes[0], "predicted": classes[1], "probability": 0.934}],
    }


def _example(index: int, classes: list[str], channels: list[str], hidden: int, bidirectional: bool, random: Any) -> dict[str, Any]:
    steps, width = 14 + 5 * index, hidden * (2 if bidirectional else 1)
    walk = np.cumsum(random.normal(size=(steps, width)), axis=0) / 4
    other = index == 2
    probabilities = random.dirichlet(np.full(len(classes), 0.15))
    names = ["forward", "backward"] if bidirectional else ["forward"]
    return {
        "id": str(40 + index),
        "set": "test",
        "label": classes[index],
        "predicted": classes[0 if other else index],
        "correct": not other,
        "probabilities": probabilities.tolist(),
        "steps": steps,
        "steps_shown": steps,
        "channels": channels,
        "input": (np.cumsum(random.normal(size=(steps, len(channels))), axis=0) / 8).tolist(),
        "hidden": np.tanh(walk).tolist(),
        "hidden_units_shown": width,
        "directions": [{"name": name, "first": k * hidden, "last": (k + 1) * hidden} for k, name in enumerate(names)],
    }
