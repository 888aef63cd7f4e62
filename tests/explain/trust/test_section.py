"""The check on the page, in files, and as an argument: the section, its words, its thresholds, and what is refused."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch

import tenuto
from tenuto.errors import ArgumentError, RunError
from tenuto.explain import Check, Gradient, Trust, load
from tenuto.explain.trust.measures import Halves, Likeness, Removal
from tenuto.explain.trust.verdicts import of_joint_removal, of_order, of_weights, verdicts
from tests.explain.models import Reader
from tests.explain.test_page import check as check_whole
from tests.explain.trust.known import Formula, InputSize

QUICK = Check(networks=2)


@pytest.fixture(scope="module")
def found():
    torch.manual_seed(0)
    return tenuto.explain(Reader().double().eval(), [torch.randn(length, 3, dtype=torch.float64) for length in (9, 1, 6)], background="zero", method="gradient", check=QUICK)


def test_the_section_is_on_the_page(found):
    page = found.to_html()
    check_whole(page)
    assert page.count('<section id="trust"') == 1 and 'href="#trust">Can it be trusted?' in page and "<dt>Checks</dt>" in page
    for verdict in verdicts(found.trust):
        assert f"<dt>{verdict.name}<br>" in page and verdict.mark in page
    assert page.count('<svg class="chart"') == 2 and "per cent taken away" in page and "per cent added" in page
    assert "Rank correlations between this explanation and that of 2 networks" in page and "zeros" in page
    section = page.partition('<section id="trust"')[2].partition("</section>")[0]
    assert section.count('<tr><th scope="row">') == 3 + 2  # items, and the stages head and recurrent
    assert f"{found.trust.removals[0].cpd:.3g}" in section


def test_a_page_without_a_check_has_no_section():
    plain = tenuto.explain(Reader().eval(), torch.randn(3, 1, 3), method="gradient")
    assert plain.trust is None and "trust" not in plain.to_html().replace("trust-warning {", "")


def test_what_cannot_be_told_has_a_page_too():
    for x in (torch.ones(1, 1, 1), torch.zeros(4, 1, 2)):
        found = tenuto.explain(Formula(lambda x: x.sum((0, 2))), x, background="zero", method="gradient", check=QUICK)
        check_whole(found.to_html())
        assert any(verdict.mark == "cannot be told" for verdict in verdicts(found.trust))


def test_it_is_saved_and_loaded(found, tmp_path):
    found.save(tmp_path)
    again = load(tmp_path)
    assert isinstance(again.trust, Trust) and again.trust == found.trust and again.to_html() == found.to_html()
    plain = replace(found, trust=None)
    plain.save(tmp_path / "plain")
    assert load(tmp_path / "plain").trust is None


@pytest.mark.parametrize(
    "harm",
    [
        lambda trust: trust["removals"].pop(),
        lambda trust: trust["removals"][0].pop("cpd"),
        lambda trust: trust["removals"][0]["random"].pop(),
        lambda trust: trust["removals"][0].update(cpd="much"),
        lambda trust: trust["removals"][0].update(random_areas=[]),
        lambda trust: trust["removals"][0].update(random=3),
        lambda trust: trust["halves"][0].update(middle=1.0),
        lambda trust: trust["halves"].append(None),
        lambda trust: trust["likeness"].update(values=[]),
        lambda trust: trust["likeness"].update(sizes=[["high"] * 2] * 2),
        lambda trust: trust["likeness"]["items_values"].pop(),
        lambda trust: trust.pop("signed"),
        lambda trust: trust.update(settings=7),
        lambda trust: trust.update(settings={}),
        lambda trust: trust.update(removals=None),
    ],
)
def test_a_damaged_check_is_told(found, tmp_path, harm):
    found.save(tmp_path)
    file = tmp_path / "explanation.json"
    data = json.loads(file.read_text(encoding="utf-8"))
    harm(data["trust"])
    file.write_text(json.dumps(data), encoding="utf-8")
    with pytest.raises(RunError, match="is no explanation"):
        load(tmp_path)


def test_numbers_that_are_not_finite_are_saved_too(found, tmp_path):
    first = found.trust.removals[0]
    trust = replace(found.trust, removals=(replace(first, cpd=float("nan"), random=(float("inf"), *first.random[1:])), *found.trust.removals[1:]))
    replace(found, trust=trust).save(tmp_path)
    again = load(tmp_path).trust.removals[0]
    assert np.isnan(again.cpd) and np.isnan(again.random[0]) and again.random[1:] == first.random[1:]
    check_whole(load(tmp_path).to_html())


@pytest.mark.parametrize(
    ("method", "options", "said"),
    [
        ("counterfactual", {"check": True}, r"nothing to check in the values of counterfactual(.|\n)*leave the check out"),
        ("gradient", {"check": "yes"}, r"check= cannot be used(.|\n)*'yes'"),
        ("gradient", {"check": True, "background": None}, r"does not say what stands in their place(.|\n)*background="),
    ],
)
def test_what_cannot_be_checked_is_refused_before_anything_runs(method, options, said):
    with pytest.raises(ArgumentError, match=said):
        tenuto.explain(Reader().eval(), torch.randn(4, 1, 3), **{"background": "zero", "method": method, **options})


@pytest.mark.parametrize("settings", [{"orders": 3}, {"orders": 20.5}, {"networks": 1}, {"references": 0}, {"seed": -1}, {"networks": True}])
def test_settings_out_of_range_are_told(settings):
    with pytest.raises(ArgumentError, match=f"{next(iter(settings))}="):
        Check(**settings)


def trust(*, values=(0.0, 0.1), sizes=(0.0, 0.1), signed=True, removal=None):
    likeness = Likeness(("all of it",), (values,), (sizes,), (None,), (None,))
    return Trust({"orders": 20}, "zeros", signed, (removal,), (Halves(1.0, 1.0, 1.0, 1.0, 1.0, 1.0),), likeness)


@pytest.mark.parametrize(
    ("given", "mark"),
    [
        ({"values": (0.71, 0.71), "sizes": (0.9, 0.9)}, "caught"),
        ({"values": (0.69, 0.69), "sizes": (0.69, 0.69)}, "holds"),
        ({"values": (0.0, 0.1), "sizes": (0.9, 0.8)}, "in part"),
        ({"values": (0.0, 0.1), "sizes": (0.9, 0.8), "signed": False}, "caught"),
        ({"values": (-0.9, -0.9), "sizes": (0.1, 0.1)}, "holds"),
    ],
)
def test_who_is_caught(given, mark):
    assert of_weights(trust(**given)).mark == mark


@pytest.mark.parametrize("better", [20, 19, 0])
def test_an_order_is_better_than_chance_where_no_random_one_is_as_good(better):
    """Two points, so an area is the middle of the ends: 0.5 for a deletion, and 0.5 or 2 for an insertion; of the random orders so many have 1, the others 0.5."""
    chance = tuple([1.0] * better + [0.5] * (20 - better))
    one = Removal(5, (0.0, 1.0), (1.0, 0.0), (1.0, 0.0), (1.0, 0.0), (0.0, 0.0), chance, 3, 0.4, 0.5, chance)
    deletes, both, none = one, replace(one, smallest_first=(2.0, 2.0)), replace(one, largest_first=(3.0, 3.0))
    assert f"faster than in {better} of 20 random orders" in of_order(trust(removal=one)).said
    assert of_order(trust(removal=deletes)).mark == ("in part" if better == 20 else "not told from chance")
    assert of_order(trust(removal=both)).mark == ("holds" if better == 20 else "in part")
    assert of_order(trust(removal=none)).mark == "not told from chance"
    assert of_joint_removal(trust(removal=replace(one, cpd=2.0))).mark == ("holds" if better == 20 else "in part")
    assert of_joint_removal(trust(removal=replace(one, cpd=0.1, cpp=2.0))).mark == "not told from chance"


def test_three_parts_are_too_few_to_be_told_from_chance(found):
    few = replace(found.trust.removals[0], parts=3)
    assert of_order(trust(removal=few)).mark == "cannot be told" == of_joint_removal(trust(removal=few)).mark


def test_the_head_of_the_page_says_how_many_checks_hold():
    found = tenuto.explain(Reader().eval(), torch.randn(6, 2, 3), background="zero", method=InputSize(), check=QUICK)
    assert "hold; Random weights: caught" in found.to_html()


def test_the_check_of_a_gradient_alone_says_so():
    found = tenuto.explain(Reader().eval(), torch.randn(6, 2, 3), background="zero", method=Gradient(times_input=False), check=QUICK)
    assert "moves away" in found.to_html() and "less its distance from what it was" in found.to_html()
