"""Where a data set came from: what a part of it says, and when its digest is that of the file; the same for every kind of data."""

import numpy as np
import pytest

from tenuto.data import Pairs, Sentences, Sequences, Source, random_split, read_splits
from tenuto.data.text.text import Text

FILE = Source("films", "sets/films.csv", "0" * 64, "file films.csv")
MADE = {
    "sequences": lambda **more: Sequences([np.full((2, 1), value) for value in range(4)], list("abab"), **more),
    "sentences": lambda **more: Sentences([[word] for word in "abcd"], None, list("abab"), **more),
    "pairs": lambda **more: Pairs(list("abcd"), list("efgh"), **more),
    "text": lambda **more: Text(tuple("abcd"), False, **more),
}
every_family = pytest.mark.parametrize("made", MADE.values(), ids=list(MADE))


def halves(data):
    if isinstance(data, Text):
        return data.split(0.5)
    return data.split(0.5, seed=0) if isinstance(data, Pairs) else random_split(data, 0.5, seed=0)


@every_family
def test_a_set_says_where_it_came_from(made):
    data = made(came_from=FILE)
    assert (data.name, data.path, data.sha256, data.origin) == ("films", "sets/films.csv", "0" * 64, "file films.csv")
    alone = made()
    assert (alone.path, alone.origin, len(alone.sha256)) == (None, "given", 64)
    assert alone.sha256 == made().sha256 == made(came_from=Source("another name")).sha256 != FILE.sha256


@every_family
def test_a_part_has_the_digest_of_what_it_holds(made):
    """Otherwise two runs on different parts of one file would pass for the same run."""
    whole, (first, second) = made(came_from=FILE), halves(made(came_from=FILE))
    assert len({whole.sha256, first.sha256, second.sha256}) == 3
    assert [part.sha256 for part in halves(made())] == [first.sha256, second.sha256]
    assert (first.name, first.path) == ("films", "sets/films.csv")
    assert first.origin.startswith("file films.csv, without ") and first.origin.endswith(second.origin)


def test_a_part_that_the_file_itself_names_has_the_digest_of_the_file(tmp_path):
    (tmp_path / "a.csv").write_text("id,x,split\na,1,train\nb,2,test\n", encoding="utf-8")
    splits = read_splits(tmp_path / "a.csv")
    assert splits.train.sha256 == splits.test.sha256 == splits.train.came_from.sha256
    assert (splits.train.origin, splits.test.origin) == ("split 'train' of the file", "split 'test' of the file")
    assert splits.train.labelled(["u"]).sha256 != splits.train.sha256


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Sequences([np.zeros((1, 1))], ids=["a", "b"]), "not as many ids as sequences"),
        (lambda: Sequences([np.zeros((1, 1))], ["a", "b"]), "not as many labels as sequences"),
        (lambda: Sentences([["a"]], [["O"], ["O"]]), "not as many tag sequences as sentences"),
        (lambda: Sentences([["a"]], None, ["a", "b"]), "not as many labels as sentences"),
        (lambda: Pairs(["a"], ["b", "c"]), "not as many targets as sources"),
        (lambda: Pairs(["a"], ids=[]), "not as many ids as sources"),
    ],
)
def test_one_of_each_for_each_item(make, words):
    with pytest.raises(ValueError, match=words):
        make()
