"""The recurrent Jacobian in a compressed model's evaluation: its numbers against a formula, and for every task."""

import pytest
import torch

import tenuto
from tenuto import Recurrent, cells
from tenuto.compress import Compression
from tenuto.compress.sparsity import without_weights
from tenuto.compress.spectrum import spectra
from tenuto.compress.units import lesson_of
from tests.compress.models import NAMES, fitted


@pytest.mark.parametrize("reverse", [False, True])
def test_against_the_formula(reverse):
    """Of a linear cell the Jacobian is U, at every state."""
    torch.manual_seed(0)
    one, other = (Recurrent(cells.Elman(activation="identity"), 3, 5, reverse=reverse) for _ in range(2))
    (found,) = spectra(one, other, (torch.randn(6, 2, 3),))
    for layer, radius, gain in ((one, found.radius_before, found.gain_before), (other, found.radius_after, found.gain_after)):
        weight = layer.weight_hh_l0.detach().double()
        assert radius == pytest.approx(float(torch.linalg.eigvals(weight).abs().max()), rel=1e-6)
        assert gain == pytest.approx(float(torch.linalg.matrix_norm(weight, 2)), rel=1e-6)


@pytest.mark.parametrize("name", NAMES)
def test_every_task_has_it(name):
    model, data = fitted(name)
    found = spectra(model.network_, without_weights(model, 0.6).network_, lesson_of(model, data))
    assert found and all(one.radius_before > 0 and one.gain_after >= one.radius_after - 1e-6 for one in found)


@pytest.mark.parametrize("options", [{"units": 0.5}, {"sparsity": 0.6}, {"rank": 0.5}])
def test_a_compressed_model_has_it(options):
    model, data = fitted("classify")
    made = Compression.of(tenuto.compress(model, data=data, **options))
    assert made.spectrum and "spectral radius" in str(made)
