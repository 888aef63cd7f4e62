"""Sections over whole sequences: beside torch.nn and ONNX Runtime, in bfloat16, beside eager loops, with lengths, inside `tenuto.invariant()`, and calls that are over at once."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence

import tenuto
from speed import peers
from speed.timing import Shape, by_themselves, entry, interleaved
from tenuto import Recurrent, cells
from tenuto.cell import Cell

SHAPES: list[Shape] = [
    (1, 100, 64, 128), (8, 100, 64, 128), (32, 100, 64, 128), (64, 200, 128, 256),
    (128, 100, 128, 512), (32, 1000, 64, 64), (32, 20, 10, 128),
]  # fmt: skip
SMALL: list[Shape] = [(1, 2, 8, 16), (1, 10, 16, 32), (8, 10, 16, 32)]
RAGGED: list[Shape] = [(32, 100, 64, 128), (64, 200, 128, 256)]
VENDOR: dict[str, tuple[type[nn.Module], type[nn.Module]]] = {
    "LSTM": (tenuto.LSTM, nn.LSTM), "GRU": (tenuto.GRU, nn.GRU), "RNN": (tenuto.RNN, nn.RNN),
}  # fmt: skip
LOOPS: dict[str, tuple[Cell, int]] = {  # the cell and its gates
    "relu LSTM": (cells.LSTM(activation="relu"), 4),
    "layer-norm LSTM": (cells.LayerNormLSTM(), 4),
    "peephole LSTM": (cells.PeepholeLSTM(), 4),
    "dropout LSTM": (cells.LSTM(), 4),
    "MGU": (cells.MGU(), 2),
    "reset-before GRU": (cells.ResetBeforeGRU(), 3),
}
Rows = list[dict[str, object]]


def inference(run: Callable[[Tensor], object], x: Tensor) -> Callable[[], object]:
    """A call without gradients."""

    def call() -> object:
        with torch.no_grad():
            return run(x)

    return call


def training(layer: nn.Module, run: Callable[[Tensor], Tensor], x: Tensor, d_output: Tensor) -> Callable[[], object]:
    """Forward and backward with the gradients of x and of all weights."""
    leaf = x.clone().requires_grad_()

    def call() -> None:
        layer.zero_grad(set_to_none=True)
        leaf.grad = None
        run(leaf).backward(d_output)

    return call


def both(layers: dict[str, nn.Module], x: Tensor, d_output: Tensor) -> dict[str, dict[str, Callable[[], object]]]:
    """The calls of each layer, by what they do."""
    return {
        "inference": {name: inference(layer, x) for name, layer in layers.items()},
        "training": {name: training(layer, lambda x, layer=layer: layer(x)[0], x, d_output) for name, layer in layers.items()},
    }


def work(shape: Shape, gates: int) -> int:
    """Floating-point operations of the products of one forward pass; training has three times as many."""
    batch, steps, features, hidden = shape
    return 2 * batch * steps * gates * hidden * (features + hidden)


def named(layer: nn.Module, engine: str) -> nn.Module:
    """The layer with its engine chosen."""
    layer.engine = engine
    return layer


def against_vendor(kind: str, shapes: list[Shape], seconds: float) -> Rows:
    """Our drop-in on the cpp engine and on "auto" beside torch.nn; and beside ONNX Runtime in blocks of calls, each by itself, since its idle threads spin."""
    rows: Rows = []
    mine, theirs = VENDOR[kind]
    for shape in shapes:
        batch, steps, features, hidden = shape
        x, d_output, operations = torch.randn(steps, batch, features), torch.randn(steps, batch, hidden), work(shape, peers.GATES[kind])
        layers = {
            "cpp": named(mine(features, hidden), "cpp"), "auto": named(mine(features, hidden), "auto"), "torch.nn": theirs(features, hidden),
        }  # fmt: skip
        for what, calls in both(layers, x, d_output).items():
            times = interleaved(calls, seconds, frozenset(["cpp"]))  # "auto" runs what "cpp" has tried
            other = peers.sequence(kind, shape, torch.get_num_threads()) if what == "inference" else None
            if other:
                array = x.numpy()
                times |= by_themselves({"cpp by itself": calls["cpp"], "onnxruntime": lambda: other(array)}, seconds)  # noqa: B023 (called here)
                del other
            rows.append(entry(kind, what, shape, operations * (1 if what == "inference" else 3), times))
    return rows


def narrowly(call: Callable[[], object], enabled: bool) -> Callable[[], object]:
    """The same call under autocast of bfloat16."""

    def inside() -> object:
        with torch.autocast("cpu", torch.bfloat16, enabled=enabled):
            return call()

    return inside


def in_bfloat16(kind: str, shapes: list[Shape], seconds: float) -> Rows:
    """Under autocast: our drop-in beside torch.nn, and beside ours in float32."""
    rows: Rows = []
    mine, theirs = VENDOR[kind]
    for shape in shapes:
        batch, steps, features, hidden = shape
        x, d_output, operations = torch.randn(steps, batch, features), torch.randn(steps, batch, hidden), work(shape, peers.GATES[kind])
        layers = {"bfloat16": named(mine(features, hidden), "auto"), "torch.nn": theirs(features, hidden)}
        plain = {"float32": named(mine(features, hidden), "cpp")}
        half = both(layers, x, d_output.bfloat16())
        for what, calls in both(plain, x, d_output).items():
            turns = {name: narrowly(call, True) for name, call in half[what].items()} | calls
            times = interleaved(turns, seconds, frozenset(["bfloat16", "float32"]))
            rows.append(entry(kind, what, shape, operations * (1 if what == "inference" else 3), times))
    return rows


def loops_in_bfloat16(shapes: list[Shape], seconds: float) -> Rows:
    """Cells that torch has no kernel for, training under autocast: beside the same in float32."""
    rows: Rows = []
    for name, (cell, gates) in LOOPS.items():
        options = {"recurrent_dropout": 0.2} if name.startswith("dropout") else {}
        for shape in shapes:
            batch, steps, features, hidden = shape
            x, d_output = torch.randn(steps, batch, features), torch.randn(steps, batch, hidden)
            calls = {}
            for kind, narrow in (("bfloat16", True), ("float32", False)):
                layer = Recurrent(cell, features, hidden, engine="cpp", **options)
                d = d_output.bfloat16() if narrow else d_output
                calls[kind] = narrowly(training(layer, lambda x, layer=layer: layer(x)[0], x, d), narrow)  # type: ignore[misc]
            times = interleaved(calls, seconds, frozenset(calls))
            rows.append(entry(name, "training", shape, 3 * work(shape, gates), times))
    return rows


def small_calls(shapes: list[Shape], seconds: float) -> Rows:
    """Inference that is over at once: what a call costs beside its arithmetic."""
    rows: Rows = []
    for kind, (mine, theirs) in VENDOR.items():
        for shape in shapes:
            batch, steps, features, hidden = shape
            x = torch.randn(steps, batch, features)
            calls = {"auto": inference(mine(features, hidden).eval(), x), "torch.nn": inference(theirs(features, hidden).eval(), x)}
            other = peers.sequence(kind, shape, 1)
            if other:
                calls["onnxruntime"] = partial(other, x.numpy())
            rows.append(entry(kind, "small call", shape, work(shape, peers.GATES[kind]), by_themselves(calls, seconds)))
    return rows


def against_loop(name: str, shapes: list[Shape], seconds: float) -> Rows:
    """A cell that torch has no kernel for beside the eager loop of the same cell, and beside our own LSTM of the same size."""
    rows: Rows = []
    cell, gates = LOOPS[name]
    options = {"recurrent_dropout": 0.2} if name.startswith("dropout") else {}
    for shape in shapes:
        batch, steps, features, hidden = shape
        x, d_output = torch.randn(steps, batch, features), torch.randn(steps, batch, hidden)
        layers: dict[str, nn.Module] = {
            "cpp": Recurrent(cell, features, hidden, engine="cpp", **options),
            "eager loop": Recurrent(cell, features, hidden, engine="reference", **options),
            "our LSTM": named(tenuto.LSTM(features, hidden), "cpp"),
        }
        times = interleaved(both(layers, x, d_output)["training"], seconds, frozenset(["cpp", "our LSTM"]))
        row = entry(name, "training", shape, 3 * work(shape, gates), times)
        rows.append({**row, "operations of our LSTM": 3 * work(shape, 4)})
    return rows


def run_ours(layer: nn.Module, lengths: Tensor | None, x: Tensor) -> Tensor:
    """The output [T, B, H] of our layer."""
    return layer(x, lengths=lengths)[0]  # type: ignore[no-any-return]


def run_packed(layer: nn.Module, lengths: Tensor, x: Tensor) -> Tensor:
    """The output [sum of lengths, H] of a layer on packed sequences."""
    return layer(pack_padded_sequence(x, lengths, enforce_sorted=False))[0].data  # type: ignore[no-any-return]


def drawn_lengths(batch: int, steps: int) -> Tensor:
    """[B] int64, drawn evenly between 10 % and 100 % of the steps."""
    return torch.randint(max(1, steps // 10), steps + 1, (batch,), generator=torch.Generator().manual_seed(0))


def with_lengths(shapes: list[Shape], seconds: float) -> Rows:
    """Lengths drawn evenly between 10 % and 100 %, given or packed: beside the same without lengths, and beside torch.nn on packed sequences."""
    rows: Rows = []
    for kind, (mine, theirs) in VENDOR.items():
        for shape in shapes:
            batch, steps, features, hidden = shape
            x, d_output = torch.randn(steps, batch, features), torch.randn(steps, batch, hidden)
            lengths = drawn_lengths(batch, steps)
            ours, peer = named(mine(features, hidden), "cpp"), theirs(features, hidden)
            d_packed = pack_padded_sequence(d_output, lengths, enforce_sorted=False).data
            runs = {
                "lengths": (ours, partial(run_ours, ours, lengths), d_output),
                "packed": (ours, partial(run_packed, ours, lengths), d_packed),
                "whole": (ours, partial(run_ours, ours, None), d_output),
                "torch.nn packed": (peer, partial(run_packed, peer, lengths), d_packed),
                "torch.nn whole": (peer, lambda x, peer=peer: peer(x)[0], d_output),
            }
            share = lengths.sum().item() / batch / steps
            every = {
                "inference": {name: inference(run, x) for name, (_, run, _) in runs.items()},
                "training": {name: training(layer, run, x, d) for name, (layer, run, d) in runs.items()},
            }
            for what, calls in every.items():
                times = interleaved(calls, seconds, frozenset(["lengths", "packed", "whole"]))
                operations = work(shape, peers.GATES[kind]) * share * (1 if what == "inference" else 3)
                rows.append({**entry(kind, what, shape, operations, times), "share of steps": share})
    return rows


def invariant_mode(shapes: list[Shape], seconds: float) -> Rows:
    """The LSTM inside `tenuto.invariant()` beside the default; the other cells run on the same engine either way."""
    rows: Rows = []
    for shape in shapes:
        batch, steps, features, hidden = shape
        x, d_output = torch.randn(steps, batch, features), torch.randn(steps, batch, hidden)
        layers: dict[str, nn.Module] = {"invariant": tenuto.LSTM(features, hidden), "default": tenuto.LSTM(features, hidden)}
        for what, calls in both(layers, x, d_output).items():

            def inside(call: Callable[[], object] = calls["invariant"]) -> object:
                with tenuto.invariant():
                    return call()

            times = interleaved({"invariant": inside, "default": calls["default"]}, seconds, frozenset(calls))
            rows.append(entry("LSTM", what, shape, work(shape, 4) * (1 if what == "inference" else 3), times))
    return rows
