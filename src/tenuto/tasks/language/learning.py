"""How a language model is trained: windows of its text, the loss of one with AWD-LSTM's regularisers, validation with carried state."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from tenuto.data.text.streams import RandomWindows, Streams, Window
from tenuto.errors import ArgumentError
from tenuto.tasks.language.network import LanguageNetwork, Read
from tenuto.tasks.language.scores import carried_nats
from tenuto.train import Checkpoint, Launch, Loss, Observer, Outcome, TrainingOptions, train

if TYPE_CHECKING:
    from tenuto.tasks.language.estimator import LanguageModel

SAMPLING = ("stream", "windows")
_VALIDATION_ROW = 2000  # tokens; a validation in training reads rows of at least so many side by side
_OF_TRAINING = (
    "epochs max_steps validate_every optimizer learning_rate weight_decay clip_norm schedule warmup_steps trigger_patience average "
    "ema_decay accumulate precision patience time_limit_s"
).split()
OF_NETWORK = (
    "embedding_size num_layers residual layer_norm tied cutoffs embedding_dropout input_dropout dropout output_dropout dropout_kind "
    "weight_dropout zoneout forget_bias engine"
).split()
Coded = tuple[np.ndarray, "np.ndarray | None"]  # tokens [N], and where documents begin


def training_options(model: LanguageModel) -> TrainingOptions:
    """The options of the loop.

    Raises:
        ArgumentError: an option of the model out of range.
    """
    if model.sampling not in SAMPLING:
        raise ArgumentError(f"sampling={model.sampling!r} is not known.", expected=" | ".join(SAMPLING))
    if model.jitter and model.sampling != "stream":
        raise ArgumentError("jitter is for streams.", fix='sampling="stream", or jitter=False')
    for name in ("activation_decay", "change_decay"):
        if not 0 <= getattr(model, name) < float("inf"):
            raise ArgumentError(f"{name}={getattr(model, name)!r} is out of range.", expected="zero or a positive number")
    return TrainingOptions(**{name: getattr(model, name) for name in _OF_TRAINING})


def build_network(model: LanguageModel, counts: Any) -> LanguageNetwork:
    """A new network for the vocabulary and the cell that the model has; `counts` as there."""
    options = {name: getattr(model, name) for name in OF_NETWORK}
    return LanguageNetwork(model.cell_, model.vocabulary_.size, model.hidden_size, counts=counts, **options).to(model.device)


def window_loss(read: Read, counted: int, *, activation_decay: float = 0.0, change_decay: float = 0.0) -> tuple[Tensor, Tensor]:
    """What is minimised for one window, and its mean nats a token alone.

    Equations:  loss = nats / counted + AR mean(d_t²) + TAR mean((h_t - h_{t-1})²)
    Args:
        read: what the network made of the window; d is its output after dropout, h before.
        counted: how many targets are tokens.
        activation_decay, change_decay: AR and TAR.
    Source:     Merity, Keskar, Socher 2018, section 4.6, eq. for AR and TAR, as the authors' program reads it: squares, not their root.
    """
    plain = read.nats.sum() / max(counted, 1)  # type: ignore[union-attr]  # targets were given
    mean = plain
    if activation_decay:
        mean = mean + activation_decay * read.dropped.square().mean()
    if change_decay and len(read.output) > 1:
        mean = mean + change_decay * read.output.diff(dim=0).square().mean()
    return mean, plain.detach()


def train_network(
    model: LanguageModel,
    coded: Coded,
    held_out: Coded,
    options: TrainingOptions,
    observers: tuple[Observer, ...],
    checkpoint: Checkpoint | None,
    launch: Launch,
) -> Outcome:
    """Train `model.network_` on coded text; the held-out text is read with its state carried, long texts in up to 16 rows."""
    (tokens, starts), device = coded, torch.device(model.device)
    share: dict[str, Any] = {"rank": launch.process_index, "world": launch.num_processes, "seed": model.seed_, "starts": starts}
    windows: Streams | RandomWindows
    if model.sampling == "stream":
        windows = Streams(tokens, model.batch_size, model.window, jitter=model.jitter, **share)
    else:
        steps = max(1, len(tokens) // (model.batch_size * model.window))
        windows = RandomWindows(tokens, model.batch_size, model.window, steps, **share)
    decays = {"activation_decay": model.activation_decay, "change_decay": model.change_decay}

    def loss(network: nn.Module, batch: Window, carried: Any) -> Loss:
        batch = batch.to(device)
        read = network(batch.inputs, carried, batch.resets, batch.targets)
        counted = batch.counted
        mean, plain = window_loss(read, counted, **decays)
        if model.jitter:
            mean = mean * (len(batch.inputs) / model.window)
        return Loss(mean, counted, read.state if model.sampling == "stream" else None, plain)

    def validate(network: nn.Module) -> dict[str, float]:
        nats = carried_nats(network, *held_out, rows=max(1, min(16, len(held_out[0]) // _VALIDATION_ROW)), device=model.device)
        value = float(nats.mean())
        return {"validation_loss": value, "validation_perplexity": float(np.exp(min(value, 700)))}

    return train(
        model.network_, options, batches=windows.epoch, loss=loss, validate=validate, observers=observers, launch=launch,
        describe_batch=lambda batch: repr(model.vocabulary_.decode(batch.inputs[:20, 0].tolist())) + ", ...", checkpoint=checkpoint,
    )  # fmt: skip
