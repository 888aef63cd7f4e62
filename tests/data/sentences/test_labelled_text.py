"""Texts with labels: every format gives the same texts, and every fault is reported with its line."""

import json

import pytest

from tenuto.data import read_labelled_text, read_labelled_text_splits
from tenuto.errors import DataError

ROWS = [("a fine film, really", "good"), ("too long", "bad")]


def write(path, content):
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def write_parquet(path):
    import pyarrow
    import pyarrow.parquet

    pyarrow.parquet.write_table(pyarrow.table({"text": [text for text, _ in ROWS], "label": [label for _, label in ROWS]}), path)
    return path


@pytest.mark.parametrize("suffix", [".jsonl", ".csv", ".tsv", ".parquet"])
def test_every_format_gives_the_same(tmp_path, suffix):
    path = tmp_path / f"films{suffix}"
    if suffix == ".jsonl":
        write(path, "".join(json.dumps({"text": text, "label": label}) + "\n\n" for text, label in ROWS))
    elif suffix == ".csv":
        write(path, 'text,label\r\n"a fine film, really",good\r\ntoo long,bad\r\n')
    elif suffix == ".tsv":
        write(path, "label\ttext\ngood\ta fine film, really\nbad\ttoo long\n")
    else:
        write_parquet(path)
    data = read_labelled_text(path)
    assert [data.text(index) for index in range(2)] == [text for text, _ in ROWS]
    assert data.labels.tolist() == ["good", "bad"]
    assert (data.name, data.ids, len(data.sha256)) == ("films", ("0", "1"), 64)


def test_ids_tokens_other_names_and_no_labels(tmp_path):
    path = write(tmp_path / "a.jsonl", '{"id": "x7", "body": ["as", "it", "is"], "stars": 3}\n{"id": "x8", "body": "raw text", "stars": 5}\n')
    data = read_labelled_text(path, text_column="body", label_column="stars")
    assert (data.ids, data.tokens, data.labels.tolist()) == (("x7", "x8"), [("as", "it", "is"), ("raw", "text")], [3, 5])
    assert read_labelled_text(path, text_column="body").labels is None
    assert read_labelled_text(write(tmp_path / "a.txt", "one text\n\nanother\n")).tokens == [("one", "text"), ("another",)]


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("a.jsonl", b"", "holds no texts"),
        ("a.csv", b"text,label\n", "holds no texts"),
        ("a.jsonl", b'{"text": "a"}\nnot json\n', "line 2 is not JSON"),
        ("a.jsonl", b"[1]\n", "line 1 is not a JSON object"),
        ("a.jsonl", b'{"words": "a"}\n', "line 1: there is no 'text'"),
        ("a.jsonl", b'{"text": "a", "label": "x"}\n{"text": "b"}\n', "some texts have a 'label' and some have none"),
        ("a.jsonl", b'{"text": "a"}\n{"text": "b", "label": "x"}\n', "line 2: some texts have a 'label'"),
        ("a.jsonl", b'{"text": " "}\n', "line 1: the text has no word"),
        ("a.jsonl", b'{"text": 7}\n', "sentence '0' is not a list of tokens"),
        ("a.csv", b"text,label\na,b,c\n", "line 2: it has 3 cells, the header has 2"),
        ("a.csv", b"text,label\ncaf\xe9,x\n", r"is not UTF-8: byte 14 \(line 2"),
        ("a.doc", b"text", "in a format that is not read"),
        ("a.parquet", b"text", "cannot be read as Parquet"),
    ],
)
def test_faults_are_reported(tmp_path, name, content, words):
    with pytest.raises(DataError, match=words):
        read_labelled_text(write(tmp_path / name, content))


def test_parts_of_a_folder(tmp_path):
    for name in ("train", "dev", "test"):
        write(tmp_path / f"{name}.csv", f"text,label\n{name},x\n")
    splits = read_labelled_text_splits(tmp_path)
    assert [part.text(0) for part in (splits.train, splits.validation, splits.test)] == ["train", "dev", "test"]
    alone = read_labelled_text_splits(tmp_path / "train.csv", validation=tmp_path / "dev.csv")
    assert (alone.validation.text(0), alone.test) == ("dev", None)
    write(tmp_path / "valid.csv", "text,label\nx,x\n")
    with pytest.raises(DataError, match="2 sets for the validation part"):
        read_labelled_text_splits(tmp_path)
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="holds no data set"):
        read_labelled_text_splits(tmp_path / "empty")
