"""JSB chorales, polyphonic music: which of 88 keys sound in the next frame, by recurrent networks of about 300,000 weights.

The loss is that of the published table: the Bernoulli negative log-likelihood summed over the keys, for frames 2 to the last of every chorale,
divided by the number of frames predicted. Training and validation chorales are those of the split; the validation part chooses the epoch
that is kept, and the recipe was chosen by it; the test part was measured for every recipe tried, and chose none.

All are one plain layer between two dropouts; "best" is the LSTM once more with more dropout on its recurrent weights and trained longer.
(Moving the chorales by up to five semitones, drawn again in each epoch, was tried and made it worse, by 0.2 to 0.3 nats.)
"""

from __future__ import annotations

import hashlib
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from tenuto import Recurrent, cells
from tenuto.data import bucketed_batches
from tenuto.train import Loss, TrainingOptions, train

NAME = "jsb_chorales"
TITLE = "JSB chorales, next frame, test part: nats a frame"
METRICS = {"lstm": "LSTM", "gru": "GRU", "rnn": "tanh RNN", "best": "LSTM, trained longer"}
BASELINE = {"what": "per-key Bernoulli", "lstm": 11.06, "verified": "m"}
PUBLISHED = [
    {"what": "Bai, Kolter, Koltun 2018", "lstm": 8.45, "gru": 8.43, "rnn": 8.91, "verified": "r"},
    {"what": "TCN, same paper", "best": 8.10, "verified": "r"},
]
KEYS = 88
NETWORKS: dict[str, dict[str, Any]] = {
    "lstm": {"cell": cells.LSTM(), "hidden_size": 220, "epochs": 200},
    "gru": {"cell": cells.GRU(), "hidden_size": 260, "epochs": 150},
    "rnn": {"cell": cells.Elman(), "hidden_size": 460, "epochs": 150},
    "best": {"cell": cells.LSTM(), "hidden_size": 220, "epochs": 300, "output_dropout": 0.4, "weight_dropout": 0.5},
}
RATES = {"input_dropout": 0.2, "output_dropout": 0.5, "weight_dropout": 0.3}
BATCH = 16


class FrameNetwork(nn.Module):
    """From frames [T, B, 88] to logits [T, B, 88] of the next ones: a recurrent layer between two dropouts, each with one mask per chorale."""

    def __init__(self, cell: Any, hidden_size: int, input_dropout: float, output_dropout: float, weight_dropout: float) -> None:
        super().__init__()
        self.rates = input_dropout, output_dropout
        self.recurrent = Recurrent(cell, KEYS, hidden_size, weight_dropout=weight_dropout)
        self.head = nn.Linear(hidden_size, KEYS)
        nn.init.constant_(self.head.bias, -3.0)  # about 4 of 88 keys sound

    def forward(self, frames: Tensor, lengths: Tensor) -> Tensor:
        """Logits [T, B, 88]."""
        first, last = (nn.functional.dropout(frames.new_ones(1, frames.shape[1], width), rate, self.training) for width, rate in ((KEYS, self.rates[0]), (self.recurrent.output_width, self.rates[1])))
        return self.head(self.recurrent(frames * first, lengths=lengths).output * last)


def read(path: Path) -> dict[str, list[np.ndarray]]:
    """The chorales of each part, [T, 88] float32 each."""
    with np.load(path, allow_pickle=False) as arrays:
        parts = {}
        for part in ("train", "valid", "test"):
            frames = np.unpackbits(arrays[f"roll_{part}"], axis=1)[:, :KEYS].astype(np.float32)
            parts[part] = np.split(frames, np.cumsum(arrays[f"len_{part}"])[:-1])
    return parts


def padded(chorales: list[np.ndarray], indices: Any) -> tuple[Tensor, Tensor]:
    """Some chorales as [T, B, 88], zero beyond each length, and the lengths [B]."""
    chosen = [torch.from_numpy(chorales[index]) for index in indices]
    return nn.utils.rnn.pad_sequence(chosen), torch.tensor([len(chorale) for chorale in chosen])


def nats(network: nn.Module, frames: Tensor, lengths: Tensor) -> tuple[Tensor, int]:
    """The sum over all predicted frames and keys, and how many frames."""
    logits = network(frames[:-1], lengths - 1)
    each = nn.functional.binary_cross_entropy_with_logits(logits, frames[1:], reduction="none").sum(2)
    live = torch.arange(len(each))[:, None] < lengths - 1
    return each.masked_fill(~live, 0).sum(), int(live.sum())


@torch.no_grad()
def measure(network: nn.Module, chorales: list[np.ndarray]) -> float:
    """Nats a predicted frame."""
    network.eval()
    total, frames = nats(network, *padded(chorales, range(len(chorales))))
    return float(total) / frames


def fit(parts: dict[str, list[np.ndarray]], seed: int, *, cell: Any, hidden_size: int, epochs: int, **changes: Any) -> dict[str, Any]:
    """Train one network; its test and validation loss, and what it took."""
    torch.manual_seed(seed)
    options = {"learning_rate": 4e-3, "weight_decay": 0.05, "warmup_steps": 20, "average": "ema", "ema_decay": 0.99, **changes}
    network = FrameNetwork(cell, hidden_size, **{name: options.pop(name, rate) for name, rate in RATES.items()})
    lengths = np.array([len(chorale) for chorale in parts["train"]])

    def batches(epoch: int) -> list[Any]:
        return bucketed_batches(lengths, BATCH, seed=seed, epoch=epoch)

    def loss(module: nn.Module, batch: Any, carried: None) -> Loss:
        total, frames = nats(module, *padded(parts["train"], batch))
        return Loss(total / frames, frames)

    outcome = train(
        network, TrainingOptions(epochs=epochs, patience=None, **options), batches=batches, loss=loss,
        validate=lambda module: {"validation_loss": measure(module, parts["valid"])},
    )  # fmt: skip
    return {
        "test": measure(network, parts["test"]),
        "validation": measure(network, parts["valid"]),
        "parameters": sum(parameter.numel() for parameter in network.parameters()),
        "seconds": outcome.seconds,
        "best_epoch": outcome.best_epoch,
        "train_loss": outcome.metrics[-1]["train_loss"],
    }


def run(data: Path, seed: int, smoke: bool = False) -> dict[str, Any]:
    """The four networks."""
    path = data / "jsb_chorales" / "jsb_pianoroll88_packbits.npz"
    parts, started = read(path), time.perf_counter()
    runs = {name: fit(parts, seed, **{**network, **({"epochs": 1} if smoke else {})}) for name, network in NETWORKS.items()}
    return {
        **{name: found["test"] for name, found in runs.items()},
        "validation": {name: found["validation"] for name, found in runs.items()},
        "networks": runs,
        "parameters": runs["lstm"]["parameters"],
        "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
        "seconds": time.perf_counter() - started,
    }
