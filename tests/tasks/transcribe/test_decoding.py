"""From probabilities to text: equal to all ways tried out one by one; nothing written twice, nothing lost at an end-point (S3)."""

from itertools import groupby, product

import numpy as np
import pytest

from tenuto.errors import DataError
from tenuto.networks.exact import log_probabilities
from tenuto.tasks.transcribe.alignment import Way, aligned
from tenuto.tasks.transcribe.alphabet import BLANK, Alphabet, needed, plain
from tenuto.tasks.transcribe.decoding import Decoder, EndRule, Greedy, Piece, PrefixBeam, Sign, decoder
from tenuto.tasks.transcribe.writing import Token, Transcript, Writer, text_of, transcript, words_of

RULE = EndRule()


def drawn(steps, symbols, seed):
    return log_probabilities(np.random.default_rng([seed, steps]).normal(0, 2, size=(steps, symbols)).astype(np.float32))


def collapsed(path):
    return tuple(symbol for symbol, _ in groupby(path) if symbol != BLANK)


def tried_out(rows):
    """The probability of each text: all ways, one by one."""
    found = {}
    for path in product(range(rows.shape[1]), repeat=len(rows)):
        found.setdefault(collapsed(path), []).append(sum(rows[step, symbol] for step, symbol in enumerate(path)))
    return {text: np.logaddexp.reduce(ways) for text, ways in found.items()}


@pytest.mark.parametrize("steps", range(1, 7))
@pytest.mark.parametrize("seed", range(4))
def test_a_beam_that_keeps_all_is_exact(steps, seed):
    rows = drawn(steps, 3, seed)
    expected, reader = tried_out(rows), PrefixBeam(RULE, 10_000)
    assert isinstance(reader, Decoder) and list(reader.accept(rows)) == []
    found = reader.n_best()
    assert {text for text, _ in found} == set(expected) and found[0][1] == max(score for _, score in found)
    np.testing.assert_allclose([score for _, score in found], [expected[text] for text, _ in found], rtol=1e-9)


@pytest.mark.parametrize("seed", range(12))
def test_a_narrow_beam_never_says_more_than_is_true_and_a_wide_one_no_less_than_greedy(seed):
    rows = drawn(7, 3, seed)
    expected = tried_out(rows)
    greedy = collapsed(rows.argmax(1).tolist())
    for beam_size in (2, 4, 400):
        reader = PrefixBeam(RULE, beam_size)
        list(reader.accept(rows))
        text, score = reader.n_best()[0]
        assert score <= expected[text] + 1e-9
    assert expected[text] >= expected[greedy] - 1e-9


@pytest.mark.parametrize("beam_size", [1, 2, 5])
def test_the_symbols_so_far_are_those_of_the_piece_so_far(beam_size):
    reader = decoder(beam_size, EndRule(2, 6))
    for row in drawn(40, 3, 1):
        list(reader.accept(row[None]))
        assert reader.symbols() == tuple(sign.symbol for sign in reader.partial().signs)


def test_aa_needs_a_blank_and_keeps_it():
    sure = np.log(np.array([[0.01, 0.99], [0.98, 0.02], [0.02, 0.98]]))
    for beam_size in (1, 2, 50):
        reader = decoder(beam_size, RULE)
        list(reader.accept(sure))
        assert [(one.symbol, one.start, one.end) for one in reader.finish().signs] == [(1, 0, 1), (1, 2, 3)]
    reader = PrefixBeam(RULE, 50)
    list(reader.accept(sure[[0, 2]]))
    assert [one.symbol for one in reader.finish().signs] == [1]  # in two steps there is no room


def test_greedy_by_hand():
    rows = np.log(np.array([[0.1, 0.6, 0.3], [0.1, 0.7, 0.2], [0.2, 0.2, 0.6], [0.8, 0.1, 0.1], [0.3, 0.1, 0.6]]))
    reader = Greedy(RULE)
    assert list(reader.accept(rows)) == []
    piece = reader.finish()
    assert piece.signs == (Sign(1, 0, 2, pytest.approx(0.7)), Sign(2, 2, 3, pytest.approx(0.6)), Sign(2, 4, 5, pytest.approx(0.6)))
    assert piece.score == pytest.approx(np.log(0.6 * 0.7 * 0.6 * 0.8 * 0.6)) and reader.steps == 5
    assert Greedy(RULE).finish() is None


@pytest.mark.parametrize("beam_size", [1, 4])
def test_s3_after_an_end_point_nothing_is_lost(beam_size):
    """The same symbol before and after it; end-points come in blanks, so the text over all pieces is the text without them."""
    def row(symbol):
        return np.log(np.where(np.arange(3) == symbol, 0.98, 0.01))

    path = [0, 0, 1, 1, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 0, 0, 0, 2, 2]
    rows = np.array([row(symbol) for symbol in path])
    whole = decoder(beam_size, EndRule(1000, 1000))
    assert list(whole.accept(rows)) == []
    expected = [(one.symbol, one.start, one.end) for one in whole.finish().signs]
    reader = decoder(beam_size, EndRule(3, 1000))
    pieces = [*reader.accept(rows), reader.finish()]
    assert len(pieces) == 3 and [(one.symbol, one.start, one.end) for piece in pieces for one in piece.signs] == expected == [(1, 2, 4), (1, 8, 9), (2, 9, 10), (2, 17, 19)]
    long = decoder(beam_size, EndRule(1000, 4))
    pieces = [*long.accept(rows), long.finish()]
    assert [(one.symbol, one.start, one.end) for piece in pieces for one in piece.signs] == expected and len(pieces) == 4  # also where no blank stands between two
    silent = decoder(beam_size, EndRule(2, 4))
    assert list(silent.accept(np.array([row(0)] * 50))) == [] and silent.finish() is None  # S5: no piece without text
    if beam_size > 1:
        assert len(silent._texts) == 1 and not len(silent._texts.arrays()["signs"])  # and nothing is kept of silence


def ways_of(rows, text):
    return max(sum(rows[step, symbol] for step, symbol in enumerate(path)) for path in product(range(rows.shape[1]), repeat=len(rows)) if collapsed(path) == tuple(text))


@pytest.mark.parametrize("text", [[], [1], [1, 1], [1, 2, 1], [2, 2, 2]])
def test_alignment_is_the_likeliest_of_all_ways(text):
    for seed in range(3):
        rows = drawn(6, 3, seed)
        way = aligned(rows, text)
        assert isinstance(way, Way) and way.score == pytest.approx(ways_of(rows, text))
        assert len(way.spans) == len(text) and all(start < end for start, end in way.spans) and all(before[1] <= after[0] for before, after in zip(way.spans, way.spans[1:]))
    if needed(text) > 1:
        with pytest.raises(DataError, match="longer than the recording"):
            aligned(rows[: needed(text) - 1], text)


@pytest.mark.parametrize("steps", [1, 2, 7, 60])
def test_an_alignment_in_blocks_is_the_same(steps, monkeypatch):
    """Of an hour, where each way comes from is not kept for all steps at once."""
    for seed in range(3):
        rows, text = drawn(steps, 4, seed), np.random.default_rng(seed).integers(1, 4, size=steps // 4).tolist()
        whole = aligned(rows, text)
        monkeypatch.setattr("tenuto.tasks.transcribe.alignment.AT_ONCE", 1)
        assert aligned(rows, text) == whole
        monkeypatch.undo()


def test_an_alignment_where_little_can_be_written():
    certain = np.array([[0, -np.inf, -np.inf], [-np.inf, 0, -np.inf], [0, -np.inf, -np.inf]])
    assert aligned(certain, [1]) == Way([(1, 2)], 0.0) and aligned(np.empty((0, 3)), []) == Way([], 0.0) and aligned(certain[:1], []) == Way([], 0.0)
    for rows, text, said in ((certain, [2], "probability zero"), (certain[:1], [1], "probability zero"), (np.empty((0, 3)), [1], "longer than the recording")):
        with pytest.raises(DataError, match=said):
            aligned(rows, text)


def test_an_alphabet_is_that_of_the_transcripts():
    alphabet = Alphabet.learn(["Ein  Bär ", "a"], lowercase=True)
    assert alphabet.plain(" BÄR\n") == "bär" == plain("Bär", lowercase=True) and alphabet.outside("bx!") == ["!", "x"] and len(alphabet) == len(alphabet.characters) + 1
    assert [alphabet.characters[number - 1] for number in alphabet.numbers("Bär")] == ["b", "ä", "r"] and alphabet.names[:2] == ["⟨blank⟩", "⟨space⟩"]
    with pytest.raises(DataError, match="characters that training never saw"):
        alphabet.numbers("xylophone")


def test_a_space_is_written_when_the_next_word_begins():
    alphabet = Alphabet([" ", "a"], lowercase=True)
    space, letter = (lambda start: Sign(1, start, start + 1, 0.5)), (lambda start: Sign(2, start, start + 1, 0.9))
    pieces = [Piece((space(0), letter(1), space(2), space(3)), -1.0), Piece((letter(5), space(6)), -2.0), Piece((space(8),), -0.5)]
    writer = Writer(alphabet, 0.1)
    texts = [text_of(writer.write(piece)) for piece in pieces]
    whole = transcript(pieces, alphabet, 0.1, seconds=0.55)
    assert isinstance(whole, Transcript) and texts == ["a", " a", ""] and whole.text == "a a" and whole.score == -3.5
    assert whole.words == (Token("a", 0.1, 0.2, 0.9), Token("a", 0.5, 0.55, 0.9)) == words_of(whole.tokens)
