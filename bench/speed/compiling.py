"""How long a cell's kernels take to compile and to come back from the disk. As a program: a line of JSON for each cell, in ms.

    python bench/speed/compiling.py CACHE_FOLDER CELL ...

A cell's time is that of its first training call less that of the second; what comes before every cell (Dynamo, the time loop itself)
is counted as "time loop". Tracing the cell's maths happens when the layer is made and has its own column.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

CELLS = [
    "Elman", "LSTM", "PeepholeLSTM", "CoupledLSTM", "ProjectionLSTM", "LayerNormLSTM", "GRU", "ResetBeforeGRU", "MGU", "IndRNN",
    "RecurrentHighway",
]  # fmt: skip
FIRST = "time loop"


def compile_times(cells: list[str]) -> list[dict[str, object]]:
    """Cold and warm from disk: two processes, one after the other, on one empty folder."""
    rows: list[dict[str, object]] = []
    with tempfile.TemporaryDirectory() as folder:
        cold, warm = (_run(folder, cells) for _ in range(2))
    for cell in (FIRST, *cells):
        times = {"cold": [cold[cell]["compile"]] * 2, "warm from disk": [warm[cell]["compile"]] * 2, "trace": [warm[cell]["trace"]] * 2}
        rows.append({"cell": cell, "what": "compile", "shape": [], "operations": 0, "ms_median_best": times})
        print(f"{cell:17} " + "   ".join(f"{name} {value:7.1f} ms" for name, (value, _) in times.items()), flush=True)
    return rows


def _run(folder: str, cells: list[str]) -> dict[str, dict[str, float]]:
    environment = {**os.environ, "TENUTO_CACHE": folder, "TENUTO_ENGINE": "cpp"}
    done = subprocess.run([sys.executable, __file__, folder, *cells], env=environment, capture_output=True, text=True, check=True)
    return {entry.pop("cell"): entry for entry in map(json.loads, done.stdout.splitlines())}


def main() -> None:
    import torch

    from tenuto import Recurrent, cells

    x = torch.randn(3, 2, 8)

    def call(layer: Recurrent) -> float:
        begin = time.perf_counter()
        layer(x)[0].sum().backward()
        return time.perf_counter() - begin

    for name in (FIRST, *sys.argv[2:]):
        cell = cells.Elman("sigmoid") if name == FIRST else cells.ProjectionLSTM(4) if name == "ProjectionLSTM" else getattr(cells, name)()
        begin = time.perf_counter()
        layer = Recurrent(cell, 8, 16, engine="cpp")
        traced = time.perf_counter() - begin
        first, second = call(layer), call(layer)
        print(json.dumps({"cell": name, "trace": traced * 1e3, "compile": max((first - second) * 1e3, 0.1)}), flush=True)


if __name__ == "__main__":
    sys.path.pop(0)  # this folder
    assert Path(sys.argv[1]).is_dir()
    main()
