"""Long sequences: what cells, deep stacks and memories outside the state learn in minutes, and what recomputed time costs and saves.

    python bench/long.py [--only SECTION ...] [--results FOLDER] [--smoke]

Sections:
    copy        an NTM learns to copy 1 to 20 vectors of 8 bits, ten seeds, then at 20, 40, 80 and 120 vectors (`lengths/copying.py`); 20 minutes
    checkpoint  time and memory of a training step with checkpoint_every at twice the root of the steps, and without, up to 100,000 steps; 3 minutes
    adding      a GRU adds two numbers of 600, and a diagonal cell two of 5,000 (`lengths/adding.py`); 10 minutes
    depth       20 layers of an LSTM, plain and with a way past each (`lengths/digits.py`); 2 minutes
    digits      digits of 8 by 8, pixel by pixel: recurrent layers, a Transformer, a hybrid (`lengths/digits.py`); 5 minutes
    associative an NTM learns which of 2 to 6 items came after another, three seeds, then of 9 and 12 (`lengths/associative.py`); 5 minutes
    recall      values by their keys, at twice the length of training, by fast weights (`lengths/memories.py`); 3 minutes
    copy-memory ten symbols kept over 500 steps by a DNC (`lengths/memories.py`); up to 10 minutes
    peer        steps a second of a DNC and an NTM, beside pytorch-dnc where `pip install dnc` has been done (`lengths/peer.py`); 1 minute

Writes results/long.json and long.md as soon as a part of a section is there; `--only` measures some sections and leaves the others as they are. One thread. `--smoke`: everything at
its smallest, nothing is written.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch

from lengths import adding, associative, copying, digits, memories, page, peer
from speed import memory, sections
from tenuto import Recurrent, cells

SHAPES = ((4_096, 16, 128), (16_384, 16, 128), (100_000, 16, 128))  # T, B, H
ONCE = 50_000  # from so many steps on, one training step is enough


def training_step(steps: int, batch: int, hidden: int, every: int | None) -> dict[str, float]:
    """Processor seconds of one training step of an LSTM, the second of two but where it is long; and MiB at its peak above input, output and their gradients."""
    layer = Recurrent(cells.LSTM(), hidden, hidden, checkpoint_every=every)
    warm = torch.randn(max(every or 1, 8), batch, hidden, requires_grad=True)
    layer(warm).output.sum().backward()  # what is loaded and built once
    memory.forget_peak()
    before, seconds = memory.resident("VmRSS"), 0.0
    x, d_output = torch.randn(steps, batch, hidden, requires_grad=True), torch.ones(steps, batch, hidden)
    for _ in range(1 if steps >= ONCE else 2):
        x.grad, begin = None, time.process_time()
        layer(x).output.backward(d_output)
        seconds = time.process_time() - begin
    return {"seconds": seconds, "mib": (memory.resident("VmHWM") - before) / 1024 - 4 * x.numel() * 4 / 2**20}


def checkpoint(smoke: bool) -> Iterator[dict[str, Any]]:
    """Each shape with and without, in a process of its own, since a process does not give its peak back."""
    rows: list[dict[str, Any]] = []
    for shape in [(64, 2, 8)] if smoke else SHAPES:
        row: dict[str, Any] = {"shape": list(shape), "every": 2 * round(shape[0] ** 0.5)}
        for name, every in (("without", None), ("with", row["every"])):
            program = f"import sys; sys.path.insert(0, {str(Path(__file__).parent)!r}); import json, torch, long; torch.set_num_threads(1); print(json.dumps(long.training_step(*{shape!r}, {every!r})))"
            row[name] = json.loads(subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.splitlines()[-1])
        rows.append(row)
        yield {"rows": rows}


def markdown(known: dict[str, Any]) -> str:
    """The page of what is known."""
    parts = ["# Long sequences", "Made by `python bench/long.py`, whose text says what is in each section; all numbers are in long.json."]
    for name, section in known.items():
        if name in page.PAGES:
            parts += page.PAGES[name](section)
        else:
            parts.append("## Recomputed time")
            parts.append("One training step of an LSTM, forward and backward, in segments of twice the root of its steps; memory above input, output and their gradients.")
            rows = [
                [" × ".join(map(str, row["shape"])), str(row["every"]), *(f"{row[kind][what]:.2f}" for what in ("seconds", "mib") for kind in ("without", "with")), f"{row['with']['seconds'] / row['without']['seconds']:.2f}"]
                for row in section["rows"]
            ]
            parts.append(page.table(["T × B × H", "every", "s without", "s with", "MiB without", "MiB with", "times as long"], rows))
        if "about" in section:
            parts.append(sections.measured(section["about"]))
    return "\n\n".join(parts) + "\n"


if __name__ == "__main__":
    more = {"adding": adding.adding, "depth": digits.depth, "digits": digits.digits, "associative": associative.associative, "recall": memories.recall, "copy-memory": memories.copy_memory, "peer": peer.peer}
    sections.run("long", __doc__, {"copy": copying.copy, "checkpoint": checkpoint, **more}, markdown)
