"""How a classifier of sequences is trained: batches of like lengths, the loss of one, validation."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import nn

from tenuto.data import Sequences, bucketed_batches, collate
from tenuto.train import Checkpoint, Launch, Loss, Observer, Outcome, TrainingOptions, share_of, train

if TYPE_CHECKING:
    from tenuto.tasks.classify.estimator import SequenceClassifier


def train_classifier(
    model: SequenceClassifier,
    training: Sequences,
    held_out: Sequences,
    options: TrainingOptions,
    observers: tuple[Observer, ...],
    checkpoint: Checkpoint | None,
    launch: Launch,
) -> Outcome:
    """Train `model.network_`; the labels of both sets are among `model.classes_`."""
    targets, held_out_targets = model._targets(training), model._targets(held_out)
    device = torch.device(model.device)

    def batches(epoch: int) -> list[np.ndarray]:
        return bucketed_batches(training.lengths, model.batch_size, seed=model.seed_, epoch=epoch)

    def loss(network: nn.Module, indices: np.ndarray, carried: None) -> Loss:
        mine, count = share_of(launch, indices)
        batch = collate(training, mine, prepare=model.standardiser_.apply, targets=targets).to(device)
        logits = network(batch.x, batch.lengths)
        assert batch.targets is not None  # collate was given targets
        return Loss(nn.functional.cross_entropy(logits, batch.targets, label_smoothing=model.label_smoothing), count)

    def validate(network: nn.Module) -> dict[str, float]:
        logits = torch.from_numpy(model._logits(held_out, network))
        truth = torch.from_numpy(held_out_targets)
        return {
            "validation_loss": nn.functional.cross_entropy(logits, truth).item(),
            "validation_accuracy": (logits.argmax(1) == truth).double().mean().item(),
        }

    def describe_batch(indices: np.ndarray) -> str:
        names = ", ".join(repr(training.ids[index]) for index in indices[:6])
        return f"{len(indices)} sequences: {names}{', ...' if len(indices) > 6 else ''}"

    return train(
        model.network_,
        options,
        batches=batches,
        loss=loss,
        validate=validate,
        describe_batch=describe_batch,
        observers=observers,
        checkpoint=checkpoint,
        launch=launch,
    )
