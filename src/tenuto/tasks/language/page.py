"""A language model's page: how well it predicts with and without earlier text, what surprised it, and what it writes."""

from __future__ import annotations

import math
from typing import Any

from tenuto.pages.line_chart import Level, LineChart, Series
from tenuto.pages.opening import Headline, best_result, network_words, speed_fact, training_facts
from tenuto.pages.page import Section, render
from tenuto.pages.run import Page
from tenuto.pages.wording import count, number
from tenuto.runs.folder import Run

SURPRISE_LIMIT_BITS = 8.0  # a token this surprising gets the full colour
SHORT_SYMBOLS = ("characters", "bytes")


def headline(run: Run) -> Headline:
    """Bits a character where the tokens are characters or bytes, else perplexity."""
    evaluation = run.evaluation
    shown, result = best_result(evaluation)
    vocabulary = evaluation["vocabulary"]
    kind = "byte pairs" if vocabulary["kind"] == "bpe" else vocabulary["kind"]
    by_character = vocabulary["kind"] in SHORT_SYMBOLS and result.get("bits_per_character") is not None
    tokens = count(evaluation["data"]["train"]["steps"], "token")
    return Headline(
        sentence=f"{network_words(evaluation)} learnt which of {vocabulary['size']:,} {kind} comes next, from {tokens} of text.",
        score=f"{result['bits_per_character']:.3f}" if by_character else f"{result['perplexity']:.4g}",
        score_says=f"bits a character on the {shown} text" if by_character else f"perplexity on the {shown} text",
        score_interval=f"{result['tokens']:,} tokens, state carried throughout",
        facts=[
            (f"Loss on {shown}", f"{result['loss']:.4f}", "nats a token"),
            *_other_measure(result, by_character),
            *[(f"Windows of {window['length']:,}", f"{window['loss']:.4f}", "nats, each from a zero state") for window in result["windows"][:1]],
            *training_facts(evaluation),
            *speed_fact(evaluation),
        ],
    )


def chances(run: Run) -> Section:
    """The losses side by side: state carried over the whole text, and windows that start from a zero state."""
    shown, result = best_result(run.evaluation)
    rows = [{"name": "state carried over the whole text", **result}]
    rows += [{"name": f"windows of {window['length']:,} tokens, each from a zero state", **window} for window in result["windows"]]
    characters = any(row.get("bits_per_character") is not None for row in rows)
    return Section(
        name="memory",
        title="What it gains from earlier text",
        lead="The same text, read in two ways: from beginning to end with the state carried along, and in windows that each start from a zero state.",
        body=render("language_memory.html", rows=rows, shown=shown, characters=characters, chart=_by_memory(result)),
    )


def samples(run: Run) -> Section | None:
    """What the model writes; absent when nothing was generated."""
    written = run.evaluation.get("samples") or []
    if not written:
        return None
    return Section(
        name="written",
        title="What it writes",
        lead="Generated at the end of training, and never edited. The prompt is in bold.",
        body=render("language_samples.html", samples=[{**sample, "how": _how(sample)} for sample in written]),
    )


def surprise(run: Run) -> Section | None:
    """A passage coloured by surprise, and the most surprising places of the text; absent when the run kept neither."""
    passage, places = run.evaluation.get("passage"), run.evaluation.get("surprising") or []
    if not passage and not places:
        return None
    return Section(
        name="surprise",
        title="What surprised it",
        lead="A token's surprise is its loss in bits: 0 if the model was certain of it, 1 if it was as likely as one side of a coin.",
        body=render(
            "language_surprise.html",
            passage=_coloured(passage) if passage else None,
            shown=passage["set"] if passage else "",
            limit=SURPRISE_LIMIT_BITS,
            mean=_mean_bits(passage) if passage else None,
            places=[{**place, "bits": number(_bits(place["loss"])), "token": visible(place["text"])} for place in places],
        ),
    )


def visible(token: str) -> str:
    """A token with its white space shown: a space is ␣, a line's end ⏎.

    Example:    >>> visible("a b\\n")
                'a␣b⏎'
    """
    return token.replace(" ", "␣").replace("\n", "⏎").replace("\t", "⇥").replace("\r", "␍")


def _other_measure(result: dict[str, Any], by_character: bool) -> list[tuple[str, str, str]]:
    if by_character or result.get("bits_per_character") is None:
        return [("Perplexity", f"{result['perplexity']:.4g}", "as uncertain as a choice among this many tokens")] if by_character else []
    return [("Bits a character", f"{result['bits_per_character']:.3f}", f"{result['characters']:,} characters")]


def _by_memory(result: dict[str, Any]) -> LineChart | None:
    """Loss by the number of tokens read since a zero state; runs of earlier versions have fewer windows and no band."""
    curve = result.get("memory") or result.get("by_position")
    if not curve or len(curve["position"]) < 2:
        return None
    carried, without, banded = result["loss"], curve.get("without"), "low" in curve
    middles = [round(math.sqrt((before + 1) * last)) for before, last in zip([0, *curve["position"]], curve["position"])]
    line = Series("from a zero state", _numbers(curve["loss"]), "first", low=_numbers(curve.get("low", [])), high=_numbers(curve.get("high", [])))
    note = "The mean loss of a token, in nats, by how many tokens before it were read. "
    note += f"The band is of 95 %, from the spread over {curve['stretches']} stretches of the text, in which {count(curve['windows'], 'window')} begin. " if banded else ""
    note += "Dashed: all that came before was read" + (", or nothing: only how often each symbol is in the training text is known." if without is not None else ".")
    return LineChart(
        title="Loss by memory",
        x=middles,
        series=[line],
        x_name="tokens read",
        x_logarithmic=True,
        levels=[Level(carried, "state carried"), *([] if without is None else [Level(without, "nothing read")])],
        note=note,
    )


def _numbers(values: list[float | None]) -> list[float]:
    return [math.nan if value is None else value for value in values]


def _coloured(passage: dict[str, Any]) -> list[dict[str, Any]]:
    """Each token with its surprise in bits, and how strongly to colour it, 0..1."""
    tokens = []
    for token, loss in zip(passage["tokens"], passage["loss"]):
        bits = math.nan if loss is None else _bits(loss)
        strength = 0.0 if math.isnan(bits) else min(1.0, bits / SURPRISE_LIMIT_BITS)
        tokens.append({"text": token, "share": f"{strength:.2f}".rstrip("0").rstrip("."), "bits": "" if math.isnan(bits) else f"{bits:.1f}"})
    return tokens


def _mean_bits(passage: dict[str, Any]) -> str:
    known = [_bits(loss) for loss in passage["loss"] if loss is not None]
    return f"{sum(known) / len(known):.2f}" if known else "–"


def _bits(nats: float) -> float:
    return nats / math.log(2)


def _how(sample: dict[str, Any]) -> str:
    """`temperature 0.8, top-k 40, seed 1`."""
    words = [f"temperature {number(sample.get('temperature', 1.0))}"]
    words += [f"{name} {number(sample[key])}" for key, name in (("top_k", "top-k"), ("top_p", "top-p")) if sample.get(key)]
    words += [f"seed {sample['seed']}"] if sample.get("seed") is not None else []
    return ", ".join(words) + f"; {count(len(sample['text']), 'character')}"


PAGE = Page(headline, (chances, samples, surprise))
