"""The language model: its numbers do not depend on how a text is cut, generation follows its seed, a run folder gives the same model."""

import math

import numpy as np
import pytest

from tenuto.errors import TenutoError
from tenuto.tasks import LanguageModel

TEXT = "the cat sat on the mat. the dog sat on the log. " * 30


@pytest.fixture(scope="module")
def model():
    options = {"hidden_size": 24, "num_layers": 1, "window": 20, "batch_size": 4, "dropout": 0.0, "output_dropout": 0.0}
    return LanguageModel("gru", epochs=12, validation_fraction=0.1, learning_rate=1e-2, **options).fit(TEXT)


def test_perplexity_is_the_same_number_in_windows_of_35_and_of_1000(model):
    assert model.perplexity(TEXT, window=35) == pytest.approx(model.perplexity(TEXT, window=1000), rel=1e-6)
    assert model.perplexity(TEXT) < 4  # of 16 symbols


def test_perplexity_is_the_exponential_of_the_mean_nats(model):
    _, nats = model.token_nats(TEXT)
    assert model.perplexity(TEXT) == pytest.approx(math.exp(np.nanmean(nats)), rel=1e-6)


def test_generation_repeats_with_its_seed_and_stops_at_a_string(model):
    first = model.generate("the ", length=40, temperature=1.0, seed=3)
    assert first == model.generate("the ", length=40, temperature=1.0, seed=3)
    assert first != model.generate("the ", length=40, temperature=1.0, seed=4)
    assert len(model.generate("the ", length=40, temperature=0)) == 40
    assert "." not in model.generate("the ", length=200, temperature=0, stop=["."])


def test_a_saved_model_predicts_the_same(model, tmp_path):
    model.save(tmp_path / "run", test=TEXT[:200])
    again = LanguageModel.load(tmp_path / "run")
    assert again.perplexity(TEXT[:300]) == model.perplexity(TEXT[:300])
    assert again.generate("the ", length=10, temperature=0) == model.generate("the ", length=10, temperature=0)


def test_an_unknown_character_is_named(model):
    with pytest.raises(TenutoError, match="Z"):
        model.perplexity("the Zebra")
