"""Which model was trained on which data: data with digests, model, options, seed, versions, machine; all that is needed to repeat the run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tenuto.pages.option_value import option_value
from tenuto.pages.page import Section, render
from tenuto.pages.places import shown, without_places
from tenuto.pages.wording import count
from tenuto.runs.folder import Run


def section(run: Run, table: Sequence[tuple[str, str]]) -> Section:
    """The data sets side by side, the channels, the model's weights, and everything that a repetition needs.

    Args:
        table: the columns of the table of data sets: heading, and key in a set's description. A column that no set has is left out.
    """
    evaluation = run.evaluation
    sets = [(name, _from_here(evaluation["data"][name])) for name in ("train", "validation", "test") if evaluation["data"].get(name)]
    return Section(
        name="origin",
        title="What was trained on what",
        lead="Everything that is needed to repeat the run. If the digests of two runs are equal, they used the same data.",
        body=render(
            "origin.html",
            sets=sets,
            columns=[(title, key) for title, key in table if any(known.get(key) is not None for _, known in sets)],
            classes=[label for label in sets[0][1].get("class_counts") or {}],
            channels=evaluation.get("channels", []),
            model=_model(evaluation),
            weights=evaluation["model"]["weights"],
            options=[(name, option_value(value)) for name, value in sorted(evaluation["training"]["options"].items())],
            machine=_machine(evaluation),
            files=run.config["files"],
        ),
    )


def _from_here(known: dict[str, Any]) -> dict[str, Any]:
    """The description of a data set, with no absolute path in it."""
    path = known.get("path")
    return {**known, "origin": without_places(known["origin"]), "path": None if path is None else shown(path)}


def _model(evaluation: dict[str, Any]) -> list[tuple[str, str]]:
    model = evaluation["model"]
    rows = [
        ("Cell", option_value(model["cell_data"])),
        ("Units", f"{model['hidden_size']} in each layer" + (" and direction" if model.get("bidirectional") else "")),
        ("Layers", f"{model['num_layers']}" + (", both directions" if model.get("bidirectional") else "")),
        ("Pooling over time", ", ".join(model.get("pooling", []))),
        ("Vocabulary", _vocabulary(evaluation.get("vocabulary"))),
        ("Dropout", option_value(model["dropout"]) if "dropout" in model else ""),
        ("Weights", f"{model['parameters']:,} numbers"),
        ("Seed", option_value(evaluation["training"]["seed"])),
    ]
    return [(name, said) for name, said in rows if said]


def _vocabulary(vocabulary: dict[str, Any] | None) -> str:
    """`65 characters`, or `source 31 characters, target 72 symbols`."""
    if not vocabulary:
        return ""
    if "kind" in vocabulary:
        return f"{vocabulary['size']:,} {vocabulary['kind']}"
    return ", ".join(f"{side} {_vocabulary(part)}" for side, part in vocabulary.items() if isinstance(part, dict) and "kind" in part)


def _machine(evaluation: dict[str, Any]) -> list[tuple[str, str]]:
    machine, versions = evaluation["machine"], evaluation["versions"]
    rows = [
        ("Processor", machine["processor"]),
        ("Cores", f"{count(machine['cores'], 'core')}, {count(machine['threads'], 'thread')}"),
        ("Memory", f"{machine['memory_bytes'] / 2**30:.0f} GiB" if machine.get("memory_bytes") else ""),
        ("Device", machine["device"]),
        ("System", machine["platform"]),
        ("Versions", ", ".join(f"{name} {version}" for name, version in versions.items())),
        ("Finished", evaluation["created"].replace("T", " ").replace("Z", " UTC")),
    ]
    return [(name, said) for name, said in rows if said]

