"""The answers that the tests of captum and shap hold, for models on which these are right: ours are the same. None of the two is needed to run this.

The numbers stand in captum 0.9.0, tests/attr/test_deeplift_basic.py, test_integrated_gradients_basic.py, test_kernel_shap.py, test_shapley.py, test_feature_ablation.py
and test_lime.py, and in shap 0.51.0, tests/explainers/test_kernel.py. What these call several inputs are the steps of a sequence here.
"""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import tenuto
from tenuto.explain import Contributions, IntegratedGradients, Lime, Occlusion, Shapley


class Written(nn.Module):
    """A model that is a function of x [T, B, F]; one number for each row."""

    def __init__(self, function: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.function = function
        self.eval()

    def forward(self, x: Tensor) -> Tensor:
        return self.function(x)


def two_relus(x: Tensor) -> Tensor:
    """captum's ReLUDeepLiftModel, of x1 and x2 in one step."""
    return 2 * torch.relu(x[0, :, 0]) + 2 * torch.relu(x[0, :, 1] - 1.5)


def largest(x: Tensor) -> Tensor:
    """captum's LinearMaxPoolLinearModel."""
    return nn.functional.max_pool1d(x[0][:, None], 4)[:, 0, 0]


def four_units(x: Tensor) -> Tensor:
    """captum's BasicModel_MultiLayer, of the sum over the steps: the input's sum s, relu(s - 10), three times relu(s + 1), and a bias."""
    total = x.sum(0).sum(1)
    return torch.relu(total - 10) + 3 * torch.relu(total + 1) - 1


def explained(function: Callable[[Tensor], Tensor], steps: list[list[float]], method, background="zero"):
    """The explanation of one item, whose steps are given."""
    x = torch.tensor(steps, dtype=torch.float64)[:, None]
    return tenuto.explain(Written(function), x, method=method, target=lambda answer: answer, background=background)[0]


def test_deeplift_of_relu() -> None:
    """test_relu_deeplift_exact_match."""
    item = explained(two_relus, [[1.0, 2.0]], Contributions())
    np.testing.assert_allclose(item.values, [[2.0, 1.0]], atol=1e-12)


@pytest.mark.parametrize(("reference", "values"), [([1.0, 2.0, 3.0, 9.0], [0.0, 0.0, 0.0, -8.0]), ([4.0, 8.0, 6.0, 7.0], [0.0, -7.0, 0.0, 0.0])])
def test_deeplift_of_pooling(reference: list[float], values: list[float]) -> None:
    """test_lin_maxpool_lin_classification."""
    item = explained(largest, [[1.0] * 4], Contributions(), torch.tensor(reference, dtype=torch.float64))
    np.testing.assert_allclose(item.values[0], values, atol=1e-12)


@pytest.mark.parametrize(
    "function",
    [
        lambda x: torch.relu(torch.relu(x[0, :, 0]) - 1 - torch.relu(x[0, :, 1])),
        lambda x: torch.relu(torch.relu(x[0, :, 0] - 1) - torch.relu(x[0, :, 1])),
    ],
)
def test_integrated_gradients_of_relu(function: Callable[[Tensor], Tensor]) -> None:
    """test_multivariable_vanilla: two models that compute the same; captum holds them within 0.05."""
    item = explained(function, [[3.0, 1.0]], IntegratedGradients(tolerance=1e-3, most_steps=4096))
    np.testing.assert_allclose(item.values, [[1.5, -0.5]], atol=5e-3)


# --- Shapley values, occlusion and LIME: players by number, and the values that each step's features have --------------------------

ONE = [[20.0, 50.0, 30.0]]
SMALL = [[2.0, 10.0, 3.0]]
THREE = [[20.0, 50.0, 30.0], [0.0, 100.0, 0.0], [2.0, 10.0, 3.0]]
FIRST = [[23.0, 100.0, 0.0], [20.0, 50.0, 30.0], [0.0, 100.0, 10.0]]
OTHERS = [[2.0] * 3, [3.0] * 3, [4.0] * 3]  # captum's baselines=(2, 3.0, 4)


def of_players(method: type, steps: list[list[float]], players: list[list[int]], background: list[list[float]] | None = None, **settings) -> np.ndarray:
    other = "zero" if background is None else torch.tensor(background, dtype=torch.float64)[:, None]
    item = explained(four_units, steps, method(players=np.array(players), **settings), other)
    assert item.player_values is not None
    return item.player_values


@pytest.mark.parametrize(
    ("steps", "players", "background", "values"),
    [
        (ONE, [[0, 1, 2]], [[10.0, 20.0, 10.0]], [40.0, 120.0, 80.0]),  # test_linear_kernel_shap
        (ONE, [[0, 1, 2]], None, [76.66666, 196.66666, 116.66666]),  # test_simple_kernel_shap
        (ONE, [[0, 0, 1]], None, [275.0, 115.0]),  # test_simple_kernel_shap_with_mask
        (ONE, [[0, 0, 1]], [[4.0] * 3], [248.0, 104.0]),  # test_simple_kernel_shap_with_baselines
        (SMALL, [[0, 1, 2]], None, [7.0, 32.5, 10.5]),  # test_multi_sample_shapley_sampling
        (SMALL, [[0, 0, 1]], None, [39.5, 10.5]),  # test_multi_sample_shapley_sampling_with_mask
        ([[23.0, 0.0, 0.0], [20.0, 0.0, 50.0], [0.0, 100.0, 10.0]], [[0, 1, 2], [3, 4, 5], [6, 7, 8]], None, [90, 0, 0, 78, 0, 198, 0, 398, 38]),  # without_mask
        (THREE, [[0, 1, 0], [0, 1, 2], [0, 0, 0]], None, [255.0, 595.0, 0.0]),  # test_multi_input_kernel_shap_with_mask
        (THREE, [[0, 1, 0], [0, 1, 2], [0, 0, 0]], OTHERS, [184.0, 580.0, -12.0]),
        (FIRST, [[1, 1, 1], [0, 1, 2], [0, 1, 2]], None, [76.6666, 1088.6666, 156.6666]),  # test_multi_input_shapley_sampling_with_mask
        (FIRST, [[1, 1, 1], [0, 1, 2], [0, 1, 2]], OTHERS, [52.0, 1040.0, 132.0]),
    ],
)
def test_kernel_shap(steps, players, background, values) -> None:
    """captum draws, and holds all of these within 1.0. Ours are exact: they are held to the digits that stand there, and within 1.0 where captum rounded."""
    found = of_players(Shapley, steps, players, background)
    np.testing.assert_allclose(found, values, atol=1.0 if len(values) == 9 else 1e-3)


@pytest.mark.parametrize(
    ("steps", "players", "background", "values"),
    [
        (ONE, [[0, 1, 2]], None, [80.0, 200.0, 120.0]),  # test_simple_ablation
        (ONE, [[0, 0, 1]], None, [280.0, 120.0]),  # test_simple_ablation_with_mask
        (ONE, [[0, 0, 1]], [[4.0] * 3], [248.0, 104.0]),  # test_simple_ablation_with_baselines
        (SMALL, [[0, 1, 2]], None, [8.0, 35.0, 12.0]),  # test_multi_sample_ablation
        (SMALL, [[0, 0, 1]], None, [41.0, 12.0]),  # test_multi_sample_ablation_with_mask
        (FIRST, [[0, 1, 2], [3, 4, 5], [6, 7, 8]], [[3.0, 0.0, 0.0], [0.0, 1.0, 0.0], [1.0, 2.0, 3.0]], [80, 400, 0, 80, 196, 120, -4, 392, 28]),  # test_multi_input_ablation
    ],
)
def test_ablation(steps, players, background, values) -> None:
    np.testing.assert_allclose(of_players(Occlusion, steps, players, background), values, atol=1e-9)


@pytest.mark.parametrize(
    ("steps", "players", "background", "values"),
    [
        (ONE, [[0, 0, 1]], [[4.0] * 3], [244.0, 100.0]),  # test_simple_lime_with_baselines
        (THREE, [[0, 1, 0], [0, 1, 2], [0, 0, 0]], OTHERS, [180.0, 576.0, -8.0]),  # test_multi_input_lime_with_mask, expected_with_baseline
    ],
)
def test_lime(steps, players, background, values) -> None:
    """Where the model is linear. captum fits a lasso with alpha = 1: of players that are there or not like a coin, with variance 1/4, each coefficient is 4 nearer to zero."""
    found = of_players(Lime, steps, players, background, fill="background", ridge=0.0)
    np.testing.assert_allclose(np.sign(found) * np.maximum(np.abs(found) - 4.0, 0.0), values, atol=1e-6)


def test_kernel_shap_of_a_linear_model() -> None:
    """shap's test_linear: corollary 1 of Lundberg & Lee 2017, against 200 rows of a background."""
    rows = np.random.RandomState(2).normal(size=(200, 3))  # noqa: NPY002  # the rows of shap's test
    x = torch.from_numpy(rows)[None]
    model = Written(lambda x: x[0, :, 0] + 2.0 * x[0, :, 1])
    expected = (rows - rows.mean(0)) * np.array([1.0, 2.0, 0.0])
    for method in (Shapley("features"), Contributions()):
        found = tenuto.explain(model, x[:, :3], method=method, target=lambda answer: answer, background=x)
        np.testing.assert_allclose(np.concatenate(found.values), expected[:3], rtol=1e-3, atol=1e-12)


@pytest.mark.parametrize("width", [4, 10])
def test_kernel_shap_of_a_model_that_says_nothing(width: int) -> None:
    """shap's test_null_model_small and test_null_model."""
    item = explained(lambda x: x.new_zeros(x.shape[1]), [[1.0] * width], Shapley("features"))
    assert np.abs(item.values).sum() < 1e-8
