"""`tenuto` in a process of its own (few such tests: each imports torch): Ctrl-C, a reader that goes away, exit codes, and what `--help` imports."""

import json
import os
import signal
import subprocess
import sys

import pytest
from typer.testing import CliRunner

from tenuto.cli import app
from tenuto.errors import RunError
from tests.cli.test_commands import SMALL, run, write_table

ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1", "NO_COLOR": "1", "COLUMNS": "100"}


def program(*words, **options):
    return subprocess.run(
        [sys.executable, "-m", "tenuto.cli", *map(str, words)], capture_output=True, text=True, env=ENVIRONMENT, check=False, **options
    )


def start(*words):
    return subprocess.Popen(
        [sys.executable, "-m", "tenuto.cli", *map(str, words)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=ENVIRONMENT
    )


def test_an_error_is_words_and_exit_code_1(tmp_path):
    result = program("predict", tmp_path, "japanese_vowels")
    assert result.returncode == 1
    assert result.stderr.startswith("error ") and "is not a complete run" in result.stderr
    assert "Traceback" not in result.stderr and result.stdout == ""


def test_a_traceback_can_be_asked_for(tmp_path, monkeypatch):
    monkeypatch.setenv("TENUTO_TRACEBACK", "1")
    with pytest.raises(RunError, match="is not a complete run"):
        CliRunner().invoke(app, ["report", str(tmp_path)], catch_exceptions=False)


@pytest.mark.skipif(sys.platform == "win32", reason="signals work differently there")
def test_ctrl_c_keeps_the_best_so_far(tmp_path):
    write_table(tmp_path / "walks.csv")
    words = ["--epochs", "1000000", "--patience", "0", "--hidden-size", "4", "--forward-only", "--schedule", "constant"]
    with start("fit", "classify", tmp_path / "walks.csv", "-o", tmp_path / "run", *words) as process:
        for line in process.stderr:
            if line.startswith("epoch"):
                break
        process.send_signal(signal.SIGINT)
        said, complaints = process.communicate(timeout=120)
    assert process.returncode == 0, complaints
    assert "interrupted" in complaints and "Traceback" not in complaints
    assert "validation" in said
    evaluation = json.loads((tmp_path / "run" / "evaluation.json").read_text())
    assert evaluation["training"]["stopped"] == "interrupted"
    run("predict", tmp_path / "run", tmp_path / "walks.csv")
    assert "interrupted by its user" in (tmp_path / "run" / "report.html").read_text()


@pytest.mark.skipif(sys.platform == "win32", reason="broken pipes work differently there")
def test_a_reader_that_goes_away_is_not_an_error(tmp_path):
    write_table(tmp_path / "many.csv", 2000)
    write_table(tmp_path / "walks.csv")
    run("fit", "classify", tmp_path / "walks.csv", "-o", tmp_path / "run", *SMALL)
    with start("predict", tmp_path / "run", tmp_path / "many.csv", "--probabilities") as process:
        process.stdout.readline()
        process.stdout.close()
        complaints = process.stderr.read()
    assert complaints == ""


def test_help_loads_nothing_heavy():
    """For every command and task: no torch, no numpy, nothing of ours that needs them."""
    script = """
import json, sys
from typer.testing import CliRunner
from tenuto.cli import app
from tenuto.tasks import cards
pages = [[], *([name] for name in ("fit", "tune", "demo", "predict", "score", "generate", "report", "show", "cache"))]
for words in [*pages, *([group, card.command] for card in cards() for group in ("fit", "tune"))]:
    result = CliRunner().invoke(app, [*words, "--help"])
    assert result.exit_code == 0 and "Usage: " in result.output, (words, result.output)
print(json.dumps(sorted(sys.modules)))
"""
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, env=ENVIRONMENT, check=False)
    assert result.returncode == 0, result.stderr
    ours = ("cell", "cells", "data", "engines", "layers", "pages", "report", "runs.folder", "runs.search_folder", "train")
    heavy = {"torch", "numpy", "jinja2", "pandas", "pyarrow", "matplotlib", *(f"tenuto.{room}" for room in ours)}
    assert not heavy & set(json.loads(result.stdout))


@pytest.mark.parametrize(
    "typed, offered", [("tenuto sc", ["score"]), ("tenuto fit t", ["tag", "text", "translate", "transcribe"]), ("tenuto tune tag --tria", ["--trials"])]
)
def test_completion_is_offered(typed, offered):
    words = {**ENVIRONMENT, "_TENUTO_COMPLETE": "complete_bash", "COMP_WORDS": typed, "COMP_CWORD": str(typed.count(" "))}
    completed = subprocess.run([sys.executable, "-m", "tenuto.cli"], capture_output=True, text=True, env=words, check=False)
    assert completed.stdout.split() == offered, completed.stderr


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_can_be_installed(shell):
    words = {**ENVIRONMENT, "_TENUTO_COMPLETE": f"source_{shell}"}
    completed = subprocess.run([sys.executable, "-m", "tenuto.cli"], capture_output=True, text=True, env=words, check=False)
    assert "tenuto" in completed.stdout and f"complete_{shell}" in completed.stdout
