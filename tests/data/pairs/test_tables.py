"""Pairs in CSV, Parquet and JSON, and which columns the two sides are."""

import json

import pytest

from tenuto.data import Form, Sides, read_pair_splits, read_pairs
from tenuto.errors import ArgumentError, DataError


def read(tmp_path, text, name="a.csv", **how):
    (tmp_path / name).write_text(text, encoding="utf-8")
    pairs = read_pairs(tmp_path / name, **how)
    return pairs.source, pairs.target, pairs.ids


def test_a_csv_needs_no_header(tmp_path):
    assert read(tmp_path, 'cat,K\n\n"one, two","a ""b""\nc"\ndog,D\n') == (["cat", "one, two", "dog"], ["K", 'a "b"\nc', "D"], ("line 1", "line 3", "line 5"))
    assert read(tmp_path, "cat\ndog,\n", targets=False) == (["cat", "dog"], None, ("line 1", "line 2"))
    with pytest.raises(DataError, match=r"line 2: it has 1 column(.|\n)*source,target(.|\n)*exactly one comma"):
        read(tmp_path, "cat,K\ndog\n")


@pytest.mark.parametrize("header", ["id,target,source", "n,tgt,src"])
def test_a_header_names_the_sides(tmp_path, header):
    assert read(tmp_path, f"{header}\n1,K,cat\n2,D,dog\n")[:2] == (["cat", "dog"], ["K", "D"])
    assert read(tmp_path, f"{header}\n1,,cat\n2,D,dog\n", targets=False)[:2] == (["cat", "dog"], None)


@pytest.mark.parametrize("name", ["a.csv", "a.tsv", "a.txt"])
def test_the_columns_can_be_said(tmp_path, name):
    separator = "," if name == "a.csv" else "\t"
    text = "n,deutsch,englisch\n1,Haus,house\n2,Hund,dog\n".replace(",", separator)
    assert read(tmp_path, text, name, sides=Sides("englisch", "deutsch"))[:2] == (["house", "dog"], ["Haus", "Hund"])
    assert read(tmp_path, text, name, sides=Sides("englisch"), targets=False)[0] == ["house", "dog"]
    with pytest.raises(DataError, match=r"a\..*, line 1: the header does not name both sides(.|\n)*Sides\(source"):
        read(tmp_path, text, name, sides=Sides("english", "deutsch"))
    body = text.split("\n", 1)[1]
    for form in (Form(), Form(header="no")):
        assert read(tmp_path, body, name, sides=Sides("2", "1"), form=form)[:2] == (["house", "dog"], ["Haus", "Hund"])
        assert read(tmp_path, body, name, sides=Sides("2", "1"), form=form, targets=False)[0] == ["house", "dog"]
    with pytest.raises(DataError, match="line 1: it has 3 columns"):
        read(tmp_path, body, name, sides=Sides("3", "1"))
    with pytest.raises(ArgumentError, match="column 1 would be both sides"):
        read(tmp_path, body, name, sides=Sides("1"))
    with pytest.raises(DataError, match="line 1: the header does not name"):
        read(tmp_path, body, name, form=Form(header="yes"))


def test_parquet_and_json_are_the_same(tmp_path):
    pyarrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    rows = [{"source": "cat", "target": "K AE T", "n": 1}, {"source": "dog", "target": "D", "n": 2}]
    expected = (["cat", "dog"], ["K AE T", "D"])
    parquet.write_table(pyarrow.Table.from_pylist(rows), tmp_path / "a.parquet")
    pairs = read_pairs(tmp_path / "a.parquet")
    assert (pairs.source, pairs.target, pairs.ids) == (*expected, ("row 1", "row 2"))
    assert read(tmp_path, json.dumps(rows), "a.json")[:2] == expected
    parquet.write_table(pyarrow.Table.from_pylist([{"source": ["c", "a"], "target": None}]), tmp_path / "b.parquet")
    assert read_pairs(tmp_path / "b.parquet", targets=False).source == [("c", "a")]
    with pytest.raises(DataError, match="b.parquet, row 1: the target is not text"):
        read_pairs(tmp_path / "b.parquet")
    with pytest.raises(DataError, match=r"no column 'quelle'(.|\n)*Sides\(source"):
        read_pairs(tmp_path / "a.parquet", sides=Sides("quelle"))


def test_a_folder_of_any_of_them(tmp_path):
    (tmp_path / "train.csv").write_text("cat,K\n")
    (tmp_path / "test.json").write_text('[{"source": "cat", "target": "K"}]')
    splits = read_pair_splits(tmp_path)
    assert splits.train.source == splits.test.source == ["cat"]
