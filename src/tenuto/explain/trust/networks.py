"""Networks with random weights, and how much of an explanation they give too (Adebayo et al. 2018, "Sanity Checks for Saliency Maps").

A copy of the model has random parameters, from the head alone (the first stage) down to all of it. Matrices are drawn from a normal distribution around zero with the size (root of the mean
square) that they have, vectors are shuffled: what was learned is gone, and the scale, on which answers depend too, is kept, as are the ranges that vectors of a cell may need.
The stages of one random network share their draws. The model itself is not touched, nor is torch's random generator.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch
from torch import nn

from tenuto.errors import ArgumentError

MOST_STAGES = 4


class Stage(NamedTuple):
    """What of a model has random weights: in words, and the paths of the parameters."""

    name: str
    paths: frozenset[str]


def stages_of(module: nn.Module) -> list[Stage]:
    """From the head alone to all of the model: the children of the module from the last to the first, in at most four steps."""
    every = frozenset(path for path, _ in module.named_parameters())
    children, prefix = _children(module), ""
    while len(children) == 1:  # a module around another
        prefix += f"{children[0][0]}."
        children = _children(children[0][1])
    groups = np.array_split(np.arange(len(children)), min(MOST_STAGES, len(children))) if children else []
    found: list[Stage] = []
    names: list[str] = []
    for group in reversed(groups):
        names += [children[number][0] for number in group[::-1]]
        inside = tuple(f"{prefix}{name}." for name in names)
        found.append(Stage(", ".join(names), frozenset(path for path in every if path.startswith(inside))))
    if not found or found[-1].paths != every:  # parameters of the module itself
        found.append(Stage("all of it", every))
    return found


def has_weights(module: nn.Module) -> bool:
    """Whether random weights would be other weights: not where there are none, or only vectors of one number throughout."""
    with torch.no_grad():
        return any(bool(one.numel() and (one != (one.flatten()[0] if one.dim() < 2 else 0)).any()) for one in module.parameters())


def _children(module: nn.Module) -> list[tuple[str, nn.Module]]:
    return [(name, child) for name, child in module.named_children() if any(True for _ in child.parameters())]


def redrawn(paths: frozenset[str], seed: int, draw: int) -> Callable[[nn.Module], nn.Module]:
    """A function from a module to a copy whose parameters at these paths are random.

    Args:
        draw: the number of the random network; a parameter gets the same numbers in each of its stages.
    """

    def copied(module: nn.Module) -> nn.Module:
        try:
            twin = copy.deepcopy(module)
        except (RuntimeError, TypeError, AttributeError, NotImplementedError, copy.Error) as error:
            raise ArgumentError(
                f"{type(module).__name__} cannot be copied, and the check compares with copies that have random weights: {str(error).splitlines()[0] if str(error) else error!r}.",
                expected="a module for which copy.deepcopy works", fix="torch.nn.utils.parametrizations in place of torch.nn.utils.weight_norm; or leave the check out",
            ) from error  # fmt: skip
        for number, (path, parameter) in enumerate(twin.named_parameters()):
            if path in paths:
                _redraw(parameter, int(np.random.SeedSequence([seed, draw, number]).generate_state(1)[0]))
        return twin

    return copied


def _redraw(parameter: nn.Parameter, seed: int) -> None:
    if not (parameter.is_floating_point() or parameter.is_complex()) or not parameter.numel():
        return
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        if parameter.dim() < 2:
            drawn = parameter.flatten()[torch.randperm(parameter.numel(), generator=generator).to(parameter.device)].reshape(parameter.shape)
        else:
            size = parameter.abs().double().square().mean().sqrt()
            drawn = size.to(parameter.device) * torch.randn(parameter.shape, generator=generator, dtype=parameter.dtype if parameter.is_complex() else torch.float64).to(parameter.device)
        parameter.copy_(drawn)


def likeness_of(first: np.ndarray, second: np.ndarray) -> tuple[float, float] | None:
    """The rank correlation of the values [P] of parts, and of their sizes. None where the first has fewer than three parts, or one value; zero where only the second has one value."""
    if len(first) < 3 or np.ptp(first) == 0:
        return None
    return spearman(first, second), spearman(np.abs(first), np.abs(second))


def spearman(first: np.ndarray, second: np.ndarray) -> float:
    """The correlation of the ranks; equal values share their mean rank. Zero where all of one side are the same.

    Example:
        >>> spearman(np.array([1.0, 2.0, 4.0]), np.array([0.1, 0.3, 9.0])), spearman(np.array([1.0, 2.0, 4.0]), np.array([5.0, 5.0, 5.0]))
        (1.0, 0.0)
    """
    a, b = ranks(first), ranks(second)
    a, b = a - a.mean(), b - b.mean()
    size = float(np.sqrt((a @ a) * (b @ b)))
    return float(np.clip((a @ b) / size, -1.0, 1.0)) if size > 0 else 0.0


def ranks(values: np.ndarray) -> np.ndarray:
    """[P], from 0; equal values share their mean rank."""
    _, places, counts = np.unique(values, return_inverse=True, return_counts=True)
    ends = np.cumsum(counts)
    return (ends - (counts + 1) / 2)[places.ravel()]
