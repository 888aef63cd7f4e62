"""The commands, one after another, on a small data set: what they print, what they write, and that errors write nothing."""

import csv
import json
import re
import shlex

import numpy as np
import pytest

from tenuto.cells.names import CELLS
from tenuto.tasks import SequenceClassifier
from tests.cli.command import done as run

# Options of every estimator that the commands do not have.
PYTHON_ONLY = {"betas", "clip_value", "non_finite", "plateau_factor", "plateau_patience"}

SMALL = ["--epochs", "2", "--hidden-size", "4", "--num-layers", "1", "--forward-only", "--quiet"]


def write_table(path, sequences=24, *, labelled=True, seed=0, channels=2):
    random = np.random.default_rng(seed)
    names = [f"c{index}" for index in range(channels)]
    with path.open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["id", "time", *names, *(["label"] if labelled else [])])
        for index in range(sequences):
            label = ("down", "up")[index % 2]
            for step in range(3 + index % 4):
                values = random.normal(size=channels) + (3 if label == "up" else -3)
                rows.writerow([f"s{index}", step, *values.round(4), *([label] if labelled else [])])
    return path


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with a table and a run trained on it."""
    folder = tmp_path_factory.mktemp("place")
    write_table(folder / "walks.csv")
    run("fit", "classify", folder / "walks.csv", "--out", folder / "run", *SMALL)
    return folder


def content(folder):
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_fit_writes_a_whole_run(place):
    names = {path.name for path in (place / "run").iterdir()}
    assert names == {"config.json", "config.toml", "evaluation.json", "metrics.jsonl", "model.safetensors", "report.html"}
    assert len((place / "run" / "metrics.jsonl").read_text().splitlines()) == 2


def test_fit_prints_its_results(place, tmp_path):
    result = run("fit", "classify", place / "walks.csv", "--test", place / "walks.csv", "-o", tmp_path / "run", "--cell", "gru", *SMALL)
    assert re.search(r"validation +[\d.]+% right \(\d+ of 4 sequences;", result.stdout)
    assert re.search(r"test +[\d.]+% right \(\d+ of 24 sequences;", result.stdout)
    assert str(tmp_path / "run" / "report.html") in result.stdout
    assert json.loads((tmp_path / "run" / "config.json").read_text())["options"]["cell"]["class"].endswith(":GRU")


def test_that_a_small_validation_part_chose_the_weights_is_said(place, tmp_path):
    said = run("fit", "classify", place / "walks.csv", "--out", tmp_path / "small", *SMALL).stdout
    low, high = json.loads((tmp_path / "small" / "evaluation.json").read_text())["results"]["validation"]["accuracy_interval"]
    words = f"The validation part is small: what it measures is known to within {100 * (high - low):.0f} points"
    assert f"note        {words}" in said and words in (tmp_path / "small" / "report.html").read_text()
    write_table(tmp_path / "more.csv", 300)
    said = run("fit", "classify", tmp_path / "more.csv", "--out", tmp_path / "large", *SMALL).stdout
    assert "validation  " in said and "is small" not in said + (tmp_path / "large" / "report.html").read_text()


def test_a_validation_file_may_be_given(place, tmp_path):
    write_table(tmp_path / "later.csv", 10, seed=3)
    result = run("fit", "classify", place / "walks.csv", "--validation", tmp_path / "later.csv", "-o", tmp_path / "run", *SMALL)
    assert "of 10 sequences" in result.stdout


def test_progress_goes_to_standard_error(place, tmp_path):
    result = run("fit", "classify", place / "walks.csv", "-o", tmp_path / "run", *SMALL[:-1])
    assert "epoch" in result.stderr and "2 of 2" in result.stderr and "best" in result.stderr
    assert "epoch" not in result.stdout


def test_without_out_it_takes_a_new_folder_each_time(place, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for number in (1, 2):
        run("fit", "classify", place / "walks.csv", *SMALL)
        assert (tmp_path / "runs" / f"walks-lstm-{number}" / "config.json").is_file()


def test_commands_that_are_shown_can_be_typed(place, tmp_path):
    """A folder whose name has blanks and quotes, or looks like an option."""
    for name in ("my runs/it's one", "-x"):
        out = tmp_path / name if " " in name else name
        with pytest.MonkeyPatch.context() as patch:
            patch.chdir(tmp_path)
            shown = re.search(r"^next +tenuto (predict .+) DATA   ", run("fit", "classify", place / "walks.csv", f"--out={out}", *SMALL).stdout, re.M)[1]
            assert len(run(*shlex.split(shown), place / "walks.csv").stdout.splitlines()) == 25  # names of the columns, and 24 sequences


def test_predict_to_the_terminal_and_to_files(place, tmp_path):
    write_table(tmp_path / "new.csv", 5, labelled=False, seed=1)
    rows = list(csv.DictReader(run("predict", place / "run", tmp_path / "new.csv").stdout.splitlines()))
    assert [row["id"] for row in rows] == ["s0", "s1", "s2", "s3", "s4"]
    assert {row["predicted"] for row in rows} <= {"up", "down"}
    run("predict", place / "run", tmp_path / "new.csv", "-o", tmp_path / "all.jsonl", "--probabilities")
    lines = [json.loads(line) for line in (tmp_path / "all.jsonl").read_text().splitlines()]
    assert [line["predicted"] for line in lines] == [row["predicted"] for row in rows]
    for line in lines:
        assert line["p(up)"] + line["p(down)"] == pytest.approx(1, abs=2e-6)
        assert line["probability"] == max(line["p(up)"], line["p(down)"])


def test_predict_agrees_with_python(place):
    from tenuto.data import read_sequences

    rows = list(csv.DictReader(run("predict", place / "run", place / "walks.csv").stdout.splitlines()))
    expected = SequenceClassifier.load(place / "run").predict(read_sequences(place / "walks.csv"))
    assert [row["predicted"] for row in rows] == expected.tolist()


def test_score_prints_and_gives_json(place):
    before = content(place / "run")
    result = json.loads(run("score", place / "run", place / "walks.csv", "--json").stdout)
    said = run("score", place / "run", place / "walks.csv").stdout
    assert f"{result['accuracy']:.2%} of 24 sequences" in said and "macro F1" in said
    assert [row["name"] for row in result["classes"]] == ["down", "up"]
    assert content(place / "run") == before


def test_report_is_made_again(place):
    (place / "run" / "report.html").unlink()
    assert run("report", place / "run").stdout.strip() == str(place / "run" / "report.html")
    assert "Walks" in (place / "run" / "report.html").read_text()


CELL = """
import torch
from tenuto import Cell, State

class Leaky(Cell):
    gates = "h"
    state = "h"
    rate: float = 0.3

    def step(self, x, U, s):
        return State(h=(1 - self.rate) * s.h + self.rate * torch.tanh(x.h + U.h @ s.h))

class Branches(Cell):
    gates = "h"
    state = "h"

    def step(self, x, U, s):
        if s.h.sum() > 0:
            return State(h=x.h)
        return State(h=torch.tanh(x.h + U.h @ s.h))

answer = 42
"""


def test_a_users_own_cell(place, tmp_path):
    (tmp_path / "own_cell.py").write_text(CELL)
    own = f"{tmp_path / 'own_cell.py'}:Leaky"
    run("fit", "classify", place / "walks.csv", "-o", tmp_path / "run", "--cell", own, "--cell-field", "rate=0.5", *SMALL)
    assert json.loads((tmp_path / "run" / "config.json").read_text())["options"]["cell"]["rate"] == 0.5
    assert run("predict", tmp_path / "run", place / "walks.csv", "--cell", own).stdout.count("\n") == 25
    assert "Leaky(rate=0.5)" in (tmp_path / "run" / "report.html").read_text()


def test_show_prints_maths_program_and_derivative():
    said = run("show", "gru-reset-before").stdout
    assert "n = self.activation(x.n + U.n @ (r * s.h))" in said
    assert "phase 0: U.r U.z @ s.h" in said and "v5 = s.h * v2" in said and "phase 1: U.n @ v5" in said
    assert "equations" in said and "h_t = (1 - z) n + z h_{t-1}" in said and "Cho et al. 2014, eqs. 5-8." in said
    assert "d s.h = " in said
    assert "derivative" not in run("show", "gru-reset-before", "--maths").stdout


@pytest.mark.parametrize("name", sorted(CELLS))
def test_every_shipped_cell_can_be_shown(name):
    assert "def step(self, x, U, s" in run("show", name, "--maths").stdout
    assert name in run("show").stdout


def test_show_names_the_line_of_a_step_that_cannot_be_traced(tmp_path):
    (tmp_path / "branching_cell.py").write_text(CELL)
    error = run("show", f"{tmp_path / 'branching_cell.py'}:Branches", code=1).stderr
    assert "branching_cell.py, line 18" in error and "torch.where" in error


FAILURES = [
    (["show", "lstmm"], "there is no cell 'lstmm'", "gru-reset-before"),
    (["show", "lstm", "--cell-field", "activation=wavy"], "no activation is called 'wavy'", "tanh"),
    (["show", "lstm", "--cell-field", "depth=3"], "LSTM has no field 'depth'", "activation"),
    (["show", "lstm", "--cell-field", "tanh"], "'tanh' has no equals sign, so it sets no field", "NAME=VALUE"),
    (["show", "{here}/none.py:Cell"], "there is no file", "path/to/file.py:ClassName"),
    (["show", "{here}/own.py:Nothing"], "defines no Nothing", "Leaky"),
    (["show", "{here}/own.py:answer"], "is not a cell", "a subclass of tenuto.Cell"),
    (["fit", "classify", "{here}/none.csv", "-o", "{here}/new"], "there is no file", "check the path"),
    (["fit", "classify", "{here}/own.py", "-o", "{here}/new"], "in a format that tenuto does not read", ".csv"),
    (["fit", "classify", "{place}/walks.csv", "-o", "{place}/run"], "already holds a complete run", "--overwrite"),
    (["fit", "classify", "{place}/walks.csv", "-o", "{here}"], "what it holds is not a run", "nothing was written"),
    (["fit", "classify", "{place}/walks.csv", "-o", "{here}/new", "--epochs", "0"], "--epochs 0 is out of range", "a whole number, 1 or more"),
    (["fit", "classify", "{place}/walks.csv", "-o", "{here}/new", "--schedule", "x"], "--schedule x is not known", "cosine"),
    (["fit", "classify", "{place}/walks.csv", "-o", "{here}/new", "--label-column", "who"], "there is no column 'who' for the label", "correct --label-column"),
    (["fit", "classify", "{here}/one.csv", "-o", "{here}/new"], "same label", "two classes"),
    (["predict", "{here}/none", "{place}/walks.csv"], "there is no run folder", "check the path"),
    (["predict", "{here}", "{place}/walks.csv"], "is not a complete run", "config.json"),
    (["predict", "{place}/run", "{here}/three.csv"], "channels", ""),
    (["predict", "{place}/run", "{place}/walks.csv", "-o", "{here}/own.py"], "not written as .py", ".jsonl"),
    (["predict", "{place}/run", "{place}/walks.csv", "-o", "{here}/full.csv"], "exists already", "--overwrite"),
    (["predict", "{place}/run", "{place}/walks.csv", "-o", "{here}/no/where.csv"], "there is no folder", "make it first"),
    (["score", "{place}/run", "{here}/unlabelled.csv"], "no labels", ""),
    (["score", "{place}/run", "{here}/other.csv"], "training never saw", "down"),
    (["score", "{place}/run", "{place}/walks.csv", "--tag-column", "1"], "the task classify does not take --tag-column", "--label-column, --split-column, --weight-column, --channel"),
    (["predict", "{place}/run", "{place}/walks.csv", "--beam-size", "2"], "the task classify does not take --beam-size", "--probabilities"),
    (["report", "{here}"], "is not a complete run", "config.json"),
]


@pytest.mark.parametrize("words, what, mend", FAILURES, ids=lambda value: " ".join(value)[:60] if isinstance(value, list) else "")
def test_failures_are_explained_and_write_nothing(place, tmp_path, words, what, mend):
    (tmp_path / "own.py").write_text(CELL)
    (tmp_path / "full.csv").write_text("precious")
    write_table(tmp_path / "three.csv", 4, channels=3)
    write_table(tmp_path / "unlabelled.csv", 4, labelled=False)
    (tmp_path / "other.csv").write_text("id,time,c0,c1,label\na,0,1,2,sideways\n")
    (tmp_path / "one.csv").write_text("id,time,c0,c1,label\na,0,1,2,up\nb,0,1,2,up\n")
    before = content(tmp_path), content(place)
    result = run(*(word.format(here=tmp_path, place=place) for word in words), code=1)
    assert "error " in result.stderr and what in result.stderr and mend in result.stderr
    assert "Traceback" not in result.output and result.stdout == ""
    assert (content(tmp_path), content(place)) == before
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("name", ["config.json", "model.safetensors", "metrics.jsonl", "evaluation.json"])
@pytest.mark.parametrize("damage", ["missing", "cut", "foreign"])
def test_damaged_run_folders_are_refused(place, tmp_path, name, damage):
    for path in (place / "run").iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    victim = tmp_path / name
    whole = victim.read_bytes()
    victim.unlink() if damage == "missing" else victim.write_bytes(whole[: len(whole) // 2] if damage == "cut" else b"[]")
    before = content(tmp_path)
    for words in (["predict", tmp_path, place / "walks.csv"], ["score", tmp_path, place / "walks.csv"], ["report", tmp_path]):
        error = run(*words, code=1).stderr
        assert name in error and "fix" in error
    assert content(tmp_path) == before


def test_a_wrong_command_line_is_exit_code_2():
    assert "No such command" in run("dance", code=2).output
    assert "Missing argument" in run("predict", code=2).output


def test_help_says_what_each_command_is_for():
    said = run("--help").output
    names = ("fit", "tune", "demo", "predict", "score", "generate", "report", "show", "cache")
    places = [said.index(f"│ {name} ") for name in names]
    assert places == sorted(places)  # what a user begins with comes first
    for words in (["fit", "classify"], ["predict"], ["score"], ["generate"], ["report"], ["show"], ["demo"], ["cache"]):
        assert "Usage: " in run(*words, "--help").output
    assert "--config FILE.toml" in run("fit", "--help").output and "--resume RUN" in run("tune", "--help").output


def test_version_is_that_of_the_package():
    from importlib.metadata import version

    assert run("--version").stdout.strip() == f"tenuto {version('tenuto')}"
