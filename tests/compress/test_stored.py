"""Stored weights in a module: a file's names say which weights are stored how, and what they cannot be is refused."""

import pytest
import torch
from torch import nn

from tenuto.layers.stored import Int4, Int8, StoredWeight, hold, hold_as


def test_a_files_names_say_what_is_stored():
    first = nn.Sequential(nn.Embedding(9, 70), nn.Linear(70, 5))
    hold(first[0], "weight", Int8.of(first[0].weight))
    hold(first[1], "weight", Int4.of(first[1].weight))
    second = hold_as(nn.Sequential(nn.Embedding(9, 70), nn.Linear(70, 5)), first.state_dict())
    second.load_state_dict(first.state_dict())
    assert all(isinstance(part._modules["weight"], StoredWeight) for part in second)
    tokens = torch.arange(9)
    assert torch.equal(first(tokens), second(tokens))


@pytest.mark.parametrize("name", ["0.bias.int8", "int8", "3.weight.int4", "1.weights.int8x8"])
def test_what_is_no_weight_of_the_model_is_refused(name):
    module = nn.Sequential(nn.Linear(4, 3, bias=False))
    with pytest.raises(ValueError, match="is no weight of this model"):
        hold_as(module, {name: torch.zeros(3, dtype=torch.int8)})


def test_a_weight_of_one_axis_or_of_another_shape_does_not_fit():
    made = hold_as(nn.Sequential(nn.Linear(4, 3)), {"0.weight.int8": torch.zeros(2, 9, dtype=torch.int8)})
    assert made.state_dict()["0.weight.int8"].shape == (3, 4)  # that of the model: what a file has instead is told when it is loaded
    with pytest.raises(RuntimeError, match="size mismatch"):
        made.load_state_dict({**made.state_dict(), "0.weight.int8": torch.zeros(2, 9, dtype=torch.int8)})
