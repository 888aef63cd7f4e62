"""`tenuto show` of a file: its cells are listed without running it, and to show one, only what that cell needs is run."""

import os
import subprocess
import sys
from pathlib import Path

SCRIPT = '''"""A script with a cell in it."""
import torch
from tenuto import Cell, State
from tenuto.activations import Activation, register_activation

SCALE = 2.0
def squash(v):
    return SCALE * torch.tanh(v)
register_activation("squash_of_a_script", squash)

class Mine(Cell):
    """Squashes.

    Equations:  h_t = 2 tanh(W x_t)
                and nothing else
    Source:     nobody, 2026.
    """
    gates = "h"
    state = "h"
    activation: Activation = "squash_of_a_script"
    def step(self, x, U, s):
        return State(h=self.activation(x.h) + U.h @ (s.h * s.h))

class NoCell:
    pass

for step in range(3):
    print("TRAINING", step)
open("written.txt", "w").write("ran")
raise SystemExit("the script ran")
'''


def shown(*words, cwd):
    return subprocess.run([sys.executable, "-m", "tenuto.cli", "show", *words], capture_output=True, text=True, cwd=cwd, env={**os.environ, "COLUMNS": "200"})


def test_showing_a_file_does_not_run_it(tmp_path):
    (tmp_path / "script.py").write_text(SCRIPT)
    listed = shown("script.py", cwd=tmp_path)
    assert listed.returncode == 0 and "script.py:Mine  Squashes." in listed.stdout and "NoCell" not in listed.stdout
    one = shown("script.py:Mine", cwd=tmp_path)
    assert one.returncode == 0, one.stderr
    assert "h_t = 2 tanh(W x_t)\nand nothing else\n" in one.stdout and "nobody, 2026." in one.stdout
    assert "script.py:22" in one.stdout and "TRAINING" not in listed.stdout + one.stdout
    assert sorted(path.name for path in Path(tmp_path).iterdir() if path.suffix != "") == ["script.py"]


def test_files_that_cannot_be_shown(tmp_path):
    (tmp_path / "broken.py").write_text("class Mine(Cell:\n")
    (tmp_path / "empty.py").write_text("answer = 42\n")
    (tmp_path / "needs.py").write_text("import nowhere_to_be_found\nfrom tenuto import Cell\nclass Mine(Cell):\n    rate = nowhere_to_be_found.x\n")
    for words, said in (("broken.py", "broken.py, line 1 is not Python"), ("empty.py", "defines no cell"), ("needs.py:Mine", "needs.py, line 1")):
        failed = shown(words, cwd=tmp_path)
        assert failed.returncode == 1 and said in failed.stderr and "Traceback" not in failed.stderr
