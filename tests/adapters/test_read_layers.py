"""Recurrent layers of other libraries as ours: same answers, gates by name, and every tensor read or named."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import tenuto
from tenuto.adapters import read_layers
from tenuto.errors import ArgumentError, DataError

onnx = pytest.importorskip("onnx")


def alike(ours: tenuto.Recurrent, theirs: nn.RNNBase) -> None:
    x = torch.randn(2, 6, 3) if theirs.batch_first else torch.randn(6, 2, 3)
    with torch.no_grad():
        expected, last = theirs(x)
        found = ours(x)
    torch.testing.assert_close(found.output, expected, rtol=1e-5, atol=1e-6)
    for mine, given in zip(found.state, last if isinstance(last, tuple) else (last,), strict=True):
        torch.testing.assert_close(mine, given, rtol=1e-5, atol=1e-6)


@pytest.mark.filterwarnings("ignore:LSTM with projections is not supported with oneDNN")  # torch says it of its own layer
@pytest.mark.parametrize(
    "theirs",
    [
        nn.LSTM(3, 4, 2, bidirectional=True), nn.GRU(3, 4, 2, batch_first=True), nn.RNN(3, 4, nonlinearity="relu"), nn.GRU(3, 4, bias=False), nn.LSTM(3, 5, proj_size=2),
    ],
    ids=repr,
)  # fmt: skip
def test_layers_of_torch(theirs: nn.RNNBase) -> None:
    model = nn.ModuleDict({"inner": theirs}).eval()
    alike(read_layers(model)["inner"], theirs)
    if not theirs.batch_first:
        alike(read_layers(model.state_dict(), nonlinearity="relu")["inner"], theirs)


def test_a_tensor_that_belongs_to_no_layer_is_named() -> None:
    """As one of the second layer, which others left out without a word."""
    state = nn.LSTM(3, 4, 2).state_dict()
    gap = {name.replace("_l1", "_l2"): value for name, value in state.items()}
    with pytest.raises(ArgumentError, match=r"the tensor bias_hh_l2 belongs to no recurrent layer"):
        read_layers(gap)
    model = nn.Sequential(nn.Embedding(5, 3), nn.GRU(3, 4))
    with pytest.raises(ArgumentError, match=r"the tensor 0.weight(.|\n)*only=\['1'\]"):
        read_layers(model)
    assert list(read_layers(model, only="1")) == ["1"]
    with pytest.raises(ArgumentError, match="2"):
        read_layers(model, only="2")


@pytest.mark.parametrize(
    ("source", "said"),
    [
        (nn.Linear(2, 3), "no recurrent layer"), ({"a": torch.zeros(3)}, "no recurrent layer"), (nn.RNN(3, 4).state_dict(), "nonlinearity"), (7, "no model that is read"),
        ({"weight_ih_l0": torch.zeros(9, 3), "weight_hh_l0": torch.zeros(9, 4)}, "no layer of torch.nn"),
    ],
)  # fmt: skip
def test_what_is_refused(source: Any, said: str) -> None:
    with pytest.raises(ArgumentError, match=said):
        read_layers(source)


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    for name in ("a.onnx", "a.keras"):
        with pytest.raises(DataError, match="no file"):
            read_layers(tmp_path / name)
        (tmp_path / name).write_bytes(b"not a model")
        with pytest.raises(DataError, match="cannot be read"):
            read_layers(tmp_path / name)


# --- ONNX --------------------------------------------------------------------------------------------------------------------------


class Case:
    """One of ONNX's own cases: a node, what it reads and what it gives."""

    def __init__(self, node: Any, inputs: Any, outputs: Any, name: str) -> None:
        self.node, self.name = node, name
        self.inputs = dict(zip([one for one in node.input if one], inputs, strict=True))
        self.outputs = dict(zip([one for one in node.output if one], outputs, strict=True))

    @property
    def model(self) -> Any:
        """The node alone, with its weights in the file."""
        helper, numpy_helper = onnx.helper, onnx.numpy_helper
        kept = {name: value for name, value in self.inputs.items() if name in ("W", "R", "B", "P")}
        free = {name: value for name, value in self.inputs.items() if name not in kept}
        info = lambda name, value: helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(value.dtype), value.shape)  # noqa: E731
        graph = helper.make_graph(
            [self.node], "case", [info(*one) for one in free.items()], [info(*one) for one in self.outputs.items()], [numpy_helper.from_array(value, name) for name, value in kept.items()],
        )  # fmt: skip
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def cases() -> Iterator[Case]:
    """All of ONNX's cases for LSTM, GRU and RNN, from the code that makes them."""
    from onnx.backend.test.case.node import gru, lstm, rnn

    found: list[Case] = []
    for part in (lstm, gru, rnn):
        before = part.expect
        part.expect = lambda node, inputs, outputs, name: found.append(Case(node, inputs, outputs, name))
        try:
            for kind in (getattr(part, name) for name in ("LSTM", "GRU", "RNN") if hasattr(part, name)):
                for export in (getattr(kind, name) for name in dir(kind) if name.startswith("export")):
                    export()
        finally:
            part.expect = before
    return iter(found)


CASES = {case.name: case for case in cases()}


def test_there_are_eighteen_cases() -> None:
    assert len(CASES) == 18


def given_to(layer: tenuto.Recurrent, case: Case) -> tuple[torch.Tensor, dict[str, Any]]:
    first = lambda name: torch.from_numpy(case.inputs[name].swapaxes(0, 1) if layer.batch_first else case.inputs[name])  # noqa: E731
    states = [first(name) for name in ("initial_h", "initial_c") if name in case.inputs]
    options: dict[str, Any] = {"lengths": torch.from_numpy(case.inputs["sequence_lens"]).long()} if "sequence_lens" in case.inputs else {}
    return torch.from_numpy(case.inputs["X"]), {**options, **({"state": tuple(states)} if states else {})}


def in_onnx_form(layer: tenuto.Recurrent, output: Any, states: Any) -> dict[str, np.ndarray]:
    """What a layer gives as the operator gives it: Y [T, D, B, H], states [D, B, H]; with layout=1 Y [B, T, D, H], states [B, D, H]."""
    parted = output.unflatten(-1, (layer.directions, -1)) if layer.batch_first else output.unflatten(-1, (layer.directions, -1)).transpose(1, 2)
    found = {"Y": parted} | {f"Y_{name}": value.transpose(0, 1) if layer.batch_first else value for name, value in zip("hc", states)}
    return {name: value.detach().numpy() for name, value in found.items()}


def agree(case: Case, found: dict[str, np.ndarray]) -> None:
    for name, expected in case.outputs.items():
        np.testing.assert_allclose(found[name], expected, rtol=1e-4, atol=1e-6, err_msg=name)


@pytest.mark.parametrize("name", CASES)
def test_onnx_s_own_cases_are_read_and_reproduced(name: str) -> None:
    case = CASES[name]
    (layer,) = read_layers(case.model).values()
    x, options = given_to(layer, case)
    with torch.no_grad():
        output, states = layer(x, **options)
    agree(case, in_onnx_form(layer, output, states))


@pytest.mark.parametrize("name", CASES)
def test_onnx_s_own_cases_are_written_again(name: str, tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime")
    from tenuto.export.module import module
    from tenuto.export.onnx.printed import printed
    from tenuto.export.onnx.runtimes import onnx_runtime

    case = CASES[name]
    (layer,) = read_layers(case.model).values()
    graph = module(layer, None).graph("sequence")
    (tmp_path / "again.onnx").write_bytes(printed(graph, 17).SerializeToString())
    x, options = given_to(layer, case)
    time, rows = (1, 0) if layer.batch_first else (0, 1)
    states = options.get("state") or [torch.zeros(layer.directions, x.shape[rows], layer.hidden_size) for _ in graph.states]
    values = {"x": x, "lengths": options.get("lengths", torch.full((x.shape[rows],), x.shape[time])), **dict(zip([into for into, _ in graph.states], states))}
    found = onnx_runtime(tmp_path / "again.onnx")(values)
    agree(case, in_onnx_form(layer, found["output"], [found[out] for _, out in graph.states]))
    assert {node.op_type for node in onnx.load(tmp_path / "again.onnx").graph.node} >= {case.node.op_type}


def asked(kind: str, gates: int, **attributes: Any) -> Any:
    """A node with attributes that no case has, and drawn weights."""
    helper, numpy_helper, draw = onnx.helper, onnx.numpy_helper, np.random.default_rng(0)
    weights = {"W": (1, gates * 4, 3), "R": (1, gates * 4, 4), "B": (1, gates * 8)}
    states = ["Y", "Y_h", "Y_c"] if kind == "LSTM" else ["Y", "Y_h"]
    node = helper.make_node(kind, ["X", *weights], states, name="asked", hidden_size=4, **attributes)
    info = lambda name, shape: helper.make_tensor_value_info(name, 1, shape)  # noqa: E731
    made = [numpy_helper.from_array(draw.normal(size=shape).astype(np.float32), name) for name, shape in weights.items()]
    graph = helper.make_graph([node], "asked", [info("X", ["T", "B", 3])], [info(name, None) for name in states], made)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


ATTRIBUTES = {
    "clip": ("LSTM", 4, {"clip": 0.7}), "coupled": ("LSTM", 4, {"input_forget": 1}), "clipped GRU": ("GRU", 3, {"clip": 0.5, "linear_before_reset": 1}),
    "LSTM's activations": ("LSTM", 4, {"activations": ["HardSigmoid", "Softsign", "Relu"], "activation_alpha": [0.25], "activation_beta": [0.4]}),
    "GRU's": ("GRU", 3, {"activations": ["HardSigmoid", "ScaledTanh"], "activation_alpha": [0.3, 1.2], "activation_beta": [0.45, 0.7]}),
    "RNN's": ("RNN", 1, {"activations": ["LeakyRelu"], "activation_alpha": [0.3], "direction": "reverse"}), "affine": ("RNN", 1, {"activations": ["Affine"], "activation_alpha": [0.5], "activation_beta": [0.1]}),
    "elu": ("RNN", 1, {"activations": ["Elu"], "activation_alpha": [0.8]}), "thresholded": ("RNN", 1, {"activations": ["ThresholdedRelu"], "activation_alpha": [0.2], "clip": 1.0}),
    "softplus": ("RNN", 1, {"activations": ["Softplus"], "clip": 2.0}),
}  # fmt: skip


@pytest.mark.parametrize("name", ATTRIBUTES)
def test_every_attribute_is_read_and_written_again(name: str, tmp_path: Path) -> None:
    """ONNX Runtime runs the source, our layer answers alike, and so does what is written from it."""
    runtime = pytest.importorskip("onnxruntime")
    from tenuto.export.module import module
    from tenuto.export.onnx.printed import printed
    from tenuto.export.onnx.runtimes import onnx_runtime

    kind, gates, attributes = ATTRIBUTES[name]
    model = asked(kind, gates, **attributes)
    x = np.random.default_rng(1).normal(size=(5, 2, 3)).astype(np.float32)
    expected = runtime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"]).run(None, {"X": x})
    layer = read_layers(model)["asked"]
    with torch.no_grad():
        output, states = layer(torch.from_numpy(x))
    for mine, theirs in zip([output, *states], [expected[0][:, 0], *expected[1:]], strict=True):
        np.testing.assert_allclose(mine.numpy(), theirs, rtol=1e-4, atol=1e-5)
    graph = module(layer, None).graph("sequence")
    (tmp_path / "again.onnx").write_bytes(printed(graph, 17).SerializeToString())
    again = onnx_runtime(tmp_path / "again.onnx")({"x": torch.from_numpy(x), "lengths": torch.tensor([5, 5]), **{into: torch.zeros(1, 2, 4) for into, _ in graph.states}})
    np.testing.assert_allclose(again["output"].numpy(), expected[0][:, 0], rtol=1e-4, atol=1e-5)
    (node,) = (one for one in onnx.load(tmp_path / "again.onnx").graph.node if one.op_type == kind)
    written = {one.name for one in node.attribute}
    assert set(attributes) - {"direction"} <= written


def test_an_operator_that_is_not_ours_is_named() -> None:
    model = asked("GRU", 3)
    model.graph.node.append(onnx.helper.make_node("Gemm", ["Y_h", "wide"], ["out"], name="dense"))
    model.graph.initializer.append(onnx.numpy_helper.from_array(np.ones((4, 2), np.float32), "wide"))
    with pytest.raises(ArgumentError, match=r"Gemm \(dense\) is no operator that is read here(.|\n)*only=\['asked'\]"):
        read_layers(model)
    assert list(read_layers(model, only=["asked"])) == ["asked"]
    del model.graph.node[-1]
    with pytest.raises(ArgumentError, match="the tensor wide belongs to no recurrent layer"):
        read_layers(model)
