"""The page and the pictures of an explanation: whole, self-contained, with the error of each item."""

import re
from html.parser import HTMLParser

import numpy as np
import pytest
import torch

import tenuto
from tenuto.explain import METHODS, IntegratedGradients, Lime, Shapley
from tests.explain.models import NUMBERS, Reader, fitted, target_of
from tests.tasks.launched import TASKS

_EMPTY = {"meta", "link", "br", "img", "hr", "input", "ellipse", "rect", "line", "image"}


class _Whole(HTMLParser):
    """Checks that every element is closed in order, and collects the addresses."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.addresses: list[str] = []

    def handle_starttag(self, tag, attributes):
        self.addresses += [value for name, value in attributes if name in ("src", "href") and value]
        if tag not in _EMPTY:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.addresses += [value for name, value in attributes if name in ("src", "href") and value]

    def handle_endtag(self, tag):
        assert tag in _EMPTY or self.open.pop() == tag, tag


def check(text: str) -> None:
    parser = _Whole()
    parser.feed(text)
    assert not parser.open and "<script" not in text
    assert all(address.startswith(("#", "data:")) for address in parser.addresses), parser.addresses


@pytest.mark.parametrize("name", TASKS)
def test_every_task_has_a_page(name):
    model, data = fitted(name)
    for method in (IntegratedGradients(tolerance=0.01), Shapley(segments=3, samples=40), *(["counterfactual"] if name not in NUMBERS else [])):
        found = tenuto.explain(model, data[:3], target=target_of(name), method=method)
        page = found.to_html(title="A <run>")
        check(page)
        assert "A &lt;run&gt;" in page and page.count("<figure") == 3
        assert found[0].target.replace("<", "&lt;") in page or "⟨" in page


def test_a_part_below_zero_is_taken_away_and_drawings_keep_their_size():
    model, x = Reader(features=2).eval(), torch.randn(5, 3, 2)
    for method in ("contributions", Shapley(segments=2)):
        page = tenuto.explain(model, x, background=torch.full((2,), 2.0), method=method).to_html()
        check(page)
        assert "+ -" not in page and page.count('class="scroll drawn"') == (3 if method == "contributions" else 6)


def test_the_unexplained_part_is_on_the_page(tmp_path):
    found = tenuto.explain(Reader().eval(), 4 * torch.randn(6, 2, 3), background="zero", method=IntegratedGradients(tolerance=0.9, steps=1))
    page = found.to_html(tmp_path / "why.html")
    assert (tmp_path / "why.html").read_text(encoding="utf-8") == page
    share = max(abs(item.gap) / abs(item.prediction - item.base) for item in found)
    assert share > 1e-3 and f"<b>{100 * share:.1f} %</b>" in page and page.count("unexplained = <b>") == 2
    assert "Unexplained" in page and "tolerance" in page and "zeros" in page


def test_words_are_coloured_by_what_they_add():
    model, data = fitted("text")
    found = tenuto.explain(model, data[:1])
    page, adds = found.to_html(), found[0].values.sum(1)
    marks = re.findall(r'<i class="(above|below)" style="--share:([\d.]+)" title="[^"]*">([^<]*)</i>', page)
    assert [word for _, _, word in marks] == list(found[0].words)
    assert [side for side, _, _ in marks] == ["above" if value >= 0 else "below" for value in adds]
    np.testing.assert_allclose([float(share) for _, share, _ in marks], np.abs(adds) / np.abs(adds).max(), atol=0.006)


@pytest.mark.parametrize("method", [Shapley(samples=60), Lime(draws=20), "gradient", "smoothgrad", "occlusion"], ids=str)
def test_a_picture_is_svg_that_a_notebook_shows(method):
    found = tenuto.explain(Reader().eval(), torch.randn(9, 1, 3), background="zero", method=method)
    drawn = found.plot()
    assert drawn._repr_svg_() == drawn and drawn.startswith("<svg xmlns=") and drawn.endswith("</svg>")
    check(drawn)
    assert "prefers-color-scheme:dark" in drawn and 'aria-label="' in drawn


def test_long_items_and_empty_values_are_drawn():
    model = Reader().eval()
    for x in (torch.randn(1500, 1, 3), torch.zeros(1, 1, 3), torch.zeros(7, 1, 3)):
        found = tenuto.explain(model, x, method="gradient")
        check(found.to_html())
        assert len(found.plot()) < 120_000


def test_a_page_of_many_items_shows_the_first_and_lists_all():
    found = tenuto.explain(Reader().eval(), torch.randn(3, 60, 3), method="gradient")
    page = found.to_html()
    assert page.count("<figure") == 50 and "10 more items are in the table" in page and page.count('<tr><th scope="row">') == 60


def test_the_methods_have_titles():
    from tenuto.explain.page import TITLES

    assert set(METHODS) <= set(TITLES)
