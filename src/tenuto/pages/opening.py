"""The head of the page: the main score, a sentence about the model, and some facts."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from tenuto.pages.places import report_command
from tenuto.pages.wording import count, duration, number
from tenuto.runs.folder import Run


@dataclass(frozen=True)
class Headline:
    """What a task puts at the head of its page.

    Args:
        sentence: what the model is and what it learnt from.
        score: the main number, as text.
        score_says, score_interval: two short lines under the score; the second may be empty.
        facts: the name, the value and the small print of each fact.
    """

    sentence: str
    score: str
    score_says: str
    score_interval: str
    facts: Sequence[tuple[str, str, str]]


def content(run: Run, headline: Headline) -> dict[str, Any]:
    """What the page's head shows; see page.html for where each value goes."""
    evaluation = run.evaluation
    return {
        **dataclasses.asdict(headline),
        **foot(run.folder, evaluation["versions"]["tenuto"]),
        "title": evaluation["title"],
        "data_name": data_name(_name_of(evaluation["data"]["train"])),
        "created": day(evaluation["created"]),
    }


def foot(folder: Path, version: str) -> dict[str, Any]:
    """What every page, of a run or of a search, says of its folder."""
    remake, inside = report_command(folder)
    return {"run_name": folder.resolve().name, "version": version, "remake": remake, "remake_inside": inside}


def training_facts(evaluation: dict[str, Any]) -> list[tuple[str, str, str]]:
    """The facts that every task's page shows: best epoch, time, weights."""
    training = evaluation["training"]
    return [
        ("Best epoch", number(training["best_epoch"]), f"of {number(training['epochs_run'])}; {training['stopped']}"),
        ("Trained in", duration(training["seconds"]), f"{count(training['steps'], 'step')}"),
        ("Weights", f"{evaluation['model']['parameters']:,}", "numbers"),
    ]


def speed_fact(evaluation: dict[str, Any]) -> list[tuple[str, str, str]]:
    """How fast the model predicts, in sequences or in tokens; empty if neither was measured."""
    for name in ("sequences", "tokens"):
        rate = evaluation["speed"]["prediction"].get(f"{name}_per_s")
        if rate is not None:
            return [("Predicts", number(float(f"{rate:.3g}")), f"{name} a second")]
    return []


def network_words(evaluation: dict[str, Any]) -> str:
    """`2 layers of 64 LSTM units, read in both directions,`."""
    model = evaluation["model"]
    layers = "One layer" if model["num_layers"] == 1 else f"{model['num_layers']} layers"
    ways = ", read in both directions," if model.get("bidirectional") else ""
    return f"{layers} of {model['hidden_size']} {cell_name(model['cell_data'])} units{ways}"


def best_result(evaluation: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """The set whose result comes first, and the result: the test set if there is one, else the validation set."""
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


def _name_of(known: dict[str, Any]) -> str:
    """The name of a set; if its file is only called `train`, the name of the folder."""
    name, path = str(known["name"]), known.get("path")
    if name.lower() in ("train", "training", "all") and path:
        homes = os.path.expanduser("~").split(os.sep)  # whose machine it was is nobody's business
        parents = [part for part in Path(path).parts[:-1] if part.lower() not in ("train", "training", "data", "/", "..") and part not in homes]
        return parents[-1] if parents else name
    return name


def day(created: str) -> str:
    """A date in words: `2026-01-31T12:00:00Z` gives `31 January 2026`."""
    try:
        moment = datetime.fromisoformat(created.replace("Z", "+00:00"))
    except ValueError:
        return created
    return f"{moment.day} {moment:%B %Y}"
