"""A third runtime beside those that an export needs: it runs each file where it is installed, and what it finds is written down."""

import json
import sys
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest

import tenuto
from tenuto import cells
from tenuto.export import Differs
from tests.export.test_onnx import layer


def stand_in(factor: float = 1.0, reads: bool = True) -> ModuleType:
    """OpenVINO's interface around ONNX Runtime: a result has several names, one of which is the file's. factor: what results are multiplied with."""
    import onnxruntime

    class Core:
        def read_model(self, path: Any) -> Any:
            if not reads:
                raise RuntimeError("Unsupported operator Scan")
            return onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])

        def compile_model(self, session: Any, device: str, options: dict) -> Any:
            assert device == "CPU" and options["INFERENCE_PRECISION_HINT"] == "f32"
            ports = [SimpleNamespace(get_names=lambda name=one.name: {name, f"squeeze_of_{name}"}) for one in session.get_outputs()]
            return Compiled(ports, session)

    class Compiled:
        def __init__(self, ports: list, session: Any) -> None:
            self.outputs, self.session = ports, session

        def __call__(self, values: Any) -> Any:
            given = self.session.run(None, values)
            return Found(lambda port: given[self.outputs.index(port)] * np.float32(factor))

    class Found:
        def __init__(self, of: Any) -> None:
            self.of = of

        def __getitem__(self, port: Any) -> Any:
            return self.of(port)

    found = ModuleType("openvino")
    found.__spec__ = ModuleSpec("openvino", None)
    found.Core = Core  # type: ignore[attr-defined]
    return found


def written(folder: Path) -> dict:
    return json.loads((folder / "export.json").read_text())["files"]  # type: ignore[no-any-return]


def test_each_file_is_run_there_too_and_what_it_does_not_heed_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "openvino", stand_in())
    tenuto.export(layer(cells.GRU()), tmp_path / "gru")
    files = written(tmp_path / "gru")
    for graph in files.values():
        assert [one["runtime"] for one in graph["compared"]] == ["onnxruntime", "onnx.reference", "openvino"]
    assert ["heeds_lengths" in one for one in files["sequence"]["compared"]] == [False, True, True]


def test_an_answer_that_differs_there_is_caught(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "openvino", stand_in(factor=1.001))
    with pytest.raises(Differs, match="in openvino, for"):
        tenuto.export(layer(cells.GRU()), tmp_path / "gru")
    assert not list(tmp_path.iterdir())


def test_a_file_that_it_does_not_read_is_written_with_the_reason(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "openvino", stand_in(reads=False))
    tenuto.export(layer(cells.MGU()), tmp_path / "mgu")
    sequence = written(tmp_path / "mgu")["sequence"]
    assert sequence["not_in_openvino"] == "Unsupported operator Scan" and [one["runtime"] for one in sequence["compared"]] == ["onnxruntime", "onnx.reference"]
