"""Compressed models for another world: each form of stored weights is exported (and compared with the model before it is written), or refused by name."""

import pytest
import torch
from torch import nn

import tenuto
from tenuto.compress.low_rank import cut
from tenuto.compress.quantise import matrices, quantise
from tenuto.compress.sparsity import mask, masks_of
from tenuto.errors import ArgumentError
from tenuto.export import export
from tenuto.layers.stored import Int4, Int8, LowRank, Sparse, as_floats, stored_in
from tests.compress.models import fitted

FORMS = {"int8": Int8, "int4": Int4, "sparse": Sparse, "low_rank": LowRank}


def small(form):
    torch.manual_seed(0)
    layer = tenuto.Recurrent(tenuto.cells.GRU(), 6, 16).eval()
    if form == "low_rank":
        cut(layer, 0.25)
    if form == "sparse":
        mask(layer, masks_of(layer, 0.75))
    assert quantise(layer, FORMS[form])
    return layer


@pytest.mark.parametrize("form", FORMS)
def test_floats_in_place_of_stored_weights(form):
    layer, x = small(form), torch.randn(5, 2, 6)
    floats = as_floats(layer)
    assert type(floats) is tenuto.Recurrent and not stored_in(floats) and stored_in(layer) and as_floats(floats) is floats
    assert torch.equal(floats(x)[0], layer(x)[0]) and {name for _, name in matrices(floats)} == {"weight_ih_l0", "weight_hh_l0"}


def test_what_two_places_share_is_shared():
    class Tied(nn.Module):
        def __init__(self):
            super().__init__()
            self.embedding, self.decoder = nn.Embedding(40, 8), nn.Linear(8, 40)
            self.decoder.weight = self.embedding.weight

    floats = as_floats(tenuto.compress(Tied()))
    assert floats.embedding.weight is floats.decoder.weight and isinstance(floats.decoder.weight, nn.Parameter)


@pytest.mark.parametrize(("form", "target"), [("int8", "torch"), ("low_rank", "c"), *(pytest.param(form, target, marks=pytest.mark.slow) for form, target in (("int4", "onnx"), ("sparse", "torch"), ("low_rank", "onnx")))])
def test_a_layer(form, target, tmp_path):
    export(small(form), tmp_path / target, to=target)
    assert (tmp_path / target / "export.json").is_file()


@pytest.mark.slow
@pytest.mark.parametrize("target", ["torch", "onnx"])
def test_a_run(target, tmp_path):
    export(tenuto.compress(fitted("text")[0]), tmp_path / "text", to=target)
    assert (tmp_path / "text" / "export.json").is_file()


@pytest.mark.parametrize(("target", "activations"), [("torch", "int8"), ("onnx", "int8"), ("torch", "static-int8"), ("onnx", "static-int16")])
def test_whole_numbers_as_activations_are_refused_by_name(target, activations, tmp_path):
    calibrate = None if activations == "int8" else [torch.randn(5, 2, 6)]
    layer = tenuto.compress(tenuto.GRU(6, 16).eval(), activations=activations, calibrate=calibrate)
    with pytest.raises(ArgumentError, match="weight_ih_l0 multiplies whole numbers"):
        export(layer, tmp_path / target, to=target)
    assert not (tmp_path / target).exists()
