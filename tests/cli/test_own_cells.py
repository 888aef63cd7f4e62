"""Whose code runs: only that of a Python file which was named on the command line, never one that a run or a configuration names."""

import json
import subprocess
import sys

import pytest

from tests.cli.test_commands import SMALL, run, write_table

CELL = """
from pathlib import Path
import torch
from tenuto import Cell, State

def left(cell):
    Path({mark!r}).write_text("the file was run")
    return cell

@left
class Mine(Cell):
    gates = "h"
    state = "h"

    def step(self, x, U, s):
        return State(h=torch.tanh(x.h + U.h @ s.h))
"""


@pytest.fixture
def place(tmp_path):
    """A table, a cell of somebody's whose file leaves a mark when it is run, and a run trained with a cell of ours."""
    write_table(tmp_path / "walks.csv")
    (tmp_path / "own.py").write_text(CELL.format(mark=str(tmp_path / "mark")))
    run("fit", "classify", tmp_path / "walks.csv", "-o", tmp_path / "run", *SMALL)
    return tmp_path


def named_in(path, own):
    """The configuration with the cell of the file in place of its own."""
    path.write_text(path.read_text().replace('cell = "lstm"', f'cell = "{own}"'))


def refused(place, *words):
    """The command's complaint, and that nothing of the file was run."""
    said = " ".join(run(*words, code=1).stderr.split())
    assert not (place / "mark").exists()
    assert "own.py" in said and "only if it is named on the command line" in said
    return said


def test_a_file_that_a_run_names_is_not_run(place):
    own = f"{place / 'own.py'}:Mine"
    named_in(place / "run" / "config.toml", own)
    for words in (("--from", place / "run"), ("classify", "--from", place / "run"), ("--config", place / "run" / "config.toml")):
        assert f"--cell {own}" in refused(place, "fit", *words, "-o", place / "again", "-q")
        refused(place, "tune", *words, "-o", place / "again", "-q", "--trials", "1")
    assert not (place / "again").exists()
    run("predict", place / "run", place / "walks.csv")  # what a run's config.toml says of cells is not used
    run("score", place / "run", place / "walks.csv")
    run("report", place / "run")
    assert not (place / "mark").exists()
    run("fit", "--from", place / "run", "--cell", "gru", "-o", place / "ours", "-q")
    assert not (place / "mark").exists()
    run("fit", "--from", place / "run", "--cell", own, "-o", place / "again", "-q")
    assert (place / "mark").exists()


def test_a_file_that_an_unfinished_run_names_is_not_run(place):
    (place / "run" / "config.toml").rename(place / "kept.toml")
    work = place / "stopped" / "unfinished"
    work.mkdir(parents=True)
    (place / "kept.toml").rename(work / "config.toml")
    named_in(work / "config.toml", f"{place / 'own.py'}:Mine")
    for words in (("fit", "--resume", place / "stopped"), ("fit", "classify", "--resume", place / "stopped"), ("fit", "--from", place / "stopped")):
        refused(place, *words, "-q")
    run("fit", "--resume", place / "stopped", "-q", "--cell", f"{place / 'own.py'}:Mine")
    assert (place / "mark").exists()


def test_a_second_cell_of_a_task_needs_its_own_option(place):
    (place / "pairs.tsv").write_text("".join(f"ab{letter}\t{letter}b\n" for letter in "cdefghijkl"))
    own = f"{place / 'own.py'}:Mine"
    (place / "mine.toml").write_text(f'task = "translate"\ndata = "{place / "pairs.tsv"}"\ndecoder_cell = "{own}"\nepochs = 1\nhidden_size = 4\n')
    assert f"--decoder-cell {own}" in refused(place, "fit", "--config", place / "mine.toml", "-o", place / "again", "-q")


def test_a_file_that_a_search_names_is_not_run(place):
    own = f"{place / 'own.py'}:Mine"
    space = place / "space.toml"
    few = "epochs = 1\nhidden_size = 4\nnum_layers = 1\nbidirectional = false\n"
    space.write_text(f'task = "classify"\ndata = "{place / "walks.csv"}"\n{few}[search]\ncell = ["{own}", "lstm"]\n')
    refused(place, "tune", "--config", space, "-o", place / "search", "--trials", "2", "-q")
    run("tune", "--config", space, "-o", place / "consent", "--trials", "2", "-q", "--cell", own)
    assert (place / "mark").exists()
    (place / "mark").unlink()
    refused(place, "tune", "--resume", place / "consent", "--trials", "3", "-q")
    run("tune", "--resume", place / "consent", "--trials", "2", "-q", "--cell", own)


def test_a_file_may_be_called_like_a_module_of_python(place):
    """random.py, json.py: the user's file does not stand where others look for Python's own, or a package's, in this process."""
    for name in ("random.py", "colorsys.py", "numpy.py"):
        file = place / name
        file.write_text((place / "own.py").read_text())
        after = (
            "import sys; before = dict(sys.modules)\n"
            "from tenuto.cli.user_file import class_from_file\n"
            f"kind = class_from_file({str(file)!r}, 'Mine')\n"
            "import pickle, random, colorsys, numpy; from tenuto.cell import cell_to_data, cell_from_data\n"
            "random.random, colorsys.rgb_to_hsv, numpy.zeros\n"
            f"assert not [name for name, module in sys.modules.items() if getattr(module, '__file__', None) == {str(file)!r} and '.' not in name and not name.startswith('tenuto_user_file_')]\n"
            "assert pickle.loads(pickle.dumps(kind())) == kind() and cell_from_data(cell_to_data(kind())) == kind()\n"
            f"assert cell_to_data(kind())['class'] == {file.stem + ':Mine'!r}\n"
        )
        done = subprocess.run([sys.executable, "-c", after], capture_output=True, text=True)
        assert (done.returncode, done.stderr) == (0, "")


def test_a_cell_from_a_file_goes_to_spawned_workers(tmp_path):
    (tmp_path / "own_cell.py").write_text(CELL.format(mark=str(tmp_path / "mark")))
    script = (
        "import multiprocessing\nfrom tenuto.cli.user_file import class_from_file\n"
        "if __name__ == '__main__':\n"
        "    cell = class_from_file('own_cell.py', 'Mine')()\n"
        "    with multiprocessing.get_context('spawn').Pool(1) as pool:\n"
        "        assert pool.apply(repr, (cell,)) == repr(cell)\n"
    )
    (tmp_path / "script.py").write_text(script)
    done = subprocess.run([sys.executable, "script.py"], capture_output=True, text=True, cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")


def test_two_files_of_one_name_are_two_modules(tmp_path):
    from tenuto.cli.user_file import class_from_file

    kinds = []
    for folder in "ab":
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "own.py").write_text(CELL.format(mark=str(tmp_path / folder / "mark")))
        kinds.append(class_from_file(str(tmp_path / folder / "own.py"), "Mine"))
    first, second = (sys.modules[kind.__module__] for kind in kinds)
    assert first is not second and (first.Mine, second.Mine) == tuple(kinds)


def test_what_goes_on_with_a_run_names_its_file(place):
    own = f"{place / 'own.py'}:Mine"
    said = " ".join(run("fit", "classify", place / "walks.csv", "-o", place / "mine", "--cell", own, *SMALL).output.split())
    assert f"--cell {own} | tenuto score" in said
    assert json.loads((place / "mine" / "config.json").read_text())["options"]["cell"]["class"] == "own:Mine"
