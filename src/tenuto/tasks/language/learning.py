"""How a language model is trained: windows of its text, the loss of one with AWD-LSTM's regularisers, validation with carried state."""

from __future__ import annotations

import numpy as np
from torch import Tensor

from tenuto.data.text.streams import RandomWindows, Streams
from tenuto.tasks.language.network import LanguageNetwork, Read
from tenuto.tasks.language.scores import carried_nats
from tenuto.train import Launch

SAMPLING = ("stream", "windows")
Coded = tuple[np.ndarray, "np.ndarray | None"]  # tokens [N], and where documents begin
_VALIDATION_ROW = 2000  # tokens: the least length of the rows that a validation in training reads side by side


def training_windows(coded: Coded, sampling: str, launch: Launch, *, batch_size: int, window: int, jitter: bool, seed: int) -> Streams | RandomWindows:
    """This process's windows of a text, by one of `SAMPLING`: rows that go on from window to window, or windows from anywhere."""
    tokens, starts = coded
    rank, world = launch.process_index, launch.num_processes
    if sampling == "stream":
        return Streams(tokens, batch_size, window, jitter=jitter, starts=starts, rank=rank, world=world, seed=seed)
    steps = max(1, len(tokens) // (batch_size * window))
    return RandomWindows(tokens, batch_size, window, steps, starts=starts, rank=rank, world=world, seed=seed)


def window_loss(read: Read, counted: int, *, activation_decay: float = 0.0, change_decay: float = 0.0) -> tuple[Tensor, Tensor]:
    """The loss that is minimised for one window, and its mean nats a token without the regularisers.

    Equations:  loss = nats / counted + AR mean(d_t²) + TAR mean((h_t - h_{t-1})²)
    Args:
        read: what the network made of the window; d is its output after dropout, h before.
        counted: how many targets count.
        activation_decay, change_decay: AR and TAR.
    Source:     Merity, Keskar, Socher 2018, section 4.6, eq. for AR and TAR, as the authors' program computes it: squares, not their root.
    """
    plain = read.nats.sum() / max(counted, 1)
    mean = plain
    if activation_decay:
        mean = mean + activation_decay * read.dropped.square().mean()
    if change_decay and len(read.output) > 1:
        mean = mean + change_decay * read.output.diff(dim=0).square().mean()
    return mean, plain.detach()


def rows_of(tokens: int) -> int:
    """In how many rows side by side a text of so many tokens is read where speed counts more than the context at the beginning of a row."""
    return max(1, min(16, tokens // _VALIDATION_ROW))


def validation_numbers(network: LanguageNetwork, held_out: Coded, *, device: str) -> dict[str, float]:
    """Loss and perplexity of a text that is read with the state carried on; a long text is read in up to 16 rows side by side."""
    nats = carried_nats(network, *held_out, rows=rows_of(len(held_out[0])), device=device)
    value = float(nats.mean())
    return {"validation_loss": value, "validation_perplexity": float(np.exp(min(value, 700)))}
