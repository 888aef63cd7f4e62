"""Recurrent layers that multiply whole numbers: the kernels compute what the definition says, and a sequence has the same bits alone, batched, padded, chunked and streamed."""

import numpy as np
import pytest
import torch

import tenuto
from tenuto.compress import Compression
from tenuto.engines import integers
from tenuto.errors import ArgumentError
from tenuto.layers.stored import Int8x8, stored_in
from tests.compress.definition import defined
from tests.compress.models import as_the_reference, asked, fitted
from tests.zoo import LAYER_CELLS


def test_a_product_is_what_its_definition_says():
    random = np.random.default_rng(0)
    rows, weight, scale = random.normal(size=(5, 37)).astype(np.float32), random.integers(-127, 128, (9, 37)).astype(np.int8), random.random(9).astype(np.float32)
    rows[1], rows[2] = 0, rows[2] * 1e-35
    given = torch.from_numpy(rows), torch.from_numpy(weight), torch.from_numpy(scale)
    np.testing.assert_array_equal(integers.product(*given).numpy(), defined(rows, weight, scale))
    rows[3, 5], rows[4, 0] = np.inf, np.nan
    assert torch.isnan(integers.product(*given)[3:]).all() and torch.isfinite(integers.product(*given)[:3]).all()


def compressed(layer):
    return tenuto.compress(layer.eval(), activations="int8")


@pytest.mark.cpp
@pytest.mark.parametrize("cell", LAYER_CELLS)
def test_kernels_compute_what_the_reference_does(cell):
    torch.manual_seed(4)
    small = compressed(tenuto.Recurrent(LAYER_CELLS[cell], 7, 22, num_layers=2, bidirectional=True, engine="cpp"))
    assert all(isinstance(one, Int8x8) for one in stored_in(small).values())
    x, lengths = torch.randn(6, 5, 7), torch.tensor([6, 3, 1, 4, 6])
    as_the_reference(small, x, lengths)


@pytest.mark.cpp
@pytest.mark.parametrize("hidden", [3, 16, 45])
@pytest.mark.parametrize("make", [tenuto.LSTM, tenuto.GRU, tenuto.RNN])
def test_same_bits_alone_batched_padded_chunked_and_streamed(make, hidden):
    torch.manual_seed(5)
    layer = compressed(make(5, hidden))
    x, lengths = torch.randn(9, 7, 5) * torch.logspace(-3, 2, 7)[:, None], torch.tensor([9, 1, 5, 9, 3, 2, 8])
    whole = layer(x)[0]
    assert layer.engine_report(x).chosen == "cpp" and "whole numbers by" in str(layer.engine_report(x))
    padded = layer(torch.where(torch.arange(9)[:, None, None] < lengths[:, None], x, torch.nan), lengths=lengths)[0]
    for row in range(7):
        assert torch.equal(layer(x[:, row : row + 1])[0][:, 0], whole[:, row])
        assert torch.equal(padded[: lengths[row], row], whole[: lengths[row], row])
    first, state = layer(x[:4])
    assert torch.equal(torch.cat([first, layer(x[4:], state)[0]]), whole)
    stream = layer.stream(7)
    assert torch.equal(torch.stack([layer.step(x_t, stream).clone() for x_t in x]), whole)


@pytest.mark.cpp
def test_rows_of_zeros_of_huge_and_of_strange_numbers():
    torch.manual_seed(6)
    layer = compressed(tenuto.Recurrent(tenuto.cells.Elman(activation="relu"), 9, 12))
    x = torch.randn(1, 5, 9)
    x[0, 0], x[0, 1], x[0, 2, 3], x[0, 3, 4] = 0, x[0, 1] * 1e30, torch.nan, torch.inf
    found = layer(x)[0][0]
    layer.engine = "reference"
    wanted = layer(x)[0][0]
    torch.testing.assert_close(found, wanted, rtol=1e-6, atol=1e-6, equal_nan=True)
    assert torch.isnan(found[2:4]).all() and torch.isfinite(found[4]).all()


def test_what_is_read_has_a_derivative():
    torch.manual_seed(7)
    layer = tenuto.GRU(6, 8).eval()
    x = torch.randn(5, 2, 6, requires_grad=True)
    (exact,) = torch.autograd.grad(layer(x)[0].sum(), x)
    (found,) = torch.autograd.grad(compressed(layer)(x)[0].sum(), x)
    assert torch.nn.functional.cosine_similarity(found.flatten(), exact.flatten(), 0) > 0.99


@pytest.mark.parametrize("name", ["classify", "translate", "softmax"])
def test_a_run_multiplies_whole_numbers(name, tmp_path):
    model, data = fitted(name)
    small = tenuto.compress(model, activations="int8", data=data)
    assert Compression.of(small).activations == "int8"
    again = type(model).load(small.save(tmp_path / "run"))
    assert "encoder.weight_hh_l0" in stored_in(again.network_) or any("weight_hh" in one for one in stored_in(again.network_))
    questions = asked(name)
    with torch.no_grad():
        for one, other in zip(again.inputs(questions), small.inputs(questions)):
            torch.testing.assert_close(again.forward(one), small.forward(other), rtol=0, atol=0)
            assert again.network_.encoder.state_dict().keys() == small.network_.encoder.state_dict().keys()
    if name == "classify":
        with pytest.raises(ArgumentError, match="rounds what it multiplies"):
            tenuto.explain(small, asked(name)[:1], method="contributions")
    with pytest.raises(ArgumentError, match="8 bits only"):
        tenuto.compress(model, weights="int4", activations="int8")
