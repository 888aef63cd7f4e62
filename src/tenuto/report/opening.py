"""The head of the page: the one number, the sentence that says what it is, and the facts beside it."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from ..tasks.run_folder import Run
from .wording import count, duration, number, percent


def content(run: Run) -> dict[str, Any]:
    """What the page's head shows; see page.html for where each value goes."""
    evaluation = run.evaluation
    shown, result = best_result(evaluation)
    low, high = result["accuracy_interval"]
    return {
        "title": evaluation["title"],
        "data_name": data_name(evaluation["data"]["train"]["name"]),
        "sentence": _sentence(evaluation),
        "score": percent(result["accuracy"]),
        "score_says": f"of {count(result['sequences'], shown + ' sequence')} right",
        "score_interval": f"95 % interval {percent(low)} to {percent(high)}",
        "facts": _facts(evaluation, shown, result),
        "created": day(evaluation["created"]),
        "run_name": run.folder.resolve().name,
        "version": evaluation["versions"]["tenuto"],
    }


def best_result(evaluation: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """The result to put first: on the test set where there is one, else on the validation set, with the set's name."""
    results = evaluation["results"]
    name = "test" if results.get("test") else "validation"
    return name, results[name]


def cell_name(cell: dict[str, Any]) -> str:
    """The bare name of a cell given as data: `{"class": "tenuto.cells.lstm:LSTM", ...}` is an LSTM."""
    return str(cell["class"]).rpartition(":")[2].rpartition(".")[2]


def data_name(name: str) -> str:
    """A data set's name as a heading: `japanese_vowels train` gives `Japanese vowels`."""
    words = name.replace("_", " ").split()
    if len(words) > 1 and words[-1].lower() == "train":
        words = words[:-1]
    heading = " ".join(words) or name
    return heading[:1].upper() + heading[1:]


def day(created: str) -> str:
    """A date as one reads it: `2026-01-31T12:00:00Z` gives `31 January 2026`."""
    try:
        moment = datetime.fromisoformat(created.replace("Z", "+00:00"))
    except ValueError:
        return created
    return f"{moment.day} {moment:%B %Y}"


def _sentence(evaluation: dict[str, Any]) -> str:
    """What the model reads, what it answers, and from how much it learnt."""
    model, train = evaluation["model"], evaluation["data"]["train"]
    layers = "one layer" if model["num_layers"] == 1 else f"{model['num_layers']} layers"
    ways = ", read in both directions," if model["bidirectional"] else ""
    lengths = (
        f"{train['length_min']} steps" if train["length_min"] == train["length_max"]
        else f"{train['length_min']} to {train['length_max']} steps"
    )  # fmt: skip
    return (
        f"{layers.capitalize()} of {model['hidden_size']} {cell_name(model['cell_data'])} units{ways} told "
        f"{count(len(evaluation['classes']), 'class')} apart after training on {count(train['sequences'], 'sequence')} "
        f"of {count(len(evaluation['channels']), 'channel')} and {lengths}."
    )


def _facts(evaluation: dict[str, Any], shown: str, result: dict[str, Any]) -> list[tuple[str, str, str]]:
    """Name, value and small print of each fact."""
    training, speed = evaluation["training"], evaluation["speed"]
    return [
        (f"Loss on {shown}", number(result["loss"]), "nats a sequence"),
        ("Macro F1", number(result["macro_f1"]), "mean over classes"),
        ("Baseline", percent(result["majority_accuracy"]), "always the largest class"),
        ("Best epoch", f"{training['best_epoch']}", f"of {training['epochs_run']}; {training['stopped']}"),
        ("Trained in", duration(training["seconds"]), f"{count(training['steps'], 'step')}"),
        ("Weights", f"{evaluation['model']['parameters']:,}", "numbers"),
        ("Predicts", number(_rounded(speed["prediction"]["sequences_per_s"])), "sequences a second"),
    ]


def _rounded(rate: float | None) -> float | None:
    """A rate to three digits: a measured speed is not known better."""
    return None if rate is None else float(f"{rate:.3g}")
