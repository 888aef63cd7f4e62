"""Compressed files: every reader takes them as it takes the file inside, and refuses what is cut off, is no such file, or was made to fill the memory."""

import gzip
import json
import resource
import time

import numpy as np
import pytest

from tenuto.data import compressed, read_conll, read_labelled_text, read_pairs, read_sequences, read_slots, read_splits
from tenuto.data.parquet import Parquet
from tenuto.data.sentences.vectors import read_vectors
from tenuto.data.text import read_text
from tenuto.errors import DataError

LONG = "id,time,x,label\na,0,1,u\na,1,2,u\nb,0,3,v\n"
OF_FILES = {
    "long.csv": (LONG, read_sequences),
    "long.tsv": (LONG.replace(",", "\t"), read_sequences),
    "set.ts": ("@classLabel true a b\n@data\n1,2:a\n3:b\n", read_sequences),
    "set.arff": ("@relation s\n@attribute t0 numeric\n@attribute t1 numeric\n@attribute class {a,b}\n@data\n1,2,a\n3,?,b\n", read_sequences),
    "text.jsonl": ('{"text": "one", "label": "a"}\n', read_labelled_text),
    "text.json": ('[{"text": "one", "label": "a"}]\n', read_labelled_text),
    "text.csv": ("text,label\none,a\n", read_labelled_text),
    "plain.txt": ("one\ntwo\n", read_labelled_text),
    "whole.txt": ("to be or not\n", read_text),
    "pairs.tsv": ("cat\tK\n", read_pairs),
    "pairs.csv": ("cat,K\n", read_pairs),
    "tagged.conll": ("play\tO\njazz\tB\n", read_conll),
    "vectors.txt": ("cat 1 2\ndog 3 4\n", read_vectors),
}


def content(found):
    """What a reader found, as something that compares."""
    if isinstance(found, tuple):
        return found[0], found[1].tolist()
    kept = {name: value for name, value in vars(found).items() if name not in ("came_from", "_kept")}
    return {name: str(value) if not isinstance(value, (list, tuple)) else [str(one) for one in value] for name, value in kept.items()}


@pytest.mark.parametrize("name", OF_FILES)
def test_a_compressed_file_is_read_as_the_file_inside(tmp_path, name):
    text, read = OF_FILES[name]
    (tmp_path / name).write_text(text)
    for packed in (f"{name}.gz", f"{name}.GZ"):
        (tmp_path / packed).write_bytes(gzip.compress(text[:5].encode()) + gzip.compress(text[5:].encode()))  # two members, as `cat a.gz b.gz` writes them
        assert content(read(tmp_path / packed)) == content(read(tmp_path / name))


def test_binary_files_and_line_files_too(tmp_path):
    np.savez(tmp_path / "a.npz", values=np.ones((2, 3, 1)), labels=[0, 1])
    (tmp_path / "a.npz.gz").write_bytes(gzip.compress((tmp_path / "a.npz").read_bytes()))
    assert content(read_sequences(tmp_path / "a.npz.gz")) == content(read_sequences(tmp_path / "a.npz"))
    pyarrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    parquet.write_table(pyarrow.table({"text": ["one"], "label": ["a"]}), tmp_path / "a.parquet")
    (tmp_path / "a.parquet.gz").write_bytes(gzip.compress((tmp_path / "a.parquet").read_bytes()))
    assert content(read_labelled_text(tmp_path / "a.parquet.gz")) == content(read_labelled_text(tmp_path / "a.parquet"))
    (tmp_path / "seq.in").write_text("play jazz\n")
    assert read_slots(tmp_path).tokens == [("play", "jazz")]


def test_parts_are_found_by_name_and_sources_say_the_file(tmp_path):
    for part in ("TRAIN", "TEST"):
        (tmp_path / f"Toy_{part}.ts.gz").write_bytes(gzip.compress(b"@classLabel true a b\n@data\n1,2:a\n3,4:b\n"))
    splits = read_splits(tmp_path)
    assert (len(splits.train), len(splits.test), splits.train.name) == (2, 2, "Toy_TRAIN")
    assert len(read_splits(tmp_path / "Toy_TRAIN.ts.gz").test) == 2
    assert splits.train.sha256 != splits.test.sha256 or splits.train.path != splits.test.path


@pytest.mark.parametrize("name", OF_FILES)
def test_a_file_that_is_cut_off_or_is_no_gzip_is_named(tmp_path, name):
    text, read = OF_FILES[name]
    path = tmp_path / f"{name}.gz"
    whole = gzip.compress(text.encode() * 50)
    for spoiled, word in ((whole[:-9], "cut off"), (whole[: len(whole) // 2], "cut off"), (text.encode(), "cannot be unpacked"), (b"", None)):
        path.write_bytes(spoiled)
        with pytest.raises(DataError, match=word) as caught:
            read(path)
        assert str(path) in str(caught.value) or not spoiled
    (tmp_path / name).write_bytes(whole)
    with pytest.raises(DataError):
        read(tmp_path / name)
    if name not in ("vectors.txt",):
        with pytest.raises(DataError, match=r"is compressed by gzip(.|\n)*name it"):
            read(tmp_path / name)


@pytest.mark.parametrize("name", OF_FILES)
def test_a_file_that_was_made_to_fill_the_memory_is_refused_soon(tmp_path, name, monkeypatch):
    monkeypatch.setattr(compressed, "FREE", 1 << 24)
    path = tmp_path / f"{name}.gz"
    with gzip.open(path, "wb") as file:
        for _ in range(64):
            file.write(b"0" * (1 << 20))
    before, began = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.perf_counter()
    with pytest.raises(DataError, match=r"unpacks to more than(.|\n)*gunzip"):
        OF_FILES[name][1](path)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 60_000 and time.perf_counter() - began < 10


def test_honest_files_are_far_from_the_limit(tmp_path):
    random = np.random.default_rng(0)
    rows = "".join(f"s{row // 100},{row % 100},{value:.4f},0,0\n" for row, value in enumerate(random.normal(size=40_000)))
    packed = gzip.compress(("id,time,a,b,c\n" + rows).encode())
    assert len(rows) / len(packed) < compressed.MOST_TIMES / 20
    (tmp_path / "a.csv.gz").write_bytes(packed)
    assert len(read_sequences(tmp_path / "a.csv.gz")) == 400
    lines = "".join(json.dumps({"text": "a fine film", "label": "good"}) + "\n" for _ in range(20_000))
    (tmp_path / "a.jsonl.gz").write_bytes(gzip.compress(lines.encode()))  # the same line again and again: two hundred times smaller
    assert len(read_labelled_text(tmp_path / "a.jsonl.gz").texts) == 20_000


def test_texts_of_a_parquet_file_in_several_pieces(tmp_path):
    pyarrow, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    for name, texts in (("full", ["b", None, "a", "b", None]), ("empty", [])):
        parquet.write_table(pyarrow.table({"t": pyarrow.array(texts, pyarrow.string()), "n": pyarrow.array(range(len(texts)), pyarrow.int64())}), tmp_path / f"{name}.parquet", row_group_size=2)
        with Parquet(tmp_path / f"{name}.parquet") as file:
            arrays = file.arrays()
        assert arrays["t"].tolist() == texts and arrays["n"].tolist() == list(range(len(texts)))


def test_groups_of_rows_of_which_some_lack_values_are_one_column(tmp_path):
    pyarrow, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    columns = {"n": pyarrow.array([1, 2, None, 4, 5], pyarrow.int64()), "flag": pyarrow.array([True, False, None, True, None]), "word": pyarrow.array(["a", None, "a", "b", "a"])}
    parquet.write_table(pyarrow.table(columns), tmp_path / "t.parquet", row_group_size=2)
    with Parquet(tmp_path / "t.parquet") as file:
        found = file.arrays()
    np.testing.assert_array_equal(found["n"], [1, 2, np.nan, 4, 5])
    assert found["flag"].tolist() == [True, False, None, True, None] and found["word"].tolist() == ["a", None, "a", "b", "a"]
    assert found["word"][0] is found["word"][4]  # across groups too
