"""`TextClassifier`: raw text or tokens in, classes out; saved, loaded, cross-validated; and bad data is refused."""

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.model_selection import KFold, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from tenuto.data import tokenise
from tenuto.errors import ArgumentError, DataError, NotFittedError, RunError
from tenuto.tasks import Tagger, TextClassifier, read_run

SMALL = {"hidden_size": 10, "word_size": 10, "character_size": 6, "character_hidden_size": 6, "epochs": 30, "batch_size": 8, "learning_rate": 0.03, "dropout": 0.1}


def opinions(count=40, seed=0):
    """Texts whose class is the opposite of the word after "not", so that order matters."""
    generator = np.random.default_rng(seed)
    texts, labels = [], []
    for _ in range(count):
        fine, turned = generator.integers(2, size=2)
        texts.append(" ".join(["It is", *["not"] * turned, ["bad", "good"][fine], *["indeed"] * generator.integers(2)]) + ".")
        labels.append("up" if fine != turned else "down")
    return texts, labels


@pytest.fixture(scope="module")
def fitted():
    return TextClassifier("gru", **SMALL).fit(*opinions(), validation=opinions(seed=1))


def test_it_learns_what_only_order_tells(fitted):
    texts, labels = opinions(seed=2)
    assert fitted.score(texts, labels) == 1.0
    assert fitted.predict(texts).tolist() == labels
    assert fitted.predict([tokenise(text) for text in texts]).tolist() == labels
    np.testing.assert_allclose(fitted.predict_proba(texts).sum(1), 1, rtol=1e-12)
    np.testing.assert_allclose(fitted.predict_proba(texts[:1])[0], fitted.predict_proba(texts)[0], rtol=1e-5)


def test_what_is_saved_predicts_the_same(tmp_path, fitted):
    texts, labels = opinions(count=12, seed=3)
    folder = fitted.save(tmp_path / "run", test=(texts, labels))
    again = TextClassifier.load(folder)
    np.testing.assert_array_equal(again.predict_proba(texts), fitted.predict_proba(texts))
    evaluation = read_run(folder).evaluation
    assert (evaluation["task"], evaluation["classes"]) == ("classify-text", ["down", "up"])
    assert np.sum(evaluation["results"]["test"]["confusion"]) == 12
    for example in evaluation["examples"]:
        assert len(example["weights"]) == len(example["tokens"])
        assert sum(example["weights"]) == pytest.approx(1, abs=1e-2)
    with pytest.raises(RunError, match="is not a Tagger's"):
        Tagger.load(folder)


@pytest.mark.parametrize("names", [(0, 1), (False, True), (0.5, 1.5)])
def test_labels_come_back_as_they_were(tmp_path, names):
    texts, labels = opinions(count=16)
    labels = [names[label == "up"] for label in labels]
    model = TextClassifier(**{**SMALL, "epochs": 1, "pooling": ("last",)}).fit(texts, labels)
    again = TextClassifier.load(model.save(tmp_path / "run"))
    assert {type(label) for label in again.predict(texts).tolist()} == {type(names[0])}
    assert again.score(texts, labels) == model.score(texts, labels)


def test_it_works_as_scikit_learn_expects():
    texts, labels = opinions(count=24)
    model = TextClassifier("gru", **{**SMALL, "epochs": 1})
    assert clone(model).get_params() == model.get_params()
    assert cross_val_score(model, texts, labels, cv=KFold(2)).tolist() == [
        clone(model).fit(texts[12:], labels[12:]).score(texts[:12], labels[:12]),
        clone(model).fit(texts[:12], labels[:12]).score(texts[12:], labels[12:]),
    ]
    lower = FunctionTransformer(lambda rows: [row.lower() for row in rows])
    piped = make_pipeline(lower, clone(model)).fit(texts, labels).predict_proba(texts)
    lowered = [text.lower() for text in texts]
    np.testing.assert_array_equal(piped, clone(model).fit(lowered, labels).predict_proba(lowered))
    first, second = (clone(model).fit(texts, labels).predict_proba(texts) for _ in range(2))
    np.testing.assert_array_equal(first, second)


@pytest.mark.parametrize(
    ("options", "change", "error", "words"),
    [
        ({}, lambda x, y: (x, None), DataError, "TextClassifier.fit: the texts have no labels"),
        ({}, lambda x, y: (x, ["one"] * len(x)), DataError, "all texts have the same label"),
        ({}, lambda x, y: (x, ["rare", *y[1:]]), DataError, "class 'rare' has only one member"),
        ({}, lambda x, y: (["", *x[1:]], y), DataError, "sentence '0' has no tokens"),
        ({}, lambda x, y: (x[0], y), DataError, "the data is a single text"),
        ({"pooling": ("median",)}, lambda x, y: (x, y), ArgumentError, "cannot be used"),
        ({"word_dropout": -1}, lambda x, y: (x, y), ArgumentError, "word_dropout=-1 is out of range"),
    ],
)
def test_bad_data_and_options_are_refused(options, change, error, words):
    with pytest.raises(error, match=words):
        TextClassifier(**{**SMALL, **options}).fit(*change(*opinions(count=16)))


def test_a_label_never_seen_and_not_fitted(fitted):
    texts, labels = opinions(count=4)
    with pytest.raises(DataError, match="TextClassifier.score: text '3' has the label 'sideways', which training never saw"):
        fitted.score(texts, [*labels[:3], "sideways"])
    with pytest.raises(NotFittedError, match="TextClassifier.predict"):
        TextClassifier().predict(texts)
