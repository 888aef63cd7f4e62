"""Text from files: every format gives the same documents, the held-out end has whole documents, and every fault is reported with its place."""

import hashlib
import json

import pytest

from tenuto.data.text.text import Text, read_text, read_text_splits, read_texts, text_parts
from tenuto.errors import ArgumentError, DataError

DOCUMENTS = ("to be, or\nnot", "that is")


def write(path, content):
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def test_a_plain_file_is_one_whole_text_unchanged(tmp_path):
    text = read_text(write(tmp_path / "play.txt", b"\xef\xbb\xbfna\xc3\xafve\r\n"))
    assert (text.documents, text.whole, text.characters, text.name) == (("naïve\r\n",), True, 7, "play")
    assert text.sha256 == hashlib.sha256((tmp_path / "play.txt").read_bytes()).hexdigest()


def test_every_table_gives_the_same_documents(tmp_path):
    import pyarrow
    import pyarrow.parquet

    write(tmp_path / "a.jsonl", "".join(json.dumps({"body": text}) + "\n\n" for text in DOCUMENTS))
    write(tmp_path / "a.csv", 'id,body\r\n1,"to be, or\nnot"\r\n2,that is\r\n')
    pyarrow.parquet.write_table(pyarrow.table({"body": DOCUMENTS}), tmp_path / "a.parquet")
    for suffix in ("jsonl", "csv", "parquet"):
        text = read_text(tmp_path / f"a.{suffix}", text_column="body")
        assert (text.documents, text.whole) == (DOCUMENTS, False)
    write(tmp_path / "a.tsv", 'body\tid\n"to be," or not\t1\nthat is\t2\n')
    assert read_text(tmp_path / "a.tsv", text_column="body").documents == ('"to be," or not', "that is")


def test_several_files_are_documents(tmp_path):
    files = [write(tmp_path / "a.txt", "one"), write(tmp_path / "b.jsonl", '{"text": "two"}\n{"text": "three"}\n')]
    text = read_texts(files)
    assert (text.documents, text.whole, text.path, text.origin) == (("one", "two", "three"), False, str(tmp_path), "2 files: a.txt, b.jsonl")
    assert text.sha256 != read_texts(files[::-1]).sha256
    assert read_texts(files[:1]) == read_text(files[0])
    with pytest.raises(DataError, match="no file to read"):
        read_texts([])


def test_a_folder_has_its_parts(tmp_path):
    for name in ("train.txt", "valid.txt", "test.jsonl", "notes.txt"):
        write(tmp_path / name, '{"text": "abcd"}\n')
    splits = read_text_splits(tmp_path, test=tmp_path / "notes.txt")
    assert [part.path.rsplit("/", 1)[1] for part in (splits.train, splits.validation, splits.test)] == ["train.txt", "valid.txt", "notes.txt"]
    assert read_text_splits(tmp_path / "train.txt").validation is None
    write(tmp_path / "dev.txt", "x")
    with pytest.raises(DataError, match="2 sets for the validation part"):
        text_parts(tmp_path)
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="holds no data set"):
        read_text_splits(tmp_path / "empty")


def test_the_end_is_held_out_and_documents_stay_whole():
    first, last = Text.of("abcdefghij").split(0.3)
    assert (first.documents, last.documents) == (("abcdefg",), ("hij",))
    assert last.origin == last.called() == "the last 30% of the training text"
    first, last = Text.of(["aaaa", "bbbb", "cc", "dd"]).split(0.25)
    assert (first.documents, last.documents) == (("aaaa", "bbbb"), ("cc", "dd"))
    assert last.called(1) == "document 1 of the last 25% of the training text"
    assert Text.of(["aaaa", "bbbb"]).split(0.99)[0].documents == ("aaaa",)
    for text in (Text.of("abc"), Text.of(["one document"])):
        with pytest.raises(DataError, match="too short to hold a part"):
            text.split(0.5)
    with pytest.raises(ArgumentError, match="out of range"):
        Text.of("abcdefgh").split(1.0)


def test_the_digest_tells_documents_from_one_text():
    digests = {Text.of(value).sha256 for value in ("ab", ["ab"], ["a", "b"], ["b", "a"])}
    assert len(digests) == 4


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.txt", b"", "the text is empty"),
        ("a.txt", b"one\ntw\xf6", r"byte 6 \(line 2, byte 2 of the line\) is 0xf6(.|\n)*after 'tw'(.|\n)*iconv"),
        ("a.jsonl", b'{"text": "a"}\n{"text": }', "line 2 is not JSON"),
        ("a.jsonl", b'{"text": "a"}\n\n{"text": ""}', "line 3: 'text' holds no text"),
        ("a.jsonl", b"", "no documents"),
        ("a.csv", b"text\na\n,\n", "line 3: it has 2 cells, the header has 1"),
        ("a.csv", b"body\na\n", "no column 'text'(.|\n)*text_column"),
        ("a.parquet", b"PAR1", "cannot be read"),
    ],
)
def test_a_bad_file_is_reported_with_its_place(tmp_path, name, content, said):
    with pytest.raises(DataError, match=said) as caught:
        read_text(write(tmp_path / name, content))
    assert name in str(caught.value) or content == b""


def test_what_is_not_text_is_refused():
    with pytest.raises(DataError, match="no file"):
        read_text("nowhere.txt")
    for value in (b"bytes", 3, None):
        with pytest.raises(DataError, match="this is not text"):
            Text.of(value)
    with pytest.raises(DataError, match="document 1 is not text"):
        Text.of(["a", 2])
    with pytest.raises(DataError, match="document 1 is empty(.|\n)*leave it out"):
        Text.of(["a", ""])
