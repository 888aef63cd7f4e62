"""`tenuto fit translate`, then `predict` and `score`, on six pairs."""

import csv
import io

from tests.cli.command import done as run


def test_fit_predict_and_score(tmp_path):
    (tmp_path / "p.tsv").write_text("ab\tBA\nba\tAB\naab\tBAA\nbb\tBB\naa\tAA\nabb\tBBA\n", encoding="utf-8")
    (tmp_path / "s.txt").write_text("ab\nbb\n", encoding="utf-8")
    options = ("--epochs", 2, "--hidden-size", 8, "--decoder-cell", "gru", "--attention", "bahdanau", "--quiet")
    result = run("fit", "translate", tmp_path / "p.tsv", "--test", tmp_path / "p.tsv", "--out", tmp_path / "run", *options)
    assert "test " in result.stdout and "sources answered exactly" in result.stdout
    assert (tmp_path / "run" / "report.html").is_file()
    rows = list(csv.DictReader(io.StringIO(run("predict", tmp_path / "run", tmp_path / "s.txt", "--beam-size", 3).stdout)))
    assert [row["source"] for row in rows] == ["ab", "bb"] and float(rows[0]["score"]) <= 0
    assert "symbol error rate" in run("score", tmp_path / "run", tmp_path / "p.tsv").stdout
    (tmp_path / "s.txt").write_text("ab\n\nabz\n", encoding="utf-8")  # an empty line is skipped, but it counts as a line
    result = run("predict", tmp_path / "run", tmp_path / "s.txt", code=1)
    words = " ".join(result.output.split())
    assert "the source of pair 'line 3' has a symbol that training never saw: 'z' at position 2" in words and "fit with --unknown symbol" in words
    (tmp_path / "p.tsv").write_text("ab\tBA\nba\n", encoding="utf-8")
    result = run("fit", "translate", tmp_path / "p.tsv", "--out", tmp_path / "other", code=1)
    assert "line 2: it has 1 column" in result.output and not (tmp_path / "other").exists()
