"""The texts of a beam: compiled ones give the bits of those in numpy, in any cut and from each other's snapshots; and memory that grows with the text, never with the steps."""

import json

import numpy as np
import pytest

from tenuto.engines.cpp.texts import CompiledTexts, available
from tenuto.networks.exact import log_probabilities
from tenuto.tasks.transcribe import texts as plain
from tenuto.tasks.transcribe.alignment import aligned
from tenuto.tasks.transcribe.alphabet import Alphabet
from tenuto.tasks.transcribe.decoding import EndRule, PrefixBeam
from tenuto.tasks.transcribe.prior import Prior
from tenuto.tasks.transcribe.texts import Chain, KeptTexts, Text, Texts, Way, new_texts, plain_texts, restore_texts, signs_of

RULE = EndRule(6, 30)
PRIOR = Prior(bonus=0.4, hot_words={"ab": 3.0, "a a": 2.0})


def drawn(steps, symbols, seed, *, sure=2.0, blank=0.0):
    logits = np.random.default_rng([seed, steps, symbols]).normal(0, sure, size=(steps, symbols)).astype(np.float32)
    logits[:, 0] += blank
    return log_probabilities(logits)


def beam(kind, beam_size, knowledge=None, rule=RULE):
    reader = PrefixBeam(rule, beam_size, knowledge)
    reader._texts = kind(beam_size)
    return reader


@pytest.mark.cpp
@pytest.mark.parametrize("symbols", [2, 4, 30])
@pytest.mark.parametrize("beam_size", [1, 2, 8, 50])
@pytest.mark.parametrize("seed", range(3))
def test_compiled_texts_have_the_bits_of_those_in_numpy(symbols, beam_size, seed):
    """Texts, times, probabilities and scores, piece by piece and step by step; cut anywhere, and one taken on from where the other stood."""
    rows = drawn(150, symbols, seed, sure=(0.3, 2.0, 6.0)[seed], blank=seed)
    if seed == 1:
        rows[20:30] = np.where(np.arange(symbols) == 1, 0.0, -np.inf)  # certain, and then impossible for most texts
    both = [beam(kind, beam_size) for kind in (CompiledTexts, Texts)]
    cuts = np.sort(np.random.default_rng(seed).integers(0, len(rows), 9))
    for part in np.split(rows, cuts):
        pieces = [list(reader.accept(part)) for reader in both]
        assert pieces[0] == pieces[1]
        assert both[0].n_best() == both[1].n_best() and both[0].partial() == both[1].partial() and both[0].symbols() == both[1].symbols()
        kept = [json.loads(json.dumps(reader.kept(), allow_nan=False)) for reader in both]
        for reader, others in zip(both, reversed(kept)):
            reader.resume(others)
    assert both[0].finish() == both[1].finish()
    whole = beam(CompiledTexts, beam_size)
    again = beam(CompiledTexts, beam_size)
    assert [*whole.accept(rows), whole.finish()] == [*(piece for row in rows for piece in again.accept(row[None])), again.finish()]


@pytest.mark.cpp
@pytest.mark.parametrize("again", [True, False])
def test_with_other_probabilities_after_each_text_too(again):
    """As a transducer has them; and where a symbol in the step after its own is written once more."""
    both = [kind(6, again=again) for kind in (CompiledTexts, Texts)]
    for step in range(120):
        rows = drawn(len(both[0]), 5, step)
        for texts in both:
            texts.read(rows, step)
        assert [both[0].text(place) for place in range(len(both[0]))] == [both[1].text(place) for place in range(len(both[1]))]
        assert np.array_equal(both[0].totals(), both[1].totals()) and signs_of(both[0], 0) == signs_of(both[1], 0)


@pytest.mark.cpp
def test_with_a_prior_too():
    rows, knowledge = drawn(200, 4, 5), PRIOR.open(Alphabet([" ", "a", "b"], lowercase=True))
    readers = [beam(kind, 6, knowledge) for kind in (CompiledTexts, Texts)]
    found = [[*reader.accept(rows), reader.finish()] for reader in readers]
    assert found[0] == found[1] and len(found[0]) > 1


@pytest.mark.parametrize("kind", [pytest.param(CompiledTexts, marks=pytest.mark.cpp), Texts])
def test_times_are_those_of_the_likeliest_way(kind):
    """Of a beam that keeps all: as forced alignment of its text finds them."""
    for seed in range(8):
        rows = drawn(6, 3, seed)
        reader = beam(kind, 10_000, rule=EndRule(1000, 1000))
        assert list(reader.accept(rows)) == []
        for place, (text, _) in enumerate(reader.n_best()):
            found = signs_of(reader._texts, place)
            assert [(start, end) for _, start, end, _ in found] == aligned(rows, text).spans and tuple(symbol for symbol, *_ in found) == text
            assert all(peak == rows[start:end, symbol].max() for symbol, start, end, peak in found)


@pytest.mark.cpp
@pytest.mark.parametrize("likeliest", ["one symbol for ever", "two in turns", "the blank", "anything"])
def test_memory_is_bounded_whatever_stays_likeliest(likeliest):
    """An end-point needs a blank, or a symbol that changes: where none comes, the piece goes on, and is kept in as much memory as its text takes."""
    logits = np.random.default_rng(3).normal(size=(20_000, 5))
    if likeliest == "one symbol for ever":
        logits[:, 1] += 9
    elif likeliest == "the blank":
        logits[:, 0] += 9
    elif likeliest == "two in turns":
        logits[np.arange(len(logits)), 1 + np.arange(len(logits)) % 2] += 9
    rows = log_probabilities(logits)
    reader = beam(CompiledTexts, 8)
    list(reader.accept(rows))
    held, kept = reader._texts.held(), len(json.dumps(reader.kept()))
    for _ in range(4):
        list(reader.accept(rows))
    assert reader._texts.held() < 1.5 * held and len(json.dumps(reader.kept())) < 2 * kept + 2000


@pytest.mark.cpp
def test_what_all_texts_share_is_kept_once():
    """Without end-points: a text of thousands of symbols, in the beam's eight texts."""
    rows = drawn(12_000, 5, 4)
    rows[:11_900] = np.where(np.arange(5) == (np.arange(11_900) % 3)[:, None], 0.0, -np.inf)
    reader = beam(CompiledTexts, 8, rule=EndRule(1 << 60, 1 << 60))
    list(reader.accept(rows))
    arrays = reader._texts.arrays()
    assert len(reader.symbols()) > 7900 and len(arrays["texts"]) == 8 and len(arrays["signs"]) < 1.1 * len(reader.symbols()) and reader._texts.held() < 40_000
    (one, *others) = [[(symbol, start, end) for symbol, start, end, _ in signs_of(reader._texts, place)] for place in range(8)]
    assert all(other[:7900] == one[:7900] for other in others)


@pytest.mark.cpp
def test_damaged_texts_are_refused_and_nothing_is_read_where_nothing_is():
    """A snapshot is a user's file: a place in it may be anything."""
    rows = drawn(60, 4, 1, sure=0.3)
    reader = beam(CompiledTexts, 4, rule=EndRule(1000, 1000))
    list(reader.accept(rows))
    kept = plain_texts(reader._texts)
    assert len(kept["signs"]["values"]) > 8
    tried = 0
    for name in ("signs", "texts"):
        for place in range(len(kept[name]["values"])):
            for wrong in (-2, 1 << 40):
                values = [*kept[name]["values"]]
                values[place] = wrong
                other = beam(CompiledTexts, 4, rule=EndRule(1000, 1000))
                try:
                    restore_texts(other._texts, {**kept, name: {**kept[name], "values": values}})
                    list(other.accept(rows))
                    other.partial()
                except (ValueError, IndexError):
                    tried += 1
    assert tried > len(kept["texts"]["values"])
    with pytest.raises(ValueError, match="do not belong together"):
        restore_texts(CompiledTexts(4), {**kept, "peaks": {"dtype": "float64", "shape": [0], "values": []}})


def test_no_compiler_or_another_engine_is_no_obstacle(monkeypatch):
    monkeypatch.setattr(plain.compiled, "available", lambda: False)
    assert isinstance(new_texts(4), Texts)
    monkeypatch.setattr(plain.compiled, "available", lambda: True)
    monkeypatch.setenv("TENUTO_ENGINE", "reference")
    assert isinstance(new_texts(4), Texts)


@pytest.mark.cpp
def test_a_compiler_is_used(monkeypatch):
    monkeypatch.delenv("TENUTO_ENGINE", raising=False)
    assert available() and isinstance(new_texts(4), CompiledTexts)
    first: KeptTexts = Texts(2)
    first.read(np.log([0.5, 0.5]), 0)
    assert first._texts == [Text((), np.log(0.5), -np.inf, Way(np.log(0.5)), Way(-np.inf)), Text((1,), -np.inf, np.log(0.5), Way(-np.inf), Way(np.log(0.5), None, 0, 1, np.log(0.5)))]
    first.read(np.log([0.1, 0.9]), 1)
    assert first._texts[0].by_symbol.before is None and isinstance(Chain(None, 1, 0, 1, 0.0), tuple)
