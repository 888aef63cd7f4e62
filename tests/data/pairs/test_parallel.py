"""Pairs in two parallel files, one side in each."""

import gzip

import pytest

from tenuto.data import Form, Sides, read_pair_splits, read_pairs, read_parallel
from tenuto.data.pairs.parallel import words_of
from tenuto.errors import ArgumentError, DataError

BY_WORD = Sides(parallel="de=en")


def write(folder, **files):
    for name, text in files.items():
        (folder / name.replace("__", ".")).write_text(text, encoding="utf-8")


def test_a_line_of_each_is_a_pair(tmp_path):
    write(tmp_path, train__de="ein Haus\n\nzwei\tHäuser\n", train__en="a house\n\ntwo houses\n")
    pairs = read_pairs(tmp_path / "train.de", sides=BY_WORD)
    assert (pairs.source, pairs.target, pairs.ids) == (["ein Haus", "zwei\tHäuser"], ["a house", "two houses"], ("line 1", "line 3"))
    again = read_parallel(tmp_path / "train.de", tmp_path / "train.en")
    assert (again.source, again.target, again.ids, again.sha256) == (pairs.source, pairs.target, pairs.ids, pairs.sha256)
    assert pairs.origin == "files train.de and train.en"
    write(tmp_path, train__en="a house\n\ntwo home\n")
    assert read_pairs(tmp_path / "train.de", sides=BY_WORD).sha256 != pairs.sha256


@pytest.mark.parametrize(
    ("source", "target", "parallel"),
    [("train.de", "train.en", "de=en"), ("src-train.txt", "tgt-train.txt", "src=tgt"), ("europarl.de-en.de", "europarl.de-en.en", "de=en"), ("a.zh-CN.txt", "a.en.txt", "zh-CN=en"), ("train.de.txt.gz", "train.en.txt.gz", "de=en"), ("sources.txt", "targets.txt", "sources=targets")],
)  # fmt: skip
def test_the_names_differ_in_one_word(tmp_path, source, target, parallel):
    for name, text in ((source, b"ein\n"), (target, b"one\n")):
        (tmp_path / name).write_bytes(gzip.compress(text) if name.endswith(".gz") else text)
    pairs = read_pairs(tmp_path / source, sides=Sides(parallel=parallel))
    assert (pairs.source, pairs.target) == (["ein"], ["one"])


def test_a_folder_of_parts(tmp_path):
    for part in ("train", "dev", "test"):
        write(tmp_path, **{f"{part}__de": "ein\n", f"{part}__en": f"{part}\n", f"{part}__fr": "un\n"})
    splits = read_pair_splits(tmp_path, sides=BY_WORD)
    assert [part.target for part in (splits.train, splits.validation, splits.test)] == [["train"], ["dev"], ["test"]]
    with pytest.raises(DataError, match="holds no data set"):
        read_pair_splits(tmp_path)
    with pytest.raises(DataError, match="holds no data set"):
        read_pair_splits(tmp_path, sides=Sides(parallel="xx=en"))


def test_to_predict_the_sources_are_enough(tmp_path):
    write(tmp_path, new__de="ein\n\nzwei\n", other__txt="drei\nvier\t4\n")
    pairs = read_pairs(tmp_path / "new.de", sides=BY_WORD, targets=False, empty="skip")
    assert (pairs.source, pairs.target, pairs.ids) == (["ein", "zwei"], None, ("line 1", "line 3"))
    assert [one.identity for one in pairs.left_out] == ["line 2"]
    assert read_pairs(tmp_path / "other.txt", sides=BY_WORD, targets=False).source == ["drei", "vier"]  # no name of a parallel file: read as others are


@pytest.mark.parametrize(
    ("source", "target", "words"),
    [
        ("ein\nzwei\n", "one\n", r"train.de has 2 lines, but (.|\n)*train.en has 1(.|\n)*after line 1"),
        ("ein\n\ndrei\n", "one\ntwo\nthree\n", "train.de, line 2: the source is empty"),
        ("ein\nzwei\n", "one\n \n", "train.de, line 2: the target is empty"),
        ("\n", "\n", "has no pairs"),
    ],
)
def test_what_is_wrong_is_named(tmp_path, source, target, words):
    write(tmp_path, train__de=source, train__en=target)
    with pytest.raises(DataError, match=words):
        read_pairs(tmp_path / "train.de", sides=BY_WORD)
    if "is empty" in words:
        assert read_pairs(tmp_path / "train.de", sides=BY_WORD, empty="skip").skipped == 1
        with pytest.raises(DataError, match="line 2 is empty"):
            read_parallel(tmp_path / "train.de", tmp_path / "train.en")


def test_empty_lines_at_the_end_of_one_file_are_no_lines(tmp_path):
    write(tmp_path, train__de="ein\n", train__en="one\n\n \n")
    assert read_pairs(tmp_path / "train.de", sides=BY_WORD).target == ["one"]


def test_files_that_are_not_there_or_in_another_encoding(tmp_path):
    write(tmp_path, train__de="ein\n")
    with pytest.raises(DataError, match=r"there is no file .*train.en"):
        read_pairs(tmp_path / "train.de", sides=BY_WORD)
    with pytest.raises(DataError, match="does not have the word 'fr'"):
        read_pairs(tmp_path / "train.de", sides=Sides(parallel="fr=en"))
    (tmp_path / "train.en").write_bytes("é\n".encode("latin-1"))
    with pytest.raises(DataError, match="train.en is not UTF-8"):
        read_pairs(tmp_path / "train.de", sides=BY_WORD)
    assert read_pairs(tmp_path / "train.de", sides=BY_WORD, form=Form(encoding="latin-1")).target == ["é"]
    with pytest.raises(DataError, match=r"a format that pairs are not read from(.|\n)*parallel='de=en'"):
        read_pairs(tmp_path / "train.de")


@pytest.mark.parametrize("wrong", ["de", "de=", "=en", "de=de", "="])
def test_the_words_must_be_two(wrong):
    with pytest.raises(ArgumentError, match="SOURCE=TARGET"):
        words_of(wrong)
