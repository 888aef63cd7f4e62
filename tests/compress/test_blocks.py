"""Weights that are zero in blocks: the form, a time loop that skips them with the same bits, what is taken away, runs, and what is refused."""

import copy

import pytest
import torch

import tenuto
from tenuto.compress import Compression
from tenuto.compress.quantise import in_blocks, quantise
from tenuto.compress.rounds import Rounds
from tenuto.compress.sparsity import finetuned_weights, mask, masks_of
from tenuto.errors import ArgumentError
from tenuto.export import export
from tenuto.layers.stored import Blocks, Sparse, hold_as, stored_in
from tenuto.layers.stored.blocks import cut_into
from tenuto.tasks import SequenceClassifier
from tests.compress.models import asked, fitted
from tests.zoo import LAYER_CELLS


def sparse(layer, share=0.8, rows=16):
    """The layer with blocks of zeros, and the same weights in a layer that knows nothing of them."""
    whole = copy.deepcopy(layer.eval())
    mask(whole, masks_of(whole, share, rows))
    made = copy.deepcopy(whole)
    quantise(made, Sparse, blocks=rows)
    return made, whole


@pytest.mark.parametrize(("shape", "rows"), [((32, 5), 16), ((6, 3), 2), ((8, 17), 8), ((12, 1), 3)])
def test_the_form_loses_nothing(shape, rows):
    torch.manual_seed(0)
    weight = torch.randn(shape) * (torch.rand(shape[0] // rows, shape[1]) > 0.6).repeat_interleave(rows, 0)
    stored = Blocks.in_blocks(weight, rows)
    there = int((cut_into(weight, rows) != 0).any(-1).sum())
    assert torch.equal(stored.whole(), weight) and stored.size_bytes() == -(-weight.numel() // rows // 8) + 4 * rows * there
    again = Blocks.empty(weight, dict(stored.named_buffers()))
    again.load_state_dict(stored.state_dict())
    assert torch.equal(again.whole(), weight) and Blocks.of(torch.eye(16)).values.shape == (16, 16)


def test_blocks_of_the_smallest_norm_go():
    layer = tenuto.Recurrent(LAYER_CELLS["elman"], 2, 4)
    with torch.no_grad():
        layer.weight_hh_l0.copy_(torch.tensor([[3.0, 1.0, 0.0, 9.0], [0.0, 1.0, 2.0, 0.0], [1.0, 0.0, 5.0, 0.0], [1.0, 0.0, 0.0, 4.0]]))
    stays = masks_of(layer, 0.5, 2)["weight_hh_l0"]
    assert stays.tolist() == [[True, False, False, True], [True, False, False, True], [False, False, True, True], [False, False, True, True]]
    assert in_blocks(layer, layer.weight_hh_l0, 2) and not in_blocks(layer, layer.weight_hh_l0, 3) and not in_blocks(torch.nn.Linear(2, 2), torch.ones(2, 2), 2)


@pytest.mark.cpp
@pytest.mark.parametrize("share", [0.3, 0.6, 0.95])  # too full to be worth it, and two that are
@pytest.mark.parametrize("cell", LAYER_CELLS)
def test_the_loop_that_skips_blocks_has_the_bits_of_the_one_that_does_not(cell, share):
    torch.manual_seed(4)
    made, whole = sparse(tenuto.Recurrent(LAYER_CELLS[cell], 9, 48, num_layers=2, bidirectional=True, engine="cpp"), share)
    assert any(isinstance(one, Blocks) for one in stored_in(made).values())
    x, lengths = torch.randn(6, 13, 9), torch.tensor([6, 3, 1, 4, 6, 2, 5, 6, 1, 1, 2, 3, 4])
    with torch.no_grad():
        assert "blocks of weights that are zero are skipped" in str(made.engine_report(x, lengths=lengths))
        for one, other in zip(made(x, lengths=lengths), whole(x, lengths=lengths)):  # of this size, no product runs on matrix units, whose sums have another order
            torch.testing.assert_close(tuple(one), tuple(other), rtol=0, atol=0)
    with tenuto.invariant(), torch.no_grad():
        made.engine = whole.engine = "auto"
        assert "blocks of weights that are zero are skipped" in str(made.engine_report(x, lengths=lengths))
        torch.testing.assert_close(made(x, lengths=lengths)[0], whole(x, lengths=lengths)[0], rtol=2e-4, atol=2e-5)
    made.engine = "reference"
    torch.testing.assert_close(made(x, lengths=lengths)[0], whole(x, lengths=lengths)[0], rtol=2e-4, atol=2e-5)


@pytest.mark.cpp
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("make", [tenuto.LSTM, tenuto.GRU])
def test_same_bits_alone_batched_chunked_and_streamed(make, dtype):
    torch.manual_seed(5)
    layer, _ = sparse(make(20, 64, dtype=dtype))
    x = torch.randn(9, 13, 20, dtype=dtype)
    with torch.no_grad():
        whole = layer(x)[0]
        assert layer.engine_report(x).chosen == "cpp" and layer.engine_report(x[:1]).chosen == "cpp"
        for row in (0, 7, 12):
            assert torch.equal(layer(x[:, row : row + 1])[0][:, 0], whole[:, row])
        first, state = layer(x[:4])
        assert torch.equal(torch.cat([first, layer(x[4:], state)[0]]), whole)
        stream = layer.stream(13)
        assert torch.equal(torch.stack([layer.step(x_t, stream).clone() for x_t in x]), whole)


@pytest.mark.cpp
def test_what_is_read_has_a_derivative():
    torch.manual_seed(7)
    layer, whole = sparse(tenuto.Recurrent(LAYER_CELLS["gru"], 20, 64, engine="cpp"))
    x = torch.randn(5, 3, 20, requires_grad=True)
    found, expected = (torch.autograd.grad((one(x)[0] ** 2).sum(), x)[0] for one in (layer, whole))
    torch.testing.assert_close(found, expected)


@pytest.mark.parametrize("name", ["classify", "language", "translate"])
def test_a_run_keeps_its_blocks(name, tmp_path):
    model, data = fitted(name)
    small = tenuto.compress(model, sparsity=0.75, blocks=2, finetune=data, rounds=1, epochs=1, folder=tmp_path / "rounds")
    told = Compression.of(small)
    assert (told.sparsity, told.blocks) == (0.75, 2) and "in blocks of 2 rows" in str(told)
    stored = stored_in(small.network_)
    assert {type(one) for weight, one in stored.items() if "weight_hh" in weight} == {Blocks}
    for one in (one for one in stored.values() if isinstance(one, Blocks)):
        count = one.shape.numel() // 2
        assert abs(1 - len(one.values) / count - 0.75) <= 0.5 / count + 1e-9
    again = type(model).load(small.save(tmp_path / "run"))
    assert list(again.predict(asked(name))) == list(small.predict(asked(name))) and Compression.of(again) == told


def test_ninety_per_cent_less_is_a_ninth_of_the_size():
    x = [torch.randn(6, 2).numpy() for _ in range(12)]
    model = SequenceClassifier("lstm", hidden_size=64, num_layers=2, epochs=1).fit(x, ["a", "b"] * 6)
    assert Compression.of(tenuto.compress(model, sparsity=0.9, blocks=16)).ratio <= 0.125


def test_rounds_keep_blocks_at_zero(tmp_path):
    model, data = fitted("classify")
    one, other = (finetuned_weights(model, data, share=0.6, rounds=Rounds(2, tmp_path, changes={"epochs": 1}), rows=2) for _ in range(2))
    for name, stays in masks_of(one.network_, 0.6, 2).items():
        weight = dict(one.network_.named_parameters())[name]
        assert not weight[~stays].any() and torch.equal(weight, dict(other.network_.named_parameters())[name])


@pytest.mark.parametrize("target", ["c", "torch"])
def test_an_export_multiplies_with_the_whole_matrix(target, tmp_path):
    torch.manual_seed(0)
    export(sparse(tenuto.Recurrent(LAYER_CELLS["gru"], 4, 16).eval())[0], tmp_path / target, to=target)
    assert (tmp_path / target / "export.json").is_file()


def test_what_cannot_be_is_refused():
    model, _ = fitted("classify")
    for options, words in (
        ({"sparsity": 0.5, "blocks": 1}, "blocks"),
        ({"sparsity": 0.5, "blocks": model.hidden_size * 2}, "cannot be divided into blocks"),
        ({"blocks": 16}, "says how weights go"),
        ({"units": 0.5, "blocks": 16}, "says how weights go"),
    ):
        with pytest.raises(ArgumentError, match=words):
            tenuto.compress(model, **options)
    with pytest.raises(ValueError, match="has no blocks"):
        hold_as(tenuto.LSTM(3, 4), {"weight_ih_l0.blocks": torch.zeros(3, dtype=torch.uint8), "weight_ih_l0.values": torch.zeros(2, 5)})
    stored = Blocks.of(torch.ones(16, 2))
    stored.blocks.zero_()
    with pytest.raises(ValueError, match="marks 0 blocks"):
        stored.whole()
