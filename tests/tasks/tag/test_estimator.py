"""`Tagger`: it learns tags and labels, scores, saves, loads, works as scikit-learn expects, and says what is wrong with what it is given."""

import json

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.model_selection import KFold, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from tenuto import cells
from tenuto.data import Sentences
from tenuto.errors import ArgumentError, DataError, NotFittedError, RunError
from tenuto.tasks import SequenceClassifier, Tagger, read_run

SMALL = {"hidden_size": 12, "word_size": 12, "character_size": 6, "character_hidden_size": 6, "epochs": 12, "batch_size": 8, "learning_rate": 0.02, "dropout": 0.1}


def commands(count=48, seed=0):
    """Commands in which "play" asks for a genre of one word or two and "weather" for a city; the same words stand in both."""
    generator = np.random.default_rng(seed)
    x, y, labels = [], [], []
    for _ in range(count):
        name = [["oslo"], ["new", "york"], ["soul"]][generator.integers(3)]
        kind = ["genre", "city"][generator.integers(2)]
        x.append([["play", "weather"][kind == "city"], *["some"] * generator.integers(3), *name])
        y.append(["O"] * (len(x[-1]) - len(name)) + [f"{'IB'[place == 0]}-{kind}" for place in range(len(name))])
        labels.append("music" if kind == "genre" else "forecast")
    return x, y, labels


@pytest.fixture(scope="module")
def fitted():
    x, y, labels = commands()
    return Tagger("gru", **SMALL).fit(x, y, labels=labels, validation=commands(seed=1))


def test_the_weights_kept_can_be_those_of_the_best_f1():
    x, y, labels = commands()
    model = Tagger("gru", **{**SMALL, "epochs": 4}, select_by="validation_span_f1").fit(x, y, validation=commands(seed=1)[:2])
    shares = [line["validation_span_f1"] for line in model.metrics_]
    assert model.evaluation_["training"]["best_epoch"] == 1 + shares.index(max(shares))
    assert model.evaluation_["results"]["validation"]["spans"]["f1"] == max(shares)


def test_it_learns_tags_and_labels(fitted):
    x, y, labels = commands(seed=2)
    assert fitted.score(x, y) == 1.0
    assert fitted.predict(x) == y
    assert fitted.predict_labels(x).tolist() == labels
    assert fitted.tags_ == ["B-city", "B-genre", "I-city", "I-genre", "O"]
    assert fitted.labels_.tolist() == ["forecast", "music"]
    assert {"validation_loss", "validation_accuracy", "validation_span_f1", "validation_label_accuracy", "validation_sentence_accuracy"} <= set(fitted.metrics_[-1])


def test_a_sentence_alone_has_the_same_answer_as_among_others(fitted):
    x, _, _ = commands(seed=3)
    assert [fitted.predict([row])[0] for row in x[:6]] == fitted.predict(x)[:6]
    states = fitted.hidden_states(x[:3])
    assert [state.shape for state in states] == [(len(row), 24) for row in x[:3]]
    np.testing.assert_allclose(fitted.hidden_states([x[1]])[0], states[1], rtol=1e-5, atol=1e-6)


def test_a_tag_or_label_that_training_never_saw_counts_as_wrong_and_is_named(fitted):
    x, y, labels = commands(count=10, seed=4)
    y[0] = ["B-era", *y[0][1:]]
    labels[1] = "alarm"
    result = fitted.evaluate(x, y, labels=labels)
    tokens = sum(map(len, x))
    assert result["unseen"] == {"B-era": 1}
    assert result["labels"]["unseen"] == {"alarm": 1}
    assert result["accuracy"] == pytest.approx((tokens - 1) / tokens)
    assert result["labels"]["accuracy"] == 0.9
    assert result["sentence_accuracy"] == 0.8
    assert result["spans"]["recall"] < 1 == result["spans"]["precision"]
    assert result["loss"] == pytest.approx(fitted.evaluate(x[1:], y[1:], labels=labels[1:])["loss"])  # the loss is over the sentences whose tags are known
    assert fitted.evaluate(x[:1], [["B-era"] * len(x[0])])["loss"] is None


@pytest.mark.parametrize("others", [[0, 1], ["0", "1"], [0.0, 1.0], ["0.0", "1.0"]], ids=str)
def test_labels_of_sentences_are_compared_across_kinds_of_files(others, tmp_path):
    """0 in Parquet is "0" in a folder's file."""
    x, y, labels = commands(count=24)
    model = Tagger("gru", **{**SMALL, "epochs": 6}).fit(x, y, labels=[int(label == "music") for label in labels])
    asked = [others[label == "music"] for label in labels]
    expected = model.evaluate(x, y, labels=[int(label == "music") for label in labels])
    assert model.evaluate(x, y, labels=asked) == expected
    assert not expected["labels"]["unseen"] and expected["labels"]["accuracy"] > 0.5
    again = Tagger("gru", **{**SMALL, "epochs": 2}).fit(x, y, labels=[int(label == "music") for label in labels], validation=(x, y, asked))
    assert again.metrics_[-1]["validation_label_accuracy"] > 0
    kept = read_run(model.save(tmp_path / "run", test=(x, y, asked))).evaluation
    assert any(example["correct"] for example in kept["examples"])
    odd = model.evaluate(x, y, labels=[type(asked[0])(2), *asked[1:]])
    assert list(odd["labels"]["unseen"]) == [str(type(asked[0])(2))]


def test_a_word_that_training_never_saw_has_a_tag(fitted):
    tags = fitted.predict([["play", "żółć"], ["x" * 500]])
    assert [len(row) for row in tags] == [2, 1]
    result = fitted.evaluate([["play", "żółć"]], [["O", "B-genre"]], labels=["music"])
    assert result["unknown"]["tokens"] == 1


@pytest.mark.parametrize(
    "options",
    [{"cell": "lstm", "crf": False, "character_encoder": "convolution"}, {"cell": cells.MGU(), "num_layers": 2, "character_encoder": "none", "case_size": 0}, {"bidirectional": False, "word_size": 0}],
    ids=["no crf", "words alone", "characters alone"],
)
def test_what_is_saved_predicts_the_same(tmp_path, options):
    x, y, labels = commands(count=24)
    model = Tagger(**{**SMALL, "epochs": 1, **options}).fit(x, y, labels=labels)
    folder = model.save(tmp_path / "run", test=(x, y, labels))
    again = Tagger.load(folder)
    assert again.predict(x) == model.predict(x)
    assert again.predict_labels(x).tolist() == model.predict_labels(x).tolist()
    assert again.evaluate(x, y, labels=labels)["loss"] == read_run(folder).evaluation["results"]["test"]["loss"]
    assert again.get_params() == {**model.get_params(), "cell": model.cell_, "average": "ema"}  # what was left open is what was taken


def test_the_evaluation_is_as_documented(tmp_path, fitted):
    x, y, labels = commands(count=12, seed=5)
    evaluation = read_run(fitted.save(tmp_path / "run", test=(x, y, labels))).evaluation
    assert (evaluation["task"], evaluation["tags"], evaluation["classes"]) == ("tag", fitted.tags_, ["forecast", "music"])
    for name in ("validation", "test"):
        result = evaluation["results"][name]
        assert np.sum(result["confusion"]) == result["tokens"] == evaluation["data"][name]["steps"]
        assert [row["name"] for row in result["tags"]] == fitted.tags_
        assert {"precision", "recall", "f1", "kinds"} <= set(result["spans"])
    for example in evaluation["examples"]:
        assert len(example["tokens"]) == len(example["tags"]) == len(example["predicted"])
    assert evaluation["vocabulary"]["size"] == len(fitted.coder_.words.entries)
    assert json.loads((tmp_path / "run" / "config.json").read_text())["task"] == "tag"


def test_the_same_seed_gives_the_same_model_and_leaves_the_generator():
    x, y, _ = commands(count=16)
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    models = [Tagger(**{**SMALL, "epochs": 1, "random_state": seed}).fit(x, y) for seed in (1, 1, 2)]
    torch.testing.assert_close(torch.rand(1), expected)
    weights = [model.network_.head.emission.weight for model in models]
    torch.testing.assert_close(weights[0], weights[1], rtol=0, atol=0)
    assert not torch.equal(weights[0], weights[2])


def test_it_works_as_scikit_learn_expects():
    x, y, _ = commands(count=18)
    model = Tagger("gru", **{**SMALL, "epochs": 1})
    assert clone(model).get_params() == model.get_params()
    assert repr(clone(model)) == repr(model)
    assert model.set_params(epochs=2).epochs == 2
    halves = clone(model).fit(x[9:], y[9:]).score(x[:9], y[:9]), clone(model).fit(x[:9], y[:9]).score(x[9:], y[9:])
    assert cross_val_score(model, x, y, cv=KFold(2)).tolist() == list(halves)
    upper = FunctionTransformer(lambda rows: [[token.upper() for token in row] for row in rows])
    shouted = [[token.upper() for token in row] for row in x]
    assert make_pipeline(upper, clone(model)).fit(x, y).predict(x) == clone(model).fit(shouted, y).predict(shouted)


def test_ready_made_word_vectors(tmp_path):
    x, y, _ = commands(count=16)
    path = tmp_path / "vectors.txt"
    path.write_text("play 1 0 0\noslo 0 1 0\nbergen 0 0 1\n", encoding="utf-8")
    model = Tagger(**{**SMALL, "epochs": 1, "word_size": 3, "learning_rate": 1e-12, "vectors": str(path)}).fit(x, y)
    assert "bergen" in model.coder_.words.entries
    known = model.coder_.words.numbers
    word = model.network_.front.word.weight.detach()
    torch.testing.assert_close(word[known["bergen"]] / word[known["bergen"], 2], torch.tensor([0.0, 0.0, 1.0]))
    with pytest.raises(ArgumentError, match="the pretrained vectors have 3 numbers a word"):
        Tagger(**{**SMALL, "epochs": 1, "vectors": str(path)}).fit(x, y)


def test_a_fit_goes_on_from_its_checkpoint(tmp_path):
    x, y, _ = commands(count=16)
    options = {**SMALL, "epochs": 2}
    model = Tagger(**options).fit(x, y, checkpoint=tmp_path / "kept")
    again = Tagger(**options).fit(x, y, checkpoint=tmp_path / "kept")
    assert again.predict(x) == model.predict(x)
    with pytest.raises(RunError, match=r"Tagger\.fit"):
        Tagger(**options).fit(x[:-1], y[:-1], checkpoint=tmp_path / "kept")


@pytest.mark.parametrize(
    ("options", "change", "error", "words"),
    [
        ({}, lambda x, y: (x, None), DataError, "Tagger.fit: the sentences have no tags"),
        ({}, lambda x, y: (x, y[:-1]), DataError, "not as many tag sequences as sentences"),
        ({}, lambda x, y: (x, [["O"] * len(row) for row in x]), DataError, "all tokens have the same tag"),
        ({"dropout": 1.0}, lambda x, y: (x, y), ArgumentError, "dropout=1.0 is out of range"),
        ({"hidden_size": 0}, lambda x, y: (x, y), ArgumentError, "hidden_size=0 is out of range"),
        ({"character_encoder": "bytes"}, lambda x, y: (x, y), ArgumentError, "character_encoder='bytes' is not known"),
        ({"word_size": 0, "character_encoder": "none"}, lambda x, y: (x, y), ArgumentError, "nothing would be read from a token"),
        ({"vectors": "none.txt"}, lambda x, y: (x, y), DataError, "there is no file none.txt"),
    ],
)
def test_bad_data_and_options_are_refused(options, change, error, words):
    x, y, _ = commands(count=16)
    with pytest.raises(error, match=words):
        Tagger(**{**SMALL, **options}).fit(*change(x, y))


def test_not_fitted_and_foreign_runs(tmp_path, fitted):
    with pytest.raises(NotFittedError, match="Tagger.predict"):
        Tagger().predict([["a"]])
    x, y, _ = commands(count=16)
    unlabelled = Tagger(**{**SMALL, "epochs": 1}).fit(Sentences(x, y))
    with pytest.raises(DataError, match="had no labels"):
        unlabelled.predict_labels(x)
    with pytest.raises(DataError, match=r"Tagger\.predict: sentence '0' has no tokens"):
        fitted.predict([[]])
    folder = fitted.save(tmp_path / "run")
    with pytest.raises(RunError, match="is not a SequenceClassifier's"):
        SequenceClassifier.load(folder)
