"""Explanations from gradients: complete where they say so, right where the answer is known, and the same alone and in a batch."""

import warnings

import numpy as np
import pytest
import torch
from torch import nn

import tenuto
from tenuto.errors import ArgumentError
from tenuto.explain import ExpectedGradients, Gradient, IntegratedGradients, SmoothGrad
from tests.explain.models import Reader, double, fitted, target_of
from tests.tasks.launched import TASKS
from tests.zoo import LAYER_CELLS

METHODS = [Gradient(), SmoothGrad(draws=4), IntegratedGradients(), ExpectedGradients(draws=8)]


class Difference(nn.Module):
    """relu(relu(a) - 1 - relu(b)) of one step's two features: the example of the paper, section B."""

    def forward(self, x):
        a, b = x[0].unbind(-1)
        return torch.relu(torch.relu(a) - 1 - torch.relu(b))


def test_integrated_gradients_of_the_paper_s_example():
    """f(3, 1) = 1, of which the paper gives 1.5 to the first and -0.5 to the second."""
    x = torch.tensor([[[3.0, 1.0]]], dtype=torch.float64)
    found = tenuto.explain(double(Difference()), x, background="zero", method=IntegratedGradients(tolerance=5e-3, most_steps=4096))
    np.testing.assert_allclose(found[0].values, [[1.5, -0.5]], atol=0.01)
    assert found[0].prediction == 1.0 and found[0].base == 0.0


def test_a_linear_model_is_explained_by_its_weights():
    layer = double(nn.Linear(3, 2))
    x, other = torch.randn(1, 4, 3, dtype=torch.float64), torch.randn(5, 3, dtype=torch.float64)
    weights = layer.weight[1].detach().numpy()
    for method in METHODS:
        found = tenuto.explain(layer, x, target=(0, 1), background=list(other[:, None]), method=method)
        for item, given in zip(found, x[0].numpy()):
            minus = other.mean(0).numpy() if method.compares and not isinstance(method, ExpectedGradients) else 0.0
            if isinstance(method, ExpectedGradients):
                assert abs(item.gap) < 4 * np.sqrt((item.error**2).sum()) + 1e-9
                continue
            np.testing.assert_allclose(item.values, [weights * (given - minus)], atol=1e-12)


@pytest.mark.parametrize("cell", LAYER_CELLS.values(), ids=LAYER_CELLS)
def test_integrated_gradients_add_up_for_every_cell(cell):
    torch.manual_seed(0)
    layer = double(tenuto.Recurrent(cell, 2, 4 * cell.heads, dtype=torch.float64))
    x = torch.randn(6, 2, 2, dtype=torch.float64)
    other = torch.randn(2, dtype=torch.float64)  # not zeros, where a normalised cell has no derivative
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a cell with a kink needs more steps than are taken here
        found = tenuto.explain(layer, x, lengths=[6, 4], target=(-1, 0), background=other, method=IntegratedGradients(tolerance=1e-7, most_steps=256))
    for item, length in zip(found, (6, 4)):
        assert item.values.shape == (length, 2)
        assert abs(item.gap) <= (1e-4 if item.measured["steps"] < 256 else 0.02) * abs(item.prediction - item.base)


@pytest.mark.parametrize("name", TASKS)
@pytest.mark.parametrize("method", METHODS, ids=lambda method: method.name)
def test_an_item_alone_is_explained_as_in_a_batch(name, method):
    model, data = fitted(name)
    together = tenuto.explain(model, data, target=target_of(name), method=method)
    for index in (1, 2):
        alone = tenuto.explain(model, data[index : index + 1], target=target_of(name), method=method)
        assert together[index].target == alone[0].target
        np.testing.assert_allclose(together[index].values, alone[0].values, rtol=2e-4, atol=1e-6)
        assert together[index].values.shape == together[index].x.shape


@pytest.mark.parametrize("name", TASKS)
def test_integrated_gradients_leave_no_more_than_was_asked(name):
    model, data = fitted(name)
    for item in tenuto.explain(model, data, target=target_of(name), method=IntegratedGradients(tolerance=0.01)):
        assert abs(item.gap) <= 0.01 * max(abs(item.prediction - item.base), 1e-3 * abs(item.prediction)) + 1e-6


def test_what_is_left_is_said_where_the_steps_do_not_suffice():
    x = torch.tensor([[[3.0, 1.0]]])
    with pytest.warns(UserWarning, match="leave .* unexplained after 3 steps, more than .*\n?.*most_steps=6"):
        found = tenuto.explain(Difference().eval(), x, background="zero", method=IntegratedGradients(steps=3, most_steps=3))
    assert abs(found[0].gap) > 1e-3


def test_the_carried_state_is_a_term_by_name():
    layer = double(nn.LSTM(2, 3))
    torch.manual_seed(1)
    x, state = torch.randn(4, 2, 2, dtype=torch.float64), (torch.randn(1, 2, 3, dtype=torch.float64), torch.randn(1, 2, 3, dtype=torch.float64))
    found = tenuto.explain(layer, x, state=state, target=(-1, 1), background="zero", method=IntegratedGradients(tolerance=1e-6))
    for row, item in enumerate(found):
        assert sorted(item.state) == ["c", "h"] and abs(item.gap) < 1e-6
        assert item.prediction == pytest.approx(float(layer(x, state)[0][-1, row, 1].detach()))
        assert item.base == pytest.approx(float(layer(torch.zeros_like(x))[0][-1, row, 1].detach()))
    alone = tenuto.explain(layer, x[:, 1:], state=tuple(part[:, 1:] for part in state), target=(-1, 1), background="zero", method=IntegratedGradients(tolerance=1e-6))
    assert alone[0].state == pytest.approx(found[1].state)


def test_a_cell_s_only_state_may_be_given_bare():
    layer = double(tenuto.Recurrent(tenuto.cells.GRU(), 2, 3, dtype=torch.float64))
    x, state = torch.randn(4, 1, 2, dtype=torch.float64), torch.randn(1, 1, 3, dtype=torch.float64)
    found = tenuto.explain(layer, x, state=state, target=(-1, 1), background="mean", method=IntegratedGradients(tolerance=1e-6))
    assert list(found[0].state) == ["h"] and abs(found[0].gap) < 1e-6


def test_gradient_times_input_is_torch_s():
    model = Reader(nn.LSTM).eval()
    x = torch.randn(6, 3, 3, requires_grad=True)
    model(x)[:, 1].sum().backward()
    found = tenuto.explain(model, x.detach(), target=1, method="gradient")
    np.testing.assert_allclose(np.stack(found.values, 1), (x.grad * x.detach()).numpy(), rtol=1e-5, atol=1e-7)
    bare = tenuto.explain(model, x.detach(), target=1, method=Gradient(times_input=False))
    np.testing.assert_allclose(np.stack(bare.values, 1), x.grad.numpy(), rtol=1e-5, atol=1e-7)


def test_expected_gradients_are_the_integrated_ones_within_their_error():
    model, x = double(Reader()), torch.randn(5, 2, 3, dtype=torch.float64)
    other = torch.randn(5, 4, 3, dtype=torch.float64)
    drawn = tenuto.explain(model, x, target=0, background=other, method=ExpectedGradients(draws=800))
    exact = tenuto.explain(model, x, target=0, background=other, method=IntegratedGradients(tolerance=1e-6))
    for one, other_item in zip(drawn, exact):
        assert (np.abs(one.values - other_item.values) < 3.5 * one.error + 1e-9).all()
        assert one.base == pytest.approx(other_item.base)


def test_a_step_alone_and_a_constant_feature_are_no_special_case():
    model = Reader().eval()
    for x in (torch.randn(1, 2, 3), torch.ones(4, 2, 3), torch.zeros(4, 1, 3)):
        for method in METHODS:
            found = tenuto.explain(model, x, background="zero", method=method)
            assert all(np.isfinite(item.values).all() for item in found)


def test_it_works_where_gradients_are_switched_off():
    model, x = Reader().eval(), torch.randn(4, 1, 3)
    plain = tenuto.explain(model, x, method="gradient")
    with torch.no_grad():
        assert (tenuto.explain(model, x, method="gradient")[0].values == plain[0].values).all()


@pytest.mark.parametrize(
    ("made", "said"),
    [
        (lambda: SmoothGrad(draws=1), "draws=1 cannot be used"),
        (lambda: IntegratedGradients(tolerance=0.0), r"tolerance=0\.0 cannot be used"),
        (lambda: IntegratedGradients(steps=8, most_steps=4), "most_steps=4 cannot be used"),
        (lambda: ExpectedGradients(draws=True), "draws=True cannot be used"),
    ],
)
def test_a_setting_that_cannot_be_is_refused(made, said):
    with pytest.raises(ArgumentError, match=said):
        made()


def test_a_model_without_gradients_is_refused_with_a_method_that_works():
    class Counts(nn.Module):
        def forward(self, x):
            return (x.detach() > 0).float().sum(0)

    with pytest.raises(ArgumentError, match=r"no gradient(.|\n)*shapley"):
        tenuto.explain(Counts().eval(), torch.randn(3, 2, 4), method="gradient")
