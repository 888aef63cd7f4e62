"""C as a target of `tenuto.export` and of the command."""

import json
import subprocess

import numpy as np
import pytest
import torch
from torch import nn
from typer.testing import CliRunner

import tenuto
from tenuto.cells import GRU
from tenuto.cli import app
from tenuto.errors import ArgumentError
from tenuto.export.c import compare
from tenuto.tasks import SequenceClassifier

pytestmark = pytest.mark.cpp


def layer(**options):
    torch.manual_seed(0)
    return tenuto.Recurrent(GRU(), 3, 4, **options).eval()


def test_a_layer_as_c(tmp_path):
    found = tenuto.export(layer(batch_first=True), tmp_path / "my layer", to="c")
    assert found.worst <= 2e-5 and sorted(path.name for path in found.folder.iterdir()) == ["export.json", "my_layer.c", "my_layer.h", "my_layer.json", "my_layer_main.c"]
    said = subprocess.run([str(compare.build(found.folder, "my_layer"))], input=b"0.5 -1 2", capture_output=True, check=True).stdout
    expected = layer()(torch.tensor([[[0.5, -1.0, 2.0]]])).output[0, 0]
    torch.testing.assert_close(torch.tensor(list(map(float, said.split()))), expected.detach(), atol=1e-6, rtol=0)


def test_what_is_refused_leaves_no_folder(tmp_path):
    for model, options, reason in (
        (layer(), {"name": "7up"}, "cannot be a name in C"),
        (layer(), {"name": "math"}, "math.h is a file of the C library"),
        (layer(bidirectional=True), {}, "reads each sequence from its end too"),
        (layer(reverse=True), {}, "reads each sequence from its end"),
        (nn.Sequential(nn.Linear(3, 3)).eval(), {"example": torch.zeros(5, 2, 3)}, "cannot be printed as C"),
    ):
        with pytest.raises(ArgumentError, match=reason):
            tenuto.export(model, tmp_path / "out", to="c", **options)
    with pytest.raises(ArgumentError, match="have names of their own"):
        tenuto.export(layer(), tmp_path / "out", to="torch", name="mine")
    assert not list(tmp_path.iterdir())


def test_the_command(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    x = [np.random.default_rng(i).normal(size=(5 + i % 3, 2)) for i in range(16)]
    SequenceClassifier("gru", bidirectional=False, hidden_size=4, epochs=1, engine="reference").fit(x, ["a", "b"] * 8).save("run")
    done = CliRunner().invoke(app, ["export", "run", "--to", "c"])
    assert done.exit_code == 0, done.output
    assert "from the model in 4 calls of C" in done.stdout and json.loads((tmp_path / "run-c" / "run.json").read_text())["output"]["names"] == ["a", "b"]
    assert CliRunner().invoke(app, ["export", "run", "--to", "c", "--name", "a-b", "--out", "other"]).exit_code != 0 and not (tmp_path / "other").exists()
