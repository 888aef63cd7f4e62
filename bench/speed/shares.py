"""Where the time of a call goes: into the compiled loops, and into what is around them (checks, torch's own operations, memory for results)."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from functools import partial
from typing import Any
from unittest import mock

import torch

from speed import peers
from speed.sequences import SMALL, VENDOR, Rows, drawn_lengths, inference, run_ours, training, work
from speed.timing import MOST_ROUNDS, WARM_CALLS, Shape
from tenuto.engines.cpp.launch import Launch

OTHER_BYTES = 1 << 22  # of other data, more than first- and second-level caches hold
SHAPES: list[Shape] = [*SMALL, (32, 20, 10, 128), (8, 100, 64, 128), (32, 100, 64, 128)]


def shares(shapes: list[Shape], seconds: float) -> Rows:
    """Microseconds of a call and of the compiled loops in it, medians: without gradients, with lengths between 10 % and 100 %, and in training.

    Without gradients also of loops whose weights stay packed from call to call, which the engine does not dare; and of what is around the loops where other
    data was in the caches before the call, as it is after a loop that is not small.
    """
    rows, other = list[dict[str, Any]](), torch.zeros(OTHER_BYTES // 4)
    for kind, (mine, _) in VENDOR.items():
        for shape in shapes:
            batch, steps, features, hidden = shape
            layer, x, d_output = mine(features, hidden), torch.randn(steps, batch, features), torch.randn(steps, batch, hidden)
            lengths = drawn_lengths(batch, steps)
            calls = {
                "inference": (inference(layer, x), 1.0),
                "with lengths": (inference(partial(run_ours, layer, lengths), x), lengths.sum().item() / batch / steps),
                "training": (training(layer, lambda x, layer=layer: layer(x)[0], x, d_output), 3.0),  # type: ignore[misc]
            }
            for what, (call, times_work) in calls.items():
                whole, loops = _medians(call, seconds)
                us = {"call": whole, "loops": loops}
                if what == "inference":
                    us["loops, packed before"] = _medians(call, seconds, packed=True)[1]
                    cold = _medians(call, seconds, before=partial(torch.Tensor.add_, other, 1))
                    us["around, cold"] = cold[0] - cold[1]
                print(f"{kind:17} {what:12} {'x'.join(map(str, shape)):16} {whole:8.0f} µs, of which in the loops {loops:8.0f}", flush=True)
                rows.append({"cell": kind, "what": what, "shape": list(shape), "operations": work(shape, peers.GATES[kind]) * times_work, "us": us})
    return rows


def _medians(call: Callable[[], object], seconds: float, packed: bool = False, before: Callable[[], object] | None = None) -> tuple[float, float]:
    """In µs: of a call, and of all loops in a call.

    Args:
        packed: weights stay as the first call packed them. before: called before each call, and not counted.
    """
    spent, run = [0.0], Launch.run

    def timed(launch: Launch, *given: Any) -> None:
        launch.hold(packed and launch in ran)
        ran.add(launch)
        begin = time.perf_counter()
        run(launch, *given)
        spent[0] += time.perf_counter() - begin

    whole: list[float] = []
    loops: list[float] = []
    ran = set[Launch]()
    with mock.patch.object(Launch, "run", timed):
        start = time.perf_counter()
        for turn in range(WARM_CALLS + MOST_ROUNDS):
            if turn > 2 * WARM_CALLS and time.perf_counter() - start > seconds:
                break
            if before is not None:
                before()
            spent[0], begin = 0.0, time.perf_counter()
            call()
            if turn >= WARM_CALLS:
                whole.append(time.perf_counter() - begin)
                loops.append(spent[0])
    for launch in ran:
        launch.hold(False)
    return statistics.median(whole) * 1e6, statistics.median(loops) * 1e6
