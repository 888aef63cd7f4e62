"""`tenuto fit tag`, `tenuto fit text`, and `predict`, `score`, `report` on the run."""

import json

from typer.testing import CliRunner

from tenuto.cli import app
from tests.cli.command import done

TINY = "--hidden-size 6 --word-size 6 --character-size 4 --character-hidden-size 4 --epochs 2 -q".split()


def run(*words):
    return done(*words).stdout


def test_tagging_from_files(tmp_path):
    for part in ("train", "valid", "test"):
        (tmp_path / part).mkdir()
        (tmp_path / part / "seq.in").write_text("play jazz\nstop it\n" * 6)
        (tmp_path / part / "seq.out").write_text("O B-genre\nO O\n" * 6)
        (tmp_path / part / "label").write_text("play\nstop\n" * 6)
    folder = tmp_path / "run"
    assert "span F1" in run("fit", "tag", tmp_path, "--out", folder, *TINY)
    assert (folder / "report.html").exists()
    assert "genre" in run("score", folder, tmp_path)
    assert json.loads(run("score", folder, tmp_path, "--json"))["sentences"] == 12
    run("predict", folder, tmp_path, "--out", tmp_path / "answers.conll")
    lines = (tmp_path / "answers.conll").read_text().split("\n")
    assert [line.split("\t")[0] for line in lines[:6]] == ["play", "jazz", "", "stop", "it", ""]
    (tmp_path / "bare.txt").write_text("play\nrock\n")
    assert run("predict", folder, tmp_path / "bare.txt").splitlines()[0] == "id,tokens,tags,label"


def test_texts_from_files(tmp_path):
    data = tmp_path / "films.jsonl"
    data.write_text('{"text": "fine", "label": "good"}\n{"text": "a bore", "label": "bad"}\n' * 10)
    folder = tmp_path / "run"
    assert "20 texts;" in run("fit", "text", data, "--test", data, "--out", folder, *TINY)
    assert "accuracy" in run("score", folder, data)
    rows = run("predict", folder, data, "--probabilities").splitlines()
    assert (rows[0], len(rows)) == ("id,predicted,probability,p(bad),p(good)", 21)


def test_columns_are_read_as_the_run_was_trained(tmp_path):
    data = tmp_path / "slots.conll"
    data.write_text("1 V play O\n2 N jazz B-genre\n\n1 V stop O\n2 P it O\n\n" * 6)
    run("fit", "tag", data, "--validation", data, "--token-column", 2, "--tag-column", 1, "--out", tmp_path / "run", *TINY)
    score = json.loads(run("score", tmp_path / "run", data, "--json"))
    assert {row["name"] for row in score["tags"]} == {"V", "N", "P"} and not score["unseen"]
    assert "jazz" in run("predict", tmp_path / "run", data)
    typed = json.loads(run("score", tmp_path / "run", data, "--json", "--tag-column", -1))
    assert set(typed["unseen"]) == {"O", "B-genre"}
    table = tmp_path / "films.csv"
    table.write_text("body,topic\n" + "fine,good\na bore,bad\n" * 10)
    run("fit", "text", table, "--text-column", "body", "--label-column", "topic", "--out", tmp_path / "films", *TINY)
    assert json.loads(run("score", tmp_path / "films", table, "--json"))["sequences"] == 20
    assert len(run("predict", tmp_path / "films", table).splitlines()) == 21


def test_paths_work_from_any_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "slots.conll").write_text("play O\njazz B-genre\n\n" * 8)
    (tmp_path / "vectors.txt").write_text("play 1 2 3 4 5 6\n")
    run("fit", "tag", "slots.conll", "--vectors", "vectors.txt", "--out", "first", *TINY)
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    run("fit", "--from", tmp_path / "first", "--out", "second", "-q")
    assert (tmp_path / "first" / "model.safetensors").read_bytes() == (tmp_path / "elsewhere" / "second" / "model.safetensors").read_bytes()


def test_a_fault_in_the_data_is_reported(tmp_path):
    (tmp_path / "a.conll").write_text("play O\njazz\n")
    result = CliRunner().invoke(app, ["fit", "tag", str(tmp_path / "a.conll"), "--out", str(tmp_path / "run")])
    assert result.exit_code == 1
    assert "line 2: it has 1 columns" in result.output
    assert not (tmp_path / "run").exists()
