"""int4: packed two to a byte and read back; error feedback loses less of what a weight makes of its inputs, for maps and for every product of a cell."""

import numpy as np
import pytest
import torch
from torch import nn

import tenuto
from tenuto.compress import Compression
from tenuto.compress.calibrate import Calibration
from tenuto.errors import ArgumentError
from tenuto.layers.stored import Int4, stored_in
from tenuto.layers.stored.int4 import nearest, spread
from tests.compress.models import fitted
from tests.zoo import LAYER_CELLS

SMALL = ("lstm", "gru", "reset_before", "lstm_heads", "projection", "highway", "ind_rnn")


@pytest.mark.parametrize("shape", [(3, 64), (5, 130), (4, 7), (2, 3, 5)])
def test_what_is_packed_is_read_back(shape):
    weight = torch.randn(shape)
    weight[1] = 0
    stored = Int4.of(weight)
    columns = weight[0].numel()
    assert stored.int4.shape == (shape[0], -(-columns // 2)) and stored.scale.shape == (shape[0], -(-columns // 64))
    scale = np.repeat(stored.scale.numpy(), 64, 1)[:, :columns]
    bytes_ = stored.int4.numpy()
    numbers = np.stack([bytes_ & 15, bytes_ >> 4], -1).reshape(shape[0], -1)[:, :columns].astype(np.float32) - 8
    assert np.abs(numbers).max() <= 7
    np.testing.assert_array_equal(stored.whole().numpy().reshape(shape[0], -1), numbers * scale)
    assert not stored.whole()[1].any() and torch.equal(stored.rows(torch.tensor([[2 % shape[0]]]))[0, 0], stored.whole().flatten(1)[2 % shape[0]])
    again = Int4.empty(weight, {})
    again.load_state_dict(stored.state_dict())
    assert torch.equal(again.whole(), stored.whole())


def test_numbers_that_four_bits_hold_are_kept_exactly():
    numbers = torch.randint(-7, 8, (6, 70)).float()
    numbers[:, ::64] = 7
    stored = Int4.packed(numbers, torch.full((6, 2), 0.5), numbers.shape)
    assert torch.equal(stored.whole(), numbers / 2) and torch.equal(nearest(stored.whole(), spread(stored.scale, 70)), numbers)


@pytest.mark.parametrize("cell", SMALL)
def test_every_product_of_a_cell_is_calibrated_on_what_it_reads(cell):
    torch.manual_seed(2)
    layer = tenuto.Recurrent(LAYER_CELLS[cell], 5, 4, num_layers=2, bidirectional=True).eval()
    x, lengths = torch.randn(6, 3, 5), torch.tensor([6, 2, 4])
    seen = Calibration(layer).over([lambda: layer(x, lengths=lengths)])
    matrices = {name: weight for name, weight in layer.named_parameters() if weight.dim() > 1}
    for name, weight in matrices.items():
        rows = sorted((part.start, part.stop) for part, _ in seen[id(weight)])
        assert rows[0][0] == 0 and rows[-1][1] == len(weight) and all(one[1] == two[0] for one, two in zip(rows, rows[1:])), name
        assert all(moments.shape == (weight.shape[1],) * 2 for _, moments in seen[id(weight)])
    live = torch.cat([x[:length, row] for row, length in enumerate(lengths)]).double()
    torch.testing.assert_close(seen[id(matrices["weight_ih_l0"])][0][1], live.T @ live)
    if cell in ("lstm", "gru"):
        read = []
        for row, length in enumerate(lengths.tolist()):  # the forward direction reads zeros, and then what it gave
            alone = tenuto.Recurrent(LAYER_CELLS[cell], 5, 4).eval()
            alone.load_state_dict({name: weight for name, weight in layer.state_dict().items() if name in alone.state_dict()})
            read.append(alone(x[: length - 1, row : row + 1]).output[:, 0])
        every = torch.cat(read).double()
        for _, moments in seen[id(matrices["weight_hh_l0"])]:
            torch.testing.assert_close(moments, (every.T @ every).detach(), rtol=1e-5, atol=1e-6)


def test_error_feedback_loses_less_on_what_is_read():
    torch.manual_seed(3)
    mixed = torch.randn(400, 8) @ torch.randn(8, 96) + 0.1 * torch.randn(400, 96)
    for part in (nn.Linear(96, 40), tenuto.GRU(96, 24)):
        module = nn.Sequential(part).eval()
        given = mixed if isinstance(part, nn.Linear) else mixed.view(20, 20, 96)
        first = (lambda found: found if isinstance(found, torch.Tensor) else found[0])(module(given))
        losses = []
        for calibrate in (None, [given]):
            small = tenuto.compress(module, weights="int4", calibrate=calibrate)
            found = small(given)
            losses.append(float(((found if isinstance(found, torch.Tensor) else found[0]) - first).detach().square().mean()))
        assert losses[1] < 0.7 * losses[0], losses


@pytest.mark.parametrize("name", ["translate", "language", "tag"])
def test_a_run_as_int4(name, tmp_path):
    model, data = fitted(name)
    small = tenuto.compress(model, weights="int4", calibrate=data, data=data)
    told = Compression.of(small)
    assert told.weights == "int4" and told.bytes_after < told.bytes_before / 2
    again = type(model).load(small.save(tmp_path / "run"))
    assert {one for one, stored in stored_in(again.network_).items() if stored.form == "int4"} >= {one for one in told.stored if "encoder" in one}
    for one, stored in stored_in(small.network_).items():
        assert torch.equal(stored_in(again.network_)[one].whole(), stored.whole())


def test_calibration_that_cannot_be():
    model, data = fitted("classify")
    with pytest.raises(ArgumentError, match="without looking at data"):
        tenuto.compress(model, calibrate=data)
    with pytest.raises(ArgumentError, match="read nothing"):
        tenuto.compress(tenuto.GRU(4, 4), weights="int4", calibrate=[])
    with pytest.raises(ArgumentError, match="not finite"):
        tenuto.compress(tenuto.GRU(4, 4), weights="int4", calibrate=[torch.full((2, 1, 4), torch.inf)])
