"""What compression takes away: bytes of a run's folder, quality, and time; beside ONNX Runtime's quantised LSTM and torch.ao's.

    python bench/compress.py [--only SECTION ...] [--results FOLDER] [--smoke]

Sections:
    quality  a language model of characters, a classifier of series (japanese_vowels) and a tagger of tokens, each with an LSTM, a GRU and a cell of one's own; text and tokens are the
             sources of Python's standard library, a tenth of the files held out; 30 minutes
    pruning  the same models with half of their units, or with a tenth of their weights (single ones, or blocks of 16 in recurrent layers), learning on for three rounds of one epoch; each
             three times as long as training took
    speed    one step of one row, 256 features, 512 units: floats and whole numbers of ours, ONNX Runtime's DynamicQuantizeLSTM, torch.ao's dynamic LSTM and GRU; 1 minute

Writes results/compress.json and compress.md; `--only` measures some sections and leaves the others as they are. One thread. `--smoke`: everything at its smallest, nothing is written.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from typing import Any

import torch

from compressed import models, page
from speed import peers, sections, timing
from tenuto import compress
from tenuto.compress import Compression
from tenuto.compress.speed import speed_of
from tenuto.layers import GRU, LSTM, Recurrent

FORMS: dict[str, dict[str, Any]] = {"int8": {}, "int8, whole numbers": {"activations": "int8"},
    "int8, static": {"activations": "static-int8", "calibrate": True}, "int8, static 16 bits": {"activations": "static-int16", "calibrate": True}, "int4": {"weights": "int4"}, "int4, error feedback": {"weights": "int4", "calibrate": True}}
PRUNED: dict[str, dict[str, Any]] = {"half the units": {"units": 0.5}, "90 % zeros": {"sparsity": 0.9}, "90 % zeros, blocks of 16": {"sparsity": 0.9, "blocks": 16}}
SHAPE = (1, 1, 256, 512)
STEPS = 100


def quality(smoke: bool) -> Iterator[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    for task, cell, model, _, seen, held in models.every(smoke):
        before = models.folder_bytes(model)
        for form, options in FORMS.items():
            given = {name: seen if name == "calibrate" else value for name, value in options.items()}
            small = compress(model, **given, data=held)
            found = Compression.of(small)
            assert found.quality is not None
            rows.append({"task": task, "cell": cell, "form": form, "bytes": [before, models.folder_bytes(small)], "drop": found.quality.drop, **vars(found.quality)})
            yield {"rows": rows}


def pruning(smoke: bool) -> Iterator[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    for task, cell, model, train, _, held in models.every(smoke):
        before = models.folder_bytes(model)
        for form, options in PRUNED.items():
            small = compress(model, **options, finetune=train, data=held, epochs=1)
            found = Compression.of(small)
            assert found.quality is not None
            rows.append({"task": task, "cell": cell, "form": form, "bytes": [before, models.folder_bytes(small)], "drop": found.quality.drop, "times_as_fast": speed_of(model, small, held).ratio, **vars(found.quality)})
            yield {"rows": rows}


def speed(smoke: bool) -> Iterator[dict[str, Any]]:
    torch.manual_seed(0)
    shape = (1, 1, 8, 16) if smoke else SHAPE
    _, _, features, hidden = shape
    steps = [torch.randn(1, features) for _ in range(2 if smoke else STEPS)]
    calls: dict[str, Callable[[], object]] = {}
    for name, layer in (("LSTM", LSTM(features, hidden)), ("GRU", GRU(features, hidden)), ("own cell", Recurrent(models.Leaky(), features, hidden))):
        for form, one in (("floats", layer.eval()), ("whole numbers", compress(layer.eval(), activations="int8"))):
            calls[f"{name}, {form}"] = _over(one, steps)
    arrays = [x[None].numpy() for x in steps]
    for name, quantised in (("LSTM, ONNX Runtime, floats", False), ("LSTM, ONNX Runtime, quantised", True)):
        other = peers.stepper(shape, 1, quantised=quantised)
        if other is not None:
            calls[name] = lambda other=other: other(arrays)  # type: ignore[misc]
    with warnings.catch_warnings():  # torch says that it will be gone
        warnings.simplefilter("ignore")
        for name, kind in (("LSTM", torch.nn.LSTM), ("GRU", torch.nn.GRU)):
            made = torch.ao.quantization.quantize_dynamic(torch.nn.ModuleDict({"layer": kind(features, hidden)}), {kind}, dtype=torch.qint8)
            calls[f"{name}, torch.ao"] = _carried(made["layer"], steps)
        times = timing.interleaved(calls, 0.1 if smoke else 40.0)
    yield {"ms_a_step": {name: [value / len(steps) for value in values] for name, values in times.items()}}


def _over(layer: Any, steps: list[torch.Tensor]) -> Callable[[], object]:
    stream = layer.stream(1)

    def run() -> object:
        for x in steps:
            y = layer.step(x, stream)
        return y

    return run


def _carried(layer: Any, steps: list[torch.Tensor]) -> Callable[[], object]:
    def run() -> object:
        state = None
        with torch.no_grad():
            for x in steps:
                _, state = layer(x[None], state)
        return state

    return run


SECTIONS: dict[str, sections.Section] = {"quality": quality, "pruning": pruning, "speed": speed}


if __name__ == "__main__":
    sections.run("compress", __doc__, SECTIONS, page.markdown)
