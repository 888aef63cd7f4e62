"""A training run that is small enough for a test and has everything that a checkpoint must keep: a character model with carried state, dropout,
all three global generators, an average of the weights and a plateau.

    python small_run.py FOLDER SEED     trains in FOLDER with a checkpoint at every step, in children that are killed (SIGKILL) at random
                                        moments, until one comes to its end; prints how many were killed; writes FOLDER/end.safetensors
"""

from __future__ import annotations

import os
import random
import signal
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from tenuto import Recurrent
from tenuto.cells import LSTM
from tenuto.data import Streams
from tenuto.files import write_tensors
from tenuto.train import Checkpoint, Loss, Outcome, TrainingOptions, train

TEXT = np.frombuffer(b"she sells sea shells by the sea shore; the shells she sells are sea shells, i am sure. " * 3, dtype=np.uint8) % 32
OPTIONS = TrainingOptions(
    epochs=4, learning_rate=0.01, warmup_steps=2, schedule="plateau", plateau_patience=1, average="ema", validate_every=5, accumulate=2
)


class CharacterModel(nn.Module):
    """Embedding, LSTM with dropout between its two layers, head; the embedding's and the head's weights are one tensor."""

    def __init__(self, dropout: float = 0.2) -> None:
        super().__init__()
        self.embedding = nn.Embedding(32, 12)
        self.recurrent = Recurrent(LSTM(), 12, 12, 2, dropout=dropout, engine="vendor")
        self.head = nn.Linear(12, 32)
        self.head.weight = self.embedding.weight

    def forward(self, tokens: torch.Tensor, state: Any) -> tuple[torch.Tensor, Any]:
        output, state = self.recurrent(self.embedding(tokens), state)
        return self.head(output), state


def validate(module: nn.Module) -> dict[str, float]:
    """The loss over the beginning of the text."""
    window = Streams(TEXT, 1, 80)[0]
    return {"validation_loss": nn.functional.cross_entropy(module(window.inputs, None)[0].flatten(0, 1), window.targets.flatten()).item()}


def small_run(options: TrainingOptions = OPTIONS, dropout: float = 0.2, **given: Any) -> tuple[CharacterModel, Outcome]:
    """Train the model; `given` goes to `train`."""
    torch.manual_seed(0), np.random.seed(0), random.seed(0)
    model = CharacterModel(dropout)

    def loss(module: nn.Module, window: Any, carried: Any) -> Loss:
        logits, state = module(window.inputs, carried)
        noise = random.random() + np.random.random()  # so that all generators matter
        entropy = nn.functional.cross_entropy(logits.flatten(0, 1), window.targets.flatten())
        return Loss(entropy * (1 + 0.1 * noise), window.counted, state, reported=entropy.detach())

    given = {"batches": lambda epoch: Streams(TEXT, 4, 9), "loss": loss, "validate": validate, **given}
    return model, train(model, options, **given)


def main(folder: Path, seed: int) -> None:
    """See the top of the file."""
    moments, killed = random.Random(seed), 0
    small_run(replace(OPTIONS, max_steps=2))  # things that are slow the first time, such as compiling, happen before any child starts
    while True:
        child = os.fork()
        if child == 0:
            model, outcome = small_run(checkpoint=Checkpoint(folder, every_steps=1))
            metrics = torch.tensor([[line["train_loss"], line["validation_loss"]] for line in outcome.metrics], dtype=torch.float64)
            write_tensors(folder / "end.safetensors", {**model.state_dict(), "metrics": metrics})
            os._exit(0)
        time.sleep(moments.uniform(0.02, 0.1 + 0.1 * killed))  # each later than the one before, so that a slow machine also comes to the end
        os.kill(child, signal.SIGKILL)
        if os.waitpid(child, 0)[1] == 0:
            break
        killed += 1
    print(killed)


if __name__ == "__main__":
    torch.set_num_threads(1)
    main(Path(sys.argv[1]), int(sys.argv[2]))
