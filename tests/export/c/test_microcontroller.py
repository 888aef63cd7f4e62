"""The export to C built for a Cortex-M4, and run in an emulator there: its own test finds the model's answers."""

import pytest
import torch
from bench.microcontroller import Device, built, sections

import tenuto
from tenuto import Recurrent
from tenuto.cells import GRU
from tenuto.export.c.model import of_layer


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


@pytest.mark.parametrize("options", [{"weights": "int8"}, {"weights": "int4"}, {"activations": "int8"}], ids=["int8", "int4", "whole numbers"])
def test_a_compressed_model_on_a_cortex_m4(tmp_path, options):
    torch.manual_seed(0)
    layer = Recurrent(GRU(), 3, 18, engine="reference").eval()
    whole, small = (sections(built(of_layer(model), "tiny", tmp_path)) for model in (layer, tenuto.compress(layer, **options)))
    assert small["constants"] < whole["constants"] - 2 * 3 * 18 * (3 + 18)
    assert Device(tmp_path / "tiny.elf").call("test")[0] == 0  # where activations are whole numbers too: to the last bit
