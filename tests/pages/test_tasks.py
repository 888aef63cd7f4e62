"""The pages of the tasks over language: the run's own numbers, nothing from outside, no markup from the data."""

import re

import pytest

from tenuto.report import build_report
from tenuto.tasks import LanguageModel
from tenuto.tasks.translate.page import differences
from tests.pages.sample_tasks import WRITERS
from tests.pages.test_report import HOSTILE, Page

SAID = {
    "language": ("2.069", "windows of 256 tokens", "ROMEO:", "temperature 0.8, top-k 40, seed 1", "13.4 bits"),
    "tag": ("90.5 %", "span F1 on 90 test sentences", "4 of 29", "1 wrong tag; play, recognised"),
    "classify-text": ("test text", "taken for bad", "fine"),
    "translate": ("73.1 %", "of 11,214 test inputs wholly right", "beam of 5", "should be F IY N IH K S"),
}


@pytest.mark.parametrize("task", sorted(WRITERS))
def test_each_page_says_the_run_s_numbers_and_needs_nothing(tmp_path, task):
    text = build_report(WRITERS[task](tmp_path / "run")).read_text(encoding="utf-8")
    page = Page(text)
    for words in SAID[task]:
        assert words in page.text, words
    assert not page.all("script") and not re.search(r"@import|url\(|https?://", text)
    assert all(image.get("alt", "").strip() for image in page.all("img"))


def test_hostile_words_stay_text(tmp_path):
    sample = {"prompt": HOSTILE[0], "text": HOSTILE[1], "temperature": 1.0, "top_k": None, "top_p": None, "seed": 0}
    page = Page(build_report(WRITERS["language"](tmp_path / "run", samples=[sample])).read_text(encoding="utf-8"))
    assert not page.all("script") and HOSTILE[0] in page.text and HOSTILE[1] in page.text


def test_differences_put_together_give_both_sides():
    pieces = differences(list("kitten"), list("sitting"))
    assert "".join(piece["text"] for piece in pieces if piece["kind"] != "missing") == "sitting"
    assert "".join(piece["text"] for piece in pieces if piece["kind"] != "extra") == "kitten"


def test_validations_within_an_epoch_are_drawn_by_number(tmp_path):
    model = LanguageModel("gru", hidden_size=8, num_layers=1, window=8, batch_size=4, epochs=2, validate_every=5, max_steps=30)
    model.fit("to be or not to be. " * 40).save(tmp_path / "run")
    page = Page(build_report(tmp_path / "run").read_text(encoding="utf-8"))
    steps_of_an_epoch = -(-(len("to be or not to be. " * 38) - 1) // 32)
    assert f"after {30 / steps_of_an_epoch:.3g} epochs. The weights kept are those of epoch {model.evaluation_['training']['best_epoch']:.3g}" in page.text
    assert "Loss by validation: " in str([chart.get("aria-label") or "" for chart in page.all("svg")]) + page.text
