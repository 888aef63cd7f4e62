"""The weights of a fitted network in a smaller one of the same task: what goes where, whatever the task."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from tenuto.compress.channels import GIVEN
from tenuto.compress.following import Following, follow
from tenuto.compress.module import doubled
from tenuto.compress.narrowing import Cut, chosen, require_equal
from tenuto.errors import ArgumentError
from tenuto.layers import Recurrent

Scored = Callable[[nn.Module, Following], Tensor]


def fit_into(network: nn.Module, smaller: nn.Module, given: tuple[Any, ...], scored: Scored) -> int:
    """Give a smaller network of the same task those weights of `network` that count most; returns how many units are gone.

    The smaller network, which was made with fewer units, says by its own sizes what goes. It is checked that it says what `network` says without the rest.

    Args:
        given: what the networks are called with. scored: how much each class of channels counts, as in `scores.py`.
    Raises:
        ArgumentError: units that cannot be taken away; says why.
    """
    whole, given = copy.deepcopy(network).double(), doubled(given)
    following, answer = follow(whole, given)
    layers = {name: module for name, module in smaller.named_modules() if isinstance(module, Recurrent)}
    wanted = {name: module.hidden_size for name, module in layers.items() if module.hidden_size < following.layers[name].hidden}
    scores = scored(network, following)
    gone = chosen(following, wanted, scores)
    units = sum(int(torch.isin(following.channels.roots(following.layers[name].units), torch.tensor(sorted(gone))).sum()) for name in wanted)
    gone |= _others(following, gone, smaller, scores)
    cut = Cut(following, frozenset(gone))
    theirs = network.state_dict()
    left: dict[str, Tensor] = {}
    for name, tensor in smaller.state_dict().items():
        found = cut.of(name, theirs[name]) if name in theirs else None
        if found is None or found.shape != tensor.shape:
            raise ArgumentError(
                f"the weight {name} does not fit the network with fewer units.", expected=str(list(tensor.shape)),
                received="nothing" if found is None else str(list(found.shape)), fix="another number of units",
            )  # fmt: skip
        left[name] = found
    device = next(smaller.parameters()).device
    smaller.load_state_dict({name: tensor.to(device) for name, tensor in left.items()})
    require_equal(whole, copy.deepcopy(smaller).cpu(), cut, answer, given, {})
    return units


def _others(following: Following, gone: set[int], smaller: nn.Module, scores: Tensor) -> set[int]:
    """The channels beside units that go too: a width that follows the number of units, as between a decoder and its last map."""
    channels, found = following.channels, set[int]()
    recurrent = {root for layer in following.layers.values() for root in channels.roots(layer.units).flatten().tolist()}
    shapes = {name: parameter.shape for name, parameter in smaller.named_parameters(remove_duplicate=False)}
    for axis in (0, 1):  # what makes a channel before what reads it
        for name, shape in shapes.items():
            if name not in following.axes or len(following.axes[name]) <= axis:
                continue
            here = [root for root in channels.roots(following.axes[name][axis]).tolist() if root not in gone | found]
            more = len(here) - shape[axis]
            if more > 0:
                able = {root for root in here if root > GIVEN and root not in recurrent and channels.why_fixed(root) is None and here.count(root) == 1}
                found.update(sorted(able, key=lambda root: float(scores[root]))[:more])
    return found
