"""`diagnose`: the public call."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from tenuto.diagnose.advice import advice_of
from tenuto.diagnose.diagnosis import Clipping, Diagnosis, LayerDiagnosis
from tenuto.diagnose.following import Followed, Following
from tenuto.diagnose.outside import outside_of
from tenuto.diagnose.pulled import gradients, influence
from tenuto.diagnose.pushed import growth_of
from tenuto.diagnose.weights import matrices_of, saturation_of
from tenuto.errors import ArgumentError, TenutoError
from tenuto.explain.call import subject_of
from tenuto.explain.held.steps import walk_of
from tenuto.explain.subject import require_steady, scores_of
from tenuto.tasks.estimator import Estimator
from tenuto.train.turns import seeded

ROWS = 8  # sequences of a batch that are followed step by step

Losses = Iterator[Callable[[], Tensor]]  # for each batch, what runs it and gives its loss


def diagnose(
    model: Estimator | nn.Module,
    data: Any,
    *,
    loss: Callable[[Any], Tensor] | None = None,
    exponents: int = 8,
    share: float = 0.01,
    batches: int = 16,
    clip_norm: float | None = None,
    lengths: Any = None,
    state: Any = None,
    batch_first: bool | None = None,
) -> Diagnosis:
    """What becomes of gradients and memory in a model's recurrent layers: where gradients vanish or explode, how far back the memory reaches, and what to do about it.

    One batch is followed step by step, in float64, 8 sequences of it: of the batches whose gradient is measured, the one where these are longest. It takes some milliseconds for each
    step of a layer. Nothing is changed on the model, for no moment.

    Args:
        model: a fitted estimator, or a torch module in evaluation mode with recurrent layers in it: the library's, with any cell, or torch's own.
        data: as `fit` of the estimator takes it, a set or (x, y); where it has no answers, the model's own stand for them. For a module: x [T, B, F], tokens [T, B], or a list of items.
        loss: from a module's raw answer to one number. None: half the mean square of the answer. An estimator has its own, that of training.
        exponents: how many Lyapunov exponents, of each layer, at most. share: below which share of its largest value an input's influence counts as gone.
        batches: of how many batches the gradient's norm is measured, at most.
        clip_norm: at which norm a module's gradient is clipped in training. An estimator's options say it.
        lengths, state, batch_first: as `tenuto.explain` takes them.
    Raises:
        ArgumentError: the model has no recurrent layer, or is in training mode; an argument is out of range.
        ShapeError, DataError: the data does not fit the model.
    Example:
        >>> from tenuto.cells import Elman
        >>> from tenuto.layers import Recurrent
        >>> found = diagnose(Recurrent(Elman(), 2, 3).eval(), torch.randn(12, 4, 2))
        >>> found[0].exponents.shape, found[0].gradient["h"].shape
        ((3,), (12,))
    """
    try:
        for name, value, fits, expected in (
            ("exponents", exponents, isinstance(exponents, int) and exponents >= 1, "a whole number from 1"),
            ("share", share, isinstance(share, (int, float)) and 0 < share < 1, "a number between 0 and 1, such as 0.01"),
            ("batches", batches, isinstance(batches, int) and batches >= 1, "a whole number from 1"),
            ("clip_norm", clip_norm, clip_norm is None or (isinstance(clip_norm, (int, float)) and clip_norm > 0), "a number above 0, or None"),
        ):
            if not fits or isinstance(value, bool):
                raise ArgumentError(f"{name}={value!r} cannot be used.", expected=expected)
        with torch.inference_mode(False), torch.enable_grad():
            network, losses = _losses(model, data, loss, clip_norm, {"lengths": lengths, "state": state, "batch_first": batch_first})
            limit = model.clip_norm if isinstance(model, Estimator) else clip_norm
            return _diagnose(network, islice(losses, batches), exponents, float(share), limit, getattr(model, "window", None) is not None)
    except TenutoError as error:
        raise error.within("diagnose") from error.__cause__


def _losses(model: Any, data: Any, loss: Callable[[Any], Tensor] | None, clip_norm: float | None, called: dict[str, Any]) -> tuple[nn.Module, Losses]:
    if isinstance(model, Estimator):
        given = [name for name, value in {"loss": loss, "clip_norm": clip_norm, **called}.items() if value is not None]
        if given:
            raise ArgumentError(f"{type(model).__name__} has its own {given[0]}.", expected="data as fit takes it", fix=f"leave {given[0]} out")
        model.require_fit("diagnose")
        require_steady(model.network_)
        return model.network_, _of_training(model, data)
    subject = subject_of(model, data, called)
    return subject.module, _of_module(subject, loss or _half_square)


def _of_training(model: Estimator, data: Any) -> Losses:
    learning, carried = model.lost(data), None

    def run(batch: Any) -> Tensor:
        nonlocal carried
        found = learning.loss(model.network_, batch, carried)
        carried = _cut(found.carried)
        return found.mean

    with seeded(model.seed_):
        batches = learning.batches(1)
    for batch in batches:
        yield lambda batch=batch: run(batch)  # type: ignore[misc]


def _cut(carried: Any) -> Any:
    from tenuto.train.nested import detached

    return detached(carried)


def _of_module(subject: Any, loss: Callable[[Any], Tensor]) -> Losses:
    for posed in subject.batches():
        rows = torch.arange(posed.x.shape[1], device=posed.x.device)
        # gradients flow also where all weights are frozen
        yield lambda posed=posed, rows=rows: loss(posed.run(posed.x.clone().requires_grad_(), rows))  # type: ignore[misc]


def _half_square(raw: Any) -> Tensor:
    return 0.5 * scores_of(raw).square().mean()


def _diagnose(network: nn.Module, losses: Losses, exponents: int, share: float, limit: float | None, window: bool) -> Diagnosis:
    weights = [weight for weight in network.parameters() if weight.requires_grad]
    norms, longest, value, heard = list[float](), 0, 0.0, list[Followed]()
    for run in losses:
        with Following(network) as following:
            loss = _checked(run())
            norms.append(_norm(loss, weights))
        here = list(following.followed(ROWS))
        steps = max((one.steps for one in here), default=0)
        if steps > longest:  # where batches are made of sequences of about one length, the first may be of the shortest, and says little of memory
            longest, value, heard = steps, float(loss.detach()), here
    layers = [_layer(one, exponents, share) for one in heard]
    if not norms:
        raise ArgumentError("there is nothing to read.", expected="one item or more", received="no items")
    if not layers:
        raise ArgumentError(
            f"{type(network).__name__} ran no recurrent layer.", expected="a model with a layer of tenuto's, or torch.nn.LSTM, GRU, RNN or a cell of these",
            fix="diagnose the part of the model that has one",
        )  # fmt: skip
    clipping = Clipping(np.array(norms), limit)
    return Diagnosis(tuple(layers), value, clipping, advice_of(layers, clipping, window), outside_of(network))


def _checked(loss: Any) -> Tensor:
    if not isinstance(loss, Tensor) or loss.numel() != 1 or not loss.requires_grad:
        received = f"{list(loss.shape)}{'' if loss.requires_grad else ' without gradients'}" if isinstance(loss, Tensor) else type(loss).__name__
        raise ArgumentError("the loss is not one number with gradients.", expected="loss=, a function of the model's answer that gives a tensor with one number", received=received)
    return loss.reshape(())


def _norm(loss: Tensor, weights: list[nn.Parameter]) -> float:
    """Of the gradient of all weights; the way back is run even where there are none."""
    if not weights:
        loss.backward()  # to the clone of the input alone
        return 0.0
    found = torch.autograd.grad(loss, weights, allow_unused=True)
    return float(torch.stack([gradient.double().norm() for gradient in found if gradient is not None]).norm()) if any(gradient is not None for gradient in found) else 0.0


def _layer(one: Followed, exponents: int, share: float) -> LayerDiagnosis:
    call = one.whole()
    walk = walk_of(call)
    parts = [gradients(each, walk_of(each), d_output, d_final) for each, d_output, d_final in zip(one.calls, one.d_output, one.d_final)]
    gradient = {name: torch.cat([part[name] for part in parts]).square().nanmean(1).sqrt() for name in parts[0]}
    growth, (by_lag, _) = growth_of(call, walk, exponents), influence(call, walk)
    cpu = {name: values.cpu().numpy() for name, values in gradient.items()}
    values = by_lag.cpu().numpy()
    return LayerDiagnosis(
        one.name, repr(call.form.cell), call.form.reverse, cpu, growth.exponents.cpu().numpy(), growth.gain.cpu().numpy(), values, share, horizon_of(values, share),
        saturation_of(call, walk), matrices_of(call),
    )  # fmt: skip


def horizon_of(influence: np.ndarray, share: float) -> int | None:
    """The smallest lag from which on the influence stays below this share of its largest value; None where it does not.

    Example:
        >>> horizon_of(np.array([1.0, 0.5, 0.25, 0.125]), 0.3), horizon_of(np.array([1.0, 0.5]), 0.3)
        (2, None)
    """
    above = np.flatnonzero(influence >= share * influence.max())
    last = int(above[-1]) if len(above) else -1
    return last + 1 if last + 1 < len(influence) else None
