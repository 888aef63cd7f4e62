"""W and U of recurrent layers as products of two factors: cut to a lower rank by their singular values, lower from round to round, and the factors learn on."""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator, Mapping
from typing import Any, TypeVar

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from tenuto.compress.amounts import amount
from tenuto.compress.learning_on import LearningOn
from tenuto.compress.quantise import matrices_of_layers
from tenuto.compress.rounds import Rounds, still_to_go
from tenuto.distill.teacher import digest_of
from tenuto.layers.stored.low_rank import factors
from tenuto.tasks.estimator import Estimator

E = TypeVar("E", bound=Estimator)


def checked_rank(share: Any) -> float:
    """The share of the full rank that is asked for.

    Raises:
        ArgumentError: it is none.
    """
    return amount("rank", share, "the share of the full rank that stays, above 0 and below 1", lambda share: 0 < share < 1)


def ranks_to(share: float, rounds: int) -> list[float]:
    """The share of the full rank after each round, see `still_to_go`.

    Example:
        >>> ranks_to(0.25, 3)
        [0.4722, 0.2778, 0.25]
    """
    return [round(share + (1 - share) * left, 4) if left else share for left in still_to_go(rounds)]


def rank_of(weight: Tensor, share: float) -> int:
    """How many of a matrix's singular values a share is."""
    return max(1, math.floor(min(weight.shape) * share + 0.5))


def cut(network: nn.Module, share: float) -> None:
    """Put in the place of each W and U the nearest matrix of a lower rank."""
    with torch.no_grad():
        for _, _, weight in _weights(network):
            left, right = factors(weight, rank_of(weight, share))
            weight.copy_(left @ right)


def without_ranks(model: E, share: float) -> E:
    """A copy of a fitted estimator whose recurrent layers have matrices of a lower rank; it has learnt nothing since."""
    made = copy.deepcopy(model)
    cut(made.network_, share)
    return made


def finetuned_ranks(model: E, data: Any, *, share: float, rounds: Rounds) -> E:
    """The same, in rounds: in each the rank is lower, and the two factors of each matrix learn on.

    Raises:
        RunError: the folder of the rounds holds those of something else.
    """
    shares = ranks_to(share, rounds.checked())
    found = rounds.run(model, data, shares, lambda model, share: ({}, LowerRanks(model, share)), {"ranks": "by singular values"})
    cut(found.network_, share)  # an average of factors, or rounding, may have left more
    return found


class LowerRanks(LearningOn):
    """What takes part in a fit in which the factors of matrices learn (`tenuto.train.course.Teaching`)."""

    def __init__(self, model: Estimator, share: float) -> None:
        super().__init__(model)
        self.share = share

    @property
    def identity(self) -> Mapping[str, Any]:
        """Whose weights these were, and how much of the rank stays."""
        return {"lower ranks": {"weights": digest_of(self.model.network_), "share": self.share}}

    def begin(self, network: nn.Module) -> None:
        """The model's weights, each W and U as two factors from now on."""
        super().begin(network)
        for part, name, weight in list(_weights(network)):
            parametrize.register_parametrization(part, name, _Product(rank_of(weight, self.share)), unsafe=True)


class _Product(nn.Module):
    """A weight that is made of two factors."""

    def __init__(self, rank: int) -> None:
        super().__init__()
        self.rank = rank

    def forward(self, left: Tensor, right: Tensor) -> Tensor:
        """[N, R] times [R, K]."""
        return left @ right

    def right_inverse(self, weight: Tensor) -> tuple[Tensor, Tensor]:
        """The factors to begin with."""
        return factors(weight, self.rank)


def _weights(network: nn.Module) -> Iterator[tuple[nn.Module, str, Tensor]]:
    """Each W and U of two axes, once."""
    seen = set[int]()
    for part, name in matrices_of_layers(network):
        weight = getattr(part, name)
        if weight.dim() == 2 and id(weight) not in seen:
            seen.add(id(weight))
            yield part, name, weight
