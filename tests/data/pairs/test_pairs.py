"""Pairs: what is refused, how they are split, and how their files are read, well-formed or not."""

import json

import numpy as np
import pytest

from tenuto.data.pairs.batches import NumberedPairs, collate_pairs
from tenuto.data.pairs.pairs import Pairs
from tenuto.data.pairs.read import read_pair_splits, read_pairs
from tenuto.data.pairs.symbols import BEGINNING, END, PADDING, UNKNOWN, Symbols, check_kind, join_side, split_side
from tenuto.errors import ArgumentError, DataError


def test_a_source_may_have_several_answers():
    pairs = Pairs(["a", ["x", "y"], "a", "a"], ["1", "2", "3", "1"])
    assert pairs.groups == {"a": [0, 2, 3], ("x", "y"): [1]}
    assert pairs.answers() == {"a": ["1", "3"], ("x", "y"): ["2"]}
    assert Pairs.of(pairs) is pairs
    assert Pairs.of(pairs, list("abcd")).answers()["a"] == ["a", "c", "d"]
    with pytest.raises(DataError, match="no targets"):
        Pairs(["a"]).answers()


def test_a_split_keeps_the_pairs_of_a_source_together_and_is_repeatable():
    pairs = Pairs([f"w{i // 3}" for i in range(90)], [str(i) for i in range(90)])
    rest, part = pairs.split(0.2, seed=3)
    assert len(part.groups) == 6 and len(part) == 18 and len(rest) == 72
    assert not set(part.source) & set(rest.source)
    assert pairs.split(0.2, seed=3)[1].target == part.target != pairs.split(0.2, seed=4)[1].target
    assert part.sha256 != rest.sha256
    with pytest.raises(ArgumentError, match="hold out"):
        pairs.split(1.0, seed=0)
    with pytest.raises(DataError, match="the same source"):
        pairs.select([0, 1]).split(0.5, seed=0)


@pytest.mark.parametrize(
    ("source", "target", "words"),
    [
        ([], [], "there are no pairs"),
        ("abc", None, "a single text is not a set"),
        (["a", ""], None, "pair '1' has an empty source"),
        (["a", "b"], ["x", "  "], "pair '1' has an empty target"),
        (["a", "b"], ["x"], "not as many targets as sources"),
        ([3], None, "pair '0' has a source that is not text"),
        ([["a", 1]], None, "source that is not text"),
    ],
)
def test_what_is_not_a_pair_is_named(source, target, words):
    with pytest.raises(DataError, match=words):
        Pairs(source, target)


def test_tsv_and_json_lines_are_read(tmp_path):
    tsv = tmp_path / "a.tsv"
    tsv.write_bytes("\ufeffcat\tK AE T\r\n\r\nnaïve\tN AY\u2028IY V\r\n".encode())
    pairs = read_pairs(tsv)
    assert pairs.source == ["cat", "naïve"] and pairs.target == ["K AE T", "N AY\u2028IY V"]
    assert pairs.ids == ("line 1", "line 3") and len(pairs.sha256) == 64 and pairs.name == "a"
    lines = [{"source": ["a", "b"], "target": "x", "note": 1}, {"source": "c", "target": ["d", "e f"]}]
    jsonl = tmp_path / "b.jsonl"
    jsonl.write_text("\n".join(map(json.dumps, lines)), encoding="utf-8")
    assert read_pairs(jsonl).source == [("a", "b"), "c"]
    assert read_pairs(jsonl).target == ["x", ("d", "e f")]
    alone = tmp_path / "c.txt"
    alone.write_text("cat\ndog\tD\n", encoding="utf-8")
    assert read_pairs(alone, targets=False).source == ["cat", "dog"]
    assert read_pairs(alone, targets=False).target is None


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("a.tsv", b"cat\tK\ndog\n", r"a.tsv, line 2: it has 1 column\.(.|\n)*source<TAB>target"),
        ("a.tsv", b"cat\tK\tAE\n", "line 1: it has 3 columns"),
        ("a.tsv", b"cat\tK\n\n \tD\n", "line 3: the source is empty"),
        ("a.tsv", b"cat\tK\ndog\t\n", r"line 2: the target is empty(.|\n)*empty='skip'"),
        ("a.tsv", b"ok\tK\ncaf\xe9\tK\n", "byte 8 .line 2, byte 3 of the line. is 0xe9"),
        ("a.tsv", b"\n\n", "has no pairs"),
        ("a.jsonl", b'{"source": "a", "target": "b"}\n{"source": \n', "line 2 is not JSON"),
        ("a.jsonl", b'{"source": "a"}\n', "line 1: there is no 'target'"),
        ("a.jsonl", b'["a", "b"]\n', "line 1 is not a JSON object"),
        ("a.jsonl", b'{"source": ["a", 2], "target": "b"}\n', "line 1: the source is not text"),
        ("a.xml", b"", "format that pairs are not read from"),
    ],
)
def test_a_bad_line_is_named(tmp_path, name, content, words):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=words):
        read_pairs(tmp_path / name)


def test_pairs_with_an_empty_side_can_be_left_out(tmp_path):
    (tmp_path / "a.tsv").write_text("cat\tK\ndog\t\n\tx\n", encoding="utf-8")
    pairs = read_pairs(tmp_path / "a.tsv", empty="skip")
    assert (len(pairs), pairs.skipped) == (1, 2)
    with pytest.raises(ArgumentError, match="error | skip"):
        read_pairs(tmp_path / "a.tsv", empty="drop")


def test_a_folder_gives_its_parts(tmp_path):
    for name in ("x_train.tsv", "dev.tsv", "x-test.jsonl"):
        (tmp_path / name).write_text('{"source": "a", "target": "b"}\n' if "jsonl" in name else f"{name}\tb\n", encoding="utf-8")
    splits = read_pair_splits(tmp_path)
    assert [splits.train.source, splits.validation.source, splits.test.source] == [["x_train.tsv"], ["dev.tsv"], ["a"]]
    alone = read_pair_splits(tmp_path / "dev.tsv", test=tmp_path / "x_train.tsv")
    assert alone.validation is None and alone.test.source == ["x_train.tsv"]
    (tmp_path / "valid.tsv").write_text("a\tb\n", encoding="utf-8")
    with pytest.raises(DataError, match="2 sets for the validation part"):
        read_pair_splits(tmp_path)
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="holds no data set"):
        read_pair_splits(tmp_path / "empty")
    with pytest.raises(DataError, match="no file|cannot be read"):
        read_pairs(tmp_path / "absent.tsv")


def test_sides_split_and_join_back():
    for side, kind in (("in time", "characters"), ("in time", "words"), (("T", " "), "tokens")):
        assert join_side(split_side(side, kind), kind) == side
    assert split_side(("T", "AY"), "characters") == ("T", "AY")
    with pytest.raises(DataError, match="symbols are expected"):
        split_side("text", "tokens")
    with pytest.raises(ArgumentError, match="characters | words | tokens"):
        check_kind("source_unit", "letters")


def test_unknown_symbols_follow_the_rule():
    table = Symbols.learn(["aab", "ac"], minimum_count=2)
    assert table.names == ("a",) and "a" in table and "b" not in table
    assert table.numbers("ab", where="x", unknown="symbol").tolist() == [4, UNKNOWN]
    assert table.texts([BEGINNING, 4, UNKNOWN, END]) == ("a",)
    with pytest.raises(DataError, match=r"the source of pair '7' has a symbol that training never saw: 'b' at position 1(.|\n)*U\+0062"):
        table.numbers("ab", where="the source of pair '7'")
    with pytest.raises(DataError, match="twice"):
        Symbols(["a", "a"])


def test_batches_are_padded_with_beginning_and_end():
    pairs = NumberedPairs([np.array([4, 5, 6]), np.array([7])], [np.array([8]), np.array([9, 10])])
    batch = collate_pairs(pairs, [1, 0])
    assert batch.source.T.tolist() == [[7, PADDING, PADDING], [4, 5, 6]]
    assert batch.lengths.tolist() == [1, 3] and batch.symbols == 5
    assert batch.read.T.tolist() == [[BEGINNING, 9, 10], [BEGINNING, 8, PADDING]]
    assert batch.wanted.T.tolist() == [[9, 10, END], [8, END, PADDING]]
    assert np.argsort(pairs.order).tolist() == [1, 0]
    assert collate_pairs(NumberedPairs(pairs.source, []), [0]).wanted.tolist() == [[END]]
