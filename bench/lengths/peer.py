"""Steps a second of a DNC and an NTM beside pytorch-dnc 1.1.0 (PyPI `dnc`), at the size of Graves et al. 2016: 256 units, 256 rows of 64, 4 read heads."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator
from typing import Any

import torch

from tenuto import cells
from tenuto.layers import DNC, NTM

STEPS, BATCH, INPUTS = 20, 16, 64


def step_of(model: Any, call: Callable[[torch.Tensor], torch.Tensor], backward: bool) -> Callable[[], None]:
    """One forward pass over 20 steps; with `backward`, the gradients too."""
    x = torch.randn(STEPS, BATCH, INPUTS)

    def once() -> None:
        if not backward:
            with torch.no_grad():
                call(x)
            return
        for weight in model.parameters():
            weight.grad = None
        call(x).square().mean().backward()

    return once


def peer(smoke: bool) -> Iterator[dict[str, Any]]:
    """Each model in turn, several times; the medians. Without the package only ours are there."""
    units, rows, width, heads = (8, 8, 4, 2) if smoke else (256, 256, 64, 4)
    torch.manual_seed(0)
    ours: Any = DNC(cells.LSTM(), INPUTS, units, rows=rows, width=width, read_heads=heads)
    plain: Any = DNC(cells.LSTM(), INPUTS, units, rows=rows, width=width, read_heads=heads, masked=False, deallocating=False, sharpened_links=False)
    ntm: Any = NTM(cells.LSTM(), INPUTS, units, rows=rows, width=width)
    models: dict[str, tuple[Any, Callable[[torch.Tensor], torch.Tensor]]] = {
        "DNC": (ours, lambda x: ours(x).output),
        "DNC of 2016": (plain, lambda x: plain(x).output),
        "NTM": (ntm, lambda x: ntm(x).output),
    }
    try:
        from dnc import DNC as Theirs  # type: ignore[import-not-found]
    except ImportError:
        pass
    else:
        theirs = Theirs(INPUTS, units, num_hidden_layers=1, nr_cells=rows, cell_size=width, read_heads=heads, batch_first=False)
        models["pytorch-dnc"] = (theirs, lambda x: theirs(x, reset_experience=True)[0])
    seconds: dict[str, dict[str, list[float]]] = {name: {"forward": [], "training": []} for name in models}
    for _ in range(1 if smoke else 7):
        for name, (model, call) in models.items():
            for kind, backward in (("forward", False), ("training", True)):
                once, begin = step_of(model, call, backward), time.process_time()
                once()
                seconds[name][kind].append(time.process_time() - begin)
    yield {
        "size": [STEPS, BATCH, INPUTS, units, rows, width, heads],
        "steps_per_s": {name: {kind: STEPS / statistics.median(times[1:] or times) for kind, times in kinds.items()} for name, kinds in seconds.items()},
        "seconds": seconds,
    }
