"""How a file is written: separators, decimal marks, encodings and headers, for the readers of every kind of data."""

import numpy as np
import pytest

from tenuto.data import Columns, Form, read_conll, read_labelled_text, read_pairs, read_sequences, read_tagged
from tenuto.data.text import read_text
from tenuto.errors import ArgumentError, DataError

LONG = "id,time,x,label\na,0,1.5,übel\na,1,-2.25,übel\nb,0,3e2,ganz gut\n"
# Each reads a table with the columns id, time, x and label, or a table with text and label.
READERS = {
    "sequences": ("long", LONG, lambda path, **how: (read_sequences(path, **how).labels.tolist(), [values.ravel().tolist() for values in read_sequences(path, **how).values])),
    "labelled text": ("text", "text,label\nein Film,übel\nein Haus,gut\n", lambda path, **how: (read_labelled_text(path, **how).texts, read_labelled_text(path, **how).labels.tolist())),
    "text": ("text", "text,label\nein Film,übel\nein Häuschen,gut\n", lambda path, **how: read_text(path, **how).documents),
    "pairs": ("pairs", "ein Häuschen,a house\nzwei,two\n", lambda path, **how: (read_pairs(path, **how).source, read_pairs(path, **how).target)),
    "tagged": ("tagged", "Häuser,NN\nstehen,VB\n", lambda path, **how: (read_conll(path, **how).tokens, read_conll(path, **how).tags)),
}
every_reader = pytest.mark.parametrize(("content", "read"), [(text, read) for _, text, read in READERS.values()], ids=list(READERS))


@every_reader
@pytest.mark.parametrize("encoding", ["latin-1", "cp1252", "utf-16", "utf-16-le", "utf-32", "utf-8", "UTF8"])
def test_encodings(tmp_path, content, read, encoding):
    plain, other = tmp_path / "a.csv", tmp_path / "b.csv"
    how = {} if read is not READERS["tagged"][2] else {"separator": ","}
    plain.write_text(content, encoding="utf-8")
    other.write_text(content, encoding=encoding)
    assert read(other, form=Form(encoding=encoding, **how)) == read(plain, form=Form(**how))


@every_reader
def test_a_file_in_another_encoding_than_it_is_said_is_named_with_the_line(tmp_path, content, read):
    path = tmp_path / "a.csv"
    path.write_bytes(content.encode("latin-1"))
    with pytest.raises(DataError, match=r"a.csv is not UTF-8(.|\n)*encoding='latin-1'"):
        read(path)
    with pytest.raises(DataError, match=r"a.csv is not in ascii: byte \d+ \(line \d\)"):
        read(path, form=Form(encoding="ascii"))
    path.write_text(content, encoding="utf-16-le")
    with pytest.raises(DataError, match=r"UTF-16LE(.|\n)*encoding='utf-16-le'"):
        read(path)
    path.write_bytes(content.encode("utf-16")[:-1])
    with pytest.raises(DataError, match="is not in utf-16"):
        read(path, form=Form(encoding="utf-16"))


@every_reader
@pytest.mark.parametrize(("separator", "mark"), [(";", ";"), ("semicolon", ";"), ("|", "|"), ("tab", "\t"), ("\\t", "\t"), ("pipe", "|")])
def test_separators(tmp_path, content, read, separator, mark):
    plain = tmp_path / "a.csv"
    plain.write_text(content)
    expected = read(plain, form=Form(separator=","))
    for name in ("b.csv", "b.tsv"):
        (tmp_path / name).write_text(content.replace(",", mark))
        assert read(tmp_path / name, form=Form(separator=separator)) == expected


def test_quotes_hold_any_separator(tmp_path):
    (tmp_path / "a.csv").write_text('text;label\n"ein ""guter""; Film";gut\n')
    assert read_labelled_text(tmp_path / "a.csv", form=Form(separator=";")).texts[0] == 'ein "guter"; Film'
    (tmp_path / "a.csv").write_text('text;label\neins;gut\n"zwei;gut\ndrei;gut\n')
    with pytest.raises(DataError, match=r"line 3: the quote that opens here"):
        read_labelled_text(tmp_path / "a.csv", form=Form(separator=";"))


def test_decimal_commas(tmp_path):
    plain, comma = tmp_path / "a.csv", tmp_path / "b.csv"
    plain.write_text("id,time,x,y\na,0.5,1.5,nan\na,1.5,-2e3,\nb,0.25,.5,7\n")
    comma.write_text("id;time;x;y\na;0,5;1,5;nan\na;1,5;-2e3;\nb;0,25;,5;7\n")
    form = Form(separator=";", decimal=",")
    for first, second in zip(read_sequences(plain).values, read_sequences(comma, form=form).values):
        np.testing.assert_array_equal(first, second)
    for cell, column in (("1.234,5", "x"), ("1.5", "x"), ("1,2,3", "x"), ("1.5", "time"), ("1.000", "time")):
        row = f"a;{cell};1,5;0" if column == "time" else f"a;0,5;{cell};0"
        comma.write_text(f"id;time;x;y\nb;0;1;1\n{row}\n")
        with pytest.raises(DataError, match=rf"column '{column}' is no.* number.* in line 3"):
            read_sequences(comma, form=form)
    comma.write_text("id;time;x\na;2026-01-31 12:00:00.5;1,5\na;2026-01-30;2\n")
    assert read_sequences(comma, form=form).values[0].tolist() == [[2.0], [1.5]]
    with pytest.raises(ArgumentError, match="both the separator and the decimal mark"):
        read_sequences(plain, form=Form(decimal=","))


def test_headers_that_are_not_there(tmp_path):
    (tmp_path / "a.csv").write_text("a,0,1.5,u\na,1,2.5,u\nb,0,3.5,v\n")
    data = read_sequences(tmp_path / "a.csv", columns=Columns(id="0", time="1", label="3"), form=Form(header="no"))
    assert (data.ids, data.labels.tolist(), data.channels) == (("a", "b"), ["u", "v"], ("2",))
    (tmp_path / "t.csv").write_text("1,gut,ein Film\n2,übel,zu lang\n")
    texts = read_labelled_text(tmp_path / "t.csv", text_column="2", label_column="1", form=Form(header="no"))
    assert (list(texts.texts), texts.labels.tolist()) == (["ein Film", "zu lang"], ["gut", "übel"])
    assert read_text(tmp_path / "t.csv", text_column="2", form=Form(header="no")).documents == ("ein Film", "zu lang")
    (tmp_path / "g.tsv").write_text("word\ttag\nplay\tO\n\nstop\tB\n")
    assert read_tagged(tmp_path / "g.tsv", form=Form(header="yes")).tokens == [("play",), ("stop",)]
    (tmp_path / "p.tsv").write_text("source\ttarget\ncat\tK\n")
    assert read_pairs(tmp_path / "p.tsv", form=Form(header="no")).source == ["source", "cat"]


def test_an_other_separator_is_advised(tmp_path):
    (tmp_path / "a.csv").write_text("text;label\neins;gut\n")
    with pytest.raises(DataError, match="Form\\(separator=';'\\)"):
        read_labelled_text(tmp_path / "a.csv")
    (tmp_path / "b.csv").write_text("id;time;x\na;0;1\n")
    with pytest.raises(DataError, match="Form\\(separator="):
        read_sequences(tmp_path / "b.csv")


@pytest.mark.parametrize(
    "wrong",
    [
        {"separator": "::"}, {"separator": "a"}, {"separator": "1"}, {"separator": '"'}, {"separator": "\n"}, {"decimal": ""}, {"decimal": ";"},
        {"header": "maybe"}, {"encoding": "klingon"}, {"encoding": ""}, {"encoding": "rot13"}, {"encoding": "base64"}, {"encoding": "idna"}, {"encoding": "a\0b"},
    ],
)  # fmt: skip
def test_a_form_that_is_none_is_refused(wrong):
    with pytest.raises(ArgumentError, match=next(iter(wrong))):
        Form(**wrong)
