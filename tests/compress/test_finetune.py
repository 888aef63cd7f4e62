"""Fine-tuning with rounded weights: what was trained is exactly what is stored, and it is not worse than rounding alone."""

import pytest
import torch

import tenuto
from tenuto.compress import Compression
from tenuto.compress.finetune import Rounded
from tenuto.errors import ArgumentError
from tenuto.layers.stored import Int4, Int8, stored_in
from tests.compress.models import fitted


@pytest.mark.parametrize("form", [Int8, Int4])
def test_what_is_rounded_twice_is_rounded_once(form):
    weight = torch.randn(9, 70, requires_grad=True)
    once = Rounded(form)(weight)
    torch.testing.assert_close(form.of(once.detach()).whole(), once.detach(), rtol=1e-6, atol=1e-7)
    (gradient,) = torch.autograd.grad((once * 3).sum(), weight)
    assert torch.equal(gradient, torch.full_like(weight, 3))


@pytest.mark.parametrize("form", [Int8, Int4])
def test_a_weight_that_has_changed_is_rounded_anew(form):
    rounded, weight = Rounded(form), torch.randn(3, 5, requires_grad=True)
    with torch.no_grad():
        first = rounded(weight)
        assert rounded(weight) is first
        weight.mul_(2)
        assert torch.equal(rounded(weight), Rounded(form)(weight)) and not torch.equal(rounded(weight), first)


@pytest.mark.parametrize("name", ["classify", "language"])
def test_a_model_learns_with_the_weights_that_are_stored(name, tmp_path):
    model, data = fitted(name)
    plain = tenuto.compress(model, weights="int4")
    tuned = tenuto.compress(model, weights="int4", finetune=data, data=data, epochs=1)
    assert any(not torch.equal(value, plain.network_.state_dict()[key]) for key, value in tuned.network_.state_dict().items()), "it has learnt on"
    assert Compression.of(tuned).stored == Compression.of(plain).stored and not any("parametrizations" in name for name in tuned.network_.state_dict())
    assert tuned.metrics_ != model.metrics_ and not stored_in(model.network_)
    result = tuned.evaluation_["results"]["validation"]["loss"]
    again = type(model).load(tuned.save(tmp_path / "run"))
    assert again.network_.state_dict().keys() == plain.network_.state_dict().keys() and result == again.evaluation_["results"]["validation"]["loss"]


def test_fine_tuning_that_cannot_be():
    model, data = fitted("classify")
    with pytest.raises(ArgumentError, match="need no calibration"):
        tenuto.compress(model, weights="int4", calibrate=data, finetune=data)
    with pytest.raises(ArgumentError, match="only an estimator knows"):
        tenuto.compress(tenuto.GRU(3, 3), finetune=data)
