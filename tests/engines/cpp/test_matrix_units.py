"""Products on matrix units where the processor has none: the same kernels with Intel's AMX in software (amx_in_software.h), in another process."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tenuto.engines.cpp import cache, compiler, library

pytestmark = [pytest.mark.cpp, pytest.mark.slow, pytest.mark.timeout(1800)]

_RUN = """
import torch
from tenuto.engines.cpp import library
from tenuto.engines.problem import Form
from tests.engines.cpp.posing import BFLOAT16, ENGINE, INVARIANT, INVARIANT_BFLOAT16, ours, pose, truth
from tests.zoo import CELLS
assert library.has_matrix_units(torch.float32)
torch.set_num_threads(2)
for cell in ("lstm", "reset_before", "projection"):
    for sizes in ((9, 33, 70, 140), (3, 150, 600, 48), (4, 1, 1, 34), (5, 3, 4, 6)):
        for flags in ({}, {"lengths": True, "reverse": True}, {"resets": True}):
            form = Form(CELLS[cell], **flags)
            inputs = pose(form, sizes, torch.float32)
            output, final, gradients = truth(form, inputs)
            for engine, most in ((ENGINE, 5e-6), (INVARIANT, 5e-6), (BFLOAT16, 2e-2), (INVARIANT_BFLOAT16, 2e-2)):
                result, found = ours(form, inputs, engine)
                pairs = [("output", result.output, output), *((name, found[name], gradients[name]) for name in gradients)]
                for name, actual, expected in pairs if most < 1e-3 or sizes[1] > 1 else ():  # the gradient of a single number is a sum in which terms cancel
                    off = (actual.double() - expected).norm() / (expected.norm() + 1e-30)
                    assert off < most, (engine.name, cell, sizes, flags, name, float(off))
print("the same")
"""


def test_tiles_in_software(tmp_path):
    if not library.multiplies_bfloat16():
        pytest.skip("this processor lacks AVX512-BF16, which every processor with matrix units has")
    header = Path(__file__).parent / "amx_in_software.h"
    environment = {**os.environ, cache.ENVIRONMENT: str(tmp_path / "kernels"), compiler.FLAGS_ENVIRONMENT: f"-include {header}"}
    done = subprocess.run([sys.executable, "-c", _RUN], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0 and "the same" in done.stdout, done.stderr[-3000:]
