"""A new task costs one folder and one line: the commands list, fit, search, score, ask and report the toy task beside this file."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
COMMANDS = """
import json, sys
import tenuto.tasks
tenuto.tasks.FOLDERS["Summer"] = "tests.tasks.toy"  # the one line
from typer.testing import CliRunner
from tenuto.cli import app
said = []
for words in json.loads(sys.argv[1]):
    result = CliRunner().invoke(app, words)
    said.append([result.exit_code, result.output])
    if result.exit_code == 1 and not isinstance(result.exception, SystemExit):
        raise result.exception
print(json.dumps(said))
"""


def commands(*lines):
    """(exit code, output) of each command line, in one process that knows the toy task."""
    words = json.dumps([[str(word) for word in line] for line in lines])
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "NO_COLOR": "1", "COLUMNS": "160"}
    done = subprocess.run([sys.executable, "-c", COMMANDS, words], capture_output=True, text=True, cwd=ROOT, env=environment, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sums")
    (folder / "sums.txt").write_text("1 2 3 -> 6\n4 5 -> 9\n1 1 -> 2\n7 -> 7\n")
    return folder


def test_one_folder_and_one_line_are_a_whole_task(place):
    data, run = place / "sums.txt", place / "run"
    marked = ("--sum-mark", "->")
    every = commands(
        ("fit", "--help"),
        ("fit", "sum", "--help"),
        ("fit", "sum", data, "--test", data, "-o", run, *marked, "--clip-norm", 0, "--seed", 3, "--widths", "4,5", "--as-they-are", "-q"),
        ("fit", "--from", run, "-o", place / "again", "-q"),
        ("score", run, data),
        ("score", run, data, "--sum-mark", "="),
        ("predict", run, data, "--digits", 0),
        ("predict", run, data, "-o", place / "answers.sums"),
        ("report", run),
        ("tune", "sum", data, *marked, "--trials", 2, "-o", place / "search", "-q"),
        ("predict", run, data, "--token-column", 1),
        ("score", run, data, "--channel", "a"),
        ("predict", run, data, "--probabilities"),
    )
    codes, said = zip(*every)
    assert codes == (0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 1, 1), said
    assert "Learn the sum of a line" in said[0] and "--as-they-are" in said[1] and "--sum-mark" in said[1] and "[default: 1,2]" in said[1]
    assert "of 4 lines" in said[2] and f"next        tenuto predict {run} DATA" in said[2]
    config = json.loads((run / "config.json").read_text())
    assert config["options"]["widths"] == [4, 5] and config["options"]["clip_norm"] is None and config["options"]["random_state"] == 3
    assert (place / "again" / "model.safetensors").read_bytes() == (run / "model.safetensors").read_bytes()
    assert said[4].startswith("loss ") and "NUMBERS = SUM" in said[5]  # with the run's own mark, and with another one
    assert said[6].splitlines()[0] == "id,predicted" and len(said[6].splitlines()) == 5
    assert len((place / "answers.sums").read_text().splitlines()) == 4
    page = (run / "report.html").read_text()
    assert "It adds up." in page and "In square units a line." in page and ">lines<" in page and "Sums" in page
    assert {tuple(trial["options"]) for trial in json.loads((place / "search" / "search.json").read_text())["trials"]} == {("hidden_size", "learning_rate")}
    for refused, name in zip(said[10:], ("--token-column", "--channel", "--probabilities")):
        assert f"the task toy-sum does not take {name}" in refused and "--sum-mark" in refused


def test_nothing_else_names_the_toy():
    """One folder, one line: no file of tenuto names it."""
    found = [path for path in (ROOT / "src").rglob("*.py") if "toy" in path.read_text(encoding="utf-8")]
    assert found == []
