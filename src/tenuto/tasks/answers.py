"""Answers and results as the commands show them: rows of classes, a result in one line and in full, the network in a few words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tenuto.tasks.task import ClassTable


def class_rows(ids: Sequence[str], probabilities: Any, classes: Sequence[Any], *, every: bool) -> list[dict[str, Any]]:
    """One dictionary for each row of `probabilities` [N, K]: id, the likeliest class, its probability; with `every`, `p(CLASS)` for each class."""
    rows = []
    for name, row in zip(ids, probabilities):
        best = int(row.argmax())
        columns = {f"p({label})": round(float(share), 6) for label, share in zip(classes, row)} if every else {}
        rows.append({"id": name, "predicted": classes[best], "probability": round(float(row[best]), 6), **columns})
    return rows


def said_of_classes(result: Mapping[str, Any], counted: str) -> str:
    """How many got the right class, in one line; `counted` says what they are ("sequences", "texts")."""
    low, high = result["accuracy_interval"]
    right = f"{round(result['accuracy'] * result['sequences'])} of {result['sequences']} {counted}"
    if (equal := result.get("effective_sequences")) is not None:
        right = f"by weight, of {result['sequences']} {counted} that tell as much as {equal:.1f} of equal weight"
    return f"{result['accuracy']:.2%} right ({right}; 95 % interval {low:.1%} to {high:.1%}), loss {result['loss']:.4f}"


def score_of_classes(result: Mapping[str, Any], counted: str) -> list[str | ClassTable]:
    """Accuracy with its interval, loss, and each class."""
    low, high = result["accuracy_interval"]
    return [
        f"accuracy  {result['accuracy']:.2%} of {result['sequences']} {counted}{', by weight' * ('effective_sequences' in result)} "
        f"(95 % interval {low:.1%} to {high:.1%}; always the largest class: {result['majority_accuracy']:.1%})",
        f"macro F1  {result['macro_f1']:.4f}" + (f" (balanced accuracy {result['balanced_accuracy']:.2%})" if "balanced_accuracy" in result else ""),
        f"loss      {result['loss']:.4f} nats a {counted.removesuffix('s')}",
        ClassTable(result["classes"], counted),
    ]


def layers_said(model: Any) -> str:
    """`LSTM(...), 64 units, 2 layers`."""
    return f"{model.cell!r}, {model.hidden_size} units, {model.num_layers} layer{'s' * (model.num_layers > 1)}"


def token_network_said(model: Any) -> str:
    """The network of a task over tokens in a few words."""
    characters = "" if model.character_encoder == "none" else f", {model.character_encoder} over characters"
    return f"{layers_said(model)}, {ways_said(model)}{characters}, seed {model.random_state}"


def ways_said(model: Any) -> str:
    """The directions in which sequences are read."""
    return "both directions" if model.bidirectional else "forward only"
