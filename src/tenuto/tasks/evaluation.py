"""evaluation.json: the keys that every task has, once (`runs/schema.py` has them all). Plain data in, plain data out; a task adds its own part."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import nn

from tenuto.data.source import Sourced
from tenuto.layers.mode import in_mode
from tenuto.runs.folder import EVALUATION_FORMAT, FORMAT_VERSION
from tenuto.runs.surroundings import machine, now, versions
from tenuto.scores.classification import class_measures, mean_loss
from tenuto.train import Outcome


class Measured(NamedTuple):
    """How good the answers for one set are.

    Attributes:
        result: the RESULT object of evaluation.json. shown: further keys of evaluation.json, which the page shows.
        speed: of prediction, see `prediction_speed`.
    """

    result: dict[str, Any]
    shown: dict[str, Any]
    speed: dict[str, Any]


class UsualCall(NamedTuple):
    """A call of a layer on a batch of the usual shape: x [steps, rows, the layer's input], with lengths or without."""

    layer: Any
    steps: int
    rows: int
    lengths: bool


class Watch:
    """Measures the seconds since it was made."""

    def __init__(self) -> None:
        self.started = time.perf_counter()

    @property
    def seconds(self) -> float:
        """The seconds that have passed; never zero."""
        return max(time.perf_counter() - self.started, 1e-9)


def evaluation_of(
    task: str,
    network: nn.Module,
    options: Mapping[str, Any],
    *,
    sets: Mapping[str, Mapping[str, Any]],
    outcome: Outcome,
    measured: Measured,
    engine: Mapping[str, Any],
) -> dict[str, Any]:
    """The whole evaluation after training, without a test set and without what is the task's own.

    Args:
        options: of the estimator, as config.json has them.
        sets: the SET objects of "train" and "validation"; `measured` is of the second.
    """
    seconds, epochs = max(outcome.seconds, 1e-9), outcome.metrics[-1]["epoch"]  # a fraction where the last validation stands within an epoch
    return {
        "format": EVALUATION_FORMAT,
        "format_version": FORMAT_VERSION,
        "task": task,
        "data": {**sets, "test": None},
        "model": {
            "cell_data": options["cell"],
            "hidden_size": options["hidden_size"],
            "num_layers": options["num_layers"],
            "bidirectional": options.get("bidirectional", False),
            "dropout": options.get("dropout", 0.0),
            "parameters": sum(parameter.numel() for parameter in network.parameters()),
            "weights": [
                {"name": name, "shape": list(parameter.shape), "parameters": parameter.numel()} for name, parameter in network.named_parameters()
            ],
        },
        "training": {
            "epochs_run": epochs,
            "best_epoch": outcome.best_epoch,
            "stopped": outcome.stopped,
            "seconds": outcome.seconds,
            "seed": options["random_state"],
            "steps": outcome.steps,
            "skipped_steps": outcome.skipped_steps,
            "options": dict(options),
        },
        "results": {"validation": measured.result, "test": None},
        "engine": dict(engine),
        "speed": {
            "training": {
                "sequences_per_s": sets["train"]["sequences"] * epochs / seconds,
                "steps_per_s": sets["train"]["steps"] * epochs / seconds,
                "optimiser_steps_per_s": outcome.steps / seconds,
            },
            "prediction": measured.speed,
        },
        "machine": machine(options["device"]),
        "versions": versions(),
        "created": now(),
        **measured.shown,
    }


def with_test(evaluation: Mapping[str, Any], described: Mapping[str, Any], measured: Measured) -> dict[str, Any]:
    """The evaluation with a test set, which is shown in place of the validation set."""
    parts = {"data": {"test": described}, "results": {"test": measured.result}, "speed": {"prediction": measured.speed}}
    return merged(evaluation, {**parts, **measured.shown})


def merged(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
    """`old` with what is in `new`: objects are merged key by key; everything else, and "test", is replaced.

    Example:
        >>> merged({"a": {"b": 1, "c": 2}, "d": 3}, {"a": {"c": 4}, "e": 5})
        {'a': {'b': 1, 'c': 4}, 'd': 3, 'e': 5}
    """
    found = dict(old)
    for key, value in new.items():
        both = key != "test" and isinstance(value, Mapping) and isinstance(found.get(key), Mapping)
        found[key] = merged(found[key], value) if both else value
    return found


def validation_of_classes(log_probabilities: np.ndarray, targets: np.ndarray, weights: np.ndarray | None, in_loss: np.ndarray | None) -> dict[str, float]:
    """What a validation of a classifier measures, for a line of metrics.jsonl.

    Args:
        log_probabilities: [N, K]. targets: [N] int. weights: [N], the rows' own.
        in_loss: [N], the weights that the loss goes by: those of the classes (`class_weight`) too, as in training, so that the best weights are chosen by what is trained for.
    """
    measured = class_measures(log_probabilities, targets, weights)
    return {
        "validation_loss": mean_loss(log_probabilities, targets, in_loss),
        "validation_accuracy": measured["accuracy"],
        "validation_balanced_accuracy": measured["balanced_accuracy"],
        "validation_macro_f1": measured["macro_f1"],
    }


def grain_of_classes(select_by: str, items: int) -> float:
    """By how much a classifier's validations on so many items may differ and still count as equal: one item, where the accuracy decides.

    Of small parts an early validation is easily the best by luck; of validations that are as good but for one item, the last is kept.
    """
    return 1 / items if select_by == "validation_accuracy" else 0.0


def describe_set(data: Sourced, lengths: np.ndarray, **own: Any) -> dict[str, Any]:
    """The SET object: where a set came from and how large it is.

    Args:
        lengths: [N] int64, of its sequences, in steps.
        own: further keys; "sequences" among them where their number is not N.
    """
    weights = getattr(data, "weights", None)
    return {
        "path": data.path,
        "sha256": data.sha256,
        "name": data.name,
        "origin": data.origin,
        "sequences": len(lengths),
        "steps": int(lengths.sum()),
        "length_min": int(lengths.min()),
        "length_mean": float(lengths.mean()),
        "length_max": int(lengths.max()),
        **({} if weights is None else {"weights": {"sum": float(weights.sum()), "smallest": float(weights.min()), "largest": float(weights.max())}}),
        **own,
    }


def prediction_speed(watch: Watch, *, sequences: int | None, steps: int, rows: int) -> dict[str, Any]:
    """Sequences (None where the data is not made of sequences) and steps per second, in batches of `rows`."""
    seconds = watch.seconds
    return {"sequences_per_s": None if sequences is None else sequences / seconds, "steps_per_s": steps / seconds, "batch_size": rows}


def engine(call: UsualCall, device: str) -> dict[str, Any]:
    """Which engine runs the time loop of this call in training, and why the others do not."""
    layer = call.layer
    x = torch.zeros(call.steps, call.rows, layer.input_size, device=device)
    with in_mode(layer, training=True):
        report = layer.engine_report(x, lengths=torch.full((call.rows,), call.steps) if call.lengths else None)
    return {
        "chosen": report.chosen,
        "table": str(report),
        "reasons": [{"engine": name, "runs": name == report.chosen, "reason": answer.reason} for name, answer in report.answers.items()],
        "shape": f"T {call.steps}, B {call.rows}, I {layer.input_size}, H {layer.hidden_size}",
    }
