"""Single weights taken away: the smallest of each matrix become zero, more from round to round, and those that are left learn on."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from tenuto.compress.amounts import amount
from tenuto.compress.learning_on import LearningOn
from tenuto.compress.quantise import LAYERS, in_blocks, matrices
from tenuto.compress.rounds import Rounds, still_to_go
from tenuto.distill.teacher import digest_of
from tenuto.errors import ArgumentError
from tenuto.layers.stored.blocks import cut_into
from tenuto.tasks.estimator import Estimator
from tenuto.tongues import argument
from tenuto.train import Loss
from tenuto.train.course import Learning

E = TypeVar("E", bound=Estimator)


def shares_to(share: float, rounds: int) -> list[float]:
    """The share of zeros after each round, see `still_to_go`.

    Example:
        >>> shares_to(0.9, 3)
        [0.6333, 0.8667, 0.9]
    """
    return [round(share * (1 - left), 4) if left else share for left in still_to_go(rounds)]


def checked_share(share: Any) -> float:
    """The share of zeros that is asked for.

    Raises:
        ArgumentError: it is none.
    """
    return amount("sparsity", share, "the share of weights that become zero, above 0 and below 1", lambda share: 0 < share < 1)


def checked_blocks(network: nn.Module, rows: Any) -> int:
    """How many rows a block has.

    Raises:
        ArgumentError: it is no such number, or the units of a recurrent layer cannot be divided so.
    """
    rows = int(amount("blocks", rows, "how many rows of a matrix go together, 2 or more", lambda rows: rows >= 2 and rows == int(rows)))
    layers = [part for part in network.modules() if isinstance(part, LAYERS)]
    if not layers:
        raise ArgumentError(f"{argument('blocks', rows)} is for recurrent layers, and {type(network).__name__} has none.", fix=f"leave {argument('blocks')} out")
    for layer in layers:
        if layer.hidden_size % rows:
            fitting = [one for one in (32, 16, 8, 4, 2) if layer.hidden_size % one == 0]
            raise ArgumentError(
                f"the {layer.hidden_size} units of a layer cannot be divided into blocks of {rows}.", expected="a divisor of hidden_size", received=argument("blocks", rows),
                fix=argument("blocks", fitting[0]) if fitting else f"leave {argument('blocks')} out",
            )  # fmt: skip
    return rows


def masks_of(network: nn.Module, share: float, rows: int | None = None) -> dict[str, Tensor]:
    """For each matrix by name, which of its numbers stay: all but the smallest `share` of them.

    Args:
        rows: in recurrent layers so many neighbouring rows of a column stay or go together, those of the smallest norm first.
    """
    found, seen = {}, set[int]()
    paths = {id(part): path for path, part in network.named_modules()}
    for part, name in matrices(network):
        weight = getattr(part, name)
        if id(weight) not in seen:
            seen.add(id(weight))
            height = rows if rows is not None and in_blocks(part, weight, rows) else None
            sizes = (weight.detach().abs() if height is None else cut_into(weight.detach(), height).double().square().sum(-1)).reshape(-1)
            stays = torch.ones(len(sizes), dtype=torch.bool)
            stays[torch.argsort(sizes.cpu(), stable=True)[: round(share * len(sizes))]] = False
            whole = stays.reshape(weight.shape) if height is None else stays.reshape(-1, weight.shape[1]).repeat_interleave(height, 0)
            found[f"{paths[id(part)]}.{name}".lstrip(".")] = whole
    return found


def mask(network: nn.Module, masks: Mapping[str, Tensor]) -> None:
    """Set to zero what does not stay, in place."""
    weights = {name.removeprefix("module."): weight for name, weight in network.named_parameters()}
    with torch.no_grad():
        for name, stays in masks.items():
            weights[name].mul_(stays.to(weights[name].device))


def without_weights(model: E, share: float, rows: int | None = None) -> E:
    """A copy of a fitted estimator in which a share of each matrix is zero, in recurrent layers by blocks of so many rows; it has learnt nothing since."""
    made = copy.deepcopy(model)
    mask(made.network_, masks_of(made.network_, checked_share(share), rows))
    return made


def finetuned_weights(model: E, data: Any, *, share: float, rounds: Rounds, rows: int | None = None) -> E:
    """The same, in rounds: in each more weights become zero and stay so, and the others learn on.

    Raises:
        ArgumentError: the share is out of range. RunError: the folder of the rounds holds those of something else.
    """
    shares = shares_to(checked_share(share), rounds.checked())
    found = rounds.run(model, data, shares, lambda model, share: ({}, FewerWeights(model, share, rows)), {"weights": "by size", **({} if rows is None else {"blocks": rows})})
    mask(found.network_, masks_of(found.network_, share, rows))  # what the last round kept at zero is the smallest
    return found


class FewerWeights(LearningOn):
    """What takes part in a fit in which weights that are taken away stay zero (`tenuto.train.course.Teaching`)."""

    def __init__(self, model: Estimator, share: float, rows: int | None = None) -> None:
        super().__init__(model)
        self.share, self.rows, self.masks = share, rows, masks_of(model.network_, share, rows)

    @property
    def identity(self) -> Mapping[str, Any]:
        """Whose weights these were, and how many go."""
        return {"fewer weights": {"weights": digest_of(self.model.network_), "share": self.share, **({} if self.rows is None else {"blocks": self.rows})}}

    def begin(self, network: nn.Module) -> None:
        """The model's weights, without those that go."""
        super().begin(network)
        mask(network, self.masks)

    def lead(self, learning: Learning, training: Any) -> Learning:
        """The task's own loss and validation, of a network whose weights that are gone are zero."""

        def loss(network: nn.Module, batch: Any, carried: Any) -> Loss:
            mask(network, self.masks)
            return learning.loss(network, batch, carried)

        def validate(network: nn.Module) -> Mapping[str, float]:
            mask(network, self.masks)
            return learning.validate(network)

        return learning._replace(loss=loss, validate=validate)
