"""A text classifier's page: its head, and texts in which words are coloured by the weight that the model gave them."""

from __future__ import annotations

from functools import partial
from typing import Any

from tenuto.pages import confusion
from tenuto.pages.bars import bars
from tenuto.pages.opening import Headline, best_result, network_words, speed_fact, training_facts
from tenuto.pages.page import Section, render
from tenuto.pages.run import Page
from tenuto.pages.wording import count, number, percent
from tenuto.runs.folder import Run


def headline(run: Run) -> Headline:
    """The share of texts that are right."""
    evaluation = run.evaluation
    shown, result = best_result(evaluation)
    low, high = result["accuracy_interval"]
    amount = evaluation["data"]["train"]["sequences"]
    return Headline(
        sentence=f"{network_words(evaluation)} told {count(len(evaluation['classes']), 'class')} apart after training on {count(amount, 'text')}.",
        score=percent(result["accuracy"]),
        score_says=f"of {count(result['sequences'], shown + ' text')} right",
        score_interval=f"95 % interval {percent(low)} to {percent(high)}",
        facts=[
            (f"Loss on {shown}", number(result["loss"]), "nats a text"),
            ("Macro F1", percent(result["macro_f1"]), "mean over classes"),
            ("Baseline", percent(result["majority_accuracy"]), "always the largest class"),
            *training_facts(evaluation),
            *speed_fact(evaluation),
        ],
    )


def texts(run: Run) -> Section | None:
    """Example texts; absent when the run kept none."""
    examples = run.evaluation.get("examples") or []
    if not examples:
        return None
    weights = [[weight or 0.0 for weight in example.get("weights") or []] for example in examples]
    telling = any(len(set(row)) > 1 for row in weights)  # without pooled maxima every word of a text has the same
    most = max((weight for row in weights for weight in row), default=0.0) if telling else 0.0
    return Section(
        name="texts",
        title="Texts and answers",
        lead="The stronger a word's colour, the more of the pooled features came from it." if most else "Texts with what the model answered.",
        body=render("text_classes.html", examples=[_example(example, most, run.evaluation["classes"]) for example in examples], most=most),
    )


def _example(example: dict[str, Any], most: float, classes: list[str]) -> dict[str, Any]:
    """One text as the template wants it; `most` is the largest weight of a word on the page, which gets the full colour, or 0: no word is coloured."""
    weights = [weight or 0.0 for weight in (example.get("weights") if most else None) or [0.0] * len(example["tokens"])]
    words = [{"word": word, "share": f"{weight / (most or 1.0):.2f}", "said": percent(weight)} for word, weight in zip(example["tokens"], weights)]
    return {**example, "words": words, "bars": bars(example, classes)}


PAGE = Page(headline, (partial(confusion.section, noun="text"), texts))
