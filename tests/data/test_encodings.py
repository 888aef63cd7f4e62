"""Text in other encodings than UTF-8: read where a byte order mark says it, else named for what it is; and the line where something is wrong."""

import codecs

import numpy as np
import pytest

from tenuto.data import Sequences, read_pairs, read_sequences
from tenuto.data.decode import decode_utf8
from tenuto.data.sentences.conll import read_tagged
from tenuto.data.sentences.labelled_text import read_labelled_text
from tenuto.data.sentences.vectors import read_vectors
from tenuto.data.text.text import read_text
from tenuto.encoding import encoding_of
from tenuto.errors import DataError

TEXTS = {
    "english": "id,label\n1,a fine film\n2,so what\n",
    "german": "id,label\n1,Straße\n2,für Ärger\n",
    "russian": "id,label\n1,привет мир\n2,как дела\n",
    "chinese": "id,label\n1,你好 世界\n2,你好吗\n",
    "one line": "hello world",
}
MARKED = {"utf-8-sig": b"", "utf-16": b"", "utf-16-le": codecs.BOM_UTF16_LE, "utf-16-be": codecs.BOM_UTF16_BE, "utf-32": b"", "utf-32-be": codecs.BOM_UTF32_BE}
WIDE = {"utf-16-le": "UTF-16LE", "utf-16-be": "UTF-16BE", "utf-32-le": "UTF-32LE", "utf-32-be": "UTF-32BE"}


@pytest.mark.parametrize("encoding", MARKED)
@pytest.mark.parametrize("text", TEXTS)
def test_a_byte_order_mark_says_the_encoding(text, encoding):
    content = MARKED[encoding] + TEXTS[text].encode(encoding)
    assert decode_utf8(content, "a.csv") == TEXTS[text] and encoding_of(content) != "utf-8"


@pytest.mark.parametrize("encoding", WIDE)
@pytest.mark.parametrize("text", TEXTS)
def test_without_a_mark_it_is_told_which_encoding_it_is(text, encoding):
    with pytest.raises(DataError, match=rf"(?s)a.csv is {WIDE[encoding]} without a byte order mark.*iconv -f {WIDE[encoding]} -t UTF-8"):
        decode_utf8(TEXTS[text].encode(encoding), "a.csv")


@pytest.mark.parametrize("text", TEXTS)
def test_utf8_stays_utf8(text):
    assert decode_utf8(TEXTS[text].encode(), "a.csv") == TEXTS[text]
    assert decode_utf8((TEXTS[text] + "\0").encode(), "a.csv") == TEXTS[text] + "\0"  # a zero alone is no other encoding


@pytest.mark.parametrize(("encoding", "said"), [("latin-1", "LATIN1"), ("cp1252", "WINDOWS-1252")])
def test_a_narrow_encoding_is_told_with_its_line(encoding, said):
    letters = "café" if encoding == "latin-1" else "“café”"
    for end in ("\n", "\r\n", "\r"):
        content = end.join(["id,label", "1,a", "", f"2,{letters}", "3,b"]).encode(encoding)
        with pytest.raises(DataError, match=rf"(?s)is not UTF-8: byte \d+ \(line 4,.*iconv -f {said} "):
            decode_utf8(content, "a.csv")


@pytest.mark.parametrize(("content", "said"), [(b"PK\x03\x04rest", "ZIP archive"), (b"%PDF-1.7", "PDF"), (b"\xd0\xcf\x11\xe0\xa1", "xls")])
def test_what_is_no_text_is_told(content, said):
    with pytest.raises(DataError, match=said):
        decode_utf8(content, "a.csv")


def test_a_cut_character_is_told_with_its_line():
    content = "a\nb\nc".encode("utf-16")[:-1]
    with pytest.raises(DataError, match=r"(?s)is not UTF-16.*line 3"):
        decode_utf8(content, "a.csv")
    with pytest.raises(DataError, match=r"(?s)is not UTF-8.*line 2.*after 'b'"):
        decode_utf8(b"\xef\xbb\xbfa\nb\xe4", "a.csv")


READERS = {
    "table.csv": ("id,c0,label\na,1,x\na,2,x\nb,1,y\n", lambda path: read_sequences(path).labels.tolist()),
    "texts.csv": ("text,label\nfine,x\nbad,y\n", lambda path: read_labelled_text(path).labels.tolist()),
    "texts.jsonl": ('{"text": "fine", "label": "x"}\n{"text": "bad", "label": "y"}\n', lambda path: read_labelled_text(path).labels.tolist()),
    "pairs.tsv": ("ab\tcd\nef\tgh\n", lambda path: read_pairs(path).source),
    "words.conll": ("play O\njazz B-genre\n\nstop O\n", lambda path: read_tagged(path).tokens),
    "plays.txt": ("ROMEO: ah\n", lambda path: read_text(path).documents),
}


@pytest.mark.parametrize("name", READERS)
def test_every_reader_knows_the_marks(name, tmp_path):
    text, read = READERS[name]
    (tmp_path / name).write_bytes(text.encode())
    expected = read(tmp_path / name)
    for encoding in ("utf-8-sig", "utf-16"):
        (tmp_path / name).write_bytes(text.encode(encoding))
        assert np.array_equal(np.array(read(tmp_path / name), dtype=object), np.array(expected, dtype=object))
    (tmp_path / name).write_bytes(text.encode("utf-16-be"))
    with pytest.raises(DataError, match="UTF-16BE"):
        read(tmp_path / name)


def test_word_vectors_know_them_too(tmp_path):
    (tmp_path / "glove.txt").write_text("the 1 2\na 3 4\n", encoding="utf-8-sig")
    assert read_vectors(tmp_path / "glove.txt")[0] == ["the", "a"]
    for encoding in ("utf-16", "utf-16-le"):
        (tmp_path / "glove.txt").write_text("the 1 2\na 3 4\n", encoding=encoding)
        with pytest.raises(DataError, match="is UTF-16.*, not UTF-8"):
            read_vectors(tmp_path / "glove.txt")


# --- the line where something is wrong ---------------------------------------------------------------------------------------

# name of the file, its lines, of which `!` is the wrong one, and how it is read
WRONG = {
    "table.csv": (["id,c0,label", "a,1,x", "", '"b","2","y"', "!c,x,y", "d,1,x"], read_sequences),
    "quoted.csv": (["id,c0,label", '"a', '1",1,x', "b,2,y", "!c,x,y"], read_sequences),
    "short.csv": (["id,c0,label", "", "a,1,x", '"b', 'b",1,y', "!c,1", "d,1,x"], read_sequences),
    "texts.tsv": (["text\tlabel", "fine\tx", "", "!bad", "good\ty"], read_labelled_text),
    "texts.jsonl": (['{"text": "a", "label": "x"}', "", '{"text": "b", "label": "y"}', '!{"text": "c"', '{"text": "d", "label": "x"}'], read_labelled_text),
    "missing.jsonl": (['{"text": "a", "label": "x"}', "", '!{"text": "b"}'], read_labelled_text),
    "empty.csv": (["text,label", "fine,x", "", '!"",y', "good,y"], read_labelled_text),
    "pairs.tsv": (["ab\tcd", "", "ef\tgh", "!ij\t", "kl\tmn"], read_pairs),
    "pairs.jsonl": (['{"source": "a", "target": "b"}', "", '!{"source": "a"}'], read_pairs),
    "words.conll": (["play O", "", "", "jazz B-genre", "!rock", "stop O"], read_tagged),
    "words.conllu": (["# sent_id = 1", "1\tplay\tplay\tVERB\t_\t_\t_\t_\t_\t_", "", "# sent_id = 2", "!1\tstop\tstop", ""], read_tagged),
    "walks.ts": (["#comment", "@problemName w", "@classLabel true a b", "@data", "1,2,3:a", "", "!1,x,3:b"], read_sequences),
    "glove.txt": (["the 1 2", "a 3 4", "!of 5", "to 7 8"], read_vectors),
}


@pytest.mark.parametrize("mark", ["", "\ufeff"], ids=["no mark", "mark"])
# Word vectors are read line by line, as bytes: CR alone ends no line there.
@pytest.mark.parametrize(("name", "end"), [(name, end) for name in WRONG for end in ("\n", "\r\n", "\r") if name != "glove.txt" or end != "\r"])
def test_the_line_that_is_wrong_is_named(name, end, mark, tmp_path):
    lines, read = WRONG[name]
    number = 1 + next(index for index, line in enumerate(lines) if line.startswith("!"))
    (tmp_path / name).write_bytes((mark + end.join(lines).replace("!", "")).encode())
    with pytest.raises(DataError, match=rf"line {number}\b"):
        read(tmp_path / name)


@pytest.mark.parametrize("kind", [np.uint8, np.uint16, np.uint32, np.uint64, np.int8, np.int64])
def test_lengths_of_every_whole_kind(kind, tmp_path):
    x, lengths = np.arange(12.0).reshape(2, 3, 2), np.array([3, 2], dtype=kind)
    padded = Sequences.from_arrays(x, lengths=lengths)
    assert [len(one) for one in padded.values] == [3, 2]
    assert [len(one) for one in Sequences.from_arrays(x, lengths=[kind(3), np.int32(2)]).values] == [3, 2]
    np.savez(tmp_path / "a.npz", values=x, lengths=lengths)
    np.savez(tmp_path / "b.npz", values=x.reshape(6, 2)[:5], lengths=lengths)
    for name in ("a.npz", "b.npz"):
        assert [len(one) for one in read_sequences(tmp_path / name).values] == [3, 2]
    with pytest.raises(DataError):
        Sequences.from_arrays(x, lengths=np.array([3, np.iinfo(kind).max], dtype=kind))
    np.savez(tmp_path / "c.npz", values=x.reshape(6, 2), lengths=np.array([np.iinfo(kind).max, np.iinfo(kind).max, 8], dtype=kind))
    with pytest.raises(DataError):
        read_sequences(tmp_path / "c.npz")
