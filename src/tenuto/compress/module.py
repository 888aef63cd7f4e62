"""A plain torch module with recurrent layers, with fewer units in each."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeVar

from torch import Tensor, nn

from tenuto.choices import require
from tenuto.compress.amounts import amount
from tenuto.compress.following import Following, follow
from tenuto.compress.narrowing import Cut, UnitsStay, chosen, free, narrowed, require_equal
from tenuto.compress.scores import by_norm, by_taylor
from tenuto.errors import ArgumentError
from tenuto.tongues import argument

M = TypeVar("M", bound=nn.Module)
SCORES = ("norm", "taylor")


def with_fewer_units(
    module: M,
    *given: Any,
    units: float = 0.5,
    score: str = "norm",
    losses: Callable[[nn.Module], Iterable[Tensor]] | None = None,
    layers: Sequence[str] | None = None,
    **named: Any,
) -> M:
    """A copy of a module whose recurrent layers have fewer units: those that count least are gone, with all that belongs to them. The module stays as it is.

    The copy is an ordinary, smaller module. Before it is returned, it is checked that it says, for what is given, what the whole module says without these units.

    Args:
        module: with `tenuto.Recurrent`, or `LSTM`, `GRU`, `RNN` of tenuto or torch in it. given, named: the arguments of a call of it, by which its channels are followed.
        units: the share of units that stays. score: "norm" of the weights, or "taylor", what the loss would change.
        losses: for "taylor": gives the loss of each of a few batches, for a network. layers: names of the layers, as `named_modules` has them. Default: all.
    Raises:
        ArgumentError: units that cannot be taken away; says why.
    Example:
        >>> import tenuto, torch
        >>> _ = torch.manual_seed(0)
        >>> smaller = with_fewer_units(tenuto.LSTM(3, 8, num_layers=2), torch.zeros(5, 1, 3))
        >>> smaller.weight_hh_l1.shape, smaller(torch.zeros(5, 1, 3))[0].shape
        (torch.Size([16, 4]), torch.Size([5, 1, 4]))
    """
    require("score", score, SCORES)
    units = amount("units", units, "a share of the units, above 0 and at most 1", lambda share: 0 < share <= 1)
    if score == "taylor" and losses is None:
        raise ArgumentError("without a loss nobody knows what it would change.", expected="losses, a function from a network to its losses on a few batches", fix=argument("score", "norm"))
    whole = copy.deepcopy(module).double()
    given, named = doubled(given), doubled(named)
    following, answer = follow(whole, given, named)
    wanted = {name: share_of(following, name, units) for name in (following.layers if layers is None else layers)}
    if not wanted:
        raise ArgumentError("there is no recurrent layer whose units could be taken away.", expected="a module with tenuto.Recurrent, or an LSTM, GRU or RNN of tenuto or torch")
    if layers is None:
        held = {name: why for name in wanted if (why := free(following, name)) is not None}
        if len(held) == len(wanted):
            raise UnitsStay(f"{next(iter(held.values()))}.", fix="make the model smaller in another way, or distill it into a smaller one")
        wanted = {name: count for name, count in wanted.items() if name not in held}
    scores = by_norm(whole, following) if losses is None or score == "norm" else by_taylor(module, following, losses(module))
    cut = Cut(following, frozenset(chosen(following, wanted, scores)))
    smaller: M = narrowed(module, cut)  # type: ignore[assignment]  # of the module's own class
    require_equal(whole, smaller, cut, answer, given, named)
    return smaller


def share_of(following: Following, layer: str, share: float) -> int:
    """How many units a share of a layer's is: rounded, at least one in each head.

    Raises:
        ArgumentError: there is no such layer.
    """
    require("layer", layer, list(following.layers))
    units = following.layers[layer]
    return max(1, math.floor(units.hidden * share / units.heads + 0.5)) * units.heads


def doubled(given: Any) -> Any:
    """Arguments with their real numbers in float64."""
    if isinstance(given, Tensor):
        return given.double() if given.is_floating_point() else given
    if isinstance(given, Mapping):
        return {key: doubled(value) for key, value in given.items()}
    if isinstance(given, tuple) and hasattr(given, "_fields"):
        return type(given)(*map(doubled, given))
    if isinstance(given, (tuple, list)):
        return type(given)(map(doubled, given))
    return given
