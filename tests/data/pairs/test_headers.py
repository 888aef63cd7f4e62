"""Pairs under a header, and with an attribution after them."""

import pytest

from tenuto.data import read_pairs
from tenuto.errors import DataError


def read(tmp_path, text, name="a.tsv", **options):
    (tmp_path / name).write_text(text, encoding="utf-8")
    pairs = read_pairs(tmp_path / name, **options)
    return pairs.source, pairs.target, pairs.ids


@pytest.mark.parametrize("header", ["source\ttarget", "Source\tTarget", "src\ttgt", "input\toutput", " source \t target "])
@pytest.mark.parametrize("name", ["a.tsv", "a.txt"])
def test_a_header_is_no_pair(tmp_path, header, name):
    assert read(tmp_path, f"\ufeff{header}\n\ncat\tK\nsource\ttarget\n", name) == (["cat", "source"], ["K", "target"], ("line 3", "line 4"))


def test_a_header_says_which_column_is_which(tmp_path):
    text = "id\ttarget\tnote\tsource\n1\tK\t\tcat\n2\tD\tx\tdog\n"
    assert read(tmp_path, text)[:2] == (["cat", "dog"], ["K", "D"])
    assert read(tmp_path, text, targets=False)[:2] == (["cat", "dog"], None)
    with pytest.raises(DataError, match="line 3: it has 1 column, the header has 2"):
        read(tmp_path, "target\tsource\nK\tcat\ndog\n")
    with pytest.raises(DataError, match="two columns are the same side"):
        read(tmp_path, "source\tsrc\ttarget\nK\tcat\tx\n")
    with pytest.raises(DataError, match="no pairs"):
        read(tmp_path, "source\ttarget\n")


@pytest.mark.parametrize("first", ["source\tQuelle", "cat\ttarget", "source", "input\tsrc"])
def test_words_that_a_header_also_has_are_pairs(tmp_path, first):
    if "\t" in first:
        assert read(tmp_path, f"{first}\ncat\tK\n")[0] == [first.split("\t")[0], "cat"]
    assert read(tmp_path, f"{first}\ncat\n", targets=False)[0] == [first.split("\t")[0], "cat"]


ANKI = "CC-BY 2.0 (France) Attribution: tatoeba.org #2877272 (CM) & #1158250 (Wittydev)"


@pytest.mark.parametrize("more", [ANKI, "CC BY 2.0", "tatoeba.org #1", "CC0"])
def test_an_attribution_is_left_out(tmp_path, more):
    assert read(tmp_path, f"Go.\tVa !\t{more}\nHi.\tSalut.\n")[:2] == (["Go.", "Hi."], ["Va !", "Salut."])
    assert read(tmp_path, f"Go.\tVa !\t{more}\n", targets=False)[0] == ["Go."]


def test_another_third_column_is_refused(tmp_path):
    for targets in (True, False):
        with pytest.raises(DataError, match="line 1: it has 3 columns"):
            read(tmp_path, "1\tGo.\tVa !\n", targets=targets)
