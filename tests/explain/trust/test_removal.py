"""Deletion, insertion and joint removal against answers that are known for a linear model."""

import numpy as np
import pytest
import torch

import tenuto
from tenuto.explain import Check, Gradient, Shapley
from tenuto.explain.trust.measures import area
from tests.explain.models import Reader, Words
from tests.explain.trust.known import Formula, Linear, Noise


def checked(model, x, **options):
    return tenuto.explain(model, x, **{"background": "zero", "method": "gradient", "check": Check(networks=2), **options})


def test_three_cells_by_hand():
    """x = 1, so the values are the weights 3, -2 and 1, and the answer of nothing is 0.5."""
    found = checked(Linear(np.array([[3.0], [-2.0], [1.0]])), torch.ones(3, 1, 1, dtype=torch.float64)).trust.removals[0]
    assert found.parts == 3 and found.steps == 2
    np.testing.assert_allclose(found.shares, [0, 1 / 3, 2 / 3, 1])
    np.testing.assert_allclose(found.largest_first, [2.5, -0.5, -1.5, 0.5])  # without 3, without 1, without -2
    np.testing.assert_allclose(found.smallest_first, [2.5, 4.5, 3.5, 0.5])
    assert found.cpd == pytest.approx(3 + 2) and found.cpp == pytest.approx(1 + 2)
    assert set(np.round(found.random_sums, 9)) <= {5.0, 4.0, 3.0}
    assert found.deletion == pytest.approx((1.0 - 1.0 - 0.5) / 3) and found.insertion == pytest.approx((3.5 + 4.0 + 2.0) / 3)


def test_the_curves_of_a_linear_model_are_the_sums_of_its_values():
    generator = np.random.default_rng(0)
    weights, x = generator.normal(size=(15, 4)), generator.normal(size=(15, 1, 4))
    found = checked(Linear(weights), torch.from_numpy(x)).trust.removals[0]
    values = np.sort((weights * x[:, 0]).ravel())
    taken = np.round(np.array(found.shares) * 60).astype(int)
    assert len(taken) == 21 and found.parts == 60 and found.steps == 30
    np.testing.assert_allclose(found.largest_first, [0.5 + values[: 60 - k].sum() for k in taken])
    np.testing.assert_allclose(found.smallest_first, [0.5 + values[k:].sum() for k in taken])
    sizes = np.sort(np.abs(values))
    assert found.cpd == pytest.approx(sizes[30:].sum()) and found.cpp == pytest.approx(sizes[:30].sum())
    straight = 0.5 + values.sum() * (1 - taken / 60)
    assert (np.abs(np.array(found.random) - straight) <= 5 * np.array(found.random_error) + 1e-9).all()
    assert found.deletion_gain > 10 * found.area_error and found.insertion_gain > 10 * found.area_error


def test_an_order_by_chance_gains_nothing():
    generator = np.random.default_rng(1)
    x = torch.from_numpy(generator.normal(size=(10, 40, 3)))
    found = checked(Linear(generator.normal(size=(10, 3))), x, method=Noise(), check=Check(networks=2, orders=30)).trust.removals
    for which in ("deletion_gain", "insertion_gain"):
        gains = np.array([getattr(one, which) for one in found])
        assert abs(gains.mean()) < 3 * gains.std(ddof=1) / len(gains) ** 0.5
    for one in found:
        assert np.mean(one.random_areas) == pytest.approx(area(one.shares, one.random))


def test_the_mean_over_a_background_is_what_stands_there():
    generator = np.random.default_rng(2)
    others, weights = torch.from_numpy(generator.normal(size=(4, 30, 1))), np.array([[1.0], [2.0], [-1.0], [0.5]])
    model, x = Linear(weights), torch.ones(4, 1, 1, dtype=torch.float64)
    for references, chosen in ((50, np.arange(30)), (3, [0, 14, 29])):
        found = checked(model, x, background=others, method="integrated-gradients", check=Check(networks=2, references=references)).trust
        assert found.removals[0].random[-1] == pytest.approx(0.5 + (others[:, chosen, 0].numpy() * weights).sum(0).mean())
        assert found.background == "30 items of a background" and found.settings["references"] == references


def test_a_size_alone_is_measured_by_the_distance_from_the_answer():
    """The gradient of the cells is -2, 1, 0 and 0; taken away, they move the answer by 2, 1 and nothing."""
    model = Linear(np.array([[-2.0], [1.0], [0.0], [0.0]]))
    found = checked(model, torch.ones(4, 1, 1, dtype=torch.float64), method=Gradient(times_input=False)).trust
    assert not found.signed
    np.testing.assert_allclose(found.removals[0].largest_first, [-0.5, -2.5, -1.5, -1.5, -1.5])


def test_players_and_tokens_are_the_parts():
    model, x = Reader().double().eval(), torch.randn(9, 2, 3, dtype=torch.float64)
    assert [one.parts for one in checked(model, x, method=Shapley(players="segments", segments=4)).trust.removals] == [4, 4]
    assert [one.parts for one in checked(model, x).trust.removals] == [27, 27]
    assert [one.parts for one in checked(Words().eval(), torch.randint(11, (2, 6))).trust.removals] == [6, 6]


def test_a_long_item_has_twenty_points_and_fifty_steps():
    found = checked(Formula(lambda x: x.sum((0, 2))), torch.randn(400, 1, 5)).trust.removals[0]
    assert len(found.shares) == 21 and found.steps == 50 and found.parts == 2000


def test_what_runs_together_is_bounded(monkeypatch):
    from tenuto.explain import question

    monkeypatch.setattr(question, "MOST_NUMBERS", 5000)
    rows = []
    model = Formula(lambda x: rows.append(x.shape[1]) or x.sum((0, 2)))
    plain = checked(model, torch.ones(20, 1, 2))
    assert max(rows) <= 5000 // 20 // 2 and plain.trust.removals[0].cpd == pytest.approx(20.0)


def test_an_item_alone_is_as_in_a_batch_and_chance_does_not_depend_on_torch():
    torch.manual_seed(0)
    model, items = Reader().double().eval(), [torch.randn(length, 3, dtype=torch.float64) for length in (7, 12, 4)]
    together = checked(model, items, method="integrated-gradients").trust
    torch.manual_seed(5)
    before = torch.get_rng_state()
    for place, item in enumerate(items):
        alone = checked(model, [item], method="integrated-gradients").trust
        for name in ("largest_first", "smallest_first", "random", "random_sums", "cpd", "cpp"):
            np.testing.assert_allclose(getattr(alone.removals[0], name), getattr(together.removals[place], name), atol=1e-9)
        np.testing.assert_allclose(list(vars(alone.halves[0]).values()), list(vars(together.halves[place]).values()), atol=1e-9)
        assert alone.likeness.items_values[0] == pytest.approx(together.likeness.items_values[place])
    assert torch.equal(torch.get_rng_state(), before)


def test_one_part_is_no_order():
    trust = checked(Formula(lambda x: x.sum((0, 2))), torch.ones(1, 1, 1)).trust
    assert trust.removals == (None,) and trust.halves == (None,) and trust.likeness is None
