"""A tagger's page: spans as conlleval counts them, each tag, tags that are confused, sentences with their errors marked."""

from __future__ import annotations

from typing import Any

import numpy as np

from tenuto.pages.confusion import confused_pairs, confusion, mistakes_shown
from tenuto.pages.opening import Headline, best_result, network_words, speed_fact, training_facts
from tenuto.pages.page import Section, render
from tenuto.pages.run import Page
from tenuto.pages.wording import count, percent
from tenuto.runs.folder import Run

MOST_TAGS_AS_TABLE, MOST_PAIRS, MOST_MISTAKES = 24, 12, 8


def headline(run: Run) -> Headline:
    """Span F1 where the tags are spans, else the share of tokens with the right tag."""
    evaluation = run.evaluation
    shown, result = best_result(evaluation)
    spans, labels, amount = result.get("spans"), result.get("labels"), evaluation["data"]["train"]["sequences"]
    also = f", and {count(len(evaluation['classes']), 'class')} of sentences" if evaluation.get("classes") else ""
    low, high = result["accuracy_interval"]
    facts = [("Tokens right", percent(result["accuracy"]), f"95 % interval {percent(low)} to {percent(high)}")] if spans else []
    facts += [("Sentences right", percent(result["sentence_accuracy"]), "every tag right" + (", and the class" if labels else ""))]
    facts += [("Class right", percent(labels["accuracy"]), "of the whole sentence")] if labels else []
    unknown = result.get("unknown")
    facts += [("Unknown words", percent(unknown["accuracy"]), f"right, of {unknown['tokens']:,} never seen in training")] if unknown and unknown["tokens"] else []
    return Headline(
        sentence=f"{network_words(evaluation)} chose among {count(len(evaluation['tags']), 'tag')}{also} after training on {count(amount, 'sentence')}.",
        score=percent(spans["f1"]) if spans else percent(result["accuracy"]),
        score_says=f"span F1 on {count(result['sentences'], shown + ' sentence')}" if spans else f"of {count(result['tokens'], shown + ' token')} right",
        score_interval=f"precision {percent(spans['precision'])}, recall {percent(spans['recall'])}" if spans else f"95 % interval {percent(low)} to {percent(high)}",
        facts=[*facts, *training_facts(evaluation), *speed_fact(evaluation)],
    )


def spans(run: Run) -> Section | None:
    """Span F1 by kind, and the sentences' classes; absent where the tags mark no spans and the sentences have no classes."""
    shown, result = best_result(run.evaluation)
    found, labels = result.get("spans"), result.get("labels")
    scheme = f" The tags are read as {found['scheme']}." if found and "scheme" in found else ""
    if not labels and not (found and found["kinds"]):
        return None
    return Section(
        name="spans",
        title="Spans" if not labels else "Spans and sentences" if found else "Sentences",
        lead=f"A span counts as right when its first word, its last word and its kind are all right.{scheme}" if found else "The class of each whole sentence.",
        body=render("tagging_spans.html", shown=shown, spans=found, labels=labels, mistakes=mistakes_shown(labels["mistakes"][:MOST_MISTAKES]) if labels else []),
    )


def tags(run: Run) -> Section:
    """Each tag with precision, recall and F1, and which tags are taken for which."""
    shown, result = best_result(run.evaluation)
    names = run.evaluation["tags"]
    matrix = np.asarray(result["confusion"], dtype=np.int64).reshape(len(names), len(names))
    wrong = int(matrix.sum() - np.trace(matrix))
    return Section(
        name="tags",
        title="Tag by tag",
        lead=f"Of {count(int(matrix.sum()), shown + ' token')}, {int(np.trace(matrix)):,} got the right tag and {wrong:,} a wrong one.",
        body=render(
            "tagging_tags.html",
            shown=shown,
            confusion={**confusion(matrix, names, MOST_TAGS_AS_TABLE, "tag"), "dense": True, "long_names": True},
            tags=sorted(result["tags"], key=lambda row: -row["support"]),
            pairs=confused_pairs(matrix, names, MOST_PAIRS),
        ),
    )


def sentences(run: Run) -> Section | None:
    """Sentences with their tags, errors marked; absent when the run kept none."""
    examples = run.evaluation.get("examples") or []
    if not examples:
        return None
    return Section(
        name="sentences",
        title="Sentences with their tags",
        lead="Each word has its tag below it. Where the model was wrong, its tag is struck through and the right one stands below.",
        body=render("tagging_sentences.html", examples=[_example(example) for example in examples]),
    )


def _example(example: dict[str, Any]) -> dict[str, Any]:
    words = [
        {"word": word, "tag": tag, "said": said, "kind": "wrong" if tag != said else "outside" if tag in ("O", "_") else "right"}
        for word, tag, said in zip(example["tokens"], example["tags"], example["predicted"])
    ]
    wrong = sum(word["kind"] == "wrong" for word in words)
    label, said = example.get("label"), example.get("predicted_label")
    return {
        "id": example["id"],
        "words": words,
        "verdict": "all right" if not wrong else f"{count(wrong, 'wrong tag')}",
        "right": not wrong and label == said,
        "label": label,
        "said": said,
    }


PAGE = Page(headline, (spans, tags, sentences))
