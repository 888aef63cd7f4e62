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


_MEMORIES = """
import random, torch
from tenuto import cells
from tenuto.layers import DNC, NTM
torch.set_num_threads(2)
draw = random.Random(0)
for number in range(60):
    sizes = {"rows": draw.randint(1, 40), "width": draw.randint(1, 20), "read_heads": draw.randint(1, 5)}
    if draw.random() < 0.5:
        model = DNC(cells.LSTM(), 3, 5, links=draw.random() < 0.7, masked=draw.random() < 0.5, deallocating=draw.random() < 0.5, sharpened_links=draw.random() < 0.5, **sizes)
    else:
        model = NTM(cells.GRU(), 3, 5, write_heads=draw.randint(1, 3), reach=draw.randint(1, 5), **sizes)
    dtype = draw.choice([torch.float32, torch.float64])
    steps, batch = draw.randint(1, 6), draw.randint(1, 9)
    x, lengths = torch.randn(steps, batch, 3, dtype=dtype, requires_grad=True), [draw.randint(0, steps) for _ in range(batch)]
    resets = torch.rand(steps, batch) < 0.3 if draw.random() < 0.5 else None
    model = model.to(dtype)
    assert not model.engine_report(x).torch_heads, model.engine_report(x)
    model(x, lengths=lengths, resets=resets).output.sum().backward()
    with torch.no_grad():
        model(x, lengths=lengths, resets=resets)
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


def test_drawn_memories(tmp_path):
    run_clean(tmp_path / "cache", f"-O1 -g {SANITIZERS}", _MEMORIES)


@pytest.mark.parametrize("first", range(20_000, 30_000, 1000))
def test_ten_thousand_drawn_cells(tmp_path_factory, first):
    shared = tmp_path_factory.getbasetemp().parent / "sanitized"  # the loop itself is compiled once
    run_clean(shared, QUICKLY, _DRAWN, str(first))
