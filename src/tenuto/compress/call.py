"""`compress`: the public call."""

from __future__ import annotations

import copy
import math
from collections.abc import Iterable
from pathlib import Path
from typing import Any, TypeVar

from torch import nn

from tenuto.choices import require
from tenuto.compress.compression import FLOATS, Compression
from tenuto.compress.pruning import Pruning
from tenuto.compress.quality import quality, require_good, result_of
from tenuto.compress.quantise import WEIGHTS, quantise
from tenuto.compress.rounds import Rounds
from tenuto.errors import ArgumentError, TenutoError
from tenuto.layers.stored import Sparse
from tenuto.tasks.estimator import Estimator
from tenuto.tongues import argument
from tenuto.train import Observer

M = TypeVar("M", Estimator, nn.Module)


def compress(
    model: M,
    *,
    weights: str | None = None,
    units: float | None = None,
    sparsity: float | None = None,
    data: Any = None,
    finetune: Any = None,
    max_drop: float | None = None,
    score: str | None = None,
    rounds: int = 3,
    folder: str | Path | None = None,
    observers: Iterable[Observer] = (),
    **changes: Any,
) -> M:
    """The same model with smaller weights: a copy, whose run folder is smaller too. The model stays as it is.

    "int8" keeps each matrix as whole numbers with a scale for each row: embeddings, all maps, and W and U of every recurrent layer of any cell. Biases and the cells' own
    parameters stay floats. All else is computed in floats, by the same engines: what holds for the model's answers holds for the copy's.

    With `units`, whole units are taken away, those that count least: what is left is an ordinary estimator with a smaller hidden_size. With `finetune` they go in rounds, and
    what is left learns on after each. With `sparsity`, the smallest weights of each matrix become zero, and only the others are kept, with a bit for each place. (Units of a torch module: `tenuto.compress.with_fewer_units`.)

    Args:
        model: a fitted estimator, or a torch module with recurrent layers of tenuto.
        weights: "int8". Default: "int8" where nothing else is asked for, else floats as they are.
        units: the share of the units of each layer that stays. Only for an estimator, with `data` or `finetune`.
        sparsity: the share of each matrix that becomes zero. Only for an estimator, and not together with `weights`.
        data: a labelled set as for `evaluate`, or (x, y), on which both models are measured. Only for an estimator.
        finetune: a labelled set as for `fit`, or (x, y), on which the model learns on.
        score: what units count by: "taylor", what the loss would change, or "norm", of their weights. Default: "taylor" with `finetune`.
        rounds, folder, observers, changes: of the fine-tuning, see `tenuto.compress.rounds.Rounds`.
        max_drop: by how much the copy may be worse there, as a share of the model's own number: 0.005.
    Returns:
        What was given, compressed. Of an estimator, `tenuto.compress.Compression.of` tells size and quality.
    Raises:
        ArgumentError: the copy is worse than max_drop allows; the model is compressed already, or nothing in it can be; an option is not known. As `evaluate` of the estimator.
    Example:
        >>> import tenuto, torch
        >>> small = tenuto.compress(tenuto.LSTM(64, 64))
        >>> small.state_dict()["weight_hh_l0.int8"].dtype, small(torch.zeros(5, 1, 64))[0].shape
        (torch.int8, torch.Size([5, 1, 64]))
    """
    try:
        pruning = Pruning(units, sparsity, score, finetune, Rounds(rounds, folder, observers=tuple(observers), changes=changes))
        weights = "int8" if weights is None and not pruning.asked else weights
        if weights is not None:
            require("weights", weights, WEIGHTS)
            if sparsity is not None:
                raise ArgumentError("the weights can be kept in one form only.", expected=f"{argument('sparsity', sparsity)}, or {argument('weights', weights)}")
        _check(model, data, max_drop)
        pruning.check(isinstance(model, Estimator), data is not None)
        if isinstance(model, Estimator):
            return _compressed(model, weights, pruning, data, max_drop)
        smaller = copy.deepcopy(model)
        quantise(smaller, WEIGHTS[str(weights)])
        return smaller
    except TenutoError as error:
        raise error.within("compress") from error.__cause__


def _check(model: Any, data: Any, max_drop: float | None) -> None:
    if not isinstance(model, (Estimator, nn.Module)):
        raise ArgumentError(
            "there is nothing to compress.", expected="a fitted estimator of tenuto.tasks, or a torch module", received=type(model).__name__, fix="an estimator's `load` reads a run folder"
        )
    if isinstance(model, Estimator):
        model.require_fit("compress")
    elif data is not None or max_drop is not None:
        raise ArgumentError("a torch module cannot be measured here: only its owner knows what is a good answer.", fix="leave data and max_drop out, and compare the two models yourself")
    if max_drop is None:
        return
    if isinstance(max_drop, bool) or not isinstance(max_drop, (int, float)) or not 0 <= max_drop < math.inf:
        raise ArgumentError(f"{argument('max_drop', max_drop)} is out of range.", expected="a share of 0 or more, such as 0.005")
    if data is None:
        raise ArgumentError(f"{argument('max_drop', max_drop)} asks how good the model is, and there is nothing to measure it on.", fix=f"give {argument('data')}: a labelled set")


def _compressed(model: Estimator, weights: str | None, pruning: Pruning, data: Any, max_drop: float | None) -> Estimator:
    before = _bytes(model.network_)
    smaller, pruned = pruning.of(model, data)
    form = Sparse if pruning.sparsity is not None else WEIGHTS[weights] if weights is not None else None
    stored = quantise(smaller.network_, form) if form is not None else []
    found = None
    if data is not None:
        found = quality(result_of(model, data), result_of(smaller, data))
        if max_drop is not None:
            require_good(found, max_drop)
    made = Compression(form.form if form is not None else FLOATS, stored, before, _bytes(smaller.network_), found, **pruned)
    smaller.evaluation_ = {**smaller.evaluation_, "compression": made.to_data()}
    return smaller


def _bytes(network: nn.Module) -> int:
    """Of all that a file keeps of a network; what two places share, once."""
    every = {id(tensor): tensor for tensor in network.state_dict(keep_vars=True).values()}
    return sum(tensor.numel() * tensor.element_size() for tensor in every.values())
