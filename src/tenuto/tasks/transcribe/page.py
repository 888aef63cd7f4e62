"""A transcriber's page: error rates, by speaker and by length, recordings with what was written when, and the worst errors."""

from __future__ import annotations

import difflib
from itertools import groupby
from typing import Any

import numpy as np

from tenuto.pages.heat_map import heat_map_address
from tenuto.pages.opening import Headline, best_result, network_words, speed_fact, training_facts
from tenuto.pages.page import Section, render
from tenuto.pages.run import Page
from tenuto.pages.sound import heard
from tenuto.pages.wording import count, number, percent
from tenuto.runs.folder import Run

MOST_MISTAKES = 15


def headline(run: Run) -> Headline:
    """The word error rate."""
    evaluation = run.evaluation
    shown, result = best_result(evaluation)
    train, low_high = evaluation["data"]["train"], result["wer_interval"]
    return Headline(
        sentence=f"{network_words(evaluation)} learnt to write down what is said from {count(train['sequences'], 'recording')}, {train['seconds']:,.0f} seconds in all.",
        score=percent(result["wer"]),
        score_says=f"word errors, of {count(result['words'], 'word')} in {count(result['recordings'], shown + ' recording')}",
        score_interval=f"95 % interval {percent(low_high[0])} to {percent(low_high[1])}" if low_high else "",
        facts=[
            ("Character errors", percent(result["cer"]), f"of {result['characters']:,} characters"),
            ("Without an error", percent(result["exact"]), "of the recordings"),
            (f"Loss on {shown}", number(result["loss"]), "nats a recording"),
            ("Real-time factor", number(result["real_time_factor"]), "seconds of work a second of sound"),
            *training_facts(evaluation),
            *speed_fact(evaluation),
        ],
    )


def groups(run: Run) -> Section:
    """Error rates by speaker and by length."""
    shown, result = best_result(run.evaluation)
    kinds = ", ".join(f"{result[f'word_{name}']:,} {name}" for name in ("substitutions", "deletions", "insertions"))
    return Section(
        name="groups",
        title="By length and by speaker",
        lead=f"Words that are wrong in the {shown} set: {kinds}.",
        body=render("transcript_groups.html", shown=shown, by_length=result["by_length"], by_speaker=sorted(result["by_speaker"], key=lambda one: -(one["wer"] or 0))),
    )


def recordings(run: Run) -> Section | None:
    """Recordings to look at and to listen to; absent when the run kept none."""
    examples = run.evaluation.get("examples") or []
    if not examples:
        return None
    return Section(
        name="recordings",
        title="What was heard and what was written",
        lead="Time runs from left to right. Above is what the network reads, low sounds below; under it the probability of each symbol at each step, and the characters that were written, where they were written.",
        body=render("transcript_examples.html", examples=[_example(example) for example in examples]),
    )


def mistakes(run: Run) -> Section | None:
    """The worst errors; absent when everything is right."""
    shown, result = best_result(run.evaluation)
    if not result["mistakes"]:
        return None
    rows = [{"id": one["id"], "pieces": differences(one["reference"].split(), one["predicted"].split()), "errors": one["word_errors"]} for one in result["mistakes"][:MOST_MISTAKES]]
    return Section(
        name="mistakes",
        title="Its worst errors",
        lead=f"From the {shown} set, those with the most wrong words first. Struck through: written, but not said. Underlined: said, but not written.",
        body=render("transcript_mistakes.html", mistakes=rows),
    )


def confusions(run: Run) -> Section | None:
    """Which words become which; absent when everything is right, and in runs from before this was kept."""
    shown, result = best_result(run.evaluation)
    rows = result.get("confusions") or []
    if not rows:
        return None
    return Section(
        name="confusions",
        title="Words that become others",
        lead=f"In the {shown} set, the commonest first. A dash: nothing was said there, or nothing was written.",
        body=render("transcript_confusions.html", confusions=rows[:MOST_MISTAKES]),
    )


def differences(reference: list[str], predicted: list[str]) -> list[dict[str, str]]:
    """What was written against what was said, in pieces: `same`, `extra` and `missing`."""
    pieces = []
    for kind, a, b, c, d in difflib.SequenceMatcher(None, reference, predicted, autojunk=False).get_opcodes():
        if kind == "equal":
            pieces.append({"kind": "same", "text": " ".join(reference[a:b])})
            continue
        pieces += [{"kind": "extra", "text": " ".join(predicted[c:d])}] if d > c else []
        pieces += [{"kind": "missing", "text": " ".join(reference[a:b])}] if b > a else []
    return pieces


def _example(example: dict[str, Any]) -> dict[str, Any]:
    powers = np.asarray(example["probabilities"], dtype=np.float64).T  # [symbols, T]
    lasts = example["seconds_shown"] or 1.0
    tokens = []
    for start, together in groupby(example["tokens"], key=lambda one: one["start"]):  # a transducer writes several in a step
        here = list(together)
        said = "; ".join(f"{one['text']}: {start:.2f} to {one['end']:.2f} s, {percent(one['probability'])}" for one in here)
        tokens.append({"text": "".join(one["text"] for one in here), "left": f"{100 * min(start / lasts, 1):.2f}", "said": said})
    return {
        **{name: example[name] for name in ("id", "reference", "predicted", "symbols")},
        **heard(example),
        "right": example["reference"] == example["predicted"],
        "tokens": tokens,
        "powers": heat_map_address(powers, 1.0),
        "powers_height": 13 * len(powers),
    }


PAGE = Page(headline, (groups, recordings, mistakes, confusions))
