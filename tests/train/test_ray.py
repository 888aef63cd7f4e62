"""Ray Train: a worker that dies is started again, and the run ends like one that nothing disturbed."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.tasks.launched import language

PROGRAM = Path(__file__).with_name("ray_launched.py")
ROOT = PROGRAM.parents[2]
SEARCHED = f"{ROOT}{os.pathsep}{ROOT / 'src'}"  # these tests and this source, whichever tenuto is installed


@pytest.mark.slow
def test_two_workers_of_which_one_dies(tmp_path):
    environment = {**os.environ, "PYTHONPATH": SEARCHED, "OMP_NUM_THREADS": "1"}
    done = subprocess.run([sys.executable, PROGRAM, tmp_path], capture_output=True, text=True, env=environment, timeout=280)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split()[-1] == "2"  # the number of workers; before it Ray reports the death
    assert (tmp_path / "died").exists()
    model, text, _ = language()
    model.fit(text)
    losses = json.loads((tmp_path / "losses.json").read_text("utf-8"))
    np.testing.assert_allclose(losses, [[line["train_loss"], line["validation_loss"]] for line in model.metrics_], rtol=1e-5)
