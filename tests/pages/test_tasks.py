"""The pages of the tasks over language: they show what the run's own model answers."""

import math
from collections import Counter

import pytest

from tenuto.report import build_report
from tenuto.tasks.translate.page import differences
from tests.pages.fitted import HOSTILE, LINES
from tests.pages.page import Page


@pytest.fixture
def run_and_page(fitted):
    def both(name):
        run = fitted(name)
        return run, Page(build_report(run.folder).read_text(encoding="utf-8"))

    return both


def share(part, whole):
    return {0: "0 %", whole: "100 %"}.get(part, f"{100 * part / whole:.1f} %")


def test_a_language_model_s_page(run_and_page):
    run, page = run_and_page("language")
    nats = run.model.token_nats(run.x)[1]
    bits = nats.mean() / math.log(2)
    score, said = page.all("div", "score")[0].text.split("bits a character on the test text")
    assert float(score) == pytest.approx(bits, abs=1e-3) and f"{len(run.x) - 1} tokens" in said
    assert float(page.table("how it was read")[0][3]) == pytest.approx(bits, abs=1e-4)
    coloured = page.all("div", "surprise")[0].text
    assert run.x[1:].startswith(coloured) or run.x.startswith(coloured)
    shown = [float(token.attributes["title"].removesuffix(" bits")) for token in page.all("i") if token.attributes.get("title", "").endswith(" bits")]
    assert shown == pytest.approx([value / math.log(2) for value in nats[: len(shown)]], abs=0.06) and len(shown) == len(coloured)
    places = [float(place.text.removesuffix(" bits")) for place in page.all("span", "bits")]
    assert places[0] == pytest.approx(nats.max() / math.log(2), abs=0.01) and places == sorted(places, reverse=True)
    samples = run.model.evaluation_["samples"]
    assert samples and [writing.text for writing in page.all("div", "writing")][: len(samples)] == [one["prompt"] + one["text"] for one in samples]
    assert f"temperature {samples[0]['temperature']:g}, " in page.text and f"seed {samples[0]['seed']}" in page.text


def test_what_a_language_model_read_is_counted_in_its_tokens(run_and_page):
    run, page = run_and_page("language, bytes")
    read = (LINES * 12)[: -round(len(LINES) * 12 * 0.2)]
    assert len(read.encode()) > len(read) and f"comes next, from {len(read.encode()):,} tokens of text" in page.text


def test_a_tagger_s_page(run_and_page):
    run, page = run_and_page("tag")
    said = run.model.predict(run.x)
    true, got = ({(row, place) for row, tags in enumerate(rows) for place, tag in enumerate(tags) if tag == "B-genre"} for rows in (run.y, said))
    assert page.all("div", "score")[0].text.startswith(f"{share(2 * len(true & got), len(true) + len(got))}span F1 on 7 test sentences")
    supports = Counter(tag for tags in run.y for tag in tags)
    assert {row[0]: int(row[-1]) for row in page.table("tag", "precision")} == supports
    pairs = Counter((tag, other) for tags, others in zip(run.y, said) for tag, other in zip(tags, others))
    tags = ["B-genre", "O"]
    assert page.table("true tag", *tags) == [[tag, *(str(pairs[tag, other]) for other in tags)] for tag in tags]
    wrong = []
    for figure in page.all("figure", "tagged"):
        place = int(figure.text.split("sentence ")[1].split()[0])
        wrong += [(tag, other) for tag, other in zip(run.y[place], said[place]) if tag != other]
    assert wrong and [(right.text, struck.text) for right, struck in zip(page.all("ins"), page.all("del"), strict=True)] == wrong
    assert {row[0]: int(row[-1]) for row in page.table("class", "precision")} == {f"play{HOSTILE[2]}": 6, f"stop{HOSTILE[2]}": 1}


def test_a_tagger_without_spans_and_labels(run_and_page):
    run, page = run_and_page("tag, no spans and no labels")
    right = sum(a == b for tags, said in zip(run.y, run.model.predict(run.x)) for a, b in zip(tags, said))
    tokens = sum(map(len, run.y))
    assert page.all("div", "score")[0].text.startswith(f"{share(right, tokens)}of {tokens} test tokens right95 % interval")
    assert "Spans" not in page.text and "recognised" not in page.text


def test_a_classifier_of_texts_page(run_and_page):
    run, page = run_and_page("text")
    said = run.model.predict(run.x).tolist()
    right = sum(a == b for a, b in zip(run.y, said))
    assert page.all("div", "score")[0].text.startswith(f"{share(right, 9)}of 9 test texts right")
    for one, weighed in zip(run.model.evaluation_["examples"], page.all("p", "weighed"), strict=True):
        place = int(one["id"])
        assert f"Text {place}\nclass {run.y[place]}, {'recognised' if run.y[place] == said[place] else f'taken for {said[place]}'}" in page.text
        assert weighed.text.strip() == " ".join(run.x[place])
    shares = [float(word.attributes["style"].removeprefix("--share:")) for word in page.all("i") if word.attributes.get("style", "").startswith("--share:")]
    weights = [one["weights"] for one in run.model.evaluation_["examples"]]
    assert shares == pytest.approx([weight / max(map(max, weights)) for row in weights for weight in row], abs=0.006)


def test_a_translation_s_page(run_and_page):
    run, page = run_and_page("translate")
    written = run.model.predict(run.x)
    right = sum(a == b for a, b in zip(run.y, written))
    assert page.all("div", "score")[0].text.startswith(f"{share(right, 7)}of 7 test inputs wholly right")
    assert "beam of 5for the numbers here" in page.text
    read = {" ".join(source): (" ".join(target), " ".join(answer)) for source, target, answer in zip(run.x, run.y, written)}
    maps = page.all("figure", "card")
    examples = run.model.evaluation_["examples"]
    assert examples and all(f"Attention of {len(one['attention'])} outputs over {len(one['source'])} inputs" in str(page.all("img")) for one in examples)
    for one in examples:
        target, answer = read[" ".join(one["source"])]
        assert any(" ".join(one["source"]) in figure.text and answer in figure.text and (answer == target or f"should be {target}" in figure.text) for figure in maps)
    mistakes = page.table("read", "written, against the truth", "edits")
    assert {row[0] for row in mistakes} == {source for source, (target, answer) in read.items() if answer != target}
    edits = [int(row[2]) for row in mistakes]
    assert edits == sorted(edits, reverse=True)


def test_differences_put_together_give_both_sides():
    pieces = differences(list("kitten"), list("sitting"))
    assert "".join(piece["text"] for piece in pieces if piece["kind"] != "missing") == "sitting"
    assert "".join(piece["text"] for piece in pieces if piece["kind"] != "extra") == "kitten"


def test_validations_within_an_epoch_are_drawn_by_number(run_and_page):
    run, page = run_and_page("language, validated within an epoch")
    validations = run.model.metrics_
    targets = len(LINES) * 12 - round(len(LINES) * 12 * 0.2) - 1
    steps_of_an_epoch = -(-targets // (8 * 6))  # windows of eight in six rows
    best = min(validations, key=lambda line: line["validation_loss"])["epoch"]
    assert [line["steps"] for line in validations] == [5, 10, 15, 20]
    assert f"after {20 / steps_of_an_epoch:.3g} epochs. The weights of epoch {best:.3g} were kept" in page.text
    loss = next(chart.attributes["aria-label"] for chart in page.all("svg") if chart.attributes.get("aria-label", "").startswith("Loss by "))
    assert loss.startswith("Loss by validation: ")
