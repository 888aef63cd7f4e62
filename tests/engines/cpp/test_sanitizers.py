"""The kernels under AddressSanitizer and UndefinedBehaviorSanitizer, over drawn shapes, in another process with the sanitizer's runtime preloaded."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tenuto.engines.cpp import cache, compiler

pytestmark = [pytest.mark.cpp, pytest.mark.slow, pytest.mark.timeout(1200)]  # the sanitizers make compiling slow

_RUN = """
import random, torch
from tenuto.engines.problem import Form
from tests.engines.cpp.posing import engines, ours, pose
from tests.zoo import CELLS
torch.set_num_threads(2)
draw = random.Random(0)
for name in ("lstm", "layer_norm", "mgu", "projection", "dropout"):
    for _ in range(12):
        lengths = draw.random() < 0.6
        form = Form(CELLS[name], lengths=lengths, resets=draw.random() < 0.3, reverse=draw.random() < 0.5, packed=lengths and draw.random() < 0.5)
        sizes = draw.randint(1, 9), draw.randint(1, 14), draw.choice([draw.randint(1, 20), draw.randint(100, 400)]), draw.randint(1, 70)
        dtype = draw.choice([torch.float32, torch.float64])
        for engine in engines(dtype):
            ours(form, pose(form, sizes, dtype), engine)
print("clean")
"""


_DRAWN = """
import torch
from tests.engines.cpp.drawn import check
torch.set_num_threads(2)
check(20_000, 500, False, torch.float64, 1e-11, 1e-10)
print("clean")
"""


@pytest.mark.parametrize("program", [_RUN, _DRAWN], ids=["shapes", "random cells"])
def test_no_access_out_of_bounds_and_nothing_undefined(tmp_path, program):
    command = compiler.find().command
    runtimes = [
        subprocess.run([*command, f"-print-file-name=lib{name}.so"], capture_output=True, text=True, check=False).stdout.strip()
        for name in ("asan", "ubsan")
    ]
    if not all(os.path.isabs(path) for path in runtimes):
        pytest.skip("the compiler has no sanitizer runtimes as shared libraries")
    environment = {
        **os.environ,
        cache.ENVIRONMENT: str(tmp_path),
        compiler.FLAGS_ENVIRONMENT: "-O1 -g -fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer",
        "LD_PRELOAD": " ".join(runtimes),
        "ASAN_OPTIONS": "detect_leaks=0",
    }
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0 and "clean" in done.stdout, done.stderr[-3000:]
