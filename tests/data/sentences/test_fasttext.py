"""Texts as fastText reads them."""

import pytest

from tenuto.data import read_labelled_text, read_labelled_text_splits
from tenuto.errors import DataError


def write(tmp_path, text, name="a.txt"):
    (tmp_path / name).write_text(text, encoding="utf-8")
    return tmp_path / name


def test_the_label_stands_before_the_text(tmp_path):
    data = read_labelled_text(write(tmp_path, "\n__label__good a fine film , really\n  __label__2\ttoo long __label__ of it\n\n__label__good\tmehr\n"))
    assert list(data.texts) == ["a fine film , really", "too long __label__ of it", "mehr"]
    assert (data.labels.tolist(), data.ids) == (["good", "2", "good"], ("2", "3", "5"))


def test_a_folder_of_parts(tmp_path):
    for part in ("train", "test"):
        write(tmp_path, "__label__a one\n__label__b two\n", f"{part}.ft.txt")
    splits = read_labelled_text_splits(tmp_path)
    assert splits.train.labels.tolist() == splits.test.labels.tolist() == ["a", "b"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("__label__a one\ntwo\n", "a.txt, line 2: it has 0 labels"),
        ("__label__a one\n\n__label__a __label__b two\n", "a.txt, line 3: it has 2 labels"),
        ("__label__ one\n", "a.txt, line 1: its label is empty"),
        ("__label__a\n", "a.txt(.|\n)*(empty|no token|no word)"),
    ],
)
def test_what_is_wrong_is_named(tmp_path, text, words):
    with pytest.raises(DataError, match=words):
        read_labelled_text(write(tmp_path, text))


def test_to_predict_labels_do_not_matter(tmp_path):
    data = read_labelled_text(write(tmp_path, "__label__a one\ntwo\n__label__a __label__b three\n__label__a\n"), labels=False, empty="skip")
    assert (list(data.texts), data.labels, data.ids) == (["one", "two", "three"], None, ("1", "2", "3"))
    assert [one.identity for one in data.left_out] == ["4"]


def test_a_plain_text_stays_one(tmp_path):
    data = read_labelled_text(write(tmp_path, "one of __label__a\ntwo\n"))
    assert data.labels is None and list(data.texts) == ["one of __label__a", "two"]
