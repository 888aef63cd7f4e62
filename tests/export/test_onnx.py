"""ONNX: cells as operators, Scan and steps; what may not happen to them; the runner; and that a wrong file is caught."""

import importlib.util
import json
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import tenuto
from tenuto import cells
from tenuto.cell import Cell, State
from tenuto.errors import ArgumentError
from tenuto.export import Differs
from tenuto.export.comparison import compared
from tenuto.export.graph import Graph
from tenuto.export.module import module
from tenuto.export.onnx import native as natives
from tenuto.export.onnx import write
from tenuto.export.onnx.expressions import EXPRESSIONS
from tenuto.export.onnx.printed import OPSETS, printed
from tenuto.export.onnx.runtimes import onnx_runtime
from tenuto.program.grammar import KINDS
from tests.random_cells import random_cell

onnx = pytest.importorskip("onnx")


def layer(cell: Cell, features: int = 3, **options: Any) -> nn.Module:
    torch.manual_seed(0)
    made = tenuto.Recurrent(cell, features, 4, **options).eval()
    with torch.no_grad():
        for weight in made.parameters():
            weight.add_(torch.randn_like(weight) * 0.3)
    return made


def sequence_of(model: nn.Module, example: Any = None) -> Graph:
    return module(model, example).graph("sequence")


def in_runtime(graph: Graph, folder: Path, opset: int = 17) -> Any:
    (folder / "one.onnx").write_bytes(printed(graph, opset).SerializeToString())
    return onnx_runtime(folder / "one.onnx")


def operators(path: Path) -> list[Any]:
    return [node for node in onnx.load(path).graph.node if node.op_type in ("LSTM", "GRU", "RNN", "Scan")]


def test_no_kind_of_the_grammar_is_missing() -> None:
    assert EXPRESSIONS.keys() == KINDS.keys()


NATIVE = {
    "LSTM": (cells.LSTM(), {}), "peepholes": (cells.PeepholeLSTM(), {}), "coupled": (cells.CoupledLSTM(), {"input_forget": 1}),
    "activations": (cells.LSTM("softsign", "hard_sigmoid"), {"activations": [b"HardSigmoid", b"Softsign", b"Softsign"]}),
    "GRU": (cells.GRU(), {"linear_before_reset": 1}), "reset before": (cells.ResetBeforeGRU(), {"linear_before_reset": 0}), "RNN": (cells.Elman("relu"), {"activations": [b"Relu"]}),
}  # fmt: skip


@pytest.mark.parametrize("name", NATIVE)
def test_a_cell_that_onnx_has_is_its_operator(name: str, tmp_path: Path) -> None:
    """With every attribute, and never layout=1; GRU with the reset where the cell has it."""
    cell, wanted = NATIVE[name]
    graph = sequence_of(layer(cell))
    assert compared(graph, in_runtime(graph, tmp_path), "onnxruntime").worst < 1e-6
    (node,) = operators(tmp_path / "one.onnx")
    found = {one.name: onnx.helper.get_attribute_value(one) for one in node.attribute}
    assert {key: found.get(key) for key in wanted} == wanted and "layout" not in found
    assert "" not in node.input  # an input that is left empty breaks web runtimes


def test_a_cell_of_ones_own_with_the_maths_of_an_operator_is_that_operator() -> None:
    class Mine(Cell):
        gates = "r z n"
        state = "h"
        parameters = "recurrent_bias"

        def step(self, x: Any, U: Any, s: Any) -> Any:
            reset, update = torch.sigmoid(x.r + U.r @ s.h), torch.sigmoid(x.z + U.z @ s.h)
            new = torch.tanh(x.n + reset * (U.n @ s.h + self.p.recurrent_bias))
            return State(h=new + update * (s.h - new))

    found = natives.as_native(Mine())
    assert found is not None and found.kind == "GRU"
    assert natives.as_native(cells.MGU()) is None and natives.as_native(cells.LSTM("gelu")) is None and natives.as_native(cells.GRU(heads=2)) is None


@pytest.mark.parametrize("options", [{}, {"reverse": True}, {"bidirectional": True, "num_layers": 2, "residual": True, "layer_norm": True}], ids=str)
def test_another_cell_is_a_scan_with_the_input_product_outside_of_it(options: dict, tmp_path: Path) -> None:
    graph = sequence_of(layer(cells.MGU(), **options))
    assert compared(graph, in_runtime(graph, tmp_path), "onnxruntime").worst < 1e-6
    for node in operators(tmp_path / "one.onnx"):
        assert node.op_type == "Scan"
        body = next(one.g for one in node.attribute if one.name == "body")
        assert [one.op_type for one in body.node].count("MatMul") == 2  # U.f @ h, U.n @ (f h); not W x


def test_the_graph_of_a_step_has_no_loop(tmp_path: Path) -> None:
    graph = module(layer(cells.LayerNormLSTM(), num_layers=2), None).graph("step")
    assert compared(graph, in_runtime(graph, tmp_path), "onnxruntime").worst < 1e-6
    assert not operators(tmp_path / "one.onnx")


@pytest.mark.parametrize("cell", [cells.GRU(heads=2), cells.LSTM(rank=2), cells.ProjectionLSTM(2)], ids=repr)
def test_products_in_blocks_factors_and_widths(cell: Cell, tmp_path: Path) -> None:
    graph = sequence_of(layer(cell))
    assert compared(graph, in_runtime(graph, tmp_path), "onnxruntime").worst < 1e-6


def with_streams(cell: Cell) -> nn.Module:
    """The layer, its streams from the first channels of x."""
    inside = layer(cell)
    widths = {name: 4 if width == "H" else int(width) for name, width in cell.widths("streams").items()}

    class Streamed(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = inside

        def forward(self, x: torch.Tensor, state: Any = None, lengths: Any = None) -> Any:
            streams = {name: x[..., :1].expand(*x.shape[:2], width) for name, width in widths.items()}
            return tuple(self.layer(x, state, lengths=lengths, streams=streams or None))

    return Streamed().eval()


def check_random(seed: int, folder: Path) -> None:
    torch.manual_seed(seed)
    cell = random_cell(seed, smooth=True)
    whole = module(with_streams(cell), torch.zeros(2, 2, 3))
    for graph in whole.graphs:
        assert compared(graph, in_runtime(graph, folder), "onnxruntime", tolerance={"float32": 1e-4}).calls == 4


@pytest.mark.parametrize("seed", [3, 11])
def test_drawn_cells(seed: int, tmp_path: Path) -> None:
    check_random(seed, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(100, 140))
def test_many_drawn_cells(seed: int, tmp_path: Path) -> None:
    check_random(seed, tmp_path)


@pytest.mark.parametrize("opset", OPSETS)
def test_every_opset(opset: int, tmp_path: Path) -> None:
    graph = sequence_of(layer(cells.LayerNormLSTM() if opset % 2 else cells.LSTM(), bidirectional=opset == 18))
    model = printed(graph, opset)
    assert model.ir_version <= 10 and [one.version for one in model.opset_import] == [opset]
    onnx.checker.check_model(model, full_check=True)
    assert compared(graph, in_runtime(graph, tmp_path, opset), "onnxruntime").worst < 1e-6


def test_an_opset_that_is_not_written_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ArgumentError, match="17 to 22"):
        write(module(layer(cells.GRU()), None), tmp_path, opset=23)


def test_lengths_are_free_and_zero_is_one_of_them(tmp_path: Path) -> None:
    """Outputs are zero past the end, padding is never read, and the state is that after the last step, also for T and B that no example had."""
    for cell in (cells.LSTM(), cells.LayerNormLSTM()):
        model = layer(cell)
        graph = sequence_of(model)
        run = in_runtime(graph, tmp_path)
        x = torch.randn(23, 4, 3)
        lengths = torch.tensor([23, 1, 0, 9])
        for row, length in enumerate(lengths.tolist()):
            x[length:, row] = 7.0
        states = {name: torch.tanh(torch.randn(1, 4, 4)) for name, _ in graph.states}
        expected = model(x, tuple(states.values()), lengths=lengths)
        found = run({"x": x, "lengths": lengths, **states})
        torch.testing.assert_close(found["output"], expected.output, rtol=1e-5, atol=1e-6)
        torch.testing.assert_close(found["state_out_c"], expected.state.c, rtol=1e-5, atol=1e-6)
        assert not found["output"][9:, 3].any()


def test_swapped_gates_are_caught_and_nothing_is_written(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(natives, "_of_zoo", lambda cell: natives.Native("GRU", ("r", "z", "n"), ("Sigmoid", "Tanh"), recurrent_bias="recurrent_bias", attributes={"linear_before_reset": 1}))
    with pytest.raises(Differs, match=r"export: (output|state_out_h) of the exported sequence graph"):
        tenuto.export(layer(cells.GRU()), tmp_path / "gru")
    assert not list(tmp_path.iterdir())


def test_a_reset_on_the_wrong_side_is_caught(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """What another exporter wrote for years: right for a recurrent bias of zero alone."""
    monkeypatch.setattr(natives, "_of_zoo", lambda cell: natives.Native("GRU", ("z", "r", "n"), ("Sigmoid", "Tanh"), recurrent_bias="recurrent_bias", attributes={"linear_before_reset": 0}))
    with pytest.raises(Differs):
        tenuto.export(layer(cells.GRU()), tmp_path / "gru")


class Mixed(nn.Module):
    """What a model may have around its layers."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.table, self.before, self.layer = nn.Embedding(9, 6), nn.Linear(6, 3), tenuto.GRU(3, 4, bidirectional=True, batch_first=True)
        self.norm, self.after = nn.LayerNorm(8), nn.Linear(8, 5)

    def forward(self, tokens: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        output, _ = self.layer(nn.functional.gelu(self.before(self.table(tokens))), lengths=lengths)
        live = torch.arange(tokens.shape[1])[None] < lengths[:, None]
        mean = torch.where(live[..., None], self.norm(output), 0.0).sum(1) / lengths[:, None]
        return torch.softmax(self.after(nn.functional.silu(mean)).clamp(-3, 3), -1)


def test_a_whole_module_around_its_layers(tmp_path: Path) -> None:
    found = tenuto.export(Mixed().eval(), tmp_path / "mixed", example=torch.zeros(2, 3, dtype=torch.int64))
    assert found.worst < 1e-6 and found.subject.no_step is not None
    assert json.loads((tmp_path / "mixed" / "export.json").read_text())["graphs"]["sequence"]["reads"][0] == {"name": "tokens", "axes": ["batch", "time"], "dtype": "int64", "below": 9}


@pytest.mark.filterwarnings("ignore:LSTM with projections is not supported with oneDNN")  # torch says it of its own layer
@pytest.mark.parametrize("theirs", [nn.LSTM(3, 4, bidirectional=True, proj_size=2), nn.GRU(3, 4, 2, batch_first=True), nn.RNN(3, 4, nonlinearity="relu")], ids=repr)
def test_layers_of_torch_s_own(theirs: nn.RNNBase, tmp_path: Path) -> None:
    """With free sizes, which torch's own exporters froze for years; the reset of a GRU where torch has it."""
    graph = sequence_of(theirs.eval())
    run, x = in_runtime(graph, tmp_path), torch.randn(3, 9, 3)
    directions = 2 if theirs.bidirectional else 1
    rows = x.shape[0] if theirs.batch_first else x.shape[1]
    state = {name: torch.zeros(theirs.num_layers * directions, rows, width) for (name, _), width in zip(graph.states, (theirs.proj_size or 4, 4))}
    lengths = {"lengths": torch.full((rows,), x.shape[1 if theirs.batch_first else 0])} if any(port.name == "lengths" for port in graph.reads) else {}
    torch.testing.assert_close(run({"x": x, **lengths, **state})["output"], theirs(x)[0].detach(), rtol=1e-5, atol=1e-6)
    assert type(theirs) in (nn.LSTM, nn.GRU, nn.RNN)


class Sorted(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = tenuto.GRU(3, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.sort(self.layer(x)[0], -1).values


def test_an_operation_that_is_not_ours_to_write_is_named_with_its_place(tmp_path: Path) -> None:
    with pytest.raises(ArgumentError, match=r"calls sort(.|\n)*test_onnx.py"):
        tenuto.export(Sorted().eval(), tmp_path / "sorted", example=torch.zeros(2, 3, 3))
    with pytest.raises(ArgumentError, match=r"float64(.|\n)*model.float"):
        tenuto.export(layer(cells.GRU(), dtype=torch.float64), tmp_path / "double")
    assert not list(tmp_path.iterdir())


def runner_of(folder: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location("runner", folder / "runner.py")
    assert spec is not None and spec.loader is not None
    made = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(made)
    return made


def test_the_runner_reads_a_stream_step_by_step_and_keeps_the_state(tmp_path: Path) -> None:
    model = layer(cells.LSTM(), learned_state=True)
    with torch.no_grad():
        model.initial_h_l0.copy_(torch.tensor([0.5, -0.5, 0.25, 0.0]))
    tenuto.export(model, tmp_path / "lstm")
    kit = runner_of(tmp_path / "lstm")
    assert not {"torch", "tenuto"} & {name for name in vars(kit)}
    x = np.random.default_rng(0).normal(size=(6, 2, 3)).astype(np.float32)
    with torch.no_grad():
        expected = model(torch.from_numpy(x)).output.numpy()
    exported = kit.Model(tmp_path / "lstm")
    whole = exported("sequence", x=x, lengths=[6, 6])
    np.testing.assert_allclose(whole["output"], expected, atol=1e-6)
    stream = exported.stream(rows=2)
    np.testing.assert_allclose([stream(x=x_t)["output"] for x_t in x], expected, atol=1e-6)
    half = exported("sequence", x=x[:3], lengths=[3, 3])
    rest = exported("sequence", x=x[3:], lengths=[3, 3], state_in_h=half["state_out_h"], state_in_c=half["state_out_c"])
    np.testing.assert_allclose(rest["output"], expected[3:], atol=1e-6)
    with pytest.raises(ValueError, match="reads no y; it reads x"):
        exported("step", y=x[0])
    with pytest.raises(ValueError, match="x has 3 axes"):
        exported("step", x=x)
