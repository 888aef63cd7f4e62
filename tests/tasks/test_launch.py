"""Every task's estimator in two processes has the curve of one: batches and streams are shared so that each example and token counts once."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.tasks.launched import TASKS, main

PROGRAM = Path(__file__).with_name("launched.py")
ROOT = PROGRAM.parents[2]
SEARCHED = f"{ROOT}{os.pathsep}{ROOT / 'src'}"  # these tests and this source, whichever tenuto is installed
KINKED = {"forecast": 1e-3}  # the gradient of a quantile's loss jumps where the quantile meets a value, and rounding decides on which side it is


@pytest.mark.parametrize("sharded", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_two_processes_follow_the_curve_of_one(tmp_path, sharded):
    variables = {"OMP_NUM_THREADS": "1", "PYTHONPATH": SEARCHED, "ACCELERATE_USE_FSDP": str(sharded).lower()}
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", PROGRAM, tmp_path]
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, **variables}, timeout=240)
    assert done.returncode == 0, done.stderr
    main(tmp_path, list(TASKS))
    for name in TASKS:
        two, one = (json.loads((tmp_path / f"{name}-{processes}.json").read_text("utf-8")) for processes in (2, 1))
        np.testing.assert_allclose(np.concatenate(two), np.concatenate(one), rtol=KINKED.get(name, 1e-5), err_msg=name)
