"""Whole run folders of the tasks over language, written by hand as `tenuto.runs.folder` documents them: what the report's tests read."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import torch

from tenuto.runs.folder import write_run
from tests.pages.sample_run import CREATED, sample_evaluation, sample_metrics

TEXT = (
    "First Citizen:\nBefore we proceed any further, hear me speak.\n\nAll:\nSpeak, speak.\n\nFirst Citizen:\n"
    "You are all resolved rather to die than to famish?\n\nAll:\nResolved. resolved.\n"
)
SENTENCES = [
    ("play some jazz on my phone", "O O B-genre O O B-device", "O O B-genre O O O", "play"),
    ("what is the weather in new york", "O O O O O B-city I-city", "O O O O O B-city I-city", "weather"),
]
PAIRS = [("tenuto", "T EH N UW T OW", "T EH N UW T OW"), ("phoenix", "F IY N IH K S", "F OW N IH K S IH"), ("knight", "N AY T", "K N AY T")]


def write_language_run(folder: Path, **changes: Any) -> Path:
    """A language model over characters."""
    random = np.random.default_rng(0)
    losses = random.gamma(1.2, 1.1, len(TEXT)).round(3).tolist()
    result = {
        "tokens": 111_539,
        "characters": 111_539,
        "loss": 1.4339,
        "perplexity": math.exp(1.4339),
        "bits_per_character": 1.4339 / math.log(2),
        "windows": [{"length": 256, "loss": 1.4712, "perplexity": math.exp(1.4712), "bits_per_character": 1.4712 / math.log(2)}],
        "by_position": {"position": list(range(1, 41)), "loss": (1.45 + 1.6 * np.exp(-np.arange(40) / 6)).tolist()},
    }
    own = {
        "vocabulary": {"kind": "characters", "size": 65},
        "results": {"validation": result, "test": result},
        "passage": {"set": "test", "tokens": list(TEXT), "loss": losses},
        "surprising": [{"before": "we proceed any ", "text": "z", "after": "eal, hear me", "loss": 9.31}, {"before": "All:", "text": "\n", "after": "Speak", "loss": 7.2}],
        "samples": [{"prompt": "ROMEO:", "text": "\nWhat shall I swear by?\n", "temperature": 0.8, "top_k": 40, "top_p": None, "seed": 1}],
    }
    return _write(folder, "language", own, changes, {"validation_accuracy": None, "validation_bits_per_character": 2.1})


def write_tag_run(folder: Path, **changes: Any) -> Path:
    """A tagger of slots and intents."""
    tags, classes = ["O", "B-genre", "B-device", "B-city", "I-city"], ["play", "weather"]
    confusion = [[400, 0, 3, 1, 0], [2, 40, 0, 0, 0], [4, 0, 25, 0, 0], [1, 0, 0, 50, 2], [0, 0, 0, 3, 22]]
    labels = sample_evaluation(classes)["results"]["test"]
    result = {
        "sentences": 90,
        "tokens": 553,
        "loss": 0.21,
        "accuracy": 0.971,
        "accuracy_interval": [0.953, 0.982],
        "sentence_accuracy": 0.78,
        "spans": {"precision": 0.91, "recall": 0.9, "f1": 0.905, "kinds": [_row("city", 53), _row("genre", 42), _row("device", 29)]},
        "tags": [_row(tag, sum(row)) for tag, row in zip(tags, confusion)],
        "confusion": confusion,
        "unknown": {"tokens": 31, "accuracy": 0.71},
        "labels": labels,
    }
    examples = [
        {"id": str(number), "set": "test", "tokens": words.split(), "tags": true.split(), "predicted": said.split(), "label": label, "predicted_label": "play"}
        for number, (words, true, said, label) in enumerate(SENTENCES)
    ]
    own = {"tags": tags, "classes": classes, "results": {"validation": result, "test": result}, "examples": examples}
    return _write(folder, "tag", own, changes, {"validation_span_f1": 0.9})


def write_text_run(folder: Path, **changes: Any) -> Path:
    """A classifier of texts."""
    classes = ["good", "bad"]
    result = sample_evaluation(classes)["results"]["test"]
    words = "a fine film that is never too long".split()
    weights = [0.05, 0.5, 0.2, 0.02, 0.03, 0.1, 0.04, 0.06]
    example = {"id": "7", "set": "test", "label": "good", "predicted": "bad", "correct": False, "probabilities": [0.4, 0.6], "tokens": words, "weights": weights}
    own = {"classes": classes, "vocabulary": {"kind": "words", "size": 8123}, "results": {"validation": result, "test": result}, "examples": [example, {**example, "id": "8", "weights": None}]}
    return _write(folder, "classify-text", own, changes, {})


def write_translate_run(folder: Path, **changes: Any) -> Path:
    """Spelling to phonemes, with attention."""
    random = np.random.default_rng(0)
    result = {
        "pairs": 12_000,
        "sources": 11_214,
        "tokens": 76_321,
        "loss": 0.1983,
        "token_accuracy": 0.942,
        "exact": 0.731,
        "exact_interval": [0.723, 0.739],
        "error_rate": 0.066,
        "beam_size": 5,
        "coverage": {"mean": 0.87, "least_read": [{"token": "e", "weight": 0.31}, {"token": "h", "weight": 0.42}]},
        "by_length": [{"length_min": 1, "length_max": 4, "pairs": 900, "exact": 0.81, "error_rate": 0.05}, {"length_min": 5, "length_max": 5, "pairs": 1100, "exact": 0.7, "error_rate": 0.08}],
        "mistakes": [{"id": "3", "source": list(source), "target": target.split(), "predicted": said.split(), "edits": 2} for source, target, said in PAIRS[1:]],
    }
    examples = []
    for number, (source, target, said) in enumerate(PAIRS):
        spread = np.abs(np.arange(len(source))[None] - np.linspace(0, len(source) - 1, len(said.split()))[:, None])
        weights = np.exp(-2 * spread) + 0.03 * random.random(spread.shape)
        attention = (weights / weights.sum(1, keepdims=True)).round(4).tolist()
        examples.append({"id": str(number), "set": "test", "source": list(source), "target": target.split(), "predicted": said.split(), "correct": target == said, "attention": attention})
    vocabulary = {"source": {"kind": "characters", "size": 31}, "target": {"kind": "symbols", "size": 41}}
    own = {"vocabulary": vocabulary, "results": {"validation": result, "test": result}, "examples": examples}
    return _write(folder, "translate", own, changes, {"validation_accuracy": None, "validation_exact": 0.7})


WRITERS = {"language": write_language_run, "tag": write_tag_run, "classify-text": write_text_run, "translate": write_translate_run}


def _row(name: str, support: int) -> dict[str, Any]:
    return {"name": name, "precision": 0.9, "recall": 0.88, "f1": 0.89, "support": support}


def _write(folder: Path, task: str, own: dict[str, Any], changes: dict[str, Any], measured: dict[str, Any]) -> Path:
    """The common part of an evaluation with the task's own; `measured` goes into each line of metrics.jsonl."""
    common = sample_evaluation(["a", "b"], bidirectional=task == "tag")
    for name in ("classes", "channels", "examples"):
        common.pop(name)
    common["model"].pop("pooling")
    for known in common["data"].values():
        for name in ("class_counts", "lengths", "missing_values"):
            known.pop(name)
        known |= {"name": "sample text", "tokens": 1_003_854, "sentences": 13_084, "pairs": 108_000, "path": "data/sample.txt"}
    common["speed"] = {"training": {"sequences_per_s": None, "steps_per_s": None, "tokens_per_s": 21_345.6}, "prediction": {"sequences_per_s": None, "tokens_per_s": 81_234.5}}
    evaluation = {**common, "task": task, "title": f"LSTM, {task}", **own, **changes}
    config = {"tenuto": "0.1.0", "created": CREATED, "task": task, "data": evaluation["data"]}
    metrics = [{**line, **measured} for line in sample_metrics()]
    return write_run(folder, config=config, tensors={"w": torch.zeros(2)}, metrics=metrics, evaluation=evaluation)
