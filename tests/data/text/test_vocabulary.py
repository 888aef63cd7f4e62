"""Vocabularies: any text comes back as it was, marks surround documents, and an unknown character is named or has its symbol."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tenuto.data.text.text import Text
from tenuto.data.text.vocabulary import UNITS, Vocabulary
from tenuto.errors import ArgumentError, DataError

SAMPLE = "The cat sat.\r\n\tIt's naïve — 猫が座った 🐈‍⬛ e\u0301 " + " low lower lowest" * 20


@pytest.mark.parametrize("units", UNITS)
def test_text_comes_back_as_it_was_from_data_too(units):
    vocabulary = Vocabulary.learn(Text.of(SAMPLE), units, size=300)
    tokens = vocabulary.encode(SAMPLE)
    assert vocabulary.decode(tokens) == SAMPLE
    assert 0 <= tokens.min() <= tokens.max() < vocabulary.size
    again = Vocabulary.from_data(json.loads(json.dumps(vocabulary.to_data())))
    assert again == vocabulary
    assert again.encode(SAMPLE).tolist() == tokens.tolist()
    decoder = again.decoder()
    assert "".join(decoder.decode(again.bytes_of(int(token))) for token in tokens) == SAMPLE


@given(text=st.text(st.characters(codec="utf-8")))
def test_bytes_and_pairs_know_every_text(text):
    for vocabulary in (_BYTES, _PAIRS):
        assert vocabulary.decode(vocabulary.encode(text)) == text


_BYTES, _PAIRS = (Vocabulary.learn(Text.of(SAMPLE), units, size=300) for units in ("bytes", "bpe"))


def test_byte_pairs_are_fewer_than_bytes_and_as_many_as_asked():
    assert 257 <= _PAIRS.size <= 300
    assert len(_PAIRS.encode(SAMPLE)) < len(_BYTES.encode(SAMPLE)) / 2
    assert _PAIRS.shown(int(_PAIRS.encode(" low")[0])) == " low"


def test_marks_surround_documents():
    text = Text.of(["ab", "c"])
    vocabulary = Vocabulary.learn(text)
    tokens, starts = vocabulary.encode_text(text)
    mark = vocabulary.boundary
    assert (tokens.tolist(), starts.tolist()) == ([mark, 0, 1, mark, 2, mark], [0, 3])
    assert [vocabulary.shown(token) for token in (0, mark)] == ["a", "⟨document⟩"]
    assert vocabulary.decode(tokens) == "abc"
    assert vocabulary.encode_text(Text.of("ca"))[0].tolist() == [mark, 2, 0, mark]  # a whole text is one document here
    whole = Vocabulary.learn(Text.of("abc"))
    assert (whole.boundary, whole.encode_text(Text.of("cab"))[1]) == (None, None)
    with pytest.raises(DataError, match="trained on one whole text"):
        whole.encode_text(text)


def test_an_unknown_character_is_named_with_its_place_or_has_its_symbol():
    with pytest.raises(DataError, match=r"document 1 has a character .* 'é' \(U\+00E9\) at position 3, line 2(.|\n)*2 of 5 characters(.|\n)*unknown='symbol'"):
        Vocabulary.learn(Text.of(["ab\n"])).encode_text(Text.of(["a", "ab\néé"]))
    vocabulary = Vocabulary.learn(Text.of("aaabbc"), unknown="symbol", minimum_count=2)
    assert vocabulary.encode("abcd").tolist() == [0, 1, vocabulary.unknown, vocabulary.unknown]
    assert (vocabulary.size, vocabulary.shown(vocabulary.unknown), vocabulary.decode([0, vocabulary.unknown, 1])) == (3, "⟨unknown⟩", "ab")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"units": "words"}, "units='words' is not known"),
        ({"unknown": "skip"}, "unknown='skip' is not known"),
        ({"minimum_count": 2}, "more with unknown='symbol'"),
        ({"units": "bpe", "size": 256}, "too small for byte pairs"),
    ],
)
def test_options_out_of_range_are_refused(options, said):
    with pytest.raises(ArgumentError, match=said):
        Vocabulary.learn(Text.of("abc"), **options)
