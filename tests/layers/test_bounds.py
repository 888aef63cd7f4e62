"""The bound on recurrent matrices, against singular values; and torch's own parametrisation beside it."""

import pytest
import torch
from torch import nn

from tenuto import GRU, Recurrent, cells
from tenuto.errors import ArgumentError
from tenuto.layers import bound_spectrum


def sizes(weight, blocks):
    return torch.linalg.matrix_norm(weight.detach().unflatten(0, (blocks, -1)), 2)


@pytest.mark.parametrize(("layer", "blocks"), [(Recurrent(cells.LSTM(), 3, 6, 2, bidirectional=True), 4), (Recurrent(cells.Elman(heads=3), 3, 6), 3), (nn.GRU(3, 6), 3), (GRU(3, 6), 3), (nn.LSTMCell(3, 6), 4)], ids=str)
def test_matrices_above_the_bound_come_down_to_it(layer, blocks):
    weights = {name: weight for name, weight in layer.named_parameters() if "weight_hh" in name}
    with torch.no_grad():
        for weight in weights.values():
            weight.copy_(torch.randn_like(weight))
            weight[: len(weight) // blocks] *= 0.01
    before = {name: weight.detach().clone() for name, weight in weights.items()}
    others = {name: weight.detach().clone() for name, weight in layer.named_parameters() if name not in weights}
    assert bound_spectrum(layer, 0.9) == len(weights) * (blocks - 1)
    for name, weight in weights.items():
        expected = before[name].unflatten(0, (blocks, -1)) / (sizes(before[name], blocks) / 0.9).clamp(min=1)[:, None, None]
        torch.testing.assert_close(weight.detach(), expected.flatten(0, 1))
        assert sizes(weight, blocks).max() <= 0.9 * (1 + 1e-6)
    assert all(torch.equal(weight, others[name]) for name, weight in layer.named_parameters() if name in others)
    assert bound_spectrum(layer, 0.9 * (1 + 1e-5)) == 0


def test_a_bound_above_zero_is_asked_for():
    with pytest.raises(ArgumentError, match="bound_spectrum: bound is 0"):
        bound_spectrum(nn.LSTM(2, 3), 0)


def test_weights_are_held_orthogonal_by_torchs_parametrisation():
    layer = Recurrent(cells.Elman(), 2, 5).double()
    nn.utils.parametrizations.orthogonal(layer, "weight_hh_l0")
    optimiser = torch.optim.SGD(layer.parameters(), lr=0.3)
    for _ in range(3):
        optimiser.zero_grad()
        layer(torch.randn(6, 2, 2, dtype=torch.float64)).output.square().sum().backward()
        optimiser.step()
    weight = layer.weight_hh_l0
    torch.testing.assert_close(weight @ weight.T, torch.eye(5, dtype=torch.float64))
