"""Rows from JSON: lines, arrays, an object with an array inside; keys inside of others; and what is wrong is named with its line."""

import json

import pytest

from tenuto.data import read_labelled_text, read_pairs
from tenuto.data.text import read_text
from tenuto.errors import DataError

ROWS = [{"text": "a fine film", "label": "good", "id": "p"}, {"text": "too\nlong", "label": "bad", "id": "q"}]
NESTED = [{"id": row["id"], "review": {"text": row["text"], "more": {}}, "tags": [[], row["label"]]} for row in ROWS]
FORMS = {
    "an array": lambda rows: json.dumps(rows),
    "an array on many lines": lambda rows: json.dumps(rows, indent=2),
    "an object with an array": lambda rows: json.dumps({"version": 2, "of": ["a", "b"], "data": rows, "none": []}, indent=1),
    "lines": lambda rows: "".join(json.dumps(row) + "\n" for row in rows),
    "lines with empty ones between": lambda rows: "\n" + "\n \n".join(json.dumps(row) for row in rows),
}


def write(tmp_path, text, name="a.json"):
    (tmp_path / name).write_text(text, encoding="utf-8")
    return tmp_path / name


def content(data):
    return list(data.texts), None if data.labels is None else data.labels.tolist(), data.ids


@pytest.mark.parametrize("form", FORMS.values(), ids=list(FORMS))
@pytest.mark.parametrize("ends", ["\n", "\r\n", "\r"])
def test_every_form_gives_the_same(tmp_path, form, ends):
    expected = ([row["text"] for row in ROWS], ["good", "bad"], ("p", "q"))
    for mark in ("", "\ufeff"):
        path = tmp_path / "a.json"
        path.write_bytes((mark + form(ROWS).replace("\n", ends)).encode())
        assert content(read_labelled_text(path)) == expected
        path.write_bytes((mark + form(NESTED).replace("\n", ends)).encode())
        assert content(read_labelled_text(path, text_column="review.text", label_column="tags.1")) == expected


def test_text_and_pairs_reach_inside_too(tmp_path):
    rows = [{"translation": {"de": "ein Haus", "en": "a house"}}, {"translation": {"de": ["e", "s"], "en": "it"}}]
    from tenuto.data import Sides

    pairs = read_pairs(write(tmp_path, json.dumps(rows)), sides=Sides("translation.de", "translation.en"))
    assert (pairs.source, pairs.target, pairs.ids) == (["ein Haus", ("e", "s")], ["a house", "it"], ("line 1, item 1", "line 1, item 2"))
    assert read_text(write(tmp_path, json.dumps({"rows": NESTED})), text_column="review.text").documents == ("a fine film", "too\nlong")


def test_a_key_with_dots_is_itself_first(tmp_path):
    path = write(tmp_path, json.dumps([{"a.b": "plain", "a": {"b": "inside"}, "label": "x"}]))
    assert list(read_labelled_text(path, text_column="a.b").texts) == ["plain"]


def test_one_object_is_one_row(tmp_path):
    assert list(read_labelled_text(write(tmp_path, '{"text": "one", "label": "a"}')).texts) == ["one"]
    assert list(read_labelled_text(write(tmp_path, '{"text": "one", "label": "a", "more": [{"b": 1}]}')).texts) == ["one"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('[\n{"text": "a"},\n{"text": "b"\n', "a.json, line 4 is not JSON"),
        ('[\n{"text": "a"},\n{"text": "b"}\n', "a.json, line 4 is not JSON: the array does not end"),
        ('[\n{"text": "a"}\n{"text": "b"}]', "a.json, line 3 is not JSON: the array goes on without a comma"),
        ('[\n{"text": "a"},\n\n{"note": "b"}]', "a.json, line 4, item 2: there is no 'text'"),
        ('[\n{"text": "a"},\n["b"]]', "a.json, line 3, item 2 is not a JSON object"),
        ('[\n{"text": "a"},\n{"text": "b", "text": "c"}]', "line 3, item 2 is not JSON: two keys are named 'text'"),
        ('{"a": [{"text": "a"}], "b": [{"text": "b"}]}', r"a.json is an object with 2 arrays of objects inside(.|\n)*'a', 'b'"),
        ('{"a": {"text": "a"}}', "an object with 0 arrays of objects inside"),
        ('{"text": "a"}\n{"text": "b"\n', "a.json, line 2 is not JSON"),
        ("", "a.json, line 1 is not JSON"),
        ("[]", "holds no texts"),
        ('"text"', "neither an array nor an object"),
        ("[" * 100_000, "nested too deeply|is not JSON"),
        ('[{"text": ' + "9" * 5_000 + "}]", "a.json, line 1"),
        ('[{"text": "\\ud800"}]', "half a character"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named_with_its_line(tmp_path, text, words):
    with pytest.raises(DataError, match=words) as caught:
        read_labelled_text(write(tmp_path, text))
    assert len(str(caught.value)) < 1_500


def test_json_lines_must_be_lines(tmp_path):
    with pytest.raises(DataError, match=r"line 1 is not a JSON object(.|\n)*one JSON object per line"):
        read_labelled_text(write(tmp_path, json.dumps(ROWS), "a.jsonl"))


def test_parquet_reaches_inside_too(tmp_path):
    pyarrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    parquet.write_table(pyarrow.Table.from_pylist(NESTED_LISTS), tmp_path / "a.parquet")
    data = read_labelled_text(tmp_path / "a.parquet", text_column="review.text", label_column="tags.1")
    assert content(data) == (["a fine film", "too\nlong"], ["good", "bad"], ("p", "q"))
    with pytest.raises(DataError, match="row 1: there is no 'review.body'"):
        read_labelled_text(tmp_path / "a.parquet", text_column="review.body")


NESTED_LISTS = [{"id": row["id"], "review": {"text": row["text"]}, "tags": ["", row["label"]]} for row in ROWS]
