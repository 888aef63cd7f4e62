"""Who runs an ONNX model here, to compare it with ours: ONNX Runtime; ONNX's own reference in numpy, where it can; and OpenVINO, where it is installed."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from tenuto.export.comparison import Run

_NATIVE = ("LSTM", "GRU", "RNN")


def onnx_runtime(path: Path) -> Run:
    """ONNX Runtime on a CPU, on one thread."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    return lambda values: _tensors([one.name for one in session.get_outputs()], session.run(None, _arrays(values)))


def reference(model: Any) -> Run:
    """ONNX's reference implementation."""
    from onnx.reference import ReferenceEvaluator

    evaluator = ReferenceEvaluator(model)
    names = [one.name for one in model.graph.output]

    def run(values: Mapping[str, Tensor]) -> dict[str, Tensor]:
        with np.errstate(all="ignore"):
            return _tensors(names, evaluator.run(None, _arrays(values)))

    return run


def openvino(path: Path) -> Run:
    """OpenVINO on a CPU, on one thread, in float32 whatever the processor would rather take.

    Raises:
        Exception: of its own, where it does not read or compile the model.
    """
    import openvino as kit

    core = kit.Core()
    model = core.compile_model(core.read_model(path), "CPU", {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": 1})

    def run(values: Mapping[str, Tensor]) -> dict[str, Tensor]:
        found = model(_arrays(values))
        return {name: torch.from_numpy(np.array(found[port])) for port in model.outputs for name in port.get_names()}

    return run


def not_by_reference(model: Any) -> str | None:
    """Why ONNX's reference does not run this model as the operators are defined; None where it does."""
    for node in model.graph.node:
        attributes = {one.name: one for one in node.attribute}
        if node.op_type in _NATIVE and {"activations", "clip", "input_forget"} & set(attributes):
            return f"it does not heed the activations, clip and input_forget of {node.op_type}"
        if node.op_type == "Scan" and "scan_input_directions" in attributes:
            return "its Scan runs forward only"
    return None


def heeds_lengths(model: Any) -> bool:
    """Whether all runtimes here heed lengths in this model: of LSTM, GRU and RNN, ONNX Runtime alone does; not the reference of onnx 1.23, nor OpenVINO 2026.4."""
    return not any(node.op_type in _NATIVE for node in model.graph.node)


def _arrays(values: Mapping[str, Tensor]) -> dict[str, np.ndarray]:
    return {name: value.contiguous().numpy() for name, value in values.items()}


def _tensors(names: list[str], arrays: Any) -> dict[str, Tensor]:
    return {name: torch.from_numpy(np.array(array)) for name, array in zip(names, arrays, strict=True)}
