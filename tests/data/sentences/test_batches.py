"""Tokens as numbers: known and unknown words, and batches that hold every token once."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tenuto.data import Sentences
from tenuto.data.decode import decode_utf8, read_decoded
from tenuto.data.sentences.batches import CASES, CodedSentences, TokenBatch, TokenCoder, case_of
from tenuto.data.sentences.lexicon import PADDING, UNKNOWN, Lexicon
from tenuto.data.sentences.vectors import read_vectors
from tenuto.errors import DataError

words = st.text(alphabet="abcABC19-é", min_size=1, max_size=12)


def test_a_lexicon_orders_by_frequency_then_text():
    lexicon = Lexicon.learn("b a b c c d".split(), min_count=2, more=["z", "b"])
    assert lexicon.entries == ("b", "c", "z")
    assert lexicon.counts == (2, 2, 0)
    assert lexicon.encode(["z", "a", "b"]).tolist() == [4, UNKNOWN, 2]
    assert len(lexicon) == 5
    assert Lexicon.from_data(lexicon.to_data()) == lexicon


@given(st.lists(st.lists(words, min_size=1, max_size=6), min_size=1, max_size=6))
def test_a_batch_holds_each_token_as_it_is(rows):
    data = Sentences(rows)
    coder = TokenCoder.learn(data, character_limit=8)
    coded = coder.code(data)
    assert isinstance(coded, CodedSentences)
    order = np.arange(len(rows))[::-1]
    batch = coded.batch(order)
    assert isinstance(batch, TokenBatch)
    backward = {number: letter for letter, number in coder.characters.numbers.items()}
    for column, index in enumerate(order):
        for step, token in enumerate(rows[index]):
            assert coder.words.entries[batch.words[step, column] - 2] == token.lower()
            assert batch.cases[step, column] == case_of(token)
            row = batch.types[step, column]
            letters = batch.characters[: batch.character_lengths[row], row].tolist()
            assert "".join(backward[letter] for letter in letters) == (token if len(token) <= 8 else token[:4] + token[-4:])
        assert (batch.words[len(rows[index]) :, column] == PADDING).all()
    assert batch.lengths.tolist() == [len(rows[index]) for index in order]
    assert coder.unknown_share(data) == 0
    assert coder.to_data() == TokenCoder.from_data(coder.to_data()).to_data()


@pytest.mark.parametrize("around", [False, True])
@given(st.lists(st.lists(st.sampled_from("aAbé"), min_size=1, max_size=6), min_size=1, max_size=6))
def test_n_grams_are_those_of_their_place(around, rows):
    data = Sentences(rows)
    coder = TokenCoder.learn(data, longest=4, around=around, min_count=2)
    order = np.arange(len(rows))[::-1]
    batch = coder.code(data).batch(order)
    assert batch.ngrams.shape == (3, *batch.words.shape)
    everywhere = ["".join(["#"] * 4 + row + ["#"] * 4).lower() for row in rows]
    for size, known in enumerate(coder.ngrams, start=2):
        first = 4 - (size - 1) + ((size - 1) // 2 if around else 0)
        found = [[text[first + step : first + step + size] for step in range(len(row))] for text, row in zip(everywhere, rows)]
        every = [one for row in found for one in row]
        assert sorted(entry.replace("\n", "#") for entry in known.entries) == sorted({one for one in every if every.count(one) > 1})
        for column, index in enumerate(order):
            numbers = [known.numbers.get(one.replace("#", "\n"), UNKNOWN) for one in found[index]]
            assert batch.ngrams[size - 2, :, column].tolist() == numbers + [PADDING] * (len(batch.words) - len(numbers))
    assert TokenCoder.from_data(coder.to_data()) == coder


def test_what_training_did_not_have_is_unknown():
    coder = TokenCoder.learn(Sentences([["Play", "Jazz"]]), lowercase=False)
    batch = coder.code(Sentences([["play", "Jazz", "Österreich"]])).batch(np.array([0]))
    assert batch.words[:, 0].tolist() == [UNKNOWN, coder.words.numbers["Jazz"], UNKNOWN]
    first = batch.characters[:, batch.types[2, 0]].tolist()
    assert first[0] == UNKNOWN
    assert coder.unknown_share(Sentences([["play", "Jazz"]])) == 0.5


@pytest.mark.parametrize(
    ("word", "case"),
    [("a", "lower"), ("A", "capitalised"), ("Éa", "capitalised"), ("USA", "upper"), ("U.S.", "upper"), ("eBay", "mixed"), ("7", "number"), ("7th", "with digits"), ("--", "no letters")],
)
def test_case(word, case):
    assert CASES[case_of(word)] == case


@pytest.mark.parametrize("header", ["", "3 2\n"], ids=["GloVe", "word2vec"])
def test_vectors_from_text(tmp_path, header):
    path = tmp_path / "vectors.txt"
    path.write_text(header + "the 0.5 -1\ncafé 1e-2 2\nrare 3 4\nthe 9 9\n", encoding="utf-8")
    found, numbers = read_vectors(path)
    assert found == ["the", "café", "rare"]
    np.testing.assert_allclose(numbers, [[0.5, -1], [0.01, 2], [3, 4]])
    assert read_vectors(path, first=1, wanted={"rare"})[0] == ["the", "rare"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "holds no word vectors"),
        (b"a 1 2\nb 1\n", "line 2: it has 1 numbers"),
        (b"a 1 x\n", "line 1: could not convert"),
        (b"a 1 2\n\xff 1 2\n", "line 2 is not UTF-8: byte 0"),
    ],
)
def test_vectors_with_faults(tmp_path, content, message):
    path = tmp_path / "vectors.txt"
    path.write_bytes(content)
    with pytest.raises(DataError, match=message):
        read_vectors(path)
    with pytest.raises(DataError, match="there is no file"):
        read_vectors(tmp_path / "none.txt")


def test_text_files_are_utf8_or_the_byte_is_named(tmp_path):
    path = tmp_path / "a.txt"
    path.write_bytes("\ufeffgrün\n".encode())
    assert read_decoded(path)[0] == "grün\n"
    with pytest.raises(DataError, match=r"here is not UTF-8: byte 3 \(line 1, byte 3 of the line\) is 0xfc"):
        decode_utf8(b"abc\xfcn", "here")
    with pytest.raises(DataError, match="cannot be read"):
        read_decoded(tmp_path)
