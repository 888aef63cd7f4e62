"""Recurrent layers whose scales are learnt from data: what they are, what kernels compute with them, that a sequence has the same bits however it comes, and what is refused."""

import numpy as np
import pytest
import torch

import tenuto
from tenuto.compress import Compression
from tenuto.engines import autograd, integers
from tenuto.errors import ArgumentError
from tenuto.explain.held.listening import Listening
from tenuto.layers.stored import Int8x8Static, Int8x16Static, hold_as, stored_in
from tests.compress.definition import defined_within
from tests.compress.models import as_the_reference, asked, fitted
from tests.zoo import LAYER_CELLS

FORMS = {"static-int8": Int8x8Static, "static-int16": Int8x16Static}


def compressed(layer, activations, x):
    return tenuto.compress(layer.eval(), activations=activations, calibrate=[x])


def ranges(layer):
    return {name: stored.most.tolist() for name, stored in stored_in(layer).items()}


@pytest.mark.parametrize("bits", [8, 16])
def test_a_product_is_what_its_definition_says(bits):
    random = np.random.default_rng(0)
    rows, weight, scale = random.normal(size=(5, 600)).astype(np.float32), random.integers(-127, 128, (9, 600)).astype(np.int8), random.random(9).astype(np.float32)
    rows[1] *= 1e20
    most = np.float32(2.5)
    given = torch.from_numpy(rows), torch.from_numpy(weight), torch.from_numpy(scale), integers.Range(torch.tensor([most]), bits)
    np.testing.assert_array_equal(integers.product(*given).numpy(), defined_within(rows, weight, scale, most, bits))
    rows[3, 5], rows[4, 0] = np.inf, np.nan
    assert torch.isnan(integers.product(*given)[3:]).all() and torch.isfinite(integers.product(*given)[:3]).all()


def test_numbers_round_to_the_even_one_and_stop_at_the_largest():
    rows = torch.tensor([[0.5, 1.5, 2.5, -2.5, 126.5, 127.4, 300.0, -1e30]])
    found, worth = integers.rounded(rows, integers.Range(torch.tensor([127.0]), 8))
    assert found.tolist() == [[0, 2, 2, -2, 126, 127, 127, -127]] and worth.item() == 1


@pytest.mark.parametrize(
    ("cell", "expected"),
    [
        ("lstm", {"weight_ih_l0": [4.0], "weight_hh_l0": [1.0]}),  # h = o tanh(c)
        ("gru", {"weight_ih_l0": [4.0], "weight_hh_l0": [1.0]}),  # h is between the one before and a tanh
        ("reset_before", {"weight_ih_l0": [4.0], "weight_hh_l0": [1.0]}),  # r h is no larger than h
        ("highway", {"weight_ih_l0": [4.0], "weight_hh_l0": [1.0]}),
        ("elman", {"weight_ih_l0": [4.0], "weight_hh_l0": [1.0]}),
        ("lstm_relu", {"weight_ih_l0": [4.0], "weight_hh_l0": None}),
    ],
)
def test_scales_are_those_of_the_data_or_of_what_a_cell_keeps(cell, expected):
    torch.manual_seed(0)
    layer, x = tenuto.Recurrent(LAYER_CELLS[cell], 3, 8), torch.randn(6, 4, 3).clamp(-3, 3)
    x[2, 1, 0] = -4.0
    small = compressed(layer, "static-int8", x)
    lengths = torch.tensor([6, 6, 6, 6])
    _, kept = layer(x, lengths=lengths)
    found = ranges(small)
    assert {name: value for name, value in found.items() if expected.get(name) is not None} == {name: value for name, value in expected.items() if value is not None}
    if expected["weight_hh_l0"] is None:
        h = torch.cat([torch.zeros(1, 4, 8), layer(x).output[:-1]])
        assert found["weight_hh_l0"] == [pytest.approx(h.abs().max().item())] and kept is not None


def test_what_is_beyond_a_length_is_not_seen():
    torch.manual_seed(0)
    layer, x = tenuto.Recurrent(LAYER_CELLS["gru"], 3, 8).eval(), torch.randn(6, 2, 3)
    x[4:, 1] = 1e6

    class Padded(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = layer

        def forward(self, x):
            return self.layer(x, lengths=torch.tensor([6, 4]))[0]

    assert max(ranges(compressed(Padded(), "static-int8", x))["layer.weight_ih_l0"]) < 10


@pytest.mark.cpp
@pytest.mark.parametrize("activations", FORMS)
@pytest.mark.parametrize("cell", LAYER_CELLS)
def test_kernels_compute_what_the_reference_does(cell, activations):
    torch.manual_seed(4)
    layer = tenuto.Recurrent(LAYER_CELLS[cell], 7, 22, num_layers=2, bidirectional=True, engine="cpp")
    x, lengths = torch.randn(6, 5, 7), torch.tensor([6, 3, 1, 4, 6])
    small = compressed(layer, activations, x)
    assert {type(one) for one in stored_in(small).values()} == {FORMS[activations]}
    as_the_reference(small, x, lengths)


@pytest.mark.cpp
@pytest.mark.parametrize(("activations", "told"), [("static-int8", "static scales"), ("static-int16", "16 bits by 8")])
@pytest.mark.parametrize("make", [tenuto.LSTM, tenuto.GRU, lambda i, h: tenuto.Recurrent(LAYER_CELLS["lstm_heads"], i, h)], ids=["lstm", "gru", "heads"])
def test_same_bits_alone_batched_padded_chunked_and_streamed(make, activations, told):
    torch.manual_seed(5)
    x, lengths = torch.randn(9, 7, 5) * torch.logspace(-3, 2, 7)[:, None], torch.tensor([9, 1, 5, 9, 3, 2, 8])
    layer = compressed(make(5, 46), activations, x[:, :5])  # some of what comes is larger than what was seen
    whole = layer(x)[0]
    assert layer.engine_report(x).chosen == "cpp" and told in str(layer.engine_report(x))
    padded = layer(torch.where(torch.arange(9)[:, None, None] < lengths[:, None], x, torch.nan), lengths=lengths)[0]
    for row in range(7):
        assert torch.equal(layer(x[:, row : row + 1])[0][:, 0], whole[:, row])
        assert torch.equal(padded[: lengths[row], row], whole[: lengths[row], row])
    first, state = layer(x[:4])
    assert torch.equal(torch.cat([first, layer(x[4:], state)[0]]), whole)
    stream = layer.stream(7)
    assert torch.equal(torch.stack([layer.step(x_t, stream).clone() for x_t in x]), whole)


def test_sixteen_bits_keep_what_eight_lose():
    torch.manual_seed(3)
    layer, x = tenuto.LSTM(12, 24).eval(), torch.randn(20, 8, 12)
    exact = tenuto.compress(layer)(x)[0]  # the same weights, all else in floats
    apart = {activations: (compressed(layer, activations, x)(x)[0] - exact).abs().max().item() for activations in FORMS}
    assert apart["static-int16"] < apart["static-int8"] / 50 < 1e-3


def test_what_is_read_has_a_derivative():
    torch.manual_seed(7)
    layer, x = tenuto.GRU(6, 8).eval(), torch.randn(5, 2, 6, requires_grad=True)
    (exact,) = torch.autograd.grad(layer(x)[0].sum(), x)
    small = compressed(layer, "static-int16", x.detach())
    (found,) = torch.autograd.grad(small(x)[0].sum(), x)
    assert torch.nn.functional.cosine_similarity(found.flatten(), exact.flatten(), 0) > 0.99


def test_another_process_reads_from_a_graph_how_a_layer_rounds(monkeypatch):
    layer, x = compressed(tenuto.GRU(6, 8), "static-int16", torch.ones(5, 2, 6)), torch.ones(5, 2, 6)
    with Listening(layer) as heard, torch.no_grad():
        layer(x)
    form = heard.calls[0].form
    key = autograd.key_of(form, "auto")
    monkeypatch.setattr(autograd, "_FORMS", {})
    autograd.key_of.cache_clear()
    assert autograd.read(key) == (form, "auto") and form.static == 16
    assert [tuple(heard.calls[0].inputs[name].shape) for name in form.names if name.startswith(form.most)] == [(1,), (1,)]


@pytest.mark.parametrize("name", ["classify", "translate", "softmax"])
def test_a_run_keeps_its_scales(name, tmp_path):
    model, data = fitted(name)
    small = tenuto.compress(model, activations="static-int8", calibrate=data, data=data)
    told = Compression.of(small)
    assert told.activations == "static-int8" and "(static-int8)" in str(told)
    again = type(model).load(small.save(tmp_path / "run"))
    assert ranges(again.network_.encoder) == ranges(small.network_.encoder) and ranges(again.network_.encoder)
    questions = asked(name)
    with torch.no_grad():
        for one, other in zip(again.inputs(questions), small.inputs(questions)):
            torch.testing.assert_close(again.forward(one), small.forward(other), rtol=0, atol=0)


def test_a_file_whose_scales_do_not_fit_the_rows_is_refused():
    layer = tenuto.LSTM(3, 4)
    tensors = {"weight_ih_l0.int8x8_static": torch.zeros(16, 3, dtype=torch.int8), "weight_ih_l0.most": torch.ones(5)}
    with pytest.raises(ValueError, match="equal parts"):
        hold_as(layer, tensors)
    stored = Int8x8Static.reading(torch.randn(6, 3), torch.tensor([1.0, 1.0, 2.0, 2.0, 0.0, 0.0]))
    assert stored.most.tolist() == [1, 2, 1] and stored.rows_of("most").tolist() == [1, 1, 2, 2, 1, 1] and stored.rows_of("scale").shape == (6,)
    assert Int8x16Static.of(torch.eye(3)).most.tolist() == [1]


def test_bad_input():
    layer, x = tenuto.LSTM(3, 4).eval(), torch.randn(5, 2, 3)
    with pytest.raises(ArgumentError, match="learnt from data, and there are none"):
        tenuto.compress(layer, activations="static-int8")
    with pytest.raises(ArgumentError, match="8 bits only"):
        tenuto.compress(layer, weights="int4", activations="static-int16", calibrate=[x])
    with pytest.raises(ArgumentError, match="did you mean"):
        tenuto.compress(layer, activations="static-int4", calibrate=[x])
    with pytest.raises(ArgumentError, match="read nothing"):
        tenuto.compress(layer, activations="static-int8", calibrate=[])
    with pytest.raises(ArgumentError, match="not finite"):
        tenuto.compress(layer, activations="static-int8", calibrate=[x / 0])

    class Two(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.second = tenuto.GRU(3, 3), tenuto.GRU(3, 3)

        def forward(self, x):
            return self.first(x)[0]

    with pytest.raises(ArgumentError, match="the layer of second.weight_ih_l0 read nothing"):
        tenuto.compress(Two().eval(), activations="static-int8", calibrate=[x])
