"""`explain`: the public call."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import nn

from tenuto.errors import ArgumentError, TenutoError
from tenuto.explain.background import Background
from tenuto.explain.explanation import Explanation, Item
from tenuto.explain.fitted import Fitted
from tenuto.explain.methods import Method, method_of
from tenuto.explain.module import Module
from tenuto.explain.question import Question
from tenuto.explain.subject import Subject, require_same_answer, require_width
from tenuto.explain.target import goals_of
from tenuto.explain.trust.check import Check, Checking, check_of
from tenuto.tasks.estimator import Estimator

Target = int | str | tuple[int, Any] | Sequence[Any] | Callable[[Any], Any] | None


def explain(
    model: Estimator | nn.Module,
    data: Any,
    *,
    method: str | Method = "integrated-gradients",
    target: Target = None,
    background: Any = None,
    lengths: Any = None,
    state: Any = None,
    batch_first: bool | None = None,
    check: bool | Check = False,
) -> Explanation:
    """What in the data an answer of the model comes from, for each item.

    Logits are explained, not probabilities. Nothing is changed on the model, for no moment: no hook, no weight, no mode, no random generator.

    Args:
        model: a fitted estimator, or a torch module in evaluation mode that is called with one input.
        data: as `predict` of the estimator takes it. For a module: x [T, B, F], tokens [T, B], or a list with [T_i, F] or [T_i] for each item.
        method: a name of `tenuto.explain.METHODS`, or a method with its settings: `tenuto.explain.IntegratedGradients(tolerance=1e-4)`.
        target: what is explained. None: the output that each item is predicted to be. An output: a class as `predict` gives it, a number for a module.
            A pair (step, output) where the model answers at every step; output None is the one predicted there. A list: one of these for each item. Or a
            function of the model's raw answer for a batch (`forward` of an estimator) that gives one number for each row.
        background: what stands where something is left out. None: what the task says stands for nothing (the means of standardised channels, unknown
            words). "zero", "mean" (of the item's own steps), one step [F], or other data of the same kind, over whose items the values are means.
        lengths: [B], in steps, for a module whose forward takes `lengths`.
        state: carried into the batch, for a module whose forward takes one; what it adds is a term of its own.
        batch_first: whether a module takes x as [B, T, F]. Default: as its first recurrent layer.
        check: whether to measure if the explanation can be trusted, or how (a `tenuto.explain.Check`): what random weights give in its place, what happens when parts are
            taken away in the order of their values, and both halves of time. It takes many times as long as the explanation, and is shown on the page.
    Raises:
        ArgumentError: the method, target or background is not known; the model is in training mode, or answers the same input differently.
        ShapeError: the background has another number of features, or the data does not fit the model. As `predict` of the estimator.
    Example:
        >>> from tenuto.cells import GRU
        >>> from tenuto.layers import Recurrent
        >>> layer = Recurrent(GRU(), 2, 3).eval()
        >>> found = explain(layer, torch.ones(4, 1, 2), target=(-1, 0), background="zero")
        >>> found[0].values.shape, abs(found[0].gap) < 1e-3
        ((4, 2), True)
    """
    try:
        with torch.inference_mode(False):  # in which no gradient can be asked for
            return _explain(model, data, method_of(method), target, background, check, {"lengths": lengths, "state": state, "batch_first": batch_first})
    except TenutoError as error:
        raise error.within("explain") from error.__cause__


def _explain(model: Any, data: Any, method: Method, target: Target, background: Any, check: Any, called: dict[str, Any]) -> Explanation:
    subject = subject_of(model, data, called)
    settings = check_of(check, method)
    stands = Background(background, subject)
    checking = None if settings is None else Checking(settings, method, stands)
    items: list[Item] = []
    count = len(target) if isinstance(target, list) else None
    for posed in subject.batches():
        if not items:
            require_same_answer(posed)
            if checking is not None:
                checking.require_background(posed)
            for other in stands.items:
                require_width(other.shape[-1], posed.x.shape[-1], "the background")
        goals = goals_of(target, posed, subject, len(items))
        question = Question(posed, goals, stands, subject.inputs, subject.widest)
        found = method.explain(question)
        items += found
        if checking is not None:
            checking.take(question, found)
    if count is not None and count != len(items):
        raise ArgumentError(f"there are {count} targets and {len(items)} items.", expected="one target for each item", fix="a list as long as the data")
    said = stands.said if method.compares else ""
    trust = None if checking is None else checking.trust(subject, background)
    return Explanation(method.name, method.settings(), said, tuple(subject.inputs), tuple(items), trust)


def subject_of(model: Any, data: Any, called: dict[str, Any]) -> Subject:
    """A model with data; `called`: lengths, state and batch_first, which belong to a module.

    Raises:
        ArgumentError: the model is none that can be explained, or has these of its own.
    """
    if isinstance(model, Estimator):
        given = [name for name, value in called.items() if value is not None]
        if given:
            raise ArgumentError(f"{type(model).__name__} has its own {given[0]}.", expected="data as predict takes it", fix=f"leave {given[0]} out")
        return Fitted(model, data)
    if isinstance(model, nn.Module):
        if isinstance(model, torch.jit.ScriptModule):
            raise ArgumentError("the model is a compiled script.", expected="a torch.nn.Module in Python", fix="explain the module that the script was made from")
        return Module(model, data, **called)
    raise ArgumentError(
        "there is nothing to explain.", expected="a fitted estimator of tenuto.tasks, or a torch.nn.Module", received=type(model).__name__, fix="wrap other models in a module"
    )
