"""What is known of texts before anything is heard: a language model and hot words in the beam equal all texts tried out one by one; bonuses are taken back."""

import json
from functools import cache

import numpy as np
import pytest

from tenuto.errors import ArgumentError
from tenuto.tasks import LanguageModel
from tenuto.tasks.transcribe.alphabet import Alphabet
from tenuto.tasks.transcribe.decoding import EndRule, PrefixBeam
from tenuto.tasks.transcribe.prior import Fusion, Hot, HotWords, Knowledge, Known, Prior, digest, hot_words_of
from tests.tasks.transcribe.spoken import fitted, said
from tests.tasks.transcribe.test_decoding import drawn, tried_out

RULE, ABC = EndRule(1000, 1000), Alphabet([" ", "a", "b"], lowercase=True)
HOT = {"ab": 3.0, "a a": 2.0, "aba": 1.5, "b": -0.5}


@cache
def language(text="ab ab aab ba " * 8, **options):
    return LanguageModel("gru", hidden_size=8, epochs=2, validation_fraction=0.2, **options).fit(text)


def by_hand(text, hot):
    """What hot words add to a text that ends: those that stand in it with a space, or nothing, before and after them."""
    between = f" {text} "
    return sum(bonus * sum(between.startswith(f" {word} ", place) for place in range(len(between))) for word, bonus in hot.items())


def by_language(model, text, weight):
    """The language model's log-probability of a text, character by character through its public door."""
    places = {symbol.decode(): place for place, symbol in enumerate(model.vocabulary_.symbols)}
    start = "" if model.vocabulary_.boundary is not None else " "
    return weight * sum(model.predict_log_proba(start + text[:place])[0, places[character]] for place, character in enumerate(text))


@pytest.mark.parametrize("documents", [False, True])
@pytest.mark.parametrize("steps", range(1, 7))
def test_a_beam_that_keeps_all_is_all_texts_tried_out(steps, documents):
    model = language(("ab ab", "aab ba", "a a", "bb a ab") * 4) if documents else language()
    rows = drawn(steps, 4, steps)
    prior = Prior(model, weight=0.7, bonus=0.4, hot_words=HOT) if steps < 5 else Prior(bonus=0.4, hot_words=HOT)  # thousands of texts are too many for the model's public door
    reader = PrefixBeam(RULE, 100_000, prior.open(ABC))
    assert list(reader.accept(rows)) == []
    heard = tried_out(rows)
    gained = dict(zip([text for text, _ in reader.n_best()], reader._gained + np.array([one.ending for one in reader._known])))
    assert set(gained) == set(heard)
    words = {symbols: "".join(ABC.characters[symbol - 1] for symbol in symbols) for symbols in heard}
    expected = {symbols: 0.4 * len(text) + by_hand(text, HOT) + (by_language(model, text, 0.7) if steps < 5 else 0.0) for symbols, text in words.items()}
    np.testing.assert_allclose([gained[one] for one in heard], [expected[one] for one in heard], atol=2e-4)
    best = max(heard, key=lambda one: heard[one] + expected[one])
    piece = reader.finish()
    assert tuple(sign.symbol for sign in piece.signs) == best if best else piece is None
    if best:
        assert piece.score == pytest.approx(heard[best], rel=1e-9)  # S9: the score is of what was heard alone


@pytest.mark.parametrize("beam_size", [2, 5])
def test_a_language_model_reads_only_what_may_matter_and_nothing_changes(beam_size, monkeypatch):
    rows = 3 * drawn(40, 4, 9)
    rows -= np.logaddexp.reduce(rows, axis=1, keepdims=True)
    prior, found, reads = Prior(language(), weight=0.7, hot_words=HOT), [], []
    once = Knowledge.read
    monkeypatch.setattr(Knowledge, "read", lambda self, known: reads.append(len(known)) or once(self, known))
    for everything in (False, True):
        reads.clear()
        if everything:
            after = Knowledge.after
            monkeypatch.setattr(Knowledge, "after", lambda self, known, symbol: self.read([after(self, known, symbol)])[0])
        reader = PrefixBeam(RULE, beam_size, prior.open(ABC))
        list(reader.accept(rows))
        found.append(([text for text, _ in reader.n_best()], reader._gained, sum(reads)))
    assert found[0][0] == found[1][0] and found[0][2] < found[1][2]
    np.testing.assert_allclose(found[0][1], found[1][1], atol=1e-6)


def test_a_bonus_is_given_as_a_word_is_begun_and_taken_back_where_something_else_comes():
    hot, space, a, b = HotWords({"aab": 3.0}, ABC), 1, 2, 3

    def given(*symbols):
        at, total = Hot((), True), 0.0
        for symbol in symbols:
            total += hot.gains(at, 4)[symbol]
            at = hot.after(at, symbol)
        return total, total + hot.ending(at)

    assert given(a) == (1.0, 0.0) and given(a, a) == (2.0, 0.0) and given(a, a, b) == (3.0, 3.0)
    assert given(a, a, b, space) == (3.0, 3.0) and given(a, a, b, a) == (0.0, 0.0) and given(a, b) == (0.0, 0.0)
    assert given(b, a, a, b) == (0.0, 0.0) and given(b, space, a, a, b) == (3.0, 3.0) and given(a, space, a) == (1.0, 0.0)


def test_a_language_model_is_read_state_by_state():
    model = language()
    fusion = Fusion(model, ABC, 1.0)
    _, state = fusion.begin()
    both = fusion.after([state, state], [2, 3])
    (again,) = fusion.after([both[1][1]], [1])
    expected = model.predict_log_proba(" b ")[0][[model.vocabulary_.encode(character)[0] for character in ABC.characters]]
    np.testing.assert_allclose(again[0][1:], expected, atol=1e-5)
    known = Knowledge(ABC, fusion, HotWords(HOT, ABC), 0.0).begin()
    kept = Known.of(known.kept())
    assert kept.hot == known.hot and np.array_equal(kept.gains, known.gains) and all(map(np.array_equal, kept.state, known.state))


@pytest.mark.parametrize("encoder", ["pre-norm", "transformer", "hybrid", "dnc"])
def test_a_language_model_of_any_encoder_ranks_texts(encoder):
    """Its states are put side by side, taken apart, and go through JSON."""
    model = language(encoder=encoder, num_layers=2)
    knowledge = Knowledge(ABC, Fusion(model, ABC, 0.7), HotWords({}, ABC), 0.0)
    long = short = knowledge.begin()
    for symbol in (2, 3, 2):
        (long,) = knowledge.read([knowledge.after(long, symbol)])
    long = Known.of(json.loads(json.dumps(knowledge.after(long, 3).kept(), allow_nan=False)))
    for known, before in zip(knowledge.read([long, knowledge.after(short, 2)]), ("abab", "a")):
        expected = [by_language(model, before + character, 0.7) - by_language(model, before, 0.7) for character in ABC.characters]
        np.testing.assert_allclose(known.gains[1:], expected, rtol=1e-4, atol=1e-5)


@cache
def speaking():
    """A language model that knows "lo hi lo hi", and never two equal words."""
    return LanguageModel("gru", hidden_size=16, epochs=30, learning_rate=0.02, validation_fraction=0.2).fit(["lo hi lo hi lo hi"] * 20)


def test_what_is_known_changes_what_is_written():
    model, wave = fitted(), said(["lo", "lo", "hi"])
    assert model.predict([wave], beam_size=8, prior=Prior(speaking(), weight=0.1)) == ["lo lo hi"] == model.predict([wave])
    assert model.predict([wave], beam_size=8, prior=Prior(hot_words={"hi": -60.0, "ho": 60.0})) != ["lo lo hi"]
    events = [*(stream := model.stream(beam_size=4, prior=Prior(speaking(), hot_words={"lo": 1.0}))).accept(wave.samples[:5000])]
    other = model.stream(beam_size=4, prior=Prior(speaking(), hot_words={"lo": 1.0})).restore(stream.snapshot())
    events += [*other.accept(wave.samples[5000:]), *other.finish()]
    (whole,) = model.transcribe([wave], beam_size=4, prior=Prior(speaking(), hot_words={"lo": 1.0}))
    finals = [event for event in events if event.kind == "final"]
    assert ("".join(event.text for event in finals), sum(event.score for event in finals)) == (whole.text, whole.score)
    with pytest.raises(ArgumentError, match="differs in prior"):
        model.stream(beam_size=4).restore(stream.snapshot())
    assert digest(None) == "" != digest(Prior(bonus=1.0)) != digest(Prior(speaking()))


def test_what_a_prior_cannot_be_is_told():
    model = fitted()
    for call, words in (
        (lambda: Prior(), "knows nothing"),
        (lambda: Prior(speaking(), weight=-1.0), r"weight=-1\.0"),
        (lambda: Prior(hot_words={" ": 1.0}), "hot word"),
        (lambda: Prior(hot_words={"lo": float("nan")}), "hot word"),
        (lambda: hot_words_of("lo=2,hi"), "'hi' has no bonus"),
        (lambda: model.predict([said(["lo"])], prior=Prior(bonus=1.0)), "greedy search takes no prior"),
        (lambda: model.predict([said(["lo"])], beam_size=2, prior=Prior(hot_words={"xylo": 1.0})), "never writes"),
        (lambda: model.predict([said(["lo"])], beam_size=2, prior=Prior(language("ab" * 60, unknown="error"))), "does not know"),
        (lambda: model.predict([said(["lo"])], beam_size=2, prior=Prior(model)), "needs a fitted language model of characters"),
        (lambda: fitted(head="transducer").predict([said(["lo"])], beam_size=2, prior=Prior(bonus=1.0)), "a transducer takes no prior"),
    ):
        with pytest.raises(ArgumentError, match=words):
            call()
