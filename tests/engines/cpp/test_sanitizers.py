"""The kernels under AddressSanitizer and UndefinedBehaviorSanitizer, over drawn shapes, in another process with the sanitizer's runtime preloaded."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tenuto.engines.cpp import cache, compiler

pytestmark = [pytest.mark.cpp, pytest.mark.slow, pytest.mark.timeout(3600)]  # the sanitizers make compiling slow
SANITIZERS = "-fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer"
# For thousands of cells, each compiled: no optimisation, functions that stay functions, and checks that are calls.
QUICKLY = f"-O0 {SANITIZERS} -fno-sanitize=null,object-size --param asan-instrumentation-with-call-threshold=0 -DINLINE='static __attribute__((noinline))'"

_RUN = """
import random, torch
from tenuto.engines.cpp import library
from tenuto.engines.problem import Form
from tests.engines.cpp.posing import BFLOAT16, engines, ours, pose
from tests.zoo import CELLS
torch.set_num_threads(2)
draw = random.Random(0)
for name in ("lstm", "layer_norm", "mgu", "projection", "dropout"):
    for _ in range(12):
        lengths = draw.random() < 0.6
        form = Form(CELLS[name], lengths=lengths, resets=draw.random() < 0.3, reverse=draw.random() < 0.5, packed=lengths and draw.random() < 0.5)
        sizes = draw.randint(1, 9), draw.randint(1, 14), draw.choice([draw.randint(1, 20), draw.randint(100, 400)]), draw.randint(1, 70)
        dtype = draw.choice([torch.float32, torch.float64])
        rounding = [BFLOAT16] if dtype == torch.float32 and library.multiplies_bfloat16() else []
        for engine in [*engines(dtype), *rounding]:
            ours(form, pose(form, sizes, dtype), engine)
print("clean")
"""


_DRAWN = """
import sys, torch
from tests.engines.cpp.drawn import check
torch.set_num_threads(2)
check(int(sys.argv[1]), 1000, False, torch.float64, 1e-11, 1e-10)
print("clean")
"""


def run_clean(folder, flags, program, *arguments):
    """Runs a program whose kernels are compiled with a sanitizer, in a cache of its own; fails with what the sanitizer says."""
    command = compiler.find().command
    runtimes = [
        subprocess.run([*command, f"-print-file-name=lib{name}.so"], capture_output=True, text=True, check=False).stdout.strip()
        for name in ("asan", "ubsan")
    ]
    if not all(os.path.isabs(path) for path in runtimes):
        pytest.skip("the compiler has no sanitizer runtimes as shared libraries")
    folder.mkdir(mode=0o700, exist_ok=True)
    environment = {
        **os.environ, cache.ENVIRONMENT: str(folder), compiler.FLAGS_ENVIRONMENT: flags, "LD_PRELOAD": " ".join(runtimes), "ASAN_OPTIONS": "detect_leaks=0"
    }  # fmt: skip
    done = subprocess.run([sys.executable, "-c", program, *arguments], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0 and "clean" in done.stdout, done.stderr[-3000:]


def test_drawn_shapes(tmp_path):
    run_clean(tmp_path / "cache", f"-O1 -g {SANITIZERS}", _RUN)


@pytest.mark.parametrize("first", range(20_000, 30_000, 1000))
def test_ten_thousand_drawn_cells(tmp_path_factory, first):
    shared = tmp_path_factory.getbasetemp().parent / "sanitized"  # the loop itself is compiled once
    run_clean(shared, QUICKLY, _DRAWN, str(first))
