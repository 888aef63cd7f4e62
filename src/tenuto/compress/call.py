"""`compress`: the public call."""

from __future__ import annotations

import copy
import math
from typing import Any, TypeVar

from torch import nn

from tenuto.choices import require
from tenuto.compress.compression import Compression
from tenuto.compress.quality import quality, require_good, result_of
from tenuto.compress.quantise import WEIGHTS, quantise
from tenuto.errors import ArgumentError, TenutoError
from tenuto.tasks.estimator import Estimator
from tenuto.tongues import argument

M = TypeVar("M", Estimator, nn.Module)


def compress(model: M, *, weights: str = "int8", data: Any = None, max_drop: float | None = None) -> M:
    """The same model with smaller weights: a copy, whose run folder is smaller too. The model stays as it is.

    "int8" keeps each matrix as whole numbers with a scale for each row: embeddings, all maps, and W and U of every recurrent layer of any cell. Biases and the cells' own
    parameters stay floats. All else is computed in floats, by the same engines: what holds for the model's answers holds for the copy's.

    Args:
        model: a fitted estimator, or a torch module with recurrent layers of tenuto.
        weights: "int8".
        data: a labelled set as for `evaluate`, or (x, y), on which both models are measured. Only for an estimator.
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
        require("weights", weights, WEIGHTS)
        _check(model, data, max_drop)
        if isinstance(model, Estimator):
            return _compressed(model, weights, data, max_drop)
        smaller = copy.deepcopy(model)
        quantise(smaller, WEIGHTS[weights])
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


def _compressed(model: Estimator, weights: str, data: Any, max_drop: float | None) -> Estimator:
    smaller = copy.deepcopy(model)
    before = _bytes(model.network_)
    stored = quantise(smaller.network_, WEIGHTS[weights])
    found = None
    if data is not None:
        found = quality(result_of(model, data), result_of(smaller, data))
        if max_drop is not None:
            require_good(found, max_drop)
    smaller.evaluation_ = {**model.evaluation_, "compression": Compression(weights, stored, before, _bytes(smaller.network_), found).to_data()}
    return smaller


def _bytes(network: nn.Module) -> int:
    """Of all that a file keeps of a network; what two places share, once."""
    every = {id(tensor): tensor for tensor in network.state_dict(keep_vars=True).values()}
    return sum(tensor.numel() * tensor.element_size() for tensor in every.values())
