"""What the user leaves open is chosen from the amount and kind of data, kept with the run, and used by what is loaded."""

import json

import numpy as np
import pytest

from tenuto.data.pairs.symbols import kind_of
from tenuto.errors import ArgumentError
from tenuto.tasks import LanguageModel, Seq2Seq, SequenceClassifier, TextClassifier
from tenuto.tasks.pace import Pace


@pytest.mark.parametrize("items", [1, 2, 7, 24, 36, 270, 5000, 10**6])
def test_small_sets_get_small_batches_and_enough_steps_and_large_ones_are_read_several_times(items):
    pace = Pace(steps=1000, epochs=20, rows=(8, 32))
    rows = pace.batch_size(items)
    passes = pace.passes(items, rows)
    assert 8 <= rows <= 32 and rows & (rows - 1) == 0
    assert passes >= 20 and passes * -(-items // rows) >= 1000
    assert passes == 20 or (passes - 1) * -(-items // rows) < 1000  # and no more than that


def waves(count, steps, seed=0):
    draw = np.random.default_rng(seed)
    labels = np.arange(count) % 2
    return [np.sin(np.arange(steps) * (0.1 + 0.2 * label) + draw.uniform(0, 6))[:, None].astype(np.float32) for label in labels], labels


def test_a_run_keeps_what_was_chosen_and_gives_the_same_answers_when_it_is_loaded(tmp_path):
    x, y = waves(24, 300)
    model = SequenceClassifier("gru", hidden_size=8, num_layers=1, epochs=2).fit(x, y)
    assert model.get_params()["batch_size"] is None and model.get_params()["pooling"] == ("auto",)
    chosen = {name: model.options_[name] for name in ("batch_size", "epochs", "halvings", "pooling")}
    assert chosen == {"batch_size": 8, "epochs": 2, "halvings": 3, "pooling": ("mean", "max", "last", "parts")}
    assert 0 < model.options_["input_noise"] < 0.3  # a smooth series changes little from step to step
    model.save(tmp_path / "run")
    again = SequenceClassifier.load(tmp_path / "run")
    np.testing.assert_array_equal(again.predict_proba(x), model.predict_proba(x))
    assert json.loads((tmp_path / "run" / "config.json").read_text())["options"]["halvings"] == 3


def test_a_longer_run_for_fewer_sequences():
    x, y = waves(16, 10)
    model = SequenceClassifier("gru", hidden_size=4, num_layers=1, max_steps=3).fit(x, y)
    assert model.options_["epochs"] == 500 and model.options_["batch_size"] == 8 and model.options_["halvings"] == 0


def test_a_long_text_and_a_short_one():
    short, long = (LanguageModel("gru", hidden_size=4, num_layers=1, max_steps=1).fit("the cat sat. " * times) for times in (60, 6000))
    assert short.options_["batch_size"] < long.options_["batch_size"] == 32
    assert short.options_["epochs"] > long.options_["epochs"]


def test_words_that_are_seen_once_have_no_vector_of_their_own():
    texts = [f"so name{number} good" if number % 2 else f"so word{number} bad" for number in range(20)]
    model = TextClassifier("gru", hidden_size=4, word_size=4, epochs=1).fit(texts, [number % 2 for number in range(20)])
    assert set(model.coder_.words.entries) == {"so", "good", "bad"}


@pytest.mark.parametrize(
    ("sides", "kind"),
    [
        ([f"{a} {b} {c}" for a in "KTP" for b in ("AE", "IH", "OW") for c in "KTPS"] * 3, "words"),
        (["h e l l o", "y e l l o w"] * 30, "words"),
        (["one hundred two", "two hundred one", "one two"] * 40, "words"),
        ([f"the {word} sat on the mat" for word in map(str, range(50))], "characters"),  # every second new sentence has a word that was never seen
        (["2026-01-31", "2025-12-01"] * 20, "characters"),
        (["hello", "yellow"] * 20, "characters"),
        ([""] * 5, "characters"),
        ([("K", "AE"), ("T",)], "tokens"),
        ([("K", "AE"), "K AE T"], "characters"),
    ],
)
def test_the_symbols_of_pairs_are_recognised(sides, kind):
    assert kind_of(sides) == kind


def test_sounds_are_symbols_without_being_told(tmp_path):
    words = [a + b + c for a in "ktp" for b in "aio" for c in "ktp"]
    spoken = [" ".join({"a": "AE", "i": "IH", "o": "OW"}.get(letter, letter.upper()) for letter in word) for word in words]
    model = Seq2Seq("gru", hidden_size=8, embedding_size=4, epochs=1).fit(words, spoken)
    assert (model.options_["source_unit"], model.options_["target_unit"]) == ("characters", "words")
    assert set(model.target_symbols_.names) == {"AE", "IH", "OW", "K", "T", "P"}
    model.save(tmp_path / "run")
    assert Seq2Seq.load(tmp_path / "run").predict(words[:3]) == model.predict(words[:3])


def test_names_are_read_letter_by_letter(tmp_path):
    names, labels = ["van Gogh", "Monet", "Ana\u0301", "Klee"] * 5, ["a", "b", "c", "d"] * 5
    model = TextClassifier("gru", hidden_size=4, word_size=4, epochs=1).fit(names, labels)
    assert {" ", "v", "g", "á"} <= set(model.coder_.words.entries)
    model.save(tmp_path / "run")
    np.testing.assert_array_equal(TextClassifier.load(tmp_path / "run").predict_proba(names), model.predict_proba(names))
    assert model.options_["ngrams"] == 3 and "go" in model.coder_.ngrams[0].entries
    assert {"gog", "\nmo", "et\n"} <= set(model.coder_.ngrams[1].entries)
    forward = TextClassifier("gru", hidden_size=4, word_size=4, epochs=1, bidirectional=False).fit(names, labels)
    assert "et\n" not in forward.coder_.ngrams[1].entries and "\n\nm" in forward.coder_.ngrams[1].entries
    single = TextClassifier("gru", hidden_size=4, word_size=4, epochs=1, ngrams=1).fit(names, labels)
    assert not single.coder_.ngrams and not len(single.network_.front.ngrams)
    words = TextClassifier("gru", hidden_size=4, word_size=4, epochs=1, units="words").fit(names, labels)
    assert "monet" in words.coder_.words.entries and not words.coder_.ngrams
    lists = TextClassifier("gru", hidden_size=4, word_size=4, epochs=1).fit([["van", "Gogh"], ["Klee"]] * 5, [0, 1] * 5)
    assert "gogh" in lists.coder_.words.entries


def test_an_unknown_unit_is_refused():
    with pytest.raises(ArgumentError, match="units='sounds'(.|\n)*auto | words | letters"):
        TextClassifier(units="sounds").fit(["a", "b"] * 4, [0, 1] * 4)
