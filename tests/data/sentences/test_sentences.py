"""`Sentences`: tokens, tags and labels must fit together; the message says where they do not."""

import numpy as np
import pytest

from tenuto.data import Sentences, Source, random_split, stratified_split, tokenise
from tenuto.errors import ArgumentError, DataError

TOKENS = [["play", "jazz"], ["stop"], ["play", "it", "again"]]
TAGS = [["O", "B-genre"], ["O"], ["O", "O", "O"]]


def test_what_is_given_is_kept():
    data = Sentences(TOKENS, TAGS, ["play", "stop", "play"], came_from=Source("commands"))
    assert data.tokens == [tuple(row) for row in TOKENS]
    assert data.tags == [tuple(row) for row in TAGS]
    assert data.lengths.tolist() == [2, 1, 3]
    assert data.tag_counts == {"B-genre": 1, "O": 5}
    assert data.class_counts == {"play": 2, "stop": 1}
    assert repr(data) == "Sentences(3 sentences, 1 to 3 tokens, 2 tags, 2 classes)"
    part = data.select([2, 0], origin="two of them")
    assert (part.ids, part[0], part.tags[1], part.labels.tolist(), part.origin) == (("2", "0"), ("play", "it", "again"), ("O", "B-genre"), ["play", "play"], "two of them")


def test_raw_text_is_cut_and_kept():
    data = Sentences(["Don't stop!", ["as", "it", "is"]])
    assert data.tokens == [("Don", "'", "t", "stop", "!"), ("as", "it", "is")]
    assert [data.text(0), data.text(1)] == ["Don't stop!", "as it is"]
    assert data.select([0]).text(0) == "Don't stop!"
    assert tokenise("  ") == []
    assert tokenise("naïve café №5") == ["naïve", "café", "№", "5"]


def test_arrays_of_tokens_and_lists_made_of_sentences():
    data = Sentences.of([np.array(["a", "b"]), ["c"]], [("x", "y"), ("z",)])
    assert data[0] == ("a", "b")
    assert Sentences.of(data) is data
    relabelled = Sentences.of(data, labels=[1, 2])
    assert relabelled.tags == data.tags
    assert relabelled.labels.tolist() == [1, 2]


def test_the_digest_is_of_the_content():
    first, same, other = Sentences(TOKENS, TAGS), Sentences(TOKENS, TAGS, came_from=Source("other name")), Sentences(TOKENS, [["O", "O"], *TAGS[1:]])
    assert first.sha256 == same.sha256 != other.sha256
    assert Sentences(TOKENS, came_from=Source(sha256="abc")).sha256 == "abc"
    assert Sentences(TOKENS, came_from=Source(sha256="abc")).select([0]).sha256 != "abc"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (([],), "there are no sentences"),
        (("one text",), "the data is a single text"),
        (([["a"], []],), "sentence '1' has no tokens"),
        (([["a"], "  "],), "sentence '1' has no tokens"),
        (([["a"], ["b", 3]],), "token 1 of sentence '1' is not text"),
        (([["a", ""]],), "token 1 of sentence '0' is empty"),
        (([["a"], 7],), "sentence '1' is not a list of tokens"),
        (([["a", "b"]], [["X"]]), "sentence '0' has 2 tokens and 1 tags"),
        (([["a"]], ["X"]), "the tags of sentence '0' are a single text"),
        (([["a"]], [["X"], ["X"]]), "not as many tag sequences as sentences"),
        (([["a"]], None, ["x", "y"]), "not as many labels as sentences"),
        (([["a"], ["b"]], None, ["x", 3]), "labels are of more than one kind"),
        (([["a"], ["b"]], None, ["x", None]), "label at position 1 is missing"),
    ],
)
def test_what_does_not_fit_together(arguments, words):
    with pytest.raises(DataError, match=words):
        Sentences(*arguments)


def test_each_sentence_has_one_id():
    with pytest.raises(DataError, match="not as many ids as sentences"):
        Sentences(TOKENS, ids=["a", "b"])


def test_splits_are_complete_and_repeatable():
    data = Sentences([[str(number)] for number in range(20)], labels=["a", "b"] * 10)
    for split in (random_split, stratified_split):
        first, second = split(data, 0.2, seed=3)
        assert sorted(first.ids + second.ids, key=int) == list(data.ids)
        assert len(second) == 4
        assert split(data, 0.2, seed=3)[1].ids == second.ids
        assert split(data, 0.2, seed=4)[1].ids != second.ids
    assert second.class_counts == {"a": 2, "b": 2}
    assert second.origin == "20% of the training sequences, by class, seed 3"
    assert [len(part) for part in random_split(data.select([0, 1]), 0.01, seed=0)] == [1, 1]
    with pytest.raises(DataError, match="one sequence cannot be split"):
        random_split(data.select([0]), 0.5, seed=0)
    with pytest.raises(ArgumentError, match="out of range"):
        random_split(data, 1.0, seed=0)
