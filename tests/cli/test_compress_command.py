"""`tenuto compress`: a smaller run that every other command takes, what it says of size and quality, and that nothing is written where it was asked for too much."""

import re

import pytest

from tenuto.compress.speed import Speed
from tests.cli.command import run
from tests.compress.models import fitted


@pytest.fixture(scope="module")
def text(tmp_path_factory):
    """A run that classifies texts, and a labelled file."""
    folder = tmp_path_factory.mktemp("compress")
    model, (words, labels) = fitted("text")
    model.save(folder / "run")
    (folder / "run" / "config.toml").write_text('task = "text"\n')
    file = folder / "texts.csv"
    file.write_text("text,label\n" + "".join(f"{' '.join(one)},{label}\n" for one, label in zip(words, labels)))
    return folder / "run", file


def test_a_run_is_compressed_measured_and_used(text, tmp_path):
    folder, file = text
    small = tmp_path / "small"
    result = run("compress", folder, "--int8", "--data", file, "--max-drop", "50%", "--out", small)
    assert result.exit_code == 0, result.output
    assert re.search(r"weights +[\d,]+ → [\d,]+ bytes, \d+ of them as int8", result.output) and "quality" in result.output and "accuracy" in result.output
    assert {path.name for path in small.iterdir()} >= {"config.json", "config.toml", "report.html", "model.safetensors"}
    assert (small / "model.safetensors").stat().st_size < (folder / "model.safetensors").stat().st_size
    page = (small / "report.html").read_text(encoding="utf-8")
    assert "What was made smaller" in page and "stored as int8" in page
    for words in (("predict", small, file), ("score", small, file), ("report", small), ("explain", small, file, "--rows", "0", "--method", "gradient", "-o", tmp_path / "why.html")):
        used = run(*words)
        assert used.exit_code == 0, used.output
    again = run("compress", small, "--int8", "--out", tmp_path / "smaller")
    assert again.exit_code == 1 and "is compressed already" in again.output and not (tmp_path / "smaller").exists()
    four = run("compress", folder, "--int4", "--calibrate", file, "--out", tmp_path / "four")
    assert four.exit_code == 0 and "of them as int4" in four.output and run("score", tmp_path / "four", file).exit_code == 0
    static = run("compress", folder, "--int8", "--activations", "static-int16", "--calibrate", file, "--out", tmp_path / "static")
    assert static.exit_code == 0 and "multiplied as whole numbers in recurrent layers (static-int16)" in " ".join(static.output.split())
    blocks = run("compress", folder, "--sparsity", "75%", "--blocks", "2", "--out", tmp_path / "blocks")
    assert blocks.exit_code == 0 and "in recurrent layers in blocks of 2 rows" in " ".join(blocks.output.split()) and "blocks of 2 rows" in (tmp_path / "blocks" / "report.html").read_text(encoding="utf-8")
    plain = run("compress", folder, "--int8", "--out", tmp_path / "plain")
    assert plain.exit_code == 0 and "quality" not in plain.output and "Nothing was measured on it" in (tmp_path / "plain" / "report.html").read_text(encoding="utf-8")


def test_errors_say_what_to_type_and_write_nothing(text, tmp_path):
    folder, file = text
    for words, said in (
        ((tmp_path / "none", "--int8"), "there is no run folder"),
        ((folder,), "--int8"),
        ((folder, "--int8", "--int4"), "in one form only"),
        ((folder, "--int8", "--calibrate", file), "without looking at data"),
        ((folder, "--int8", "--activations", "static-int8"), "give --calibrate"),
        ((folder, "--int8", "--blocks", "4"), "--sparsity 0.9"),
        ((folder, "--target-size", "1kB", "--blocks", "4", "--data", file), "--blocks is what --target-size finds out"),
        ((folder, "--int8", "--max-drop", "1%"), "give --data"),
        ((folder, "--int8", "--data", file, "--max-drop", "much"), "is no number"),
        ((folder, "--int8", "--data", tmp_path / "none.csv"), "no file or folder"),
    ):
        result = run("compress", *words, "--out", tmp_path / "out")
        assert result.exit_code == 1 and said in result.output, result.output
        assert not (tmp_path / "out").exists()
    own = run("compress", folder, "--int8", "--out", folder)
    assert own.exit_code == 1 and "name another folder" in own.output


def test_a_run_that_is_worse_than_asked_is_not_written(text, tmp_path, monkeypatch):
    folder, file = text
    results = iter([{"accuracy": 0.9}, {"accuracy": 0.8}])
    monkeypatch.setattr("tenuto.compress.call.result_of", lambda *given, **named: next(results))
    result = run("compress", folder, "--int8", "--data", file, "--max-drop", "0.5%", "--out", tmp_path / "out")
    assert result.exit_code == 1 and "11.11% worse" in result.output and "--max-drop" in result.output and not (tmp_path / "out").exists()


def test_a_run_that_is_slower_than_asked_is_not_written(text, tmp_path, monkeypatch):
    folder, file = text
    monkeypatch.setattr("tenuto.compress.call.speed_of", lambda *given: Speed(0.012, 0.010))
    refused = run("compress", folder, "--rank", "25%", "--data", file, "--min-speedup", "1.5", "--out", tmp_path / "out")
    assert refused.exit_code == 1 and "1.2 times as fast" in refused.output and "--min-speedup" in refused.output and not (tmp_path / "out").exists()
    done = run("compress", folder, "--rank", "25%", "--data", file, "--min-speedup", "1.1", "--out", tmp_path / "out")
    assert done.exit_code == 0 and "of them as low-rank" in done.output and "speed       prediction 12 → 10 ms (1.2 times as fast)" in done.output, done.output
    page = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert "Rank of W and U" in page and "The same prediction, ms" in page and run("predict", tmp_path / "out", file).exit_code == 0


def test_units_are_taken_away_and_the_run_learns_on(text, tmp_path):
    folder, file = text
    half = tmp_path / "half"
    result = run("compress", folder, "--units", "50%", "--finetune", file, "--rounds", "2", "--epochs", "1", "--data", file, "--out", half)
    assert result.exit_code == 0, result.output
    assert "units       8 → 4 in each layer, by taylor, fine-tuned" in result.output and not (half / "unfinished").exists()
    assert (half / "model.safetensors").stat().st_size < (folder / "model.safetensors").stat().st_size
    page = (half / "report.html").read_text(encoding="utf-8")
    assert "Units in each layer" in page and "taken away" in page
    for words in (("predict", half, file), ("compress", half, "--int8", "--out", tmp_path / "both"), ("compress", folder, "--units", "0.5", "--int8", "--data", file, "--out", tmp_path / "at-once")):
        used = run(*words)
        assert used.exit_code == 0, used.output
    for words, said in (
        ((folder, "--units", "0.5"), "--finetune"),
        ((folder, "--units", "many", "--data", file), "--units many is no number"),
        ((folder, "--units", "2", "--data", file), "--units 2"),
        ((folder, "--int8", "--score", "norm"), "goes with units"),
        ((tmp_path / "both", "--units", "0.5", "--data", file), "is compressed already"),
    ):
        refused = run("compress", *words, "--out", tmp_path / "out")
        assert refused.exit_code == 1 and said in refused.output, refused.output
        assert not (tmp_path / "out").exists()
