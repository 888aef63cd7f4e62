"""The page of a classifier of recordings: its head, and recordings to look at and to listen to."""

from __future__ import annotations

from functools import partial
from typing import Any

from tenuto.pages import confusion
from tenuto.pages.bars import bars
from tenuto.pages.opening import Headline, best_result, network_words, speed_fact, training_facts
from tenuto.pages.page import Section, render
from tenuto.pages.run import Page
from tenuto.pages.sound import heard
from tenuto.pages.wording import count, number, percent
from tenuto.runs.folder import Run


def headline(run: Run) -> Headline:
    """The share of recordings that are right."""
    evaluation = run.evaluation
    shown, result = best_result(evaluation)
    low, high = result["accuracy_interval"]
    train = evaluation["data"]["train"]
    return Headline(
        sentence=f"{network_words(evaluation)} told {count(len(evaluation['classes']), 'class')} apart after training on {count(train['sequences'], 'recording')}, {train['seconds']:,.0f} seconds in all.",
        score=percent(result["accuracy"]),
        score_says=f"of {count(result['sequences'], shown + ' recording')} right",
        score_interval=f"95 % interval {percent(low)} to {percent(high)}",
        facts=[
            (f"Loss on {shown}", number(result["loss"]), "nats a recording"),
            ("Macro F1", percent(result["macro_f1"]), "mean over classes"),
            ("Baseline", percent(result["majority_accuracy"]), "always the largest class"),
            *training_facts(evaluation),
            *speed_fact(evaluation),
        ],
    )


def recordings(run: Run) -> Section | None:
    """Example recordings; absent when the run kept none."""
    examples = run.evaluation.get("examples") or []
    if not examples:
        return None
    return Section(
        name="recordings",
        title="Recordings and answers",
        lead="Time runs from left to right, low sounds are below. Orange is louder than usual, blue softer: what the network reads.",
        body=render("sound_classes.html", examples=[_example(example, run.evaluation["classes"]) for example in examples]),
    )


def _example(example: dict[str, Any], classes: list[str]) -> dict[str, Any]:
    return {**{name: example[name] for name in ("id", "label", "predicted", "correct")}, **heard(example), "bars": bars(example, classes)}


PAGE = Page(headline, (partial(confusion.section, noun="recording"), recordings))
