"""int4: packed two to a byte and read back; error feedback loses less of what a weight makes of its inputs, for maps and for every product of a cell."""

import numpy as np
import pytest
import torch
from torch import nn

import tenuto
from tenuto.cell import Cell, State
from tenuto.compress import Compression
from tenuto.compress.calibrate import Calibration
from tenuto.compress.feedback import int4_with_feedback
from tenuto.errors import ArgumentError
from tenuto.layers.stored import Int4, in_files, stored_in
from tenuto.layers.stored.int4 import nearest, spread
from tenuto.program import trace
from tenuto.program.summed import summed
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
    in_file = {name: stored.in_file(name) for name in stored.buffers_of}
    assert in_file["scale"].dtype == torch.bfloat16 and in_file["int4"] is stored.int4
    for tensors in (stored.state_dict(), in_file):
        again = Int4.empty(weight, {})
        again.load_state_dict(tensors)
        assert again.scale.dtype == torch.float32 and torch.equal(again.whole(), stored.whole())


def test_a_file_has_scales_of_16_bits_and_everything_else_as_it_is():
    small = tenuto.compress(tenuto.Recurrent(LAYER_CELLS["gru"], 5, 4), weights="int4")
    tensors = small.state_dict()
    found = in_files(small, tensors)
    assert list(found) == list(tensors)
    assert {name for name, tensor in found.items() if tensor.dtype == torch.bfloat16} == {name for name in tensors if name.endswith(".scale")}


def test_scales_that_need_more_bits_keep_them():  # runs that were written before scales had 16 bits
    stored = Int4.packed(torch.tensor([[7.0]]), torch.tensor([[0.1]]), torch.Size([1, 1]))
    assert stored.in_file("scale").dtype == torch.float32


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
    seen = Calibration(layer).over([lambda: layer(x, lengths=lengths)]).moments
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


class Leaky(Cell):
    """Parameters and a stream are added too; the gate n is added to nothing."""

    gates = "z h n"
    state = "h"
    parameters = "rate"
    streams = "age:1"

    def step(self, x, U, s, age):
        z = (self.p.rate + (U.z @ s.h + x.z) + age).sigmoid()
        return State(h=z * s.h + (1 - z) * (x.h + U.h @ s.h).tanh() + 0.1 * x.n)


class Twice(Cell):
    """Sums that are not all that becomes of a gate or a product."""

    gates = "a b c d"
    state = "h"

    def step(self, x, U, s):
        a = x.a + U.a @ s.h
        b = U.b @ s.h
        c = x.c + U.c @ s.h
        return State(h=(a + x.b * b + b).tanh() + (c + x.d).sigmoid() * c + (U.d @ s.h).sigmoid())


@pytest.mark.parametrize(
    ("cell", "pairs"),
    [
        (LAYER_CELLS["lstm"], {"i": "i", "f": "f", "g": "g", "o": "o"}),
        (LAYER_CELLS["gru"], {"r": "r", "z": "z"}),
        (LAYER_CELLS["reset_before"], {"r": "r", "z": "z", "n": "n"}),
        (LAYER_CELLS["ind_rnn"], {}),
        (Leaky(), {"z": "z", "h": "h"}),
        (Twice(), {"a": "a", "c": "c"}),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Cell) else "",
)
def test_gates_and_products_that_are_only_added(cell, pairs):
    assert summed(trace(cell)) == pairs


@pytest.mark.parametrize("cell", ["lstm", "gru", "reset_before"])
def test_what_w_loses_is_made_good_by_u(cell):
    """W and U rounded as one matrix give sums nearer to those of the whole weights than W and U rounded one by one."""
    torch.manual_seed(4)
    layer = tenuto.Recurrent(LAYER_CELLS[cell], 24, 40).eval()
    mixed = (torch.randn(600, 6) @ torch.randn(6, 24)).view(30, 20, 24)
    x = torch.stack([mixed[: step + 1].mean(0) for step in range(30)])  # so that x tells much of h
    seen = Calibration(layer).over([lambda: layer(x)])
    assert seen.added
    W, U = layer.weight_ih_l0, layer.weight_hh_l0

    def lost(found):
        """The mean square of what the sums lose, on the data."""
        total = 0.0
        for (_, *one), (_, *other), together in seen.added:
            rows, others = slice(*one), slice(*other)
            apart = torch.cat([(found[id(W)].whole() - W)[rows], (found[id(U)].whole() - U)[others]], 1).detach().double()
            moments = torch.cat([torch.cat([moments_of(seen, W, rows), together], 1), torch.cat([together.T, moments_of(seen, U, others)], 1)])
            total += float((apart @ moments * apart).sum())
        return total

    both = lost(int4_with_feedback([W, U], seen))
    alone = lost(int4_with_feedback([W, U], seen._replace(added=[])))
    assert 0 < both < 0.95 * alone


def moments_of(seen, weight, rows):
    return next(moments for part, moments in seen.moments[id(weight)] if part.start <= rows.start and rows.stop <= part.stop)


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
