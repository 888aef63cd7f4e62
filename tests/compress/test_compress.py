"""`tenuto.compress`: any task's model and any module with smaller weights, as the same model in all but its size; what is lost; errors that say what can be done."""

import copy
import pickle

import numpy as np
import pytest
import torch
from torch import nn

import tenuto
from tenuto.cells.names import cell_class_of
from tenuto.compress import Compression
from tenuto.errors import ArgumentError, NotFittedError
from tenuto.layers.stored import Int8, stored_in
from tenuto.runs.folder import read_run
from tenuto.tasks import SequenceClassifier
from tests.compress.models import NAMES, asked, fitted
from tests.zoo import LAYER_CELLS


class Doubled(tenuto.Recurrent):
    """A user's own layer."""


def module(layer):
    """A torch model around a layer that reads 12 features."""
    torch.manual_seed(1)
    return nn.Sequential(nn.Embedding(30, 12), layer).eval()


@pytest.mark.parametrize("name", NAMES)
def test_a_compressed_run_answers_and_holds_no_float_of_a_stored_weight(name, tmp_path):
    model, data = fitted(name)
    small = tenuto.compress(model, data=data, max_drop=0.5)
    folder = small.save(tmp_path / "run")
    tensors, told = read_run(folder).tensors(), Compression.of(small)
    for weight in told.stored:
        assert weight not in tensors and (tensors[f"{weight}.int8"].dtype, tensors[f"{weight}.scale"].dim()) == (torch.int8, 1)
    assert any("embedding" in one or name in ("classify", "regress", "forecast", "anomalies", "sounds", "transcribe", "spot") for one in told.stored) and any("weight_hh" in one for one in told.stored)
    assert sum(value.numel() * value.element_size() for value in tensors.values()) == told.bytes_after < told.bytes_before
    again = type(model).load(folder)
    assert Compression.of(again) == told and not any("weight_hh" in one for one, _ in again.network_.named_parameters())
    for one, other, first in zip(again.inputs(asked(name)), small.inputs(asked(name)), model.inputs(asked(name))):
        torch.testing.assert_close(again.forward(one), small.forward(other), rtol=0, atol=0)
        del first
    assert not stored_in(model.network_), "the model that was given is as it was"


@pytest.mark.parametrize("cell", LAYER_CELLS)
def test_every_cell_reads_its_stored_weights(cell):
    layer = tenuto.Recurrent(LAYER_CELLS[cell], 12, 8, num_layers=2, bidirectional=True).eval()
    small = tenuto.compress(layer)
    names = {name for name, one in layer.named_parameters() if one.dim() > 1}
    assert set(stored_in(small)) == names
    twin = copy.deepcopy(layer)
    with torch.no_grad():
        for name, stored in stored_in(small).items():
            weight = twin.get_parameter(name)
            error = (stored.whole() - weight).abs().amax(1)
            assert (error <= weight.abs().amax(1) / 254 * 1.001).all(), name
            weight.copy_(stored.whole())
    x = torch.randn(7, 3, 12)
    for one, other in zip(small(x), twin(x)):
        torch.testing.assert_close(tuple(one), tuple(other), rtol=0, atol=0)


@pytest.mark.parametrize("make", [tenuto.LSTM, tenuto.GRU, tenuto.RNN, lambda i, h: Doubled(cell_class_of("lstm")(), i, h)], ids=["lstm", "gru", "rnn", "own"])
def test_same_bits_alone_batched_chunked_and_streamed(make):
    model = tenuto.compress(module(make(12, 16)))
    tokens = torch.randint(30, (9, 4))
    x, layer = model[0](tokens), model[1]
    with tenuto.invariant(), torch.no_grad():
        whole, _ = layer(x)
        for row in range(4):
            assert torch.equal(layer(x[:, row : row + 1])[0], whole[:, row : row + 1])
        first, state = layer(x[:4])
        assert torch.equal(torch.cat([first, layer(x[4:], state)[0]]), whole)
        stream = layer.stream(4)
        assert torch.equal(torch.stack([layer.step(x_t, stream).clone() for x_t in x]), whole)


@pytest.mark.parametrize("kind", [tenuto.LSTM, tenuto.GRU, tenuto.RNN, Doubled, tenuto.LSTMCell])
def test_a_compressed_layer_is_copied_pickled_and_moved(kind):
    layer = kind(cell_class_of("gru")(), 6, 5) if kind is Doubled else kind(6, 5)
    small, x = tenuto.compress(layer.eval()), torch.randn(*([3] * (kind is not tenuto.LSTMCell)), 2, 6)
    said = small(x)[0]
    assert not any(part.training for part in small.modules()), "all of it is in evaluation mode, as the layer was"
    assert type(small).__name__ == kind.__name__ and isinstance(small, kind)
    for twin in (pickle.loads(pickle.dumps(small)), copy.deepcopy(small)):  # noqa: S301
        assert all(stored._whole is None for stored in stored_in(twin).values()), "no copy has the floats"
        assert torch.equal(twin(x)[0], said)
    assert small.double()(x.double())[0].dtype == torch.float64
    torch.testing.assert_close(small(x.double())[0], said.double(), rtol=1e-5, atol=1e-6)
    other = tenuto.compress(kind(cell_class_of("gru")(), 6, 5) if kind is Doubled else kind(6, 5))
    other(x)
    other.load_state_dict(small.float().state_dict())
    assert torch.equal(other(x)[0], said), "floats made of the weights before are not used again"


def test_a_weight_that_two_places_share_is_stored_once():
    class Tied(nn.Module):
        def __init__(self):
            super().__init__()
            self.embedding, self.layer, self.decoder = nn.Embedding(40, 8, padding_idx=0), tenuto.GRU(8, 8), nn.Linear(8, 40)
            self.decoder.weight = self.embedding.weight

    small = tenuto.compress(Tied())
    assert small.embedding._modules["weight"] is small.decoder._modules["weight"]
    tokens = torch.randint(40, (5, 3))
    assert torch.equal(small.embedding(tokens), small.embedding.weight[tokens]) and not small.embedding(torch.zeros(1, dtype=torch.int64)).any()


def test_int8_is_the_nearest_whole_number_and_a_row_of_zeros_stays_zero():
    weight = torch.randn(6, 3, 5)
    weight[2] = 0
    stored = Int8.of(weight)
    scale = weight.numpy().astype(np.float64).reshape(6, -1)
    scale = np.abs(scale).max(1) / 127
    np.testing.assert_allclose(stored.scale, scale, rtol=1e-6)
    assert (np.abs(stored.whole().numpy() - weight.numpy()) <= scale[:, None, None] * 0.5001).all() and not stored.whole()[2].any()


def test_errors_say_what_can_be_done():
    model, data = fitted("classify")
    small = tenuto.compress(model)
    for given, words, said in (
        ((small,), {}, "is compressed already"),
        ((model,), {"weights": "int9"}, "did you mean"),
        ((model,), {"max_drop": 0.1}, "nothing to measure it on"),
        ((model,), {"data": data, "max_drop": -1.0}, "out of range"),
        ((model,), {"data": data, "max_drop": "1%"}, "out of range"),
        ((model,), {"data": data, "max_drop": torch.tensor([0.1])}, "out of range"),
        ((model,), {"data": data, "units": "half"}, "units=.* out of range"),
        ((3,), {}, "nothing to compress"),
        ((nn.Sequential(nn.ReLU()),), {}, "no weights that could be made smaller"),
        ((tenuto.GRU(4, 4),), {"data": data}, "only its owner knows"),
    ):
        with pytest.raises(ArgumentError, match=said):
            tenuto.compress(*given, **words)
    with pytest.raises(NotFittedError):
        tenuto.compress(SequenceClassifier("gru"))
    with pytest.raises(ArgumentError, match="was not compressed"):
        Compression.of(model)
    broken = copy.deepcopy(model)
    with torch.no_grad():
        broken.network_.encoder.weight_hh_l0[0, 0] = torch.nan
    with pytest.raises(ArgumentError, match="encoder.weight_hh_l0 is not finite"):
        tenuto.compress(broken)


def test_what_is_worse_than_asked_is_refused(monkeypatch):
    model, (x, y) = fitted("classify")
    wrong = [{"low": "high", "high": "low"}[one] for one in y]
    model.evaluate(x, y)
    monkeypatch.setattr("tenuto.compress.call.result_of", lambda one, data, kept=False: {"loss": 1.0, "accuracy": 0.9 if one is model else 0.7})
    with pytest.raises(ArgumentError, match=r"worse than asked: accuracy 0.9 → 0.7 \(22.22% worse\)"):
        tenuto.compress(model, data=(x, wrong), max_drop=0.2)
    assert Compression.of(tenuto.compress(model, data=(x, wrong), max_drop=0.3)).quality.drop == pytest.approx(2 / 9)


@pytest.mark.parametrize("name", ["text", "language"])
def test_the_results_are_those_of_the_compressed_model(name, monkeypatch):
    """Also with numbers of numpy's; and it is measured once."""
    model, data = fitted(name)
    whole, measured = copy.deepcopy(model.evaluation_), []
    original = type(model)._measure
    monkeypatch.setattr(type(model), "_measure", lambda self, *given: measured.append(self) or original(self, *given))
    small = tenuto.compress(model, sparsity=np.float32(0.75), data=data, max_drop=np.float64(1e9))
    assert sum(one is small for one in measured) == 1 and model.evaluation_ == whole
    wanted = small.evaluate(*data) if isinstance(data, tuple) else small.evaluate(data)
    assert small.evaluation_["results"]["test"]["loss"] == wanted["loss"] and wanted != whole["results"]["validation"]
    again = tenuto.compress(model, sparsity=0.75, data=data)
    assert again.evaluation_["results"]["test"]["loss"] == wanted["loss"] and Compression.of(again).sparsity == 0.75
    assert "compression" in again.evaluation_
