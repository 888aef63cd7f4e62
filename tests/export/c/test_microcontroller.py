"""The export to C built for a Cortex-M4, and run in an emulator there: its own test finds the model's answers."""

import importlib.util

import pytest
import torch
from bench.microcontroller import Device, built, sections

from tenuto import Recurrent
from tenuto.cells import GRU
from tenuto.export.c.model import of_layer

MISSING = [name for name in ("ziglang", "unicorn", "elftools") if importlib.util.find_spec(name) is None]


@pytest.mark.skipif(bool(MISSING), reason="needs pip install ziglang unicorn pyelftools")
def test_a_model_on_a_cortex_m4(tmp_path):
    torch.manual_seed(0)
    model = of_layer(Recurrent(GRU(), 3, 18, engine="reference").eval())
    program = built(model, "tiny", tmp_path)
    found, device = sections(program), Device(program)
    assert found["constants"] >= 4 * 3 * 18 * (3 + 18) and 0 < found["code"] < 8192 and found["memory"] >= 4 * (18 + 4 * 18)
    assert device.call("test")[0] == 0
    device.call("reset")
    wrong, count = device.call("step")
    assert wrong == 0 and 3 * 18 * (3 + 18) < count < 20 * 3 * 18 * (3 + 18)
    expected = Recurrent.forward(model.layers[0][0], torch.zeros(1, 1, 3)).output[0, 0]
    torch.testing.assert_close(torch.tensor(device.numbers("output", 18)), expected.detach(), atol=1e-5, rtol=0)
