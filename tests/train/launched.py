"""A training run for torchrun: the character model without dropout, its streams shared among the processes.

    torchrun --nproc-per-node 2 launched.py FOLDER '{"name of an option": value, ...}' [DIES_AT]

Prints where it ran, and writes FOLDER/end-PROCESSES.json (losses of each validation) and end-PROCESSES.safetensors (weights). With DIES_AT, the last process is
killed (SIGKILL) in that step. A process of several ends while one of its threads is still busy with a call, which must not abort it; not under FSDP, whose caches
hold the connection to the end.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from tenuto.data import Streams
from tenuto.files import write_json, write_tensors
from tenuto.train import Checkpoint, Loss, Sharded, current_launch
from tests.train.small_run import OPTIONS, TEXT, small_run


def entropy(module: nn.Module, window: Any, carried: Any) -> Loss:
    """The loss without the noise that `small_run` adds."""
    logits, state = module(window.inputs, carried)
    return Loss(nn.functional.cross_entropy(logits.flatten(0, 1), window.targets.flatten()), window.counted, state)


def main(folder: Path, changed: dict[str, Any], dies_at: int) -> None:
    """See the top of the file."""
    launch, calls = current_launch(), 0

    def loss(module: nn.Module, window: Any, carried: Any) -> Loss:
        nonlocal calls
        calls += 1
        if launch.process_index == launch.num_processes - 1 and calls == dies_at:
            os.kill(os.getpid(), signal.SIGKILL)
        return entropy(module, window, carried)

    model, outcome = small_run(
        replace(OPTIONS, **changed),
        dropout=0.0,
        loss=loss,
        launch=launch,
        batches=lambda epoch: Streams(TEXT, 4, 9, rank=launch.process_index, world=launch.num_processes),
        checkpoint=Checkpoint(folder, every_steps=3),
    )
    if launch.is_main_process:
        print(type(launch).__name__)
        name = f"end-{launch.num_processes}"
        write_json(folder / f"{name}.json", [[line["train_loss"], line["validation_loss"]] for line in outcome.metrics])
        write_tensors(folder / f"{name}.safetensors", model.state_dict())
    if launch.num_processes > 1 and not isinstance(launch, Sharded):
        busy = torch.distributed.all_reduce(torch.ones(1), async_op=True)
        assert busy is not None
        busy.get_future().then(lambda _: time.sleep(0.3))


if __name__ == "__main__":
    torch.set_num_threads(1)
    main(Path(sys.argv[1]), json.loads(sys.argv[2]), int(sys.argv[3]) if len(sys.argv) > 3 else 0)
