"""One step of one live stream: our `stream`, also with weights of bfloat16 and of int8, beside ONNX Runtime with its state carried in and out (in blocks of calls, each by itself, since its idle threads spin), and beside torch.nn."""

from __future__ import annotations

import torch
from torch import nn

import tenuto
from speed import peers
from speed.timing import Calls, Shape, by_themselves, entry, interleaved

SHAPES: list[Shape] = [(1, 1, 64, 128), (1, 1, 256, 512)]
STEPS = 100  # steps in a timed call
STREAMS = ["stream", "stream, bfloat16", "stream, int8"]


def one_step(shapes: list[Shape], seconds: float) -> list[dict[str, object]]:
    """Milliseconds a step of an LSTM; ONNX Runtime with all threads and with one."""
    rows = []
    for shape in shapes:
        batch, _, features, hidden = shape
        xs = list(torch.randn(STEPS, batch, features))
        cell, whole = nn.LSTMCell(features, hidden), nn.LSTM(features, hidden)
        layer = tenuto.LSTM(features, hidden).eval()
        stream = layer.stream(batch)
        half = tenuto.LSTM(features, hidden).eval().bfloat16()
        half_stream, half_xs = half.stream(batch), [x.bfloat16() for x in xs]
        whole_numbers: nn.Module = tenuto.compress(tenuto.LSTM(features, hidden).eval(), weights="int8", activations="int8")
        numbers_stream = whole_numbers.stream(batch)
        forward = tenuto.LSTM(features, hidden).eval()

        def streamed() -> None:
            for x in xs:  # noqa: B023 (called here)
                layer.step(x, stream)  # noqa: B023

        def streamed_narrowly() -> None:
            for x in half_xs:  # noqa: B023
                half.step(x, half_stream)  # noqa: B023

        def streamed_in_whole_numbers() -> None:
            for x in xs:  # noqa: B023
                whole_numbers.step(x, numbers_stream)  # noqa: B023

        def by_cell() -> None:
            state = torch.zeros(batch, hidden), torch.zeros(batch, hidden)  # noqa: B023
            for x in xs:  # noqa: B023
                state = cell(x, state)  # noqa: B023

        def by_layer(module: nn.Module) -> None:
            state = torch.zeros(1, batch, hidden), torch.zeros(1, batch, hidden)  # noqa: B023
            for x in xs:  # noqa: B023
                _, state = module(x[None], state)

        calls: Calls = {
            "stream": streamed, "stream, bfloat16": streamed_narrowly, "stream, int8": streamed_in_whole_numbers, "nn.LSTMCell": by_cell, "nn.LSTM, T = 1": lambda: by_layer(whole),  # noqa: B023
            "tenuto.LSTM, T = 1": lambda: by_layer(forward),  # noqa: B023
        }  # fmt: skip
        with torch.inference_mode():
            times = interleaved(calls, seconds, frozenset([*STREAMS, "tenuto.LSTM, T = 1"]))
            arrays = [x[None].numpy() for x in xs]
            for name, threads in (("onnxruntime", torch.get_num_threads()), ("onnxruntime, 1 thread", 1)):
                run = peers.stepper(shape, threads)
                if run:
                    streams = {f"{name} by itself": calls[name] for name in STREAMS} if threads != 1 else {}
                    times |= by_themselves(streams | {name: lambda: run(arrays)}, seconds)  # noqa: B023
                    del run
        times = {name: [value / STEPS for value in values] for name, values in times.items()}
        rows.append(entry("LSTM", "one step", shape, 8 * batch * hidden * (features + hidden), times))
    return rows
