"""Stored weights in a module: a file's names say which weights are stored how, and what they cannot be is refused."""

import pytest
import torch
from torch import nn

import tenuto
from tenuto.layers.stored import Int4, Int8, LoopHolder, Matrix, StoredWeight, hold, hold_as, is_matrix, together


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


def test_a_matrix_of_a_stored_weight_has_its_numbers_as_they_are():
    part = nn.Linear(70, 5)
    for form, kind in ((Int8, "int8"), (Int4, "int4")):
        stored = form.of(part.weight)
        holder = nn.Linear(70, 5)
        hold(holder, "weight", stored)
        found = Matrix.of(holder)
        assert (found.form, found.shape, found.columns) == (kind, (5, 70), 70) and found.scale is not None
        assert found.equals(Matrix.of(holder)) and not found.equals(Matrix.of(part)) and together([found, found]).shape == (10, 70)
    assert Matrix.of(part).form == "float" and Matrix.of(part).rows(1, 3).shape == (2, 70)


def test_matrices_of_an_engine_are_known_by_their_names():
    assert [is_matrix(name) for name in ("weight_ih", "U.h", "bias", "s.h")] == [True, True, False, False]
    layer = tenuto.GRU(4, 3)
    hold(layer, "weight_ih_l0", Int8.of(layer.weight_ih_l0))
    assert isinstance(layer, LoopHolder)
