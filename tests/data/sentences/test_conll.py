"""Tagged sentences from files: both layouts are read, parts are found, and every fault is reported with its line."""

import re

import pytest

from tenuto.data import Parts, read_conll, read_slots, read_tagged, read_tagged_splits
from tenuto.data.sentences.conll import tagged_parts
from tenuto.errors import DataError

COLUMNS = "EU NNP B-ORG\nrejects VBZ O\n\n\nBonn NNP B-LOC\n"


def write(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


@pytest.mark.parametrize(
    "content",
    [
        COLUMNS,
        COLUMNS.rstrip("\n"),
        COLUMNS.replace("\n", "\r\n"),
        COLUMNS.replace(" ", "\t"),
        "\ufeff" + COLUMNS,
        "-DOCSTART- -X- O\n\n# sent_id = 1\n# newdoc\n" + COLUMNS,
    ],
    ids=["spaces", "no last line end", "carriage returns", "tabs", "byte order mark", "comments"],
)
def test_one_token_on_each_line(tmp_path, content):
    data = read_conll(write(tmp_path / "news.conll", content))
    assert data.tokens == [("EU", "rejects"), ("Bonn",)]
    assert data.tags == [("B-ORG", "O"), ("B-LOC",)]
    assert data.name == "news"
    assert data.path == str(tmp_path / "news.conll")


def test_columns_are_chosen(tmp_path):
    path = write(tmp_path / "news.conll", COLUMNS)
    assert read_conll(path, tag_column=1).tags == [("NNP", "VBZ"), ("NNP",)]
    assert read_conll(path, tag_column=None).tags is None
    assert read_tagged(path, token_column=1, tag_column=2).tokens == [("NNP", "VBZ"), ("NNP",)]


def test_a_token_may_hold_a_space_where_tabs_separate_and_may_be_a_hash(tmp_path):
    data = read_conll(write(tmp_path / "a.tsv", "New York\tB\n#\tO\n\n# of\tO\n"))
    assert data.tokens == [("New York", "#"), ("# of",)]


def test_tokens_alone_are_for_prediction(tmp_path):
    path = write(tmp_path / "a.txt", "Bonn\nagain\n")
    assert read_conll(path, need_tags=False).tags is None
    with pytest.raises(DataError, match="line 1: column 0 would be both the token and the tag"):
        read_conll(path)
    assert read_conll(path, token_column=2, tag_column=1, need_tags=False).tokens == [("Bonn", "again")]
    path = write(tmp_path / "b.txt", "1 Bonn\n2 again\n")
    bare = read_conll(path, token_column=1, tag_column=3, need_tags=False)
    assert bare.tokens == [("Bonn", "again")] and bare.tags is None


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "holds no tokens"),
        (b"\n \n", "holds no tokens"),
        (b"a X\nb\n", "line 2: it has 1 columns"),
        (b"a X\n\nb X Y\n", "line 3: it has 3 columns"),
        (b"a\tX\nb\t\n", "line 2: its tag is empty"),
        (b"a\tX\n\tX\n", "line 2: its token is empty"),
        (b"a X\ncaf\xe9 X\n", re.escape("is not UTF-8: byte 7 (line 2, byte 3 of the line) is 0xe9")),
        (b"\xef\xbb\xbfa X\n\xff X\n", re.escape("is not UTF-8: byte 7 (line 2, byte 0 of the line) is 0xff")),
    ],
)
def test_faults_of_columns_are_reported_with_their_line(tmp_path, content, words):
    with pytest.raises(DataError, match=words):
        read_conll(write(tmp_path / "a.conll", content))


def test_a_column_that_is_not_there(tmp_path):
    with pytest.raises(DataError, match="line 1: there is no column 3 for the tag"):
        read_conll(write(tmp_path / "a.conll", COLUMNS), tag_column=3)
    with pytest.raises(DataError, match="there is no file"):
        read_conll(tmp_path / "none.conll")


def slots(folder, tokens="play jazz \nstop\n", tags="O B-genre \nO\n", label="play\nstop\n"):
    for name, content in (("seq.in", tokens), ("seq.out", tags), ("label", label)):
        if content is not None:
            write(folder / name, content)
    return folder


def test_a_folder_of_line_files(tmp_path):
    data = read_slots(slots(tmp_path / "train"))
    assert data.tokens == [("play", "jazz"), ("stop",)]
    assert data.tags == [("O", "B-genre"), ("O",)]
    assert data.labels.tolist() == ["play", "stop"]
    bare = read_slots(slots(tmp_path / "bare", tags=None, label=None))
    assert (bare.tags, bare.labels) == (None, None)
    assert bare.sha256 != data.sha256


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"tokens": None}, "has no seq.in"),
        ({"tokens": ""}, "seq.in is empty"),
        ({"tags": "O B-genre\n"}, "seq.out has 1 lines, but seq.in has 2"),
        ({"label": "play\nstop\nstop\n"}, "label has 3 lines, but seq.in has 2"),
        ({"tags": "O B-genre I-genre\nO\n"}, "seq.out, line 1: 3 tags for 2 tokens"),
        ({"label": "play\n\n"}, "label, line 2 is empty"),
        ({"tokens": b"play jazz\nst\xf6p\n"}, re.escape("seq.in is not UTF-8: byte 12 (line 2")),
    ],
)
def test_faults_of_line_files_are_reported(tmp_path, change, words):
    with pytest.raises(DataError, match=words):
        read_slots(slots(tmp_path, **change))


def test_parts_by_folder_and_by_file(tmp_path):
    for name in ("train", "valid", "test"):
        slots(tmp_path / "folders" / name)
        write(tmp_path / "files" / f"en-{name}.upos.tsv", COLUMNS)
    write(tmp_path / "files" / "README.md", "about trains")
    for kind in ("folders", "files"):
        splits = read_tagged_splits(tmp_path / kind)
        assert isinstance(splits, Parts)
        assert [len(part) for part in (splits.train, splits.validation, splits.test)] == [2, 2, 2]
        assert list(tagged_parts(tmp_path / kind)) == ["train", "validation", "test"]
    alone = read_tagged_splits(tmp_path / "files" / "en-train.upos.tsv", test=tmp_path / "files" / "en-test.upos.tsv")
    assert (len(alone.train), alone.validation, len(alone.test)) == (2, None, 2)
    assert read_tagged_splits(tmp_path / "folders" / "train").train.labels is not None


def test_parts_that_are_missing_or_twice(tmp_path):
    with pytest.raises(DataError, match="no file or folder"):
        read_tagged_splits(tmp_path / "none")
    with pytest.raises(DataError, match="holds no data set"):
        read_tagged_splits(tmp_path)
    write(tmp_path / "dev.conll", COLUMNS)
    with pytest.raises(DataError, match="has no training part"):
        read_tagged_splits(tmp_path)
    write(tmp_path / "valid.conll", COLUMNS)
    with pytest.raises(DataError, match="2 sets for the validation part"):
        read_tagged_splits(tmp_path)
