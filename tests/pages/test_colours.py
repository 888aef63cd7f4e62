"""Colours of the pages: every text can be read on every ground of the style sheet, light and dark; what colours tell apart, the colour-blind can tell apart."""

import itertools
import re

import numpy as np
import pytest

from tenuto.pages.heat_map import ABOVE, BELOW
from tests.pages.colours import MODES, SIGHT, colour, contrast, distance, over, rules, variables

NO_COLOUR = {"inherit", "transparent", "currentColor", "none"}
READABLE, SEEN = 4.5, 3.0  # WCAG 2.2, 1.4.3 and 1.4.11, level AA


def texts():
    """Every colour of text in the sheet."""
    declared = [(selectors, rule.get("color") or (rule.get("fill") if "text" in selectors else None)) for selectors, rule in rules()]
    return sorted({value for _, value in declared if value and value not in NO_COLOUR})


def grounds():
    """Every plain or tinted background in the sheet on which text can stand: no gradients, and no bars."""
    return sorted({value for selectors, rule in rules() if not re.search(r"\.meter|::before", selectors) for name in ("background", "background-color") if (value := rule.get(name)) and value not in NO_COLOUR and "gradient" not in value})


def on_page(ground, mode, share):
    """An opaque ground: a tint lies on a card or on the page itself."""
    return [over(colour(ground, mode, share=share), colour(f"var({under})", mode)) for under in ("--card", "--paper")]


def test_the_sheet_is_read():
    assert {"var(--ink)", "var(--soft)", "var(--faint)", "var(--first)", "var(--mark)"} <= set(texts())
    assert {"var(--paper)", "var(--card)", "var(--code)"} <= set(grounds())
    assert sum("--share" in ground for ground in grounds()) >= 4  # both kinds of a confusion matrix's cells, words by weight, tokens by surprise
    assert contrast(colour("#000", "light"), colour("#fff", "light")) == pytest.approx(21)
    assert contrast(colour("#777777", "light"), colour("#ffffff", "light")) == pytest.approx(4.48, abs=0.01)


def test_text_has_the_colour_of_a_variable_so_that_a_dark_page_changes_it():
    assert all(re.fullmatch(r"var\(--\w+\)", text) for text in texts()), texts()


@pytest.mark.parametrize("mode", MODES)
def test_every_text_can_be_read_on_every_ground(mode):
    found = {}
    for text, ground in itertools.product(texts(), grounds()):
        for share in np.linspace(0, 1, 11) if "--share" in ground else [0.0]:
            if 0.2 < colour(ground, mode, share=1.0)[3] < 1 and text != "var(--ink)":
                continue  # only the page's usual text stands on a strong tint
            for under in on_page(ground, mode, share):
                found[text, ground, round(float(share), 1)] = min(contrast(colour(text, mode), under), found.get((text, ground, round(float(share), 1)), 21.0))
    poor = {key: round(value, 2) for key, value in found.items() if value < READABLE}
    assert not poor and len(found) > 50


def test_a_tint_that_tells_a_number_has_the_usual_text():
    """The cells of a confusion matrix and coloured words do not set the colour of their text, or nothing is on them."""
    for selectors, rule in rules():
        if "--share" in rule.get("background", "") or selectors == "mark":
            assert rule.get("color", "inherit") == "inherit", selectors


@pytest.mark.parametrize("mode", MODES)
def test_lines_and_marks_are_seen(mode):
    for name in ("--first", "--second", "--third", "--mark"):
        assert contrast(colour(f"var({name})", mode), colour("var(--card)", mode)) >= SEEN, name


@pytest.mark.parametrize("sight", SIGHT)
@pytest.mark.parametrize("mode", MODES)
def test_what_colours_tell_apart_everybody_can_tell_apart(mode, sight):
    card = colour("var(--card)", mode)
    lines = [colour(f"var({name})", mode) for name in ("--first", "--second", "--third")]
    tints = {kind: next(ground for ground in grounds() if f"--{kind}" in ground and "--share" in ground) for kind in ("right", "wrong")}
    cells = [over(colour(tint, mode, share=1.0), card) for tint in tints.values()]
    pixels = [np.array([*rgb, 1.0]) for rgb in (BELOW, ABOVE)]
    for group in (lines, cells, pixels):
        for one, other in itertools.combinations(group, 2):
            assert distance(one, other, sight) > 15
    assert all(variables(mode)[name] for name in ("--right", "--wrong"))


@pytest.mark.parametrize("mode", MODES)
def test_a_larger_share_has_a_stronger_colour(mode):
    card = colour("var(--card)", mode)
    for ground in (ground for ground in grounds() if "--share" in ground):
        seen = [distance(over(colour(ground, mode, share=share), card), card, "usual") for share in np.linspace(0, 1, 6)]
        assert seen == sorted(seen) and seen[-1] > 25
