"""The training loop, short enough to read alone: epochs, steps, validation, the best weights kept.

It knows no task: batches are whatever `batches` yields and `loss` takes. Randomness comes from torch's generator and from `batches(epoch)`;
whoever calls seeds both.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypeVar

import torch
from torch import nn

from tenuto.errors import TenutoError
from tenuto.train.launch import Launch, OneProcess
from tenuto.train.nested import detached
from tenuto.train.observers import Observer
from tenuto.train.options import TrainingOptions
from tenuto.train.schedule import learning_rate_factor

B = TypeVar("B")


class TrainingError(TenutoError, RuntimeError):
    """Training cannot go on: a loss or a gradient is not finite."""


class Loss(NamedTuple):
    """What a task's loss function returns for one batch.

    Attributes:
        mean: a scalar: what is minimised, regularisers included.
        count: how many things (sequences, tokens) it is a mean over.
        carried: state for the next batch of this epoch: nested tuples, named tuples, lists and dictionaries of tensors, or None.
            The loop detaches it, so that gradients end there: truncated backpropagation through time.
        reported: the loss to log where that is not `mean` (the one without regularisers).
    """

    mean: torch.Tensor
    count: int  # type: ignore[assignment]  # hides tuple.count, which nobody asks of a loss
    carried: Any = None
    reported: float | torch.Tensor | None = None


@dataclass
class Outcome:
    """What a run came to. `metrics` has one entry an epoch, as metrics.jsonl; `best_epoch` counts from 1."""

    metrics: list[dict[str, Any]] = field(default_factory=list)
    best_epoch: int = 0
    stopped: str = "all epochs"
    seconds: float = 0.0
    steps: int = 0
    skipped_steps: int = 0


def train(
    model: nn.Module,
    options: TrainingOptions,
    *,
    batches: Callable[[int], Sequence[B]],
    loss: Callable[[nn.Module, B, Any], Loss],
    validate: Callable[[nn.Module], Mapping[str, float]],
    describe_batch: Callable[[B], str] = str,
    observers: Iterable[Observer] = (),
    launch: Launch | None = None,
) -> Outcome:
    """Train `model` in place and leave it with the weights of the epoch that had the lowest validation loss, in eval mode.

    Ctrl-C (KeyboardInterrupt) ends training and keeps the best so far; before the first epoch has been validated there is no best, and
    the interrupt goes on to the caller.

    Args:
        batches: the batches of an epoch (1, 2, ...).
        loss: (module, batch, carried) to a `Loss`; carried is what the last batch's loss gave, detached, and None at an epoch's start.
        validate: the module, in eval mode, to numbers; "validation_loss" among them.
        describe_batch: names a batch in an error message.
        launch: where to run; `accelerate.Accelerator` fits.
    Raises:
        TrainingError: a loss or gradient is not finite (with `non_finite="stop"`), or every step of an epoch was skipped, or the
            validation loss never was finite.
    """
    launch = launch or OneProcess()
    watchers = tuple(observers) if launch.is_main_process else ()
    optimizer = torch.optim.AdamW(_decay_groups(model, options.weight_decay), lr=options.learning_rate)
    model, optimizer = launch.prepare(model, optimizer)
    run = Outcome()
    best_loss, best_weights = float("inf"), None
    started = time.perf_counter()
    planned = len(batches(1))
    for watcher in watchers:
        watcher.started(epochs=options.epochs, steps_per_epoch=planned)
    try:
        run.stopped = "error"  # what observers hear if an error passes through
        for epoch in range(1, options.epochs + 1):
            epoch_started = time.perf_counter()
            line = _train_epoch(
                model, optimizer, options, batches(epoch), loss, describe_batch, watchers, launch, run, epoch, options.epochs * planned
            )
            model.eval()
            with torch.no_grad():
                line |= validate(model)
            best = line["validation_loss"] < best_loss
            if best:
                weights = {name: tensor.detach().clone() for name, tensor in model.state_dict().items()}
                best_loss, best_weights, run.best_epoch = line["validation_loss"], weights, epoch
            now = time.perf_counter()
            line |= {"seconds": now - started, "epoch_seconds": now - epoch_started, "best": best}
            run.metrics.append(line)
            for watcher in watchers:
                watcher.epoch_ended(line)
            if options.patience is not None and epoch - run.best_epoch >= options.patience:
                run.stopped = "early stopping"
                break
            if options.time_limit_s is not None and now - started >= options.time_limit_s:
                run.stopped = "time limit"
                break
        else:
            run.stopped = "all epochs"
    except KeyboardInterrupt:
        if best_weights is None:
            raise
        run.stopped = "interrupted"
    finally:
        run.seconds = time.perf_counter() - started
        for watcher in watchers:
            watcher.ended(stopped=run.stopped)
    if best_weights is None:
        raise TrainingError("the validation loss was not finite in any epoch.", fix="lower the learning rate; look at the data")
    model.load_state_dict(best_weights)
    model.eval()
    return run


def _train_epoch(
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    options: TrainingOptions,
    batches: Sequence[B],
    loss: Callable[[nn.Module, B, Any], Loss],
    describe_batch: Callable[[B], str],
    watchers: tuple[Observer, ...],
    launch: Launch,
    run: Outcome,
    epoch: int,
    planned_steps: int,
) -> dict[str, Any]:
    """One pass over the batches; returns the training half of the epoch's metrics. (Eleven parameters: the loop's own local names.)"""
    model.train()
    total, count, skipped, clipped, norms, rate, carried = 0.0, 0, 0, 0, [], 0.0, None
    for number, batch in enumerate(batches, 1):
        rate = options.learning_rate * learning_rate_factor(
            options.schedule, run.steps, steps=planned_steps, warmup_steps=options.warmup_steps
        )
        for group in optimizer.param_groups:
            group["lr"] = rate
        optimizer.zero_grad(set_to_none=True)
        value, weight, carried, reported = loss(model, batch, carried)
        carried = detached(carried)
        launch.backward(value)
        norm_or_none = launch.clip_grad_norm_(model.parameters(), options.clip_norm or float("inf"))
        amount = float(value.detach() if reported is None else reported)
        norm = float("nan") if norm_or_none is None else float(norm_or_none)
        run.steps += 1
        if not abs(amount) + norm < float("inf"):
            if options.non_finite == "stop":
                raise TrainingError(
                    f"the {'gradient' if abs(amount) < float('inf') else 'loss'} is not finite at step {run.steps} "
                    f"(epoch {epoch}, batch {number} of {len(batches)}).",
                    expected="finite numbers",
                    received=f"loss {amount}, gradient norm {norm}, learning rate {rate:.3g}; batch of {describe_batch(batch)}",
                    fix='lower the learning rate or clip_norm, look at the values of those sequences, or go on with non_finite="skip"',
                )
            skipped += 1
            carried = None
            continue
        optimizer.step()
        total, count = total + amount * weight, count + weight
        norms.append(norm)
        clipped += options.clip_norm is not None and norm > options.clip_norm
        for watcher in watchers:
            watcher.step_ended(epoch=epoch, step=run.steps, loss=amount)
    run.skipped_steps += skipped
    if not norms:
        raise TrainingError(f"every step of epoch {epoch} had a loss or gradient that is not finite.", fix="lower the learning rate")
    return {
        "epoch": epoch,
        "train_loss": total / count,
        "learning_rate": rate,
        "gradient_norm_mean": sum(norms) / len(norms),
        "gradient_norm_max": max(norms),
        "clipped_steps": clipped,
        "steps": run.steps,
        "sequences": count,
        "skipped_steps": skipped,
    }


def _decay_groups(model: nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    """Weights that decay and those that do not: a bias or per-channel parameter has one axis."""
    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
    return [
        {"params": [parameter for parameter in parameters if parameter.ndim >= 2], "weight_decay": weight_decay},
        {"params": [parameter for parameter in parameters if parameter.ndim < 2], "weight_decay": 0.0},
    ]
