"""Single weights taken away: really zero, really a smaller file, learnt on in rounds, and the same answers after loading."""

import pytest
import torch

import tenuto
from tenuto.compress import Compression
from tenuto.compress.rounds import Rounds
from tenuto.compress.sparsity import finetuned_weights, masks_of, shares_to
from tenuto.errors import ArgumentError, RunError
from tenuto.layers.stored import Sparse
from tenuto.tasks import SequenceClassifier
from tests.compress.models import answers, fitted


@pytest.mark.parametrize("seed", range(5))
def test_the_form_loses_nothing(seed):
    torch.manual_seed(seed)
    weight = torch.randn(*[(3, 5), (8, 8), (1, 17), (4, 2, 3), (2, 9)][seed]) * (torch.rand(1) > 0.2)
    weight[torch.rand(weight.shape) < 0.7] = 0
    stored = Sparse.of(weight)
    assert torch.equal(stored.whole(), weight) and stored.size_bytes() == (weight.numel() + 7) // 8 + 4 * int((weight != 0).sum())
    again = Sparse.empty(weight, dict(stored.named_buffers()))
    again.load_state_dict(stored.state_dict())
    assert torch.equal(again.whole(), weight)


@pytest.mark.parametrize("name", ["classify", "language", "translate"])
def test_weights_that_are_gone_stay_zero(name, tmp_path):
    model, data = fitted(name)
    small = tenuto.compress(model, sparsity=0.75, finetune=data, rounds=1, epochs=1, folder=tmp_path / "rounds")
    stored = [part for part in small.network_.modules() if isinstance(part, Sparse)]
    assert stored and all(abs(1 - len(part.values) / part.shape.numel() - 0.75) <= 0.5 / part.shape.numel() + 1e-9 for part in stored)
    found = Compression.of(small)
    assert (found.weights, found.sparsity) == ("sparse", 0.75) and found.ratio < 0.6
    small.save(tmp_path / "run")
    again = type(model).load(tmp_path / "run")
    assert answers(again, name) == answers(small, name) and Compression.of(again) == found


def test_ninety_per_cent_less_is_a_seventh_of_the_size(tmp_path):
    x = [torch.randn(6, 2).numpy() for _ in range(12)]
    model = SequenceClassifier("lstm", hidden_size=64, num_layers=2, epochs=1).fit(x, ["a", "b"] * 6)
    small = tenuto.compress(model, sparsity=0.9)
    sizes = [sum(file.stat().st_size for file in one.save(tmp_path / str(number)).glob("model.safetensors")) for number, one in enumerate((model, small))]
    assert sizes[1] <= 0.15 * sizes[0] and Compression.of(small).ratio <= 0.15
    small.predict(x)


def test_rounds_go_on_and_keep_the_smallest_at_zero(tmp_path):
    model, data = fitted("classify")
    rounds = Rounds(3, tmp_path, changes={"epochs": 1})
    one, other = (finetuned_weights(model, data, share=0.6, rounds=rounds) for _ in range(2))
    for name, stays in masks_of(one.network_, 0.6).items():
        weight = dict(one.network_.named_parameters())[name]
        assert not weight[~stays].any() and torch.equal(weight, dict(other.network_.named_parameters())[name])
    with pytest.raises(RunError, match="something else"):
        finetuned_weights(model, data, share=0.5, rounds=rounds)
    assert shares_to(0.9, 3) == [0.6333, 0.8667, 0.9] and shares_to(0.5, 1) == [0.5]


def test_what_cannot_be_is_refused():
    model, data = fitted("classify")
    for options, words in (
        ({"sparsity": 1.0}, "sparsity"),
        ({"sparsity": 0.5, "weights": "int8"}, "one form only"),
        ({"sparsity": 0.5, "units": 0.5, "data": data}, "one after the other"),
        ({"score": "norm"}, "taken away"),
        ({"units": 0.5}, "finetune"),
        ({"sparsity": 0.01}, "could be made smaller"),
    ):
        with pytest.raises(ArgumentError, match=words):
            tenuto.compress(model, **options)
    with pytest.raises(ArgumentError, match="with_fewer_units"):
        tenuto.compress(tenuto.LSTM(3, 4), units=0.5)
