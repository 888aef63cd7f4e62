"""Odd files, tested once for all kinds of data: every reader of a format reads them in the same way, or refuses them in the same way and says where."""

import hashlib
from pathlib import Path

import pytest

from tenuto.data import Columns, Source, read_conll, read_labelled_text, read_pairs, read_sequences, read_slots
from tenuto.data.sentences.vectors import read_vectors
from tenuto.data.text import read_text
from tenuto.errors import DataError

AS_LABEL = Columns(label="text", channels=("x",))
# Each reads the column "text" of a table with the columns id, x and text.
OF_TABLES = {
    "sequences": lambda path: read_sequences(path, columns=AS_LABEL).labels.tolist(),
    "labelled text": lambda path: list(read_labelled_text(path).texts),
    "text": lambda path: list(read_text(path).documents),
}
ENDS = {"LF": "\n", "CRLF": "\r\n", "CR": "\r"}
every_table_reader = pytest.mark.parametrize("read", OF_TABLES.values(), ids=list(OF_TABLES))

# One file of each format that is read line by line, as (name, lines, read → something that compares).
OF_LINES = {
    "table.csv": ("id,x,text\na,0,one\n\nb,1,two\u2028and\x0bmore\x85\n", OF_TABLES["text"]),
    "long.csv": ("id,x,text\na,0,one\n\nb,1,two\u2028and\x0bmore\x85\n", OF_TABLES["sequences"]),
    "table.tsv": ('id\tx\ttext\na\t0\t"one\n\nb\t1\ttwo"\u2028and\x0bmore\x85\n', OF_TABLES["labelled text"]),
    "text.jsonl": ('{"text": "one"}\n \n{"text": "two\u2028and\x85"}\n', OF_TABLES["text"]),
    "labelled.jsonl": ('{"text": "one"}\n\n{"text": "two\u2028and\x85"}\n', OF_TABLES["labelled text"]),
    "plain.txt": ("one text\n\nanother\u2028text\n", OF_TABLES["labelled text"]),
    "pairs.tsv": ('cat\t"K\n\ndog\tD"\u2028and\x0bmore\n', lambda path: (read_pairs(path).source, read_pairs(path).target, read_pairs(path).ids)),
    "pairs.jsonl": ('{"source": "cat", "target": "K"}\n\n{"source": "dog\u2028", "target": "D"}\n', lambda path: (read_pairs(path).source, read_pairs(path).ids)),
    "tagged.conll": ('play\tO\n"\u2028z\tB\n\nstop\x85it\tO\n', lambda path: (read_conll(path).tokens, read_conll(path).tags)),
    "set.ts": ("@classLabel true a\x85 b\n@data\n\n1,2:a\x85\n3:b\n", lambda path: (read_sequences(path).labels.tolist(), read_sequences(path).lengths.tolist())),
}


def write(path: Path, text: str | bytes) -> Path:
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


@pytest.mark.parametrize("name", OF_LINES)
def test_line_ends_a_byte_order_mark_and_a_missing_last_end_change_nothing(tmp_path, name):
    text, read = OF_LINES[name]
    expected = read(write(tmp_path / name, text))
    for end in ENDS.values():
        for mark in ("", "\ufeff"):
            for written in (text, text[:-1], text + "\n\n"):
                assert read(write(tmp_path / name, mark + written.replace("\n", end))) == expected


def test_line_files_take_any_line_end_too(tmp_path):
    for end in ENDS.values():
        write(tmp_path / "seq.in", f"\ufeffplay jazz{end}stop{end}")
        write(tmp_path / "label", f"play{end}stop")
        assert (read_slots(tmp_path).tokens, read_slots(tmp_path).labels.tolist()) == ([("play", "jazz"), ("stop",)], ["play", "stop"])


@every_table_reader
def test_a_quoted_cell_of_a_csv_may_hold_commas_quotes_and_line_ends(tmp_path, read):
    path = write(tmp_path / "a.csv", 'id,x,text\r\na,0,"one, ""two""\r\nthree"\r\nb,1,5" wide\r\n')
    assert read(path) == ['one, "two"\r\nthree', '5" wide']


@every_table_reader
def test_a_quote_in_a_tsv_is_an_ordinary_character(tmp_path, read):
    path = write(tmp_path / "a.tsv", 'id\tx\ttext\na\t0\t"he said\nb\t1\tand "left"\nc\t2\t"whole"\n')
    assert read(path) == ['"he said', 'and "left"', '"whole"']


@every_table_reader
@pytest.mark.parametrize(
    ("rows", "line"),
    [
        ('a,0,one\nb,1,"two\nc,2,three\n', 3),  # open to the end of the file
        ('a,0,one\nb,1,"two\nc,2,"three"\nd,3,four\n', 3),  # open to the next quote
        ('a,0,"one\nand\nmore"\n\n"b,1,two\n', 6),
        ('a,0,one\n"b\nc",1,"two\nd,3,four\n', 4),  # opens within a row of several lines
        ('a,0,one\nb,1,"two" and a half\n', 3),
    ],
)
@pytest.mark.parametrize("end", ENDS.values(), ids=list(ENDS))
def test_an_open_quote_is_named_by_the_line_where_it_opens(tmp_path, read, rows, line, end):
    with pytest.raises(DataError, match=f"a.csv, line {line}: the quote that opens here does not close"):
        read(write(tmp_path / "a.csv", ("id,x,text\n" + rows).replace("\n", end)))


@every_table_reader
@pytest.mark.parametrize("suffix", [".csv", ".tsv"])
def test_a_cell_may_have_any_length(tmp_path, read, suffix):
    long = "word " * 60_000
    text = f"id,x,text\na,0,{long}\n"
    assert read(write(tmp_path / f"a{suffix}", text.replace(",", "\t") if suffix == ".tsv" else text)) == [long]


@every_table_reader
@pytest.mark.parametrize("suffix", [".csv", ".tsv"])
@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("id,x,text\na,0,one\n\nb,1\n", "line 4: it has 2 cells, the header has 3"),
        ("id,x,text\na,0,one,more\n", "line 2: it has 4 cells, the header has 3"),
        ("\n\nid,x,text\n\na,0\n", "line 5: it has 2 cells"),
        ("id,x,text, text\na,0,one,two\n", "two columns are named 'text'"),
    ],
)
def test_rows_and_headers_that_do_not_fit_are_refused(tmp_path, read, suffix, text, words):
    with pytest.raises(DataError, match=words):
        read(write(tmp_path / f"a{suffix}", text.replace(",", "\t") if suffix == ".tsv" else text))


@pytest.mark.parametrize("suffix", [".csv", ".tsv"])
def test_a_text_column_that_is_not_there_is_named_with_those_that_are(tmp_path, suffix):
    path = write(tmp_path / f"a{suffix}", "id,words\na,one\n".replace(",", "\t" if suffix == ".tsv" else ","))
    for read in (read_text, read_labelled_text):
        with pytest.raises(DataError, match=r"there is no column 'text'(.|\n)*received  id, words\n(.|\n)*text_column"):
            read(path)


def test_a_row_of_several_lines_is_named_by_its_first(tmp_path):
    for read in OF_TABLES.values():
        with pytest.raises(DataError, match="line 4: it has 2 cells"):
            read(write(tmp_path / "a.csv", 'id,x,text\na,0,"one\ntwo"\nb,"1\n\n1"\n'))


def test_a_column_that_is_not_used_may_occur_twice(tmp_path):
    path = write(tmp_path / "a.csv", "text,,\none,,\n")
    assert OF_TABLES["text"](path) == OF_TABLES["labelled text"](path) == ["one"]
    path = write(tmp_path / "a.jsonl", '{"text": "one", "note": 1, "note": {"text": 2}}\n')
    assert OF_TABLES["text"](path) == OF_TABLES["labelled text"](path) == ["one"]


OF_JSON = {
    "labelled text": (read_labelled_text, '{"text": "one"}'),
    "text": (read_text, '{"text": "one"}'),
    "pairs": (read_pairs, '{"source": "one", "target": "1"}'),
}


@pytest.mark.parametrize(("read", "good"), OF_JSON.values(), ids=list(OF_JSON))
@pytest.mark.parametrize(
    ("bad", "words"),
    [
        ("{", "line 3 is not JSON: .* at character 1"),
        ('["text"]', "line 3 is not a JSON object"),
        ("null", "line 3 is not a JSON object"),
        ("{}", "line 3: there is no '(text|source)'"),
        ("9" * 5000, "line 3 is not (JSON|a JSON object)"),
        ("[" * 100_000, "line 3 is not JSON"),
        ('{"text": "a", "source": "a", "target": "b", "text": "c", "source": "d"}', "line 3 is not JSON: two keys are named '(text|source)'"),
        ('{"text": null, "source": null, "target": ""}', "line 3: .* (no|not) text|sentence '1' is not a list"),
    ],
)
def test_lines_that_are_not_a_json_object_are_named(tmp_path, read, good, bad, words):
    path = write(tmp_path / "a.jsonl", f"{good}\n\n{bad}\n{good}\n")
    with pytest.raises(DataError, match=words) as caught:
        read(path)
    assert "a.jsonl" in str(caught.value)


@pytest.mark.parametrize("name", [*OF_LINES, "seq.in", "vectors.txt"])
@pytest.mark.parametrize("end", ENDS.values(), ids=list(ENDS))
def test_bytes_that_are_not_text_are_named_by_their_line(tmp_path, name, end):
    if name == "vectors.txt":
        if end == "\r":
            end = "\n"  # read as a stream, line by line, where CR alone does not end a line
        read, content = read_vectors, b"one 1\ncaf\xe9 2\n"
    elif name == "seq.in":
        read, content = (lambda path: read_slots(path.parent)), b"one\ncaf\xe9\n"
    else:
        read, content = OF_LINES[name][1], OF_LINES[name][0].split("\n")[0].encode() + b"\ncaf\xe9\n"
    with pytest.raises(DataError, match=r"is not UTF-8: byte .*line 2, byte 3 of the line. is 0xe9|line 2 is not UTF-8: byte 3 of the line is 0xe9") as caught:
        read(write(tmp_path / name, content.replace(b"\n", end.encode())))
    assert name in str(caught.value)


@pytest.mark.parametrize("name", [*OF_LINES, "a.npz", "a.parquet", "a.txt"])
def test_a_missing_file_and_a_folder_are_refused(tmp_path, name):
    read = OF_LINES[name][1] if name in OF_LINES else OF_TABLES["text"] if name == "a.txt" else OF_TABLES["sequences"]
    with pytest.raises(DataError, match=f"there is no file .*{name}"):
        read(tmp_path / name)
    (tmp_path / name).mkdir()
    with pytest.raises(DataError, match=f"{name} cannot be read: Is a directory|the folder .*{name} holds no data set"):
        read(tmp_path / name)


@every_table_reader
def test_every_reader_treats_parquet_alike(tmp_path, read):
    pyarrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    path = tmp_path / "a.parquet"
    parquet.write_table(pyarrow.table({"id": ["a", "b"], "x": [0, 1], "text": ['one "\r\n', "w" * 200_000], "more": [[1], None]}), path)
    assert read(path) == ['one "\r\n', "w" * 200_000]
    whole = path.read_bytes()
    for content in (b"", b"id,x,text\n", whole[:-8], whole[: len(whole) // 2]):
        with pytest.raises(DataError, match="a.parquet cannot be read as Parquet"):
            read(write(path, content))
    parquet.write_table(pyarrow.Table.from_arrays([pyarrow.array(["a"])] * 4, names=["id", "x", "text", "text"]), path)
    with pytest.raises(DataError, match="two columns are named 'text'"):
        read(path)


def test_a_row_of_parquet_without_text_is_named(tmp_path):
    pyarrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    parquet.write_table(pyarrow.table({"text": ["a", None]}), tmp_path / "a.parquet")
    with pytest.raises(DataError, match="a.parquet, row 2: 'text' holds no text"):
        read_text(tmp_path / "a.parquet")


def test_a_long_table_may_be_tab_separated(tmp_path):
    data = read_sequences(write(tmp_path / "a.tsv", "id\tx\tlabel\na\t1\tu\na\t2\tu\n"))
    assert (data.values[0].tolist(), data.labels.tolist(), data.name, data.origin) == ([[1], [2]], ["u"], "a", "file a.tsv")


def test_every_reader_records_the_source(tmp_path):
    for name, (text, _) in OF_LINES.items():
        path = write(tmp_path / name, text)
        read = read_sequences if name in ("long.csv", "set.ts") else read_pairs if "pairs" in name else read_conll if "conll" in name else read_text
        data = read(path, columns=AS_LABEL) if name == "long.csv" else read(path)
        assert data.came_from == Source(path.stem, str(path), hashlib.sha256(text.encode()).hexdigest(), f"file {name}")
        assert (data.name, data.path, data.sha256, data.origin) == (path.stem, str(path), data.came_from.sha256, f"file {name}")
