"""Words of any script: no cut parts a letter from its marks; texts come in many containers; a run keeps the rule by which it was trained."""

import json
import unicodedata

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from tenuto.cli import app
from tenuto.data import Pairs, Sentences, read_labelled_text, tokenise
from tenuto.data.sentences.batches import TokenCoder
from tenuto.data.text import Text
from tenuto.errors import DataError
from tenuto.runs.folder import digest_of
from tenuto.tasks import Tagger, TextClassifier


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("हिन्दी में किताब है।", ["हिन्दी", "में", "किताब", "है", "।"]),
        ("বাংলা ভাষা", ["বাংলা", "ভাষা"]),
        ("தமிழ் மொழி", ["தமிழ்", "மொழி"]),
        ("שָׁלוֹם, עוֹלָם!", ["שָׁלוֹם", ",", "עוֹלָם", "!"]),
        ("צה״ל ג׳ורג׳", ["צה״ל", "ג׳ורג", "׳"]),
        ("اللُّغَةُ العَرَبِيَّة", ["اللُّغَةُ", "العَرَبِيَّة"]),
        ("می\u200cخواهم بروم", ["می\u200cخواهم", "بروم"]),
        ("ភាសា ខ្មែរ", ["ភាសា", "ខ្មែរ"]),
        ("cafe\u0301 (nai\u0308ve)", ["cafe\u0301", "(", "nai\u0308ve", ")"]),
        ("Za\u0306lgo\u0334\u0321!", ["Za\u0306lgo\u0334\u0321", "!"]),
        ("col·lecció 3·5", ["col·lecció", "3", "·", "5"]),
        ("❤️ 👍🏽👩‍👩‍👧 🇩🇪🇫🇷 1️⃣", ["❤️", "👍🏽", "👩‍👩‍👧", "🇩🇪", "🇫🇷", "1️⃣"]),
        ("\u200fשלום\u200f Donau\u00addampf \ufeffx", ["שלום", "Donaudampf", "x"]),
        ("ไทย\u200bภาษา", ["ไทย", "ภาษา"]),
        ("naïve café №5, don't", ["naïve", "café", "№", "5", ",", "don", "'", "t"]),
        (" \u200d\u200c ", []),
    ],
)
def test_words_keep_their_marks(text, words):
    assert tokenise(text) == words


@given(st.text())
def test_nothing_that_is_seen_is_lost(text):
    kept = "".join(letter for letter in text if letter.isalnum() or unicodedata.category(letter)[0] in "MPS")
    assert "".join(letter for token in tokenise(text) for letter in token if letter in kept) == kept


@given(st.lists(st.tuples(st.characters(categories=["L", "Nd"]), st.text(st.characters(categories=["Mn", "Mc", "Me"]), max_size=3)), min_size=1, max_size=8))
def test_letters_with_any_marks_are_one_word(letters):
    word = "".join(letter + marks for letter, marks in letters)
    assert tokenise(f"({word}) {word}") == ["(", word, ")", word]


@given(st.text(st.characters(max_codepoint=127)))
def test_plain_english_is_cut_as_ever(text):
    assert tokenise(text) == tokenise(text, 1)


def test_composed_and_decomposed_letters_are_the_same_word():
    composed = Sentences(["café élan", "über"])
    apart = Sentences([unicodedata.normalize("NFD", text) for text in ("café élan", "über")])
    for learnt in (composed, apart):
        coder = TokenCoder.learn(learnt)
        ours, theirs = coder.code(composed), coder.code(apart)
        for name in ("types", "type_words", "type_cases", "type_characters", "type_lengths"):
            np.testing.assert_array_equal(getattr(ours, name), getattr(theirs, name))
        assert (ours.type_words[1:] > 1).all()


TEXTS = ["हिन्दी में एक किताब", "שָׁלוֹם עוֹלָם", "a fine film", "too long"]


def containers():
    pandas, pyarrow = pytest.importorskip("pandas"), pytest.importorskip("pyarrow")
    table = pandas.DataFrame({"text": TEXTS})
    return [
        np.array(TEXTS),
        np.array(TEXTS, dtype=object),
        np.array(TEXTS)[:, None],
        np.array(TEXTS, dtype=object)[:, None],
        np.ma.array(TEXTS)[:, None],
        tuple(TEXTS),
        iter(TEXTS),
        table["text"],
        table,
        table.to_numpy(),
        pyarrow.array(TEXTS),
        pyarrow.table(table),
        pyarrow.chunked_array([TEXTS]),
    ]


@pytest.mark.parametrize("which", range(13))
def test_texts_in_any_container_are_n_texts(which):
    data = Sentences(containers()[which])
    assert data.texts == tuple(TEXTS)
    assert data.tokens == [tuple(tokenise(text)) for text in TEXTS]
    pairs = Pairs(containers()[which], containers()[which])
    assert pairs.source == pairs.target == TEXTS
    assert Text.of(containers()[which]).documents == tuple(TEXTS)


def test_what_is_no_column_of_texts_is_refused_in_words():
    pandas = pytest.importorskip("pandas")
    table = pandas.DataFrame({"text": TEXTS, "label": TEXTS})
    for make in (Sentences, Pairs, Text.of):
        with pytest.raises(DataError, match=r"a table of 2 columns(.|\n)*text, label(.|\n)*x\[NAME\]"):
            make(table)
    with pytest.raises(DataError, match="a single value"):
        Sentences(np.array("text"))
    for missing in (np.ma.array(TEXTS, mask=[0, 1, 0, 0]), pandas.Series([TEXTS[0], None]), np.ma.array(TEXTS, mask=[0, 1, 0, 0])[:, None]):
        with pytest.raises(DataError, match="sentence '1' is not a list of tokens"):
            Sentences(missing)
    tagged = Sentences(np.array([["New York"], ["stop"]]), [["B"], ["O"]])
    assert tagged.tokens == [("New York",), ("stop",)]
    assert Sentences(np.array([["a", "b"], ["c", "d"]])).tokens == [("a", "b"), ("c", "d")]


def test_a_plain_text_is_named_by_its_line(tmp_path):
    (tmp_path / "a.txt").write_text("a fine film\n\n  \ntoo long\n", encoding="utf-8")
    assert read_labelled_text(tmp_path / "a.txt").ids == ("1", "4")
    x = ["a fine film", "too long"] * 8
    run = TextClassifier("gru", hidden_size=4, word_size=4, epochs=1, random_state=0).fit(x, ["good", "bad"] * 8).save(tmp_path / "run")
    found = CliRunner().invoke(app, ["predict", str(run), str(tmp_path / "a.txt")])
    assert [line.split(",")[0] for line in found.stdout.splitlines()] == ["id", "1", "4"]


def without_rule(run):
    """The run as an earlier version would have written it."""
    config = json.loads((run / "config.json").read_text(encoding="utf-8"))
    assert config["preprocessing"].pop("rule") == 2
    del config["sha256"]
    (run / "config.json").write_text(json.dumps({**config, "sha256": digest_of(config)}), encoding="utf-8")
    return run


def test_a_run_cuts_as_it_was_trained(tmp_path):
    y = ["hi", "he", "en", "en"] * 6
    model = TextClassifier("gru", hidden_size=6, word_size=6, epochs=3, random_state=0).fit(TEXTS * 6, y)
    assert model.coder_.rule == 2
    first, second = ([tokenise(text, rule) for text in TEXTS] for rule in (1, 2))
    again = TextClassifier.load(model.save(tmp_path / "run"))
    np.testing.assert_array_equal(again.predict_proba(TEXTS), model.predict_proba(second))
    old = TextClassifier.load(without_rule(tmp_path / "run"))
    assert old.coder_.rule == 1
    np.testing.assert_array_equal(old.predict_proba(TEXTS), model.predict_proba(first))
    assert old.score(TEXTS, y[:4]) == model.score(first, y[:4])
    result = old.evaluate(Sentences(TEXTS, labels=y[:4]))
    assert result["loss"] == model.evaluate(first, y[:4])["loss"]
    shown = {example["id"]: example["tokens"] for example in old.evaluation_["examples"]}
    assert all(tokens == first[int(identity)] for identity, tokens in shown.items())
    assert len(old.hidden_states(TEXTS)[0]) == len(first[0])
    kept = TextClassifier.load(old.save(tmp_path / "old"))
    assert kept.coder_.rule == 1
    assert old.fit(TEXTS * 6, y).coder_.rule == 2  # trained anew
    np.testing.assert_array_equal(old.predict_proba(TEXTS), old.predict_proba(second))


def test_a_tagger_cuts_as_it_was_trained(tmp_path):
    tagger = Tagger("gru", hidden_size=4, word_size=4, epochs=1, random_state=0).fit([tokenise(text) for text in TEXTS] * 4, [["O", "A", "O", "A"][: len(tokenise(text))] for text in TEXTS] * 4)
    old = Tagger.load(without_rule(tagger.save(tmp_path / "run")))
    assert [len(row) for row in tagger.predict(TEXTS)] == [len(tokenise(text)) for text in TEXTS]
    assert [len(row) for row in old.predict(TEXTS)] == [len(tokenise(text, 1)) for text in TEXTS]
