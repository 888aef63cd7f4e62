"""Layers as pickles: in a file, in another process, with the cell's class rewritten meanwhile."""

import copy
import json
import os
import pickle
import subprocess
import sys
from pathlib import Path

import pytest
import torch

import tenuto
from tenuto import cells
from tenuto.cell import Cell, State
from tenuto.errors import CellError

ROOT = Path(__file__).parents[2]
STEP = """
import torch
from tenuto import Cell, State

class Mine(Cell):
    gates = "z n"
    state = "h"
    rate: float = 0.5

    def step(self, x, U, s):
        z = torch.sigmoid(x.z + U.z @ s.h)
        n = torch.tanh(x.n + U.n @ (z * s.h))
        return State(h=(1 - z) * n + self.rate * z * s.h)
"""
REWRITTEN = """
import torch
from tenuto import Cell, State

# Now with comments.


class Mine(Cell):
    state, gates = "h", "z n"
    rate: float = 0.5

    def step(self, inputs, weights, before):
        update = torch.sigmoid(inputs.z + weights.z @ before.h)
        candidate = weights.n @ (update * before.h) + inputs.n
        return State(h=(1 - update) * torch.tanh(candidate) + self.rate * update * before.h)
"""
WRITE = "import sys, torch, tenuto, mine; torch.manual_seed(0); layer = tenuto.Recurrent(mine.Mine(), 3, 4, zoneout=0.1).eval(); torch.save([layer, layer(torch.ones(5, 2, 3)).output], 'layer.pt')"
READ = """
import torch, tenuto
layer, output = torch.load("layer.pt", weights_only=False)
torch.testing.assert_close(layer(torch.ones(5, 2, 3)).output, output)
"""


def python(folder, *arguments):
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT / "src"), str(folder)]), "TENUTO_ENGINE": "reference", "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.run([sys.executable, *arguments], cwd=folder, env=environment, capture_output=True, text=True, timeout=300)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    place = tmp_path_factory.mktemp("pickles")
    (place / "mine.py").write_text(STEP)
    assert python(place, "-c", WRITE).stderr == ""
    return place


def test_a_layer_that_was_saved_works_after_a_harmless_rewrite(folder):
    (folder / "mine.py").write_text(REWRITTEN)
    assert python(folder, "-c", READ).stderr == ""


def test_a_layer_whose_step_has_other_maths_by_now_says_what_differs(folder):
    (folder / "mine.py").write_text(STEP.replace("self.rate * z", "self.rate * z * z"))
    said = python(folder, "-c", READ).stderr
    assert "CellError: the cell Mine is not the one with which the Recurrent layer was pickled: the new state h differs." in said
    assert "take Mine as it was when the layer was pickled" in said


@pytest.mark.parametrize(
    ("text", "said"),
    [("", "the cell 'mine:Mine' is not known here"), (STEP.replace("rate", "speed"), "mine:Mine has no field 'rate'"), (None, "make mine importable here")],
    ids=["no class", "other fields", "no module"],
)
def test_a_class_that_is_not_there_is_named(folder, text, said):
    (folder / "mine.py").unlink(missing_ok=True)
    if text is not None:
        (folder / "mine.py").write_text(text)
    assert said in python(folder, "-c", READ).stderr


SCRIPT = """
import multiprocessing, torch, tenuto
from tenuto import Cell, State

class Mine(Cell):
    gates = "h"
    state = "h"
    def step(self, x, U, s):
        return State(h=0.7 * torch.tanh(x.h + U.h @ s.h))

def run(layer, x):
    return layer(x).output.detach().numpy()

if __name__ == "__main__":
    torch.manual_seed(0)
    layer, x = tenuto.Recurrent(Mine(), 3, 4), torch.ones(5, 2, 3)
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        torch.testing.assert_close(torch.from_numpy(pool.apply(run, (layer, x))), layer(x).output.detach())
"""


def test_a_cell_of_a_script_runs_in_spawned_workers(tmp_path):
    (tmp_path / "script.py").write_text(SCRIPT)
    done = python(tmp_path, "script.py")
    assert (done.returncode, done.stderr) == (0, "")


def test_a_cell_of_a_notebook_tells_spawned_workers_what_to_do(tmp_path):
    start = "    process = multiprocessing.get_context('spawn').Process(target=print, args=(tenuto.Recurrent(Mine(), 3, 4),))\n    process.start(); process.join()\n"
    typed = SCRIPT.partition("def run")[0] + 'if __name__ == "__main__":\n' + start
    done = python(tmp_path, "-c", typed)
    assert "the cell '__main__:Mine' is not known here" in done.stderr and "put the class into a file of its own" in done.stderr


def test_a_run_of_a_scripts_cell_names_it_alike_in_the_script_and_in_its_workers():
    from tenuto.cell import cell_to_data

    for module in ("__main__", "__mp_main__"):
        kind = type("Mine", (cells.Elman,), {"__module__": module, "__qualname__": "Mine"})
        assert cell_to_data(kind())["class"] == "__main__:Mine"


def local(slope):
    class Local(Cell):
        gates = "h"
        state = "h"

        def step(self, x, U, s):
            return State(h=slope * torch.tanh(x.h + U.h @ s.h))

    return Local()


LAYERS = {
    "recurrent": lambda: tenuto.Recurrent(cells.GRU(), 3, 4, 2, bidirectional=True, recurrent_dropout=0.1).eval(),
    "factory": lambda: tenuto.Recurrent(local(2.0), 3, 4),
    "lstm": lambda: tenuto.LSTM(3, 4, 2),
    "gru": lambda: tenuto.GRU(3, 4),
    "rnn": lambda: tenuto.RNN(3, 4, nonlinearity="relu"),
}


def pickled(layer):
    return pickle.loads(pickle.dumps(layer))  # noqa: S301


@pytest.mark.parametrize("again", [pickled, copy.deepcopy, copy.copy], ids=["pickle", "deepcopy", "copy"])
@pytest.mark.parametrize("name", LAYERS)
def test_a_layer_again_gives_the_same(name, again):
    layer, x = LAYERS[name](), torch.randn(5, 2, 3)
    local(3.0)  # another class of the same name
    expected, found = layer(x), again(layer)(x)
    torch.testing.assert_close(found[0], expected[0], rtol=0, atol=0)


@pytest.mark.parametrize("make", [tenuto.LSTMCell, tenuto.GRUCell, tenuto.RNNCell])
def test_a_cell_of_torch_again_gives_the_same(make):
    layer, x = make(3, 4), torch.randn(2, 3)
    torch.testing.assert_close(pickled(layer)(x), layer(x), rtol=0, atol=0)


def test_a_pickle_holds_the_maths_and_no_key_of_a_process_or_a_torch():
    layer = tenuto.Recurrent(local(2.0), 3, 4)
    state = layer.__getstate__()
    assert state["maths"] == layer.maths and "_running" not in state and "_handle" not in state
    state["maths"] = {**json.loads(json.dumps(layer.maths)), "digest": "of another torch"}
    other = object.__new__(tenuto.Recurrent)
    other.__setstate__(state)  # its programs were compared
    x = torch.randn(5, 2, 3)
    torch.testing.assert_close(other(x).output, layer(x).output)
    state["cell"] = local(3.0)
    with pytest.raises(CellError, match="Local is not the one with which the Recurrent layer was pickled: the new state h differs"):
        object.__new__(tenuto.Recurrent).__setstate__(state)
    del state["maths"]  # pickled before there was any
    object.__new__(tenuto.Recurrent).__setstate__(state)


def test_a_cell_is_copied_and_pickled_as_its_class_and_fields():
    cell = cells.Zoneout(cells.GRU(rank=3), "h")
    for again in (copy.copy(cell), copy.deepcopy(cell), pickled(cell)):
        assert again == cell and repr(again) == repr(cell)
    assert pickled(Cell) is Cell
