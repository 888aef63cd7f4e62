"""The page of a search: every trial, the best, gaps where a trial was stopped; and no page for what is not a search."""

import re

import pytest

from tenuto.errors import RunError
from tenuto.pages.scatter import Point, Scatter
from tenuto.pages.search import build_search_report
from tenuto.report import build_report
from tenuto.runs.search_folder import claim_search, is_search, read_search, write_search


def entry(number, state, value, **more):
    options = {"cell": ("lstm", "gru")[number % 2], "num_layers": 1 + number % 3, "dropout": number / 10, "tied": number % 2 == 0}
    curve = [1.0 / epoch + number / 100 for epoch in range(1, 1 + (3 if state == "complete" else 1))]
    return {"number": number, "state": state, "options": options, "value": value, "best_epoch": 3, "seconds": 1.5, "reason": None, "curve": curve, **more}


TRIALS = [
    entry(1, "complete", 0.5),
    entry(2, "complete", 0.25),
    entry(3, "pruned", None),
    entry(4, "diverged", None, reason="the loss is <not> finite."),
    entry(5, "interrupted", None, curve=[]),
    entry(5, "complete", 0.75),
]
SEARCH = {
    "task": "classify",
    "title": "walks",
    "cell": "lstm",
    "data": {"sha256": "0" * 64},
    "options": {"epochs": 3, "data": "walks.csv"},
    "base": TRIALS[0]["options"],
    "metric": "validation_accuracy",
    "direction": "maximise",
    "space": {"cell": ["lstm", "gru"], "num_layers": {"low": 1, "high": 3}, "dropout": {"low": 0.01, "high": 0.9, "log": True}, "tied": [True, False]},
    "wanted": 8,
    "stopped": "interrupted",
    "best": 5,
    "importance": {"dropout": 0.75, "cell": 0.25},
    "trials": TRIALS,
}


def page_of(folder, **changed):
    write_search(folder, {**SEARCH, **changed})
    return build_search_report(folder).read_text(encoding="utf-8")


def test_the_page_shows_the_best_and_every_trial(tmp_path):
    text = page_of(tmp_path)
    assert "75.0 %" in text and "validation accuracy, trial 5" in text
    assert "the loss is &lt;not&gt; finite." in text and "<not>" not in text
    rows = re.findall(r'<tr><th scope="row">(\d)', text)
    assert rows == ["1", "2", "3", "4", "5", "5"] and text.count(">pruned<") == 1
    assert text.index("<h3>dropout") < text.index("<h3>cell") < text.index("<h3>num layers")  # the most important first
    assert "Share 75.0 %" in text and "<script" not in text and "http" not in text
    assert is_search(tmp_path) and read_search(tmp_path)["best"] == 5
    assert build_report(tmp_path) == tmp_path / "report.html"


def test_a_search_without_a_whole_trial_has_its_page(tmp_path):
    text = page_of(tmp_path, trials=TRIALS[2:5], best=None, importance={})
    assert "What mattered" not in text and "How the search went" not in text and "Every trial" in text


def test_what_is_not_a_search_is_refused(tmp_path):
    with pytest.raises(RunError, match=r"search.json cannot be read"):
        build_search_report(tmp_path)
    (tmp_path / "search.json").write_text('{"format": "other"}')
    with pytest.raises(RunError, match="is not a search"):
        read_search(tmp_path)
    with pytest.raises(RunError, match="is not empty"):
        claim_search(tmp_path)
    write_search(tmp_path, {"trials": []})
    with pytest.raises(RunError, match="lacks something that its page shows"):
        build_search_report(tmp_path)
    assert claim_search(tmp_path / "new") is False


def test_a_scatter_puts_words_side_by_side():
    drawing = Scatter("cell", [Point("lstm", 0.5, "first", "trial 1"), Point("gru", 0.25, "third", "trial 2")], places=["lstm", "gru"]).svg()
    places = [float(x) for x in re.findall(r'cx="([\d.]+)"', drawing)]
    assert places[0] < places[1] and "best at gru with 0.25" in drawing
    numbers = Scatter("rate", [Point(rate, 1.0, "first", "") for rate in (0.001, 0.01, 0.1)], logarithmic=True).svg()
    across = [float(x) for x in re.findall(r'cx="([\d.]+)"', numbers)]
    assert across[1] - across[0] == pytest.approx(across[2] - across[1], abs=0.2)
