"""The other side: ONNX Runtime's recurrent operators, over whole sequences and a step at a time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from speed.timing import Shape

GATES = {"LSTM": 4, "GRU": 3, "RNN": 1}


def session(kind: str, shape: Shape, threads: int, outputs: tuple[str, ...], states: tuple[str, ...] = (), quantised: bool = False) -> Any:
    """ONNX Runtime's operator of this kind with random weights; None where onnx or onnxruntime is not installed. `quantised`: an LSTM as ONNX Runtime's own tools make it int8.

    Args:
        outputs: of "y", "y_h", "y_c", those that are wanted.
        states: of "h", "c", those that are given.
    """
    try:
        import numpy
        import onnx
        import onnxruntime
    except ImportError:
        return None
    batch, _, features, hidden = shape
    gates = GATES[kind]
    sizes = {"W": (1, gates * hidden, features), "R": (1, gates * hidden, hidden), "B": (1, 2 * gates * hidden)}
    random = numpy.random.default_rng(0)
    weights = [onnx.numpy_helper.from_array((random.standard_normal(s) * 0.1).astype("float32"), n) for n, s in sizes.items()]
    extra = {"linear_before_reset": 1} if kind == "GRU" else {}
    given = ["x", "W", "R", "B", *([""] if states else []), *states]
    made = [name if name in outputs else "" for name in (("y", "y_h", "y_c") if kind == "LSTM" else ("y", "y_h"))]
    node = onnx.helper.make_node(kind, given, made, hidden_size=hidden, **extra)
    value, state = onnx.helper.make_tensor_value_info, [1, batch, hidden]
    graph = onnx.helper.make_graph(
        [node], kind, [value("x", 1, [None, batch, features]), *(value(name, 1, state) for name in states)],
        [value(name, 1, [None, 1, batch, hidden] if name == "y" else state) for name in outputs], weights,
    )  # fmt: skip
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=9)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    content = _quantised(model) if quantised else model.SerializeToString()
    return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])


def _quantised(model: Any) -> bytes:
    """The model with DynamicQuantizeLSTM in the place of LSTM."""
    import tempfile
    from pathlib import Path

    import onnx
    from onnxruntime.quantization import QuantType, quantize_dynamic

    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder, "float.onnx"), Path(folder, "int8.onnx")
        onnx.save(model, source)
        quantize_dynamic(source, target, weight_type=QuantType.QInt8, per_channel=True)
        return target.read_bytes()


def sequence(kind: str, shape: Shape, threads: int) -> Callable[[Any], object] | None:
    """A function of x [T, B, I] (a numpy array) that runs a whole sequence."""
    made = session(kind, shape, threads, ("y",))
    return None if made is None else lambda x: made.run(None, {"x": x})


def stepper(shape: Shape, threads: int, *, quantised: bool = False) -> Callable[[Any], object] | None:
    """A function that runs an LSTM over a list of steps x [1, B, I], one call per step, its states carried in and out."""
    made = session("LSTM", shape, threads, ("y_h", "y_c"), ("h", "c"), quantised)
    if made is None:
        return None
    import numpy

    zeros = numpy.zeros((1, shape[0], shape[3]), "float32")

    def run(steps: Any) -> object:
        h, c = zeros, zeros
        for x in steps:
            h, c = made.run(None, {"x": x, "h": h, "c": c})
        return h

    return run
