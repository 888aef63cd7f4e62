"""Long texts: what `max_tokens` and `keep` leave of them, that a cut is said, and that a long text among short ones needs no more memory than its own."""

import warnings

import numpy as np
import pytest
from sklearn.base import clone

import tenuto.networks.embedding as embedding
import tenuto.tasks.estimator as estimator
from tenuto.data import Sentences
from tenuto.errors import ArgumentError
from tenuto.tasks import TextClassifier, read_run
from tests.tasks.text.test_estimator import SMALL, opinions

QUICK = {**SMALL, "epochs": 2, "dropout": 0.0}


def with_endings(count=24):
    """Opinions that go on after five tokens, each in another way."""
    texts, labels = opinions(count)
    return [f"{text} and so on {index} {index + 1}" for index, text in enumerate(texts)], labels


@pytest.mark.parametrize(
    ("keep", "kept"), [("beginning", ["a", "b", "c"]), ("end", ["c", "d", "e"]), ("both", ["a", "b", "e"])]
)
def test_what_is_kept_of_a_long_text(keep, kept):
    data = Sentences(["a b c d e", "f g h", ["i", "j", "k", "l"]], None, ["x", "y", "z"], weights=[1, 2, 3])
    part = data.shortened(3, keep)
    assert list(part.tokens[0]) == kept and part.tokens[1] == ("f", "g", "h") and len(part.tokens[2]) == 3
    assert part.cut.tolist() == [True, False, True] and part.weights.tolist() == [1, 2, 3] and part.ids == data.ids
    assert part.select([1, 2]).cut.tolist() == [False, True]
    assert part.select([0]).tokens[0] == tuple(kept)
    assert part.sha256 != data.sha256
    assert data.shortened(5, keep) is data and data.cut is None


@pytest.mark.parametrize(("keep", "said"), [("beginning", "the first 4 are read"), ("end", "the last 4"), ("both", "half from each end, in all 4")])
def test_a_model_reads_what_is_left_and_says_how_many_were_cut(keep, said, tmp_path):
    texts, labels = with_endings()
    tokens = [list(words) for words in Sentences(texts).tokens]
    left = [{"beginning": words[:4], "end": words[-4:], "both": [*words[:2], *words[-2:]]}[keep] for words in tokens]
    model = TextClassifier("gru", max_tokens=4, keep=keep, **QUICK)
    with pytest.warns(UserWarning, match=rf"24 of 24 texts have more than 4 tokens \(the longest {max(map(len, tokens))}\); of these {said}") as told:
        model.fit(texts, labels)
    assert len(told) == 1
    plain = TextClassifier("gru", **QUICK).fit(left, labels)
    with pytest.warns(UserWarning, match="1 text of 1 has more than 4 tokens"):
        np.testing.assert_array_equal(model.predict_proba(texts[:1]), plain.predict_proba(left[:1]))
    np.testing.assert_array_equal(model.predict_proba(left), plain.predict_proba(left))  # nothing is cut, so nothing is said
    with pytest.warns(UserWarning, match="more than 4 tokens"):
        folder = model.save(tmp_path / "run", test=(texts, labels))
    kept = read_run(folder).evaluation["data"]
    assert kept["train"]["cut"] + kept["validation"]["cut"] == kept["test"]["cut"] == 24 and kept["train"]["length_max"] == 4
    again = TextClassifier.load(folder)
    assert (again.max_tokens, again.keep) == (4, keep)
    with pytest.warns(UserWarning, match="more than 4 tokens"):
        assert again.score(texts, labels) == plain.score(left, labels)


def test_more_may_be_read_than_in_training():
    texts, labels = with_endings()
    with pytest.warns(UserWarning, match="more than 3 tokens"):
        model = TextClassifier("gru", max_tokens=3, **QUICK).fit(texts, labels)
    model.set_params(max_tokens=None)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert model.hidden_states(texts[:1])[0].shape[0] == len(Sentences(texts[:1]).tokens[0])


@pytest.mark.parametrize("wrong", [{"max_tokens": 0}, {"max_tokens": 2.5}, {"keep": "middle"}], ids=str)
def test_other_values_are_refused(wrong):
    with pytest.raises(ArgumentError, match=f"{next(iter(wrong))}="):
        TextClassifier(**{**QUICK, **wrong}).fit(*opinions(16))


def test_batches_are_bounded_by_their_tokens(monkeypatch):
    texts, labels = opinions(24)
    model = TextClassifier("gru", **QUICK).fit(texts, labels)
    mixed = [*texts, "good " * 300, *texts, "bad not " * 40]
    whole, states = model.predict_proba(mixed), model.hidden_states(mixed)
    width = 2 * QUICK["hidden_size"]
    monkeypatch.setattr(estimator, "MOST_OUTPUTS", 100 * width)
    shapes = [tuple(batch.words.shape) for batch in model.inputs(mixed)]
    assert sum(rows for _, rows in shapes) == len(mixed)
    assert all(steps * rows <= 100 or rows == 1 for steps, rows in shapes)
    assert max(rows for _, rows in shapes) > 5
    np.testing.assert_allclose(model.predict_proba(mixed), whole, atol=1e-6)
    assert [len(part) for part in model.hidden_states(mixed)] == [len(part) for part in states]
    monkeypatch.setattr(embedding, "MOST_WORDS", 3)
    np.testing.assert_allclose(model.predict_proba(mixed), whole, atol=1e-6)


def test_a_clone_has_the_same_options():
    model = TextClassifier(max_tokens=7, keep="end", class_weight="balanced")
    assert clone(model).get_params() == model.get_params()
