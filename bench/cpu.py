"""The CPU engine beside torch.nn, eager loops and ONNX Runtime, in one run on the machine at hand.

Prints tables and writes results/cpu.json (every median, with the processor, the load and the measured peak) and results/cpu.png.
Training is forward + backward with the gradients of x and all weights. Peers take turns call by call, so that whatever else the
machine does falls on both. Ratios are given of the medians and of the best times: on a quiet machine they agree; where they do not,
something else was running, and the best times are nearer to what the code can do. About ten minutes on two cores; `--smoke`: seconds, numbers mean nothing.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import platform
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import nn

import tenuto
from tenuto import Recurrent, cells
from tenuto.engines.cpp import compiler, library

SHAPES = [  # B, T, I, H
    (1, 100, 64, 128), (8, 100, 64, 128), (32, 100, 64, 128), (64, 200, 128, 256),
    (128, 100, 128, 512), (32, 1000, 64, 64), (32, 20, 10, 128),
]  # fmt: skip
VENDOR = {"LSTM": (tenuto.LSTM, nn.LSTM, 4), "GRU": (tenuto.GRU, nn.GRU, 3), "RNN": (tenuto.RNN, nn.RNN, 1)}
LOOPS = {
    "relu LSTM": (cells.LSTM(activation="relu"), 4),
    "layer-norm LSTM": (cells.LayerNormLSTM(), 4),
    "peephole LSTM": (cells.PeepholeLSTM(), 4),
    "dropout LSTM": (cells.LSTM(), 4),
    "MGU": (cells.MGU(), 2),
    "reset-before GRU": (cells.ResetBeforeGRU(), 3),
}
_PEAK = r"""
#include "vector.h"
extern "C" __attribute__((noinline)) real peak(long n, real a, real b) {  // 12 chains of multiply-adds in registers
  vec s[12], x = broadcast(a), y = broadcast(b);
  for (int j = 0; j < 12; j++) s[j] = broadcast(real(j));
  for (long i = 0; i < n; i++)
#pragma GCC unroll 12
    for (int j = 0; j < 12; j++) s[j] = fma(s[j], x, y);
  for (int j = 1; j < 12; j++) s[0] = s[0] + s[j];
  return sum_lanes(s[0]);
}
extern "C" int lanes(void) { return LANES; }
"""


def peak_gflops() -> float:
    """Multiply-adds in registers on one thread, float32, times the threads in use."""
    import ctypes

    kernel = library.build("peak", _PEAK, 32)
    kernel.peak.argtypes, kernel.peak.restype = [ctypes.c_long, ctypes.c_float, ctypes.c_float], ctypes.c_float
    best = math.inf
    for _ in range(20):
        begin = time.perf_counter()
        kernel.peak(200_000, 0.999, 0.001)
        best = min(best, time.perf_counter() - begin)
    return 200_000 * 12 * 2 * kernel.lanes() / best / 1e9 * torch.get_num_threads()


def processor() -> str:
    """The processor's name."""
    path = Path("/proc/cpuinfo")
    lines = path.read_text().splitlines() if path.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def interleaved(calls: dict[str, Callable[[], object]], seconds: float, most: int) -> dict[str, list[float]]:
    """The median and the best time of each call in ms, taken in turns for about `seconds`."""
    times: dict[str, list[float]] = {name: [] for name in calls}
    for name, call in calls.items():
        for _ in range(12 if name == "tenuto" and most > 5 else 1):  # the engine tries its ways of sharing the work on the first calls
            call()
    begin = time.perf_counter()
    while len(next(iter(times.values()))) < most and (time.perf_counter() - begin < seconds or len(next(iter(times.values()))) < 2):
        for name, call in calls.items():
            start = time.perf_counter()
            call()
            times[name].append(time.perf_counter() - start)
    return {name: [statistics.median(values) * 1e3, min(values) * 1e3] for name, values in times.items()}


def inference(layer: nn.Module, x: torch.Tensor) -> Callable[[], object]:
    def call() -> object:
        with torch.no_grad():
            return layer(x)

    return call


def training(layer: nn.Module, x: torch.Tensor, d_output: torch.Tensor) -> Callable[[], object]:
    leaf = x.clone().requires_grad_()

    def call() -> None:
        layer.zero_grad(set_to_none=True)
        leaf.grad = None
        layer(leaf)[0].backward(d_output)

    return call


def onnx_session(kind: str, layer: nn.Module, shape: tuple[int, int, int, int]) -> Callable[[torch.Tensor], object] | None:
    """ONNX Runtime's operator of this kind with random weights of the same size; None where onnxruntime is not installed."""
    try:
        import numpy
        import onnx
        import onnxruntime
    except ImportError:
        return None
    batch, _, features, hidden = shape
    gates = VENDOR[kind][2]
    names = {"W": (1, gates * hidden, features), "R": (1, gates * hidden, hidden), "B": (1, 2 * gates * hidden)}
    random = numpy.random.default_rng(0)
    weights = [onnx.numpy_helper.from_array((random.standard_normal(s) * 0.1).astype("float32"), n) for n, s in names.items()]
    extra = {"linear_before_reset": 1} if kind == "GRU" else {}
    node = onnx.helper.make_node(kind, ["x", "W", "R", "B"], ["y"], hidden_size=hidden, **extra)
    value = onnx.helper.make_tensor_value_info
    graph = onnx.helper.make_graph(
        [node], kind, [value("x", 1, [None, batch, features])], [value("y", 1, [None, 1, batch, hidden])], weights
    )
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=9)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return lambda x: session.run(None, {"x": x.numpy()})


def against_vendor(shapes: list[tuple[int, int, int, int]], seconds: float, most: int) -> list[dict[str, object]]:
    rows: list[dict[str, object]] = []
    for kind, (mine, theirs, gates) in VENDOR.items():
        for shape in shapes:
            batch, steps, features, hidden = shape
            x, d_output = torch.randn(steps, batch, features), torch.randn(steps, batch, hidden)
            ours, peer = mine(features, hidden), theirs(features, hidden)
            operations = 2 * batch * steps * gates * hidden * (features + hidden)
            calls = {"tenuto": inference(ours, x), "torch.nn": inference(peer, x)}
            times = interleaved(calls, seconds, most)
            session = onnx_session(kind, peer, shape)
            if session:  # by itself, since its idle threads spin and would slow down whoever comes next
                times |= interleaved({"onnxruntime": lambda: session(x)}, seconds / 2, most)  # noqa: B023 (called here)
                del session
            rows.append(row(kind, "inference", shape, operations, times))
            calls = {"tenuto": training(ours, x, d_output), "torch.nn": training(peer, x, d_output)}
            rows.append(row(kind, "training", shape, 3 * operations, interleaved(calls, seconds, most)))
    return rows


def against_loops(shapes: list[tuple[int, int, int, int]], seconds: float, most: int) -> list[dict[str, object]]:
    rows: list[dict[str, object]] = []
    for name, (cell, gates) in LOOPS.items():
        for shape in shapes:
            batch, steps, features, hidden = shape
            x, d_output = torch.randn(steps, batch, features), torch.randn(steps, batch, hidden)
            options = {"recurrent_dropout": 0.2} if name.startswith("dropout") else {}
            ours = Recurrent(cell, features, hidden, engine="cpp", **options)
            loop = Recurrent(cell, features, hidden, engine="reference", **options)
            operations = 6 * batch * steps * gates * hidden * (features + hidden)
            calls = {"tenuto": training(ours, x, d_output), "eager loop": training(loop, x, d_output)}
            rows.append(row(name, "training", shape, operations, interleaved(calls, seconds, min(most, 9))))
    return rows


def with_lengths(seconds: float, most: int) -> dict[str, object]:
    """Lengths drawn evenly between 10 % and 100 %, at (32, 100, 64, 128): beside the same without lengths, and torch.nn packed."""
    x = torch.randn(100, 32, 64)
    lengths = torch.randint(10, 101, (32,), generator=torch.Generator().manual_seed(0))
    ours, peer = tenuto.LSTM(64, 128), nn.LSTM(64, 128)
    with torch.no_grad():
        calls = {
            "whole": lambda: ours(x),
            "lengths": lambda: ours(x, lengths=lengths),
            "torch.nn packed": lambda: peer(nn.utils.rnn.pack_padded_sequence(x, lengths, enforce_sorted=False)),
        }
        result: dict[str, object] = dict(interleaved(calls, seconds, most))
    return {**result, "share of steps": lengths.sum().item() / x.shape[0] / x.shape[1]}


def row(kind: str, what: str, shape: tuple[int, ...], operations: int, times: dict[str, list[float]]) -> dict[str, object]:
    median, best = times["tenuto"]
    peers = {name: [values[0] / median, values[1] / best] for name, values in times.items() if name != "tenuto"}
    shown = "  ".join(f"{name} {times[name][0]:8.2f} ({times[name][1]:8.2f}) = {r:5.2f} x ({b:5.2f} x)" for name, (r, b) in peers.items())
    rate = operations / best / 1e6
    print(f"{kind:16} {what:9} {shape!s:20} tenuto {median:8.2f} ({best:8.2f}) ms {rate:4.0f} GFLOP/s   {shown}", flush=True)
    return {"cell": kind, "what": what, "shape": shape, "ms_median_best": times, "ratio_median_best": peers, "gflops_best": rate}


def summary(rows: list[dict]) -> dict[str, dict[str, float]]:
    groups: dict[str, list[list[float]]] = {}
    for entry in rows:
        for peer, ratios in entry["ratio_median_best"].items():
            groups.setdefault(f"{entry['cell']}, {entry['what']}, against {peer}", []).append(ratios)
    means = {}
    for name, pairs in groups.items():
        medians, bests = zip(*pairs)
        mean = [math.exp(sum(map(math.log, values)) / len(values)) for values in (medians, bests)]
        means[name] = {"mean of medians": mean[0], "least of medians": min(medians), "mean of bests": mean[1], "least of bests": min(bests)}
        print(f"{name:48} medians {mean[0]:5.2f} x, least {min(medians):5.2f}   bests {mean[1]:5.2f} x, least {min(bests):5.2f}")
    return means


def plot(rows: list[dict], path: Path) -> None:
    """One group of bars a shape, one panel a cell; without matplotlib nothing."""
    try:
        import matplotlib
    except ImportError:
        return
    matplotlib.use("Agg")
    from matplotlib import pyplot

    kinds = list(dict.fromkeys(entry["cell"] for entry in rows))
    figure, axes = pyplot.subplots(-(-len(kinds) // 3), 3, figsize=(15, 3.2 * -(-len(kinds) // 3)), squeeze=False)
    for axis, kind in zip(axes.flat, kinds):
        chosen = [entry for entry in rows if entry["cell"] == kind and entry["what"] == "training"]
        peer = next(iter(chosen[0]["ratio_median_best"]))
        axis.bar(range(len(chosen)), [entry["ratio_median_best"][peer][1] for entry in chosen], color="#35618f")
        axis.axhline(1, color="black", linewidth=0.8)
        axis.set_xticks(range(len(chosen)), ["\n".join(map(str, entry["shape"])) for entry in chosen], fontsize=7)
        axis.set_title(f"{kind}: training, times as fast as {peer} (best times)", fontsize=9)
    figure.tight_layout()
    figure.savefig(path, dpi=110)


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--smoke", action="store_true", help="one small shape, few calls, nothing written")
    options.add_argument("--seconds", type=float, default=4.0, help="for each line of the table")
    arguments = options.parse_args()
    torch.manual_seed(0)
    shapes, most = ([(2, 5, 3, 16)], 3) if arguments.smoke else (SHAPES, 40)
    peak, found = peak_gflops(), compiler.find()
    print(f"{processor()}, {torch.get_num_threads()} threads, load {os.getloadavg()[0]:.1f}, peak {peak:.0f} GFLOP/s, {found and found.version}")
    rows = against_vendor(shapes, arguments.seconds, most) + against_loops(shapes, arguments.seconds, most)
    lengths = with_lengths(arguments.seconds, most)
    print("lengths 10 % to 100 %:", "  ".join(f"{name} {value}" for name, value in lengths.items()))
    means = summary(rows)
    if not arguments.smoke:
        place = Path(__file__).parent / "results"
        place.mkdir(exist_ok=True)
        about = {
            "processor": processor(), "threads": torch.get_num_threads(), "load": os.getloadavg(), "peak_gflops": peak,
            "compiler": found.version if found else None, "torch": torch.__version__,
        }  # fmt: skip
        text = json.dumps({"about": about, "summary": means, "lengths": lengths, "rows": rows}, indent=1)
        (place / "cpu.json").write_text(text + "\n", encoding="utf-8")
        plot(rows, place / "cpu.png")


if __name__ == "__main__":
    main()
