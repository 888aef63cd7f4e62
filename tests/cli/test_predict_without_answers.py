"""To predict, no answers are needed: whatever stands in their place, or is not there, no file is refused, and every row is answered or named."""

import csv
import io
import json

import numpy as np
import pytest
from typer.testing import CliRunner

from tenuto.cli import app
from tenuto.tasks import Seq2Seq, SequenceClassifier, Tagger, TextClassifier

LABELS = {"empty": "", "a question mark": "?", "null": "null", "unknown": "never seen", "right": "up"}


def rows_of(run, path, *words):
    result = CliRunner().invoke(app, ["predict", str(run), str(path), *words])
    assert result.exit_code == 0, result.output
    return list(csv.DictReader(io.StringIO(result.stdout)))


def refused(run, path):
    result = CliRunner().invoke(app, ["score", str(run), str(path)])
    assert result.exit_code == 1
    return result.output


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    place = tmp_path_factory.mktemp("answers")
    small = {"hidden_size": 4, "epochs": 1, "random_state": 0}
    x, y = [np.linspace(0, 1, 4)[:, None] * sign for sign in (1, -1)] * 8, ["up", "down"] * 8
    SequenceClassifier("gru", **small).fit(x, y).save(place / "classify")
    TextClassifier("gru", word_size=4, **small).fit(["going up", "falling"] * 8, y).save(place / "text")
    Tagger("gru", word_size=4, **small).fit([["going", "up"], ["falling"]] * 8, [["O", "B-up"], ["O"]] * 8).save(place / "tag")
    Seq2Seq("gru", **small).fit(["ab", "ba"] * 8, ["1", "2"] * 8).save(place / "translate")
    return place


@pytest.mark.parametrize("label", LABELS.values(), ids=list(LABELS))
@pytest.mark.parametrize("every", [True, False])
def test_sequences(place, tmp_path, label, every):
    second = label if every else "up"
    (tmp_path / "a.csv").write_text(f"id,time,x,label\na,0,1,{label}\na,1,2,{label}\nb,0,1,{second}\n")
    (tmp_path / "changing.csv").write_text(f"id,time,x,label\na,0,1,{label}\na,1,2,other\nb,0,1,{second}\n")
    (tmp_path / "a.ts").write_text(f"@classLabel true up down\n@data\n1,2:{label}\n1:{second}\n")
    np.savez(tmp_path / "a.npz", values=np.array([[1.0], [2], [1]]), lengths=[2, 1], labels=[label, second])
    np.savez(tmp_path / "b.npz", values=np.array([[1.0], [2], [1]]), lengths=[2, 1], labels=[np.nan, 1.0])
    for name in ("a.csv", "changing.csv", "a.ts", "a.npz", "b.npz"):
        found = rows_of(place / "classify", tmp_path / name)
        assert len(found) == 2 and all(row["predicted"] in ("up", "down") for row in found)
    if label != "up":
        assert "label" in refused(place / "classify", tmp_path / "a.csv")


@pytest.mark.parametrize("label", LABELS.values(), ids=list(LABELS))
def test_texts(place, tmp_path, label):
    (tmp_path / "a.csv").write_text(f'text,label\ngoing up,up\n"",{label}\n"  ",{label}\nfalling,{label}\n')
    (tmp_path / "a.jsonl").write_text("".join(json.dumps(row) + "\n" for row in ({"text": "going up"}, {"text": "", "label": None}, {"text": None, "label": 3}, {"text": "falling", "label": label})))
    (tmp_path / "named.tsv").write_text("id\ttext\nw\tgoing up\nx\t\ny\t \nz\tfalling\n")
    for name, ids in (("a.csv", "0123"), ("a.jsonl", "0123"), ("named.tsv", "wxyz")):
        found = rows_of(place / "text", tmp_path / name, "--probabilities")
        assert [row["id"] for row in found] == list(ids)
        assert [bool(row["predicted"]) for row in found] == [True, False, False, True]
        assert [bool(row["p(up)"]) for row in found] == [True, False, False, True]
    told = CliRunner().invoke(app, ["predict", str(place / "text"), str(tmp_path / "named.tsv"), "-o", str(tmp_path / "out.jsonl")])
    assert "nothing to answer in 2 of 4, which are empty: x, y" in told.output
    answers = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    assert answers[1] == {"id": "x", "predicted": None, "probability": None}
    (tmp_path / "none.csv").write_text('text,label\n"",up\n')
    assert CliRunner().invoke(app, ["predict", str(place / "text"), str(tmp_path / "none.csv")]).exit_code == 1
    assert refused(place / "text", tmp_path / "a.csv")


@pytest.mark.parametrize("tag", ["", "_", "?", "O", "B-never"])
def test_tags(place, tmp_path, tag):
    (tmp_path / "a.conll").write_text(f"going\t{tag}\nup\tB-up\n\nfalling\t{tag}\n")
    assert [row["tokens"] for row in rows_of(place / "tag", tmp_path / "a.conll")] == ["going up", "falling"]
    if not tag:
        assert "line 1: its tag is empty" in refused(place / "tag", tmp_path / "a.conll")


def test_sources(place, tmp_path):
    (tmp_path / "a.tsv").write_text("ab\t\nba\n \t2\nab\t1\n")
    (tmp_path / "a.jsonl").write_text('{"source": "ab", "target": null}\n{"source": "ba"}\n{"source": ""}\n{"source": "ab", "target": "1"}\n')
    for name in ("a.tsv", "a.jsonl"):
        found = rows_of(place / "translate", tmp_path / name)
        assert [row["source"] for row in found] == ["ab", "ba", "", "ab"]
        assert [row["id"] for row in found] == [f"line {number}" for number in (1, 2, 3, 4)]
        assert "line" in refused(place / "translate", tmp_path / name)
    folder = tmp_path / "folder"
    folder.mkdir()
    for part in ("train", "test"):
        (folder / f"{part}.tsv").write_text("ab\nba\n")
    assert len(rows_of(place / "translate", folder)) == 2
