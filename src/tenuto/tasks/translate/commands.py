"""What the commands do for a translator: pairs read, answers as rows, results in words."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tenuto.data import Pairs, Sides, read_pair_splits, read_pairs
from tenuto.data.pairs.read import pair_parts
from tenuto.data.parts import choose_part
from tenuto.tasks.columns import formed


def splits(data: Path, validation: Path | None, test: Path | None, choices: Mapping[str, Any]) -> Any:
    """The training set, and the validation and test sets that the folder contains or the call names."""
    empty = "skip" if choices["skip_empty"] else "error"
    return read_pair_splits(data, validation=validation, test=test, empty=empty, **_written(choices))


def read(data: Path, split: str | None, choices: Mapping[str, Any]) -> Pairs:
    """The pairs of a file, or of one part of a folder."""
    how = _written(choices)
    return read_pairs(choose_part(data, pair_parts(data, how["sides"]), split), **how)


def asked(data: Path, split: str | None, choices: Mapping[str, Any]) -> Pairs:
    """The sources alone, without the empty ones."""
    how = _written(choices)
    return read_pairs(choose_part(data, pair_parts(data, how["sides"]), split), targets=False, empty="skip", **how)


def predict(model: Any, data: Pairs, choices: Mapping[str, Any]) -> list[dict[str, Any]]:
    """One dictionary for each source: its id, the source, the answer, and the score by which answers are ranked."""
    found = model.translate(data, beam_size=choices["beam_size"] or None)
    return [
        {"id": name, "source": _shown(source), "predicted": _shown(best[0].target), "score": round(best[0].score, 6)}
        for name, source, best in zip(data.ids, data.source, found)
    ]


def described(model: Any) -> str:
    """The network in a few words."""
    return f"{model.cell!r}, attention {model.attention}, {model.hidden_size} units, seed {model.random_state}"


def said(result: Mapping[str, Any]) -> str:
    """Exact answers, symbol errors, loss."""
    low, high = result["exact_interval"]
    return (
        f"{result['exact']:.2%} of {result['sources']} sources answered exactly (95 % interval {low:.1%} to {high:.1%}), "
        f"symbol error rate {result['error_rate']:.2%}, loss {result['loss']:.4f}"
    )


def score(result: Mapping[str, Any]) -> list[str]:
    """The same, and how much of the sources the attention read."""
    coverage = result["coverage"]
    return [said(result), *([f"attention   covered {coverage['mean']:.1%} of the source symbols"] if coverage is not None else [])]


def _written(choices: Mapping[str, Any]) -> dict[str, Any]:
    """Where the sides of a pair stand, and how the files are written."""
    return {"sides": Sides(choices["source_column"], choices["target_column"], choices["parallel"]), "form": formed(choices)["form"]}


def _shown(side: Any) -> str:
    """One side of a pair as text."""
    return side if isinstance(side, str) else " ".join(side)
