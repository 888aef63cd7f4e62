"""A sequence-to-sequence page: how many answers are wholly right, where the attention looked, and the worst errors."""

from __future__ import annotations

import difflib
from typing import Any

import numpy as np

from tenuto.pages.heat_map import heat_map_address
from tenuto.pages.opening import Headline, best_result, network_words, speed_fact, training_facts
from tenuto.pages.page import Section, render
from tenuto.pages.run import Page
from tenuto.pages.wording import count, percent
from tenuto.runs.folder import Run

MOST_MISTAKES = 15
MOST_SYMBOLS_LABELLED = 26


def headline(run: Run) -> Headline:
    """The share of distinct inputs whose whole answer is right: equal to one of the true answers, where there are several."""
    evaluation = run.evaluation
    shown, result = best_result(evaluation)
    amount, searched = evaluation["data"]["train"]["sequences"], result.get("beam_size")
    low, high = result.get("exact_interval") or (None, None)
    return Headline(
        sentence=f"{network_words(evaluation)} learnt to write the second part of a pair from the first, from {count(amount, 'pair')}.",
        score=percent(result["exact"]),
        score_says=f"of {count(result.get('sources', result['pairs']), shown + ' input')} wholly right",
        score_interval=f"95 % interval {percent(low)} to {percent(high)}" if low is not None else "",
        facts=[
            ("Error rate", percent(result["error_rate"]), "edits per target token"),
            ("Tokens right", percent(result.get("token_accuracy")), "given the right ones before"),
            (f"Loss on {shown}", f"{result['loss']:.4f}", "nats a token"),
            *([("Search", "greedy" if searched == 1 else f"beam of {searched}", "for the numbers here")] if searched else []),
            *training_facts(evaluation),
            *speed_fact(evaluation),
        ],
    )


def accuracy(run: Run) -> Section | None:
    """Right answers by length, and what the attention left unread; absent when the run kept neither."""
    shown, result = best_result(run.evaluation)
    by_length, coverage = result.get("by_length") or [], result.get("coverage")
    if not by_length and not coverage:
        return None
    return Section(
        name="lengths",
        title="By length, and what the attention read" if by_length and coverage else "By length" if by_length else "What the attention read",
        lead=" ".join(
            [*(["Longer inputs are usually harder."] if by_length else []), *(["The attention shows which part of the input each output token was read from."] if coverage else [])]
        ),
        body=render("translation_lengths.html", shown=shown, rows=by_length, coverage=coverage),
    )


def attention(run: Run) -> Section | None:
    """One heat map an example: rows are what was written, columns what was read; absent without attention."""
    examples = [example for example in run.evaluation.get("examples") or [] if example.get("attention")]
    if not examples:
        return None
    weights = [_weights(example) for example in examples]
    limit = float(f"{max(float(one.max(initial=0.0)) for one in weights):.2g}") or 1.0
    return Section(
        name="attention",
        title="Where it looked",
        lead="Columns are what the model read, rows are what it wrote. The stronger the colour, the more that output was read from there.",
        body=render("translation_attention.html", examples=[_map(*both, limit, run.evaluation) for both in zip(examples, weights)], limit=percent(limit)),
    )


def mistakes(run: Run) -> Section | None:
    """The worst errors, with marks on what is missing and what is too much; absent when everything is right."""
    shown, result = best_result(run.evaluation)
    worst = result.get("mistakes") or []
    if not worst:
        return None
    return Section(
        name="mistakes",
        title="Its worst errors",
        lead=f"From the {shown} set, those with the most edits first. Struck through: written, but not in the true answer. Underlined: missing.",
        body=render("translation_mistakes.html", mistakes=[_mistake(one, run.evaluation) for one in worst[:MOST_MISTAKES]]),
    )


def gap(evaluation: dict[str, Any], side: str) -> str:
    """What stands between the symbols of a side, "source" or "target": nothing between characters."""
    return "" if evaluation["vocabulary"][side]["kind"] == "characters" else " "


def _mistake(one: dict[str, Any], evaluation: dict[str, Any]) -> dict[str, Any]:
    between = gap(evaluation, "target")
    return {
        "source": gap(evaluation, "source").join(one["source"]),
        "edits": one["edits"],
        "pieces": differences(one["target"], one["predicted"], between),
        "gap": between,
    }


def differences(target: list[str], predicted: list[str], between: str = "") -> list[dict[str, str]]:
    """What was written against what was right, in pieces: `same`, `extra` (written only) and `missing` (in the target only); `between` stands between symbols.

    Example:
        >>> differences(list("cat"), list("cart"))
        [{'kind': 'same', 'text': 'ca'}, {'kind': 'extra', 'text': 'r'}, {'kind': 'same', 'text': 't'}]
    """
    pieces = []
    for kind, a, b, c, d in difflib.SequenceMatcher(None, target, predicted, autojunk=False).get_opcodes():
        if kind == "equal":
            pieces.append({"kind": "same", "text": between.join(target[a:b])})
            continue
        pieces += [{"kind": "extra", "text": between.join(predicted[c:d])}] if d > c else []
        pieces += [{"kind": "missing", "text": between.join(target[a:b])}] if b > a else []
    return pieces


def _weights(example: dict[str, Any]) -> np.ndarray:
    """[predicted, source] float64."""
    return np.asarray([[value or 0.0 for value in row] for row in example["attention"]], dtype=np.float64)


def _map(example: dict[str, Any], weights: np.ndarray, limit: float, evaluation: dict[str, Any]) -> dict[str, Any]:
    """An attention map with its labels: a picture of predicted x source weights, one pixel each, with the names of its rows and columns; `limit` is the weight that gets the full colour."""
    rows, columns = weights.shape
    written = [*example["predicted"], *["end"] * (rows - len(example["predicted"]))][:rows]
    read = [*example["source"], *["end"] * (columns - len(example["source"]))][:columns]
    strongest = [f"{word} from {read[int(row.argmax())]}" for word, row in list(zip(written, weights))[:12]]
    return {
        "source": gap(evaluation, "source").join(example["source"]),
        "target": gap(evaluation, "target").join(example["target"]),
        "predicted": gap(evaluation, "target").join(example["predicted"]),
        "correct": example["correct"],
        "rows": written if rows <= MOST_SYMBOLS_LABELLED else [],
        "columns": read if columns <= MOST_SYMBOLS_LABELLED else [],
        "address": heat_map_address(-weights, limit),
        "shape": (rows, columns),
        "words": f"Attention of {count(rows, 'output')} over {count(columns, 'input')}: " + ", ".join(strongest) + ".",
    }


PAGE = Page(headline, (accuracy, attention, mistakes))
