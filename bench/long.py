"""Long sequences: what cells, deep stacks and memories outside the state learn in minutes, and what recomputed time costs and saves.

    python bench/long.py [--only SECTION ...] [--results FOLDER] [--smoke]

Sections:
    copy        an NTM learns to copy 1 to 20 vectors of 8 bits (Graves et al. 2014, section 4.1), for 4 minutes: wrong bits as it learns, then at 20, 40 and 80 vectors
    checkpoint  time and memory of a training step with checkpoint_every near the root of the steps, and without; 2 minutes
    adding      a GRU adds two numbers of 600, and a diagonal cell two of 5,000 (`lengths/adding.py`); 10 minutes
    depth       20 layers of an LSTM, plain and with a way past each (`lengths/digits.py`); 2 minutes
    digits      digits of 8 by 8, pixel by pixel: recurrent layers, a Transformer, a hybrid (`lengths/digits.py`); 5 minutes
    recall      values by their keys, at twice the length of training, by fast weights (`lengths/memories.py`); 3 minutes
    copy-memory ten symbols kept over 500 steps by an NTM (`lengths/memories.py`); 7 minutes
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
from torch import Tensor, nn

from lengths import adding, digits, memories, page, peer
from speed import memory, sections
from tenuto import Recurrent, cells
from tenuto.layers import NTM

BITS = 8
SHAPES = ((4_096, 16, 128), (16_384, 16, 128))  # T, B, H


def copying(length: int, batch: int, chance: torch.Generator) -> tuple[Tensor, Tensor]:
    """x [2 L + 1, B, 9]: L vectors, a mark in a channel of its own, then nothing; and the vectors [L, B, 8], to be said after the mark."""
    told = torch.randint(0, 2, (length, batch, BITS), generator=chance).float()
    x = torch.zeros(2 * length + 1, batch, BITS + 1)
    x[:length, :, :BITS] = told
    x[length, :, BITS] = 1
    return x, told


class Copier(nn.Module):
    """An NTM and what it says: the logits [L, B, 8] of the bits, after the mark."""

    def __init__(self, hidden_size: int, rows: int, width: int) -> None:
        super().__init__()
        self.encoder = NTM(cells.LSTM(), BITS + 1, hidden_size, rows=rows, width=width)
        self.head = nn.Linear(self.encoder.output_width, BITS)

    def forward(self, x: Tensor) -> Tensor:
        said: Tensor = self.head(self.encoder(x).output[(len(x) + 1) // 2 :])
        return said


def copy(smoke: bool) -> Iterator[dict[str, Any]]:
    """After each 100 steps of training, and at the end by length."""
    seconds, longest, sizes = (2.0, 4, (8, 8, 4)) if smoke else (240.0, 20, (100, 128, 20))
    torch.manual_seed(0)
    chance = torch.Generator().manual_seed(0)
    model = Copier(*sizes)
    optimiser = torch.optim.RMSprop(model.parameters(), 1e-4, momentum=0.9)
    found: dict[str, Any] = {"seconds": seconds, "longest": longest, "hidden_rows_width": list(sizes), "parameters": sum(weight.numel() for weight in model.parameters()), "curve": []}
    begin, step, window = time.process_time(), 0, []
    while time.process_time() - begin < seconds:
        x, told = copying(int(torch.randint(1, longest + 1, (), generator=chance)), 16, chance)
        said = model(x)
        loss = nn.functional.binary_cross_entropy_with_logits(said, told)
        optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 10.0, error_if_nonfinite=True)
        optimiser.step()
        step += 1
        window.append(float(((said > 0) != told.bool()).float().mean()))
        if step % 100 == 0:
            found["curve"].append([step, sum(window) / len(window)])
            window = []
    found |= {"steps": step, "wrong": {}}
    with torch.no_grad():
        for length in (longest, 2 * longest, 4 * longest):
            x, told = copying(length, 32, chance)
            found["wrong"][str(length)] = float(((model(x) > 0) != told.bool()).float().mean())
    yield found


def training_step(steps: int, batch: int, hidden: int, every: int | None) -> dict[str, float]:
    """Processor seconds of one training step of an LSTM, the second of two; and MiB at its peak above input, output and their gradients."""
    layer = Recurrent(cells.LSTM(), hidden, hidden, checkpoint_every=every)
    warm = torch.randn(max(every or 1, 8), batch, hidden, requires_grad=True)
    layer(warm).output.sum().backward()  # what is loaded and built once
    memory.forget_peak()
    before, seconds = memory.resident("VmRSS"), 0.0
    x, d_output = torch.randn(steps, batch, hidden, requires_grad=True), torch.ones(steps, batch, hidden)
    for _ in range(2):
        x.grad, begin = None, time.process_time()
        layer(x).output.backward(d_output)
        seconds = time.process_time() - begin
    return {"seconds": seconds, "mib": (memory.resident("VmHWM") - before) / 1024 - 4 * x.numel() * 4 / 2**20}


def checkpoint(smoke: bool) -> Iterator[dict[str, Any]]:
    """Each shape with and without, in a process of its own, since a process does not give its peak back."""
    rows: list[dict[str, Any]] = []
    for shape in [(64, 2, 8)] if smoke else SHAPES:
        row: dict[str, Any] = {"shape": list(shape), "every": round(shape[0] ** 0.5)}
        for name, every in (("without", None), ("with", row["every"])):
            program = f"import sys; sys.path.insert(0, {str(Path(__file__).parent)!r}); import json, torch, long; torch.set_num_threads(1); print(json.dumps(long.training_step(*{shape!r}, {every!r})))"
            row[name] = json.loads(subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.splitlines()[-1])
        rows.append(row)
        yield {"rows": rows}


def markdown(known: dict[str, Any]) -> str:
    """The page of what is known."""
    parts = ["# Long sequences", "Made by `python bench/long.py`, whose text says what is in each section; all numbers are in long.json."]
    for name, section in known.items():
        if name == "copy":
            parts.append("## Copying with an NTM")
            hidden, rows, width = section["hidden_rows_width"]
            parts.append(
                f"An LSTM of {hidden} units and a memory of {rows} rows of {width}, {section['parameters']:,} weights, lengths 1 to {section['longest']}; RMSprop at 1e-4 with momentum 0.9, batches of 16. "
                f"{section['steps']:,} steps in {section['seconds']:.0f} s of a processor, one seed; at the end 32 sequences of each length."
            )
            parts.append(page.table(["step", "bits wrong in training"], [[f"{step:,}", f"{wrong:.1%}"] for step, wrong in section["curve"]]))
            parts.append(page.table(["vectors", "bits wrong at the end"], [[length, f"{wrong:.1%}"] for length, wrong in section["wrong"].items()]))
        elif name in page.PAGES:
            parts += page.PAGES[name](section)
        else:
            parts.append("## Recomputed time")
            parts.append("One training step of an LSTM, forward and backward; memory above input, output and their gradients.")
            rows = [
                [" × ".join(map(str, row["shape"])), str(row["every"]), *(f"{row[kind][what]:.2f}" for what in ("seconds", "mib") for kind in ("without", "with"))] for row in section["rows"]
            ]
            parts.append(page.table(["T × B × H", "every", "s without", "s with", "MiB without", "MiB with"], rows))
        if "about" in section:
            parts.append(sections.measured(section["about"]))
    return "\n\n".join(parts) + "\n"


if __name__ == "__main__":
    more = {"adding": adding.adding, "depth": digits.depth, "digits": digits.digits, "recall": memories.recall, "copy-memory": memories.copy_memory, "peer": peer.peer}
    sections.run("long", __doc__, {"copy": copy, "checkpoint": checkpoint, **more}, markdown)
