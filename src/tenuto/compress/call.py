"""`compress`: the public call."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

from torch import nn

from tenuto.choices import require
from tenuto.compress.calibrate import Calibration, Seen
from tenuto.compress.compression import FLOATS, Compression
from tenuto.compress.finetune import finetuned
from tenuto.compress.limits import Limits
from tenuto.compress.pruning import Pruning
from tenuto.compress.quality import quality, result_of
from tenuto.compress.quantise import ACTIVATIONS, STATIC, WEIGHTS, bytes_of, quantise, require_floats
from tenuto.compress.rounds import Rounds
from tenuto.compress.speed import speed_of
from tenuto.errors import ArgumentError, TenutoError
from tenuto.layers.mode import in_mode
from tenuto.tasks.estimator import Estimator
from tenuto.tongues import argument
from tenuto.train import Observer

M = TypeVar("M", Estimator, nn.Module)
BATCHES = 64  # of data, to calibrate with


def compress(
    model: M,
    *,
    weights: str | None = None,
    activations: str = "float",
    units: float | None = None,
    sparsity: float | None = None,
    blocks: int | None = None,
    rank: float | None = None,
    calibrate: Any = None,
    data: Any = None,
    finetune: Any = None,
    max_drop: float | None = None,
    min_speedup: float | None = None,
    score: str | None = None,
    rounds: int = 3,
    folder: str | Path | None = None,
    observers: Iterable[Observer] = (),
    **changes: Any,
) -> M:
    """The same model with smaller weights: a copy, whose run folder is smaller too. The model stays as it is.

    "int8" keeps each matrix as whole numbers with a scale for each row: embeddings, all maps, and W and U of every recurrent layer of any cell. Biases and the cells' own
    parameters stay floats. "int4" keeps numbers of 4 bits, with a scale for each 64 columns of a row; rounding errors are fed back where `calibrate` says what a weight reads.
    All else is computed in floats, by the same engines: what holds for the model's answers holds for the copy's.
    With activations "int8", recurrent layers also round what they multiply, each row of a step with a scale of its own, and multiply whole numbers, whose sums are exact;
    gates and states stay floats. Such a layer reads a quarter of the memory at each step, and has no derivative by its weights.
    "static-int8" and "static-int16" have one scale for each layer's input and for what each of its products is taken of, learnt from `calibrate`: nothing is measured in a step, and 16 bits keep what 8 lose.

    With `units`, whole units are taken away, those that count least: what is left is an ordinary estimator with a smaller hidden_size. With `finetune` they go in rounds, and
    what is left learns on after each. With `sparsity`, the smallest weights of each matrix become zero, and only the others are kept, with a bit for each place. With `rank`, W and U of recurrent
    layers are cut to a share of their singular values and kept as two factors. (Units of a torch module: `tenuto.compress.with_fewer_units`.)

    Args:
        model: a fitted estimator, or a torch module with recurrent layers of tenuto.
        weights: "int8" or "int4". Default: "int8" where nothing else is asked for, else floats as they are.
        activations: "float"; with weights "int8" also "int8", "static-int8" or "static-int16".
        units: the share of the units of each layer that stays. Only for an estimator, with `data` or `finetune`.
        sparsity: the share of each matrix that becomes zero. Only for an estimator, and not together with `weights`.
        blocks: with sparsity: so many neighbouring rows of a column of a recurrent layer's matrices become zero together, 16 for instance, which its time loop then skips.
        rank: the share of the full rank that W and U of recurrent layers keep. Only for an estimator, and not together with `weights`.
        calibrate: for "int4" and static activations: data as for `fit` (right answers are not needed), of which at most 64 batches are read; for a torch module, an iterable of inputs, a tuple where a call has several.
        data: a labelled set as for `evaluate`, or (x, y), on which both models are measured; the copy's `evaluation_` has its results. Only for an estimator.
        finetune: a labelled set as for `fit`, or (x, y), on which the model learns on: after units, weights or ranks have gone, or else for some epochs with its weights rounded, instead of
            `calibrate`. Only for an estimator.
        score: what units count by: "taylor", what the loss would change, or "norm", of their weights. Default: "taylor" with `finetune`.
        rounds, folder, observers, changes: of the fine-tuning, see `tenuto.compress.rounds.Rounds`.
        max_drop: by how much the copy may be worse there, as a share of the model's own number: 0.005.
        min_speedup: how many times as fast the copy must be there, by the median time of a prediction: 1.5.
    Returns:
        What was given, compressed. Of an estimator, `tenuto.compress.Compression.of` tells size and quality.
    Raises:
        ArgumentError: the copy is worse than max_drop allows, or slower than min_speedup asks; the model is compressed already, or nothing in it can be; an option is not known. As `evaluate` of the estimator.
    Example:
        >>> import tenuto, torch
        >>> small = tenuto.compress(tenuto.LSTM(64, 64))
        >>> small.state_dict()["weight_hh_l0.int8"].dtype, small(torch.zeros(5, 1, 64))[0].shape
        (torch.int8, torch.Size([5, 1, 64]))
    """
    try:
        pruning = Pruning(units, sparsity, blocks, rank, score, finetune, Rounds(rounds, folder, observers=tuple(observers), changes=changes))
        weights = "int8" if weights is None and not pruning.asked else weights
        if weights is not None:
            require("weights", weights, WEIGHTS)
            if pruning.form is not None:
                name = "sparsity" if sparsity is not None else "rank"
                raise ArgumentError("the weights can be kept in one form only.", expected=f"{argument(name)}, or {argument('weights', weights)}")
        require("activations", activations, ACTIVATIONS)
        _check(model, any(one is not None for one in (data, max_drop, min_speedup)))
        limits = Limits.checked(max_drop, min_speedup, data is not None)
        pruning.check(isinstance(model, Estimator), data is not None)
        if activations != "float" and weights != "int8":
            raise ArgumentError(f"{argument('activations', activations)} goes with whole numbers of 8 bits only.", fix=f"{argument('weights', 'int8')}, or leave {argument('activations')} out")
        if activations in STATIC and calibrate is None:
            raise ArgumentError(
                f"{argument('activations', activations)} has scales that are learnt from data, and there are none.", expected=f"{argument('calibrate')}: data in the form that the model was trained on",
                fix=f"give {argument('calibrate')}, or {argument('activations', 'int8')}, whose scales are those of each row that is read",
            )  # fmt: skip
        if calibrate is not None and weights != "int4" and activations not in STATIC:
            raise ArgumentError(f"{argument('weights', weights or 'floats')} is rounded without looking at data.", fix=f"leave {argument('calibrate')} out, or {argument('weights', 'int4')}, or {argument('activations', 'static-int8')}")
        if finetune is not None and not pruning.asked and ((calibrate is not None and weights == "int4") or not isinstance(model, Estimator)):
            why = "weights that have learnt to be rounded need no calibration" if isinstance(model, Estimator) else "only an estimator knows how it is trained"
            raise ArgumentError(f"{argument('finetune')} cannot be used here: {why}.", fix=f"leave {argument('finetune')} out")
        if isinstance(model, Estimator):
            return _compressed(model, weights, activations, pruning, calibrate, data, limits)  # type: ignore[return-value]  # of its own class
        smaller = copy.deepcopy(model)
        require_floats(smaller)
        quantise(smaller, WEIGHTS[str(weights)], None if calibrate is None else _seen_by_module(smaller, calibrate), activations=activations)
        return smaller
    except TenutoError as error:
        raise error.within("compress") from error.__cause__


def _check(model: Any, measured: bool) -> None:
    if not isinstance(model, (Estimator, nn.Module)):
        raise ArgumentError(
            "there is nothing to compress.", expected="a fitted estimator of tenuto.tasks, or a torch module", received=type(model).__name__, fix="an estimator's `load` reads a run folder"
        )
    if isinstance(model, Estimator):
        model.require_fit("compress")
    elif measured:
        raise ArgumentError(
            "a torch module cannot be measured here: only its owner knows what is a good answer.", fix="leave data, max_drop and min_speedup out, and compare the two models yourself"
        )


def _compressed(model: Estimator, weights: str | None, activations: str, pruning: Pruning, calibrate: Any, data: Any, limits: Limits) -> Estimator:
    require_floats(model.network_)
    before = bytes_of(model.network_)
    if pruning.finetune is not None and weights is not None and not pruning.asked:
        smaller, pruned = finetuned(model, WEIGHTS[weights], pruning.finetune, pruning.rounds), {}
    else:
        smaller, pruned = pruning.of(model, data)
    seen = None if calibrate is None else Calibration(smaller.network_).over(islice(_readings(smaller, calibrate), BATCHES))
    form = pruning.form if weights is None else WEIGHTS[weights]
    stored = quantise(smaller.network_, form, seen, activations=activations, blocks=pruned.get("blocks")) if form is not None else []
    found = rate = None
    if data is not None:
        found = quality(result_of(model, data), result_of(smaller, data, kept=True))
        rate = speed_of(model, smaller, data) if limits.min_speedup is not None else None
        limits.require(found, rate)
    made = Compression(weights or (FLOATS if form is None else form.form), activations, stored, before, bytes_of(smaller.network_), found, speed=rate, **pruned)
    smaller.evaluation_ = {**smaller.evaluation_, "compression": made.to_data()}
    return smaller


def _readings(model: Estimator, data: Any) -> Iterator[Callable[[], Any]]:
    """A call of the network for each batch of the data, each from the state that the one before left, as in training."""
    carried: list[Any] = [None]

    def read(given: tuple[Any, ...]) -> None:
        _, carried[0] = model.heard(model.network_, given, carried[0])

    return (partial(read, given) for given in model.lessons(model.answered(model.as_set(data))))


def _seen_by_module(module: nn.Module, inputs: Iterable[Any]) -> Seen:
    with in_mode(module, training=False):
        return Calibration(module).over(partial(module, *(given if isinstance(given, tuple) else (given,))) for given in inputs)
