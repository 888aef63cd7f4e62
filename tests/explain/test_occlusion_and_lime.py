"""Occlusion and LIME: right where the answer is known, and honest about how well and how stably the line fits."""

import numpy as np
import pytest
import torch
from torch import nn

import tenuto
from tenuto.errors import ArgumentError
from tenuto.explain import Lime, Occlusion
from tenuto.explain.lime import between
from tests.explain.models import Reader, double, fitted, target_of
from tests.explain.test_shapley import Layers
from tests.tasks.launched import TASKS


class Sums(nn.Module):
    """A weighted sum of all cells, and half as much."""

    def __init__(self, steps, features):
        super().__init__()
        self.weights = nn.Parameter(torch.randn(steps, features, generator=torch.Generator().manual_seed(0), dtype=torch.float64))

    def forward(self, x):
        total = (x * self.weights[: len(x), None]).sum((0, 2))
        return torch.stack([total, total / 2], 1)


def test_occlusion_of_a_sum_is_each_player_s_part():
    model, x = Sums(6, 2).eval(), torch.randn(6, 1, 2, dtype=torch.float64)
    parts = (x[:, 0] * model.weights).detach().numpy()
    found = tenuto.explain(model, x, target=0, background="zero", method=Occlusion(segments=3))[0]
    np.testing.assert_allclose(found.player_values.reshape(3, 2), parts.reshape(3, 2, 2).sum(1), atol=1e-12)
    assert found.base is None and found.gap is None and found.values.sum() == pytest.approx(parts.sum())


def test_a_fixed_answer_of_captum():
    """tests/attr/test_occlusion.py: test_simple_input with one feature at a time: [80, 200, 120]."""
    found = tenuto.explain(Layers().eval(), torch.tensor([[[20.0, 50.0, 30.0]]]), target=0, background="zero", method=Occlusion(players="features"))
    np.testing.assert_allclose(found[0].player_values, [80.0, 200.0, 120.0], rtol=1e-6)


def test_a_line_is_found_where_the_model_is_one():
    model, x = Sums(8, 2).eval(), torch.randn(8, 1, 2, dtype=torch.float64)
    parts = (x[:, 0] * model.weights).detach().numpy().sum(1)
    found = tenuto.explain(model, x, target=0, background="zero", method=Lime(players="tokens", fill="background", ridge=0.0))[0]
    np.testing.assert_allclose(found.player_values, parts, atol=1e-9)
    assert found.measured["fidelity"] == pytest.approx(1.0) and found.measured["stability"] == pytest.approx(1.0)
    assert abs(found.gap) < 1e-9 and abs(found.base) < 1e-9 and found.player_errors.max() < 1e-9


def test_what_is_left_out_is_what_the_neighbours_suggest():
    x = torch.tensor([[0.0, 5.0], [9.0, 5.0], [9.0, 5.0], [6.0, 8.0], [7.0, 1.0]])
    present = torch.tensor([[1, 0], [0, 0], [0, 0], [1, 0], [0, 0]], dtype=torch.bool)
    filled = between(x, torch.stack([present, torch.ones_like(present)]))
    torch.testing.assert_close(filled[0, :, 0], torch.tensor([0.0, 2.0, 4.0, 6.0, 6.0]))
    torch.testing.assert_close(filled[0, :, 1], torch.full((5,), 4.8))
    torch.testing.assert_close(filled[1], x)


def test_a_straight_line_in_time_is_worth_nothing_to_its_neighbours():
    x = torch.arange(9.0, dtype=torch.float64)[:, None, None].expand(9, 1, 2).clone()
    x[4, 0, 1] = 30.0
    found = tenuto.explain(Sums(9, 2).eval(), x, target=0, method=Lime(players="cells", segments=9, draws=800))[0]
    values = found.player_values.reshape(9, 2)
    assert np.abs(values[4, 1]) > 5 * np.abs(values[1:-1, 0]).max()
    assert found.measured["fidelity"] > 0.5  # what the spike lends to its neighbours is no line


def test_fidelity_and_stability_fall_where_the_model_is_no_line():
    class Odd(nn.Module):
        def forward(self, x):
            return torch.sin(40 * x.sum((0, 2)))[:, None]

    x = torch.randn(8, 1, 1, dtype=torch.float64)
    found = tenuto.explain(Odd().eval(), x, target=0, background="zero", method=Lime(fill="background", draws=60))[0]
    assert found.measured["fidelity"] < 0.6 and found.measured["stability"] < 0.95 and found.player_errors.max() > 0.01


@pytest.mark.parametrize("name", TASKS)
@pytest.mark.parametrize("method", [Occlusion(segments=3), Lime(segments=3, draws=20, redraws=2)], ids=lambda method: method.name)
def test_an_item_alone_is_explained_as_in_a_batch(name, method):
    model, data = fitted(name)
    together = tenuto.explain(model, data, target=target_of(name), method=method)
    alone = tenuto.explain(model, data[2:3], target=target_of(name), method=method)
    np.testing.assert_allclose(together[2].player_values, alone[0].player_values, rtol=2e-3, atol=1e-5)


def test_constant_input_and_a_single_step():
    model = double(Reader())
    for x in (torch.zeros(5, 1, 3), torch.randn(1, 1, 3)):
        for method in (Lime(draws=20, fill="neighbours"), Lime(draws=20, fill="background"), Occlusion()):
            found = tenuto.explain(model, x.double(), background="zero", method=method)[0]
            assert np.isfinite(found.player_values).all() and np.isfinite(found.values).all()
    assert not tenuto.explain(model, torch.ones(5, 1, 3, dtype=torch.float64), method=Lime(draws=20, fill="neighbours"))[0].player_values.any()


def test_a_carried_state_has_its_own_coefficient():
    layer = double(nn.GRU(2, 3))
    x, state = torch.randn(6, 1, 2, dtype=torch.float64), torch.randn(1, 1, 3, dtype=torch.float64)
    for method in (Lime(draws=50), Occlusion()):
        found = tenuto.explain(layer, x, state=state, target=(-1, 0), background="zero", method=method)[0]
        assert list(found.state) == ["h"] and len(found.player_values) == 12


@pytest.mark.parametrize(
    ("made", "said"),
    [
        (lambda: Lime(fill="zero"), "fill='zero' is not known"),
        (lambda: Lime(redraws=1), "redraws=1 cannot be used"),
        (lambda: Lime(near=0.0), r"near=0\.0 cannot be used"),
        (lambda: Occlusion(players="all"), "players='all' is not known"),
    ],
)
def test_a_setting_that_cannot_be_is_refused(made, said):
    with pytest.raises(ArgumentError, match=said):
        made()
