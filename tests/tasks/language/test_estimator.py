"""The language model: its numbers do not depend on how a text is cut, the same seed writes the same text, a run folder gives the same model."""

import math

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.model_selection import cross_val_score

from tenuto.data.text.streams import Window
from tenuto.errors import ArgumentError, DataError, NotFittedError, RunError
from tenuto.tasks import LanguageModel
from tenuto.tasks.language.generation import Sampler
from tenuto.tasks.language.recipes import RECIPES
from tenuto.tasks.language.scores import window_nats

TEXT = "the cat sat on the mat. the dog sat on the log. " * 30
DOCUMENTS = ["the cat sat.", "the dog sat on the log.", "a mat"] * 8
SMALL = {"hidden_size": 24, "num_layers": 1, "window": 20, "batch_size": 4, "dropout": 0.0, "output_dropout": 0.0}
TINY = {**SMALL, "hidden_size": 8, "epochs": 1}


@pytest.fixture(scope="module")
def model():
    return LanguageModel("gru", epochs=12, validation_fraction=0.1, unknown="error", learning_rate=1e-2, **SMALL).fit(TEXT)


@pytest.fixture(scope="module")
def reader():
    """A model of documents."""
    return LanguageModel(**{**TINY, "epochs": 2}, validation_fraction=0.2).fit(DOCUMENTS)


def test_perplexity_is_the_same_number_however_the_text_is_cut(model):
    tokens = torch.from_numpy(model.vocabulary_.encode(TEXT))[:, None]
    with torch.no_grad():
        whole = model.network_(Window(tokens[:-1], tokens[1:], None)).nats.double().mean()
    for window in (1, 35, 1000, 10_000):
        assert model.perplexity(TEXT[:200] if window == 1 else TEXT, window=window) == pytest.approx(
            model.perplexity(TEXT[:200]) if window == 1 else whole.exp().item(), rel=1e-5
        )
    assert whole.exp() < 4  # far below 16, the number of symbols


def test_the_four_numbers_of_a_result_agree(model):
    _, nats = model.token_nats(TEXT)
    result = model.evaluate(TEXT, windows=(8, len(TEXT)))
    assert result["loss"] == pytest.approx(nats.mean(), rel=1e-12)
    assert model.perplexity(TEXT) == pytest.approx(math.exp(result["loss"]))
    assert model.score(TEXT) == pytest.approx(-result["bits_per_character"] * math.log(2))
    short, long = result["windows"]
    assert long["loss"] == pytest.approx(result["loss"], rel=1e-5) and short["loss"] > result["loss"]
    curve = model.evaluate(TEXT, windows=(12,))["by_position"]
    table = window_nats(model.network_, model.vocabulary_.encode(TEXT), window=12)
    assert (curve["position"], curve["loss"][0]) == ([1, 2, 3, 4, 6, 8, 12], pytest.approx(table[:, 0].mean()))
    assert curve["loss"][-1] == pytest.approx(np.nanmean(table[:, 8:12]))
    table = window_nats(model.network_, model.vocabulary_.encode(TEXT), window=500)
    assert table.shape == (3, 500) and np.isnan(table[2]).sum() == 1500 - len(nats)
    np.testing.assert_allclose(table[0], nats[:500], rtol=1e-3, atol=1e-5)


def test_documents_are_read_as_if_each_stood_alone(reader):
    shown, together = reader.token_nats(DOCUMENTS[:3])
    apart = np.concatenate([reader.token_nats(document)[1] for document in DOCUMENTS[:3]])
    np.testing.assert_allclose(together, apart, rtol=1e-4, atol=1e-6)
    assert len(together) == sum(len(document) + 1 for document in DOCUMENTS[:3]) and shown[12] == "⟨document⟩"
    short = reader.token_nats(DOCUMENTS[:3], window=7)[1]
    np.testing.assert_allclose(short, together, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("unknown", ["symbol", "error"])
def test_symbols_are_learnt_from_the_whole_training_text(unknown):
    model = LanguageModel(**TINY, validation_fraction=0.1, unknown=unknown).fit(TEXT + "Z")
    assert b"Z" in model.vocabulary_.symbols
    assert not model.evaluation_["results"]["validation"].get("unknown_tokens")
    documents = LanguageModel(**TINY, validation_fraction=0.1, unknown=unknown).fit([TEXT, "the Zoo"])
    assert b"Z" in documents.vocabulary_.symbols


def test_a_character_that_training_has_not_is_one_symbol_or_an_error():
    model = LanguageModel(**TINY).fit(TEXT, validation="the end!")
    assert b"!" not in model.vocabulary_.symbols
    assert model.evaluation_["results"]["validation"]["unknown_tokens"] == 1
    assert model.evaluate("the Zebra!!")["unknown_tokens"] == 5
    assert "!" not in model.generate("Zoo!", length=40)[4:]
    with pytest.raises(DataError, match=r"LanguageModel.fit: the text has a character .* '!'(.|\n)*unknown='symbol'"):
        LanguageModel(**TINY, unknown="error").fit(TEXT, validation="the end!")


def test_generation_repeats_with_its_seed_and_stops_at_a_string(model):
    first = model.generate("the ", length=40, temperature=1.0, seed=3)
    assert first == model.generate("the ", length=40, temperature=1.0, seed=3)
    assert first != model.generate("the ", length=40, temperature=1.0, seed=4)
    assert len(model.generate("the ", length=40, temperature=0)) == 40
    assert "." not in model.generate("the ", length=200, temperature=0, stop=["."])
    assert model.generate("the ", length=40, top_k=1) == model.generate("the ", length=40, top_p=1e-9) == model.generate("the ", length=40, temperature=0)


@pytest.mark.parametrize("cell", ["lstm", "rnn", "peephole-lstm"])
def test_a_step_of_writing_is_a_step_of_reading(model, reader, cell):
    regularised = {**TINY, "num_layers": 2, "residual": True, "layer_norm": True, "zoneout": 0.2, "weight_dropout": 0.3, "dropout": 0.2, "cutoffs": (6,)}
    for fitted, prompt in ((model, "the ca"), (reader, ""), (LanguageModel(cell, **regularised).fit(TEXT), "the cat ")):
        text, generator = fitted.generate(prompt, length=12, seed=3), torch.Generator().manual_seed(3)
        assert len(text) == 12 or (fitted is reader and len(text) > 2)  # a document may end
        for place, letter in enumerate(text):  # draws again from the probabilities after the whole text before it
            logs = torch.from_numpy(np.log(fitted.predict_proba(prompt + text[:place])[0]))
            assert fitted.vocabulary_.shown(Sampler().draw(logs, generator)) == letter
    assert model.predict("the ca")[0] == "t"
    assert model.predict_proba(["the ", "a"]).sum(1) == pytest.approx([1, 1])


@pytest.mark.parametrize("options", [{}, {"tied": True, "embedding_size": 6}, {"tied": True, "embedding_size": 6, "num_layers": 2}, {"cutoffs": (6,)}, {"units": "bpe", "vocabulary_size": 270}], ids=str)
def test_a_saved_model_gives_the_same_numbers(tmp_path, options):
    model = LanguageModel(**{**TINY, **options}).fit(TEXT)
    model.save(tmp_path / "run", test=TEXT[:200])
    again = LanguageModel.load(tmp_path / "run")
    assert again.perplexity(TEXT[:300]) == model.perplexity(TEXT[:300])
    assert again.generate("the ", length=10) == model.generate("the ", length=10)
    assert again.get_params() == {**model.get_params(), "cell": again.cell}
    assert (again.network_.head.decoder is not None) and (not model.tied or again.network_.head.decoder.weight is again.network_.front.embedding.weight)
    with pytest.raises(RunError, match="already holds"):
        model.save(tmp_path / "run")


def test_the_regularised_recipe_trains_and_begins_to_average():
    small = {name: value for name, value in TINY.items() if "dropout" not in name and name not in ("num_layers", "epochs")}
    model = LanguageModel.from_recipe("awd-lstm", units="characters", embedding_size=6, epochs=10, trigger_patience=1, learning_rate=5.0, **small)
    assert {name: getattr(model, name) for name in ("num_layers", "weight_dropout", "activation_decay", "change_decay")} == {
        "num_layers": 3, "weight_dropout": 0.5, "activation_decay": 2.0, "change_decay": 1.0,
    }  # fmt: skip
    model.fit(TEXT)
    losses = [line["validation_loss"] for line in model.metrics_]
    begins = next(place for place in range(2, 10) if losses[place] > min(losses[: place - 1]))
    assert [line["averaging"] for line in model.metrics_] == [place >= begins for place in range(10)]
    assert min(losses[begins + 1 :]) < losses[begins]  # averaging must help
    with pytest.raises(ArgumentError, match=r"no recipe 'awd'(.|\n)*awd-lstm"):
        LanguageModel.from_recipe("awd")
    assert all(set(options) <= set(LanguageModel.option_names()) for options in RECIPES.values())


@pytest.mark.parametrize(
    "options", [{"sampling": "windows"}, {"jitter": True, "optimizer": "adam"}, {"average": "ema", "accumulate": 2}, {"precision": "bfloat16"}], ids=str
)
def test_every_way_of_training_lowers_the_loss_and_repeats(options):
    model = LanguageModel("gru", **{**SMALL, "epochs": 3}, warmup_steps=0, **options)
    losses = [line["train_loss"] for line in model.fit(TEXT).metrics_]
    assert losses[-1] < losses[0]
    assert clone(model).fit(TEXT).metrics_[-1]["validation_loss"] == model.metrics_[-1]["validation_loss"]


def test_it_works_as_scikit_learn_expects():
    model = LanguageModel("gru", units="bytes", **TINY)
    assert clone(model).get_params() == model.get_params()
    assert clone(model).set_params(hidden_size=4).hidden_size == 4
    scores = cross_val_score(model, np.array(DOCUMENTS, dtype=object), cv=2, error_score="raise")
    assert scores.shape == (2,) and (scores < 0).all()
    with pytest.raises(NotFittedError, match="LanguageModel.generate"):
        model.generate("a")


@pytest.mark.parametrize(
    ("options", "data", "said"),
    [
        ({}, "", "the text is empty"),
        ({}, [], "no documents"),
        ({}, "abc", "too short"),
        ({"sampling": "shuffled"}, TEXT, "sampling='shuffled' is not known"),
        ({"sampling": "windows", "jitter": True}, TEXT, "jitter needs sampling"),
        ({"change_decay": -1}, TEXT, "change_decay=-1 is out of range"),
        ({"output_dropout": 1.5}, TEXT, "output_dropout"),
        ({"batch_size": 2000}, TEXT, "too few for 2000 rows"),
    ],
)
def test_bad_options_and_texts_are_refused(options, data, said):
    with pytest.raises((ArgumentError, DataError), match=f"LanguageModel.fit(.|\n)*{said}"):
        LanguageModel(**{**TINY, **options}).fit(data)


def test_bad_questions_are_refused(model, reader):
    with pytest.raises(DataError, match=r"the text has a character .* 'Z' .* position 4"):
        model.perplexity("the Zebra")
    with pytest.raises(DataError, match="the prompt has a character"):
        model.generate("Z")
    with pytest.raises(ArgumentError, match="without lines, and needs a prompt"):
        model.generate()
    with pytest.raises(ArgumentError, match="stop strings that are not empty"):
        model.generate("a", stop=[""])
    with pytest.raises(DataError, match="no documents"):
        model.score(["the cat", "the dog"])
    with pytest.raises(DataError, match="fewer than two tokens"):
        model.score("a")
    assert reader.generate(length=30).startswith(reader.generate(length=3))  # a model of documents needs no prompt
