"""W and U as two factors: the nearest ones, the same model at full rank, learnt on as two factors, and a run that is really smaller."""

import copy

import pytest
import torch
from torch import nn

import tenuto
from tenuto.compress import Compression
from tenuto.compress.low_rank import cut, finetuned_ranks, rank_of, ranks_to
from tenuto.compress.quantise import quantise
from tenuto.compress.rounds import DONE, Rounds
from tenuto.errors import ArgumentError
from tenuto.layers.stored import LowRank, stored_in
from tenuto.layers.stored.low_rank import factors
from tests.compress.models import NAMES, answers, fitted
from tests.zoo import LAYER_CELLS


@pytest.mark.parametrize("shape", [(12, 5), (4, 9), (6, 6)])
def test_the_factors_are_the_nearest_of_their_rank(shape):
    """By Eckart and Young: what is lost are the singular values that were left out."""
    weight = torch.randn(shape)
    sizes = torch.linalg.svdvals(weight.double())
    for rank in range(1, min(shape) + 1):
        left, right = factors(weight, rank)
        assert left.shape == (shape[0], rank) and right.shape == (rank, shape[1])
        torch.testing.assert_close((weight - left @ right).double().norm(), sizes[rank:].square().sum().sqrt(), rtol=1e-4, atol=1e-5)
        again = LowRank.of(left @ right)
        assert again.low_rank.shape == left.shape
        torch.testing.assert_close(again.whole(), left @ right, rtol=1e-5, atol=1e-5)
    empty = LowRank.empty(weight, dict(again.named_buffers()))
    empty.load_state_dict(again.state_dict())
    assert torch.equal(empty.whole(), again.whole())
    assert not LowRank.of(torch.zeros(shape)).whole().any()


@pytest.mark.parametrize("cell", LAYER_CELLS)
def test_every_cell_at_full_rank_and_at_half(cell):
    torch.manual_seed(0)
    layer = tenuto.Recurrent(LAYER_CELLS[cell], 6, 8, engine="reference").eval()
    whole, half, x = copy.deepcopy(layer), copy.deepcopy(layer), torch.randn(5, 2, 6)
    cut(whole, 1.0)
    torch.testing.assert_close(whole(x)[0], layer(x)[0], rtol=1e-5, atol=1e-5)
    cut(half, 0.25)
    plain = half(x)[0]
    before = sum(weight.numel() for weight in half.parameters())
    assert all("weight" in name for name in quantise(half, LowRank))
    torch.testing.assert_close(half(x)[0], plain, rtol=1e-4, atol=1e-5)
    assert sum(value.numel() for value in half.state_dict().values()) < before


@pytest.mark.parametrize("name", NAMES)
def test_a_run_of_any_task(name, tmp_path):
    model, data = fitted(name)
    before = copy.deepcopy(model.network_.state_dict())
    small = tenuto.compress(model, rank=0.25)
    found = Compression.of(small)
    assert found.rank == 0.25 and found.weights == "low_rank" and found.bytes_after < found.bytes_before and "as low-rank" in str(found)
    assert set(found.stored) == {name for name, part in stored_in(small.network_).items() if isinstance(part, LowRank)} and all("weight" in name for name in found.stored)
    again = type(model).load(small.save(tmp_path / "run"))
    assert answers(again, name) == answers(small, name) and Compression.of(again) == found
    assert sum(value.numel() * value.element_size() for value in again.network_.state_dict().values()) == found.bytes_after
    assert all(torch.equal(value, before[key]) for key, value in model.network_.state_dict().items())
    with pytest.raises(ArgumentError, match="compressed already"):
        tenuto.compress(again, rank=0.25)


@pytest.mark.parametrize("name", ["classify", "translate"])
def test_the_factors_learn_on_in_rounds(name, tmp_path):
    model, data = fitted(name)
    rounds = Rounds(2 if name == "classify" else 1, tmp_path, changes={"epochs": 1})
    tuned = finetuned_ranks(model, data, share=0.25, rounds=rounds)
    assert tuned.network_.state_dict().keys() == model.network_.state_dict().keys() and tuned.evaluation_["model"] == model.evaluation_["model"]
    matrices = {key: weight for key, weight in tuned.network_.named_parameters() if key.startswith("encoder") and weight.dim() == 2}
    for key, weight in matrices.items():
        assert isinstance(weight, nn.Parameter) and int(torch.linalg.matrix_rank(weight.detach())) <= rank_of(weight, 0.25)
        assert not torch.allclose(weight, model.network_.state_dict()[key])
    if name == "classify":
        assert (tmp_path / "round-1" / DONE).is_file()
        again = finetuned_ranks(model, data, share=0.25, rounds=rounds)
        assert all(torch.equal(one, other) for one, other in zip(tuned.network_.parameters(), again.network_.parameters()))


def test_same_bits_batched_and_streamed():
    torch.manual_seed(0)
    layer = tenuto.GRU(6, 16).eval()
    cut(layer, 0.25)
    quantise(layer, LowRank)
    x = torch.randn(7, 3, 6)
    with tenuto.invariant(), torch.no_grad():
        whole, _ = layer(x)
        stream = layer.stream(3)
        assert torch.equal(torch.stack([layer.step(x_t, stream).clone() for x_t in x]), whole)
        assert torch.equal(layer(x[:, 1:2])[0], whole[:, 1:2])


def test_what_cannot_be_is_refused():
    model, data = fitted("classify")
    for options, said in (
        *(({"rank": wrong}, "rank=.* is out of range") for wrong in (0, 1.0, -0.5, True, "0.5")),
        ({"rank": 0.25, "weights": "int8"}, "in one form only"),
        ({"rank": 0.25, "sparsity": 0.5}, "one after the other"),
        ({"rank": 0.95}, "could be made smaller"),
    ):
        with pytest.raises(ArgumentError, match=said):
            tenuto.compress(model, **options)
    assert ranks_to(0.25, 3) == [0.4722, 0.2778, 0.25] and ranks_to(0.5, 1) == [0.5]
