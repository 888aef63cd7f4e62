"""A network with fewer units: which channels go, the weights that are left, and the proof that nothing else has changed.

The units of each layer and direction that count least go, with all that belongs to them (`following.py`): rows, columns, states, and whatever reads them.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_flatten

from tenuto.compress.following import Following
from tenuto.compress.layer_units import Blocks, LayerUnits, is_layer
from tenuto.errors import ArgumentError
from tenuto.layers.resized import resized

# What modules of torch keep of the sizes of their weights: weight, axis, attribute.
_SIZES: dict[type, list[tuple[str, int, str]]] = {
    nn.Linear: [("weight", 0, "out_features"), ("weight", 1, "in_features")],
    nn.Embedding: [("weight", 0, "num_embeddings"), ("weight", 1, "embedding_dim")],
    nn.modules.conv._ConvNd: [("weight", 0, "out_channels"), ("weight", 1, "in_channels")],
    nn.modules.batchnorm._BatchNorm: [("weight", 0, "num_features")],
    nn.Bilinear: [("weight", 0, "out_features"), ("weight", 1, "in1_features"), ("weight", 2, "in2_features")],
    nn.PReLU: [("weight", 0, "num_parameters")],
}


class UnitsStay(ArgumentError):
    """Units of a network that cannot be taken away."""


@dataclass(frozen=True)
class Family:
    """Units of which equally many stay: those of one layer, direction and head."""

    layer: str
    words: str
    roots: tuple[int, ...]


def families(following: Following, layers: Iterator[str] | list[str]) -> list[Family]:
    """The units of these layers, by name."""
    found = []
    for name in layers:
        units = following.layers[name]
        for (number, ending), numbers in zip(units.places, units.units):
            words = f"layer {number} of {name or 'the recurrent layer'}" + (", backward" if "reverse" in ending else "")
            found += [Family(name, words, tuple(following.channels.roots(part).tolist())) for part in numbers.chunk(units.heads)]
    return found


def free(following: Following, layer: str) -> str | None:
    """Why units of this layer cannot be taken away; None where they can be."""
    for family in families(following, [layer]):
        if len(set(family.roots)) < len(family.roots):
            return f"units of {family.words} belong together: what one gives is added to, or compared with, what another one gives"
        for root in family.roots:
            why = following.channels.why_fixed(root)
            if why:
                return f"the units of {family.words} cannot be taken away: {why}"
    return None


def chosen(following: Following, wanted: Mapping[str, int], scores: Tensor) -> set[int]:
    """The classes of channels that go, where layers keep as many units in each direction as `wanted` says by name.

    Args:
        scores: for each class, how much it counts.
    Raises:
        UnitsStay: units that cannot be taken away; says why. ArgumentError: not so many of them.
    """
    kept: set[int] = set()
    gone: set[int] = set()
    for name in wanted:
        why = free(following, name)
        if why:
            raise UnitsStay(f"{why}.", fix="make the model smaller in another way, or distill it into a smaller one")
    for family in sorted(families(following, list(wanted)), key=lambda family: len(family.roots)):
        heads = following.layers[family.layer].heads
        count = wanted[family.layer] // heads
        if wanted[family.layer] % heads or not 0 < count <= len(family.roots):
            raise ArgumentError(f"{family.words} cannot have {wanted[family.layer]} units.", expected=f"a multiple of its {heads} heads" if heads > 1 else f"1 to {len(family.roots)}")
        undecided = sorted((root for root in family.roots if root not in kept | gone), key=lambda root: -float(scores[root]))
        missing = count - sum(root in kept for root in family.roots)
        if not 0 <= missing <= len(undecided):
            raise ArgumentError(f"{family.words} cannot have {count * heads} units, since they belong to those of another layer, which keeps more or fewer.", fix="another number of units")
        kept.update(undecided[:missing])
        gone.update(undecided[missing:])
    return gone


@dataclass(frozen=True)
class Cut:
    """What is left of each weight without some classes of channels."""

    following: Following
    gone: frozenset[int]
    _left: dict[str, list[Tensor]] = field(default_factory=dict)

    def left(self, name: str) -> list[Tensor]:
        """For each axis of a weight the places that stay."""
        if name not in self._left:
            roots = [self.following.channels.roots(axis) for axis in self.following.axes[name]]
            self._left[name] = [torch.nonzero(~torch.isin(axis, self._all))[:, 0] for axis in roots]
        return self._left[name]

    @property
    def _all(self) -> Tensor:
        return torch.tensor(sorted(self.gone), dtype=torch.int64)

    def units(self, layer: LayerUnits, row: int) -> Tensor:
        """[H] bool, which units of a layer and direction stay."""
        return ~torch.isin(self.following.channels.roots(layer.units[row]), self._all)

    def of(self, name: str, tensor: Tensor) -> Tensor:
        """What is left of a weight or buffer by name."""
        found = tensor.detach()
        shared = self.shared(name)
        for axis, places in enumerate(self.left(name)):
            if len(places) < found.shape[axis]:
                found = found.index_select(axis, places.to(found.device))
        if shared is not None:
            layer, blocks = shared
            stays = self.units(layer, blocks.row).to(found.device).chunk(blocks.heads)
            heads = [part[..., own] for part, own in zip(blocks.split(found).unbind(1), stays)]
            found = torch.stack(heads, 1).reshape(found.shape[0], -1)
        return found.clone()

    def shared(self, name: str) -> tuple[LayerUnits, Blocks] | None:
        """Where the columns of a weight are shared by heads: its layer, and how it is cut into blocks."""
        for prefix, layer in self.following.layers.items():
            for own, blocks in layer.shared.items():
                if name == (f"{prefix}.{own}" if prefix else own):
                    return layer, blocks
        return None


def narrowed(network: nn.Module, cut: Cut) -> nn.Module:
    """A copy of a network without what the cut takes away. Weights that two places share stay shared."""
    made = copy.deepcopy(network)
    memo: dict[int, nn.Parameter] = {}

    def weight(name: str, parameter: nn.Parameter) -> nn.Parameter:
        if id(parameter) not in memo:
            memo[id(parameter)] = nn.Parameter(cut.of(name, parameter), requires_grad=parameter.requires_grad)
        return memo[id(parameter)]

    done: dict[int, nn.Module] = {}
    for name, module in list(made.named_modules(remove_duplicate=False)):
        prefix = f"{name}." if name else ""
        if is_layer(module):
            if id(module) not in done:
                own = {key: weight(prefix + key, parameter) for key, parameter in module.named_parameters(recurse=False)}
                done[id(module)] = resized(module, _hidden(cut, name), own)
            if not name:
                return done[id(module)]
            setattr(made.get_submodule(name.rpartition(".")[0]), name.rpartition(".")[2], done[id(module)])
            continue
        for key, parameter in list(module._parameters.items()):
            if parameter is not None:
                module._parameters[key] = weight(prefix + key, parameter)
        for key, buffer in list(module._buffers.items()):
            if buffer is not None:
                module._buffers[key] = cut.of(prefix + key, buffer)
        for kind, sizes in _SIZES.items():
            if isinstance(module, kind):
                for key, axis, attribute in sizes:
                    if getattr(module, key, None) is not None and hasattr(module, attribute) and not (isinstance(module, nn.PReLU) and module.num_parameters == 1):
                        setattr(module, attribute, getattr(module, key).shape[axis])
    return made


def _hidden(cut: Cut, name: str) -> int:
    """How many units a layer keeps in each direction."""
    layer = cut.following.layers[name]
    counts = {int(cut.units(layer, row).sum()) for row in range(len(layer.places))}
    if len(counts) > 1:
        raise ArgumentError(f"layers and directions of {name} would have different numbers of units: {sorted(counts)}.", expected="one number for all of them", fix="another number of units")
    return counts.pop()


# --- the proof -----------------------------------------------------------------------------------------------------------


def silenced(network: nn.Module, cut: Cut) -> nn.Module:
    """A copy of a network, as wide as it is, in which nothing reads what the cut takes away: so the smaller network must say the same."""
    made = copy.deepcopy(network)
    with torch.no_grad():
        for name, tensor in [*made.named_parameters(), *made.named_buffers()]:
            within = any(name.startswith(f"{prefix}." if prefix else "") for prefix in cut.following.layers)
            for axis, places in enumerate(cut.left(name)):
                if len(places) < tensor.shape[axis] and not (within and axis == 0) and tensor.dim() > 1:
                    away = torch.ones(tensor.shape[axis], dtype=torch.bool)
                    away[places] = False
                    tensor.index_fill_(axis, torch.nonzero(away)[:, 0].to(tensor.device), 0.0)
            shared = cut.shared(name)
            if shared is not None:
                layer, blocks = shared
                stays = torch.stack(cut.units(layer, blocks.row).chunk(blocks.heads)).to(tensor)
                tensor.copy_((blocks.split(tensor) * stays[None, :, None]).reshape(tensor.shape))
    for name, layer in cut.following.layers.items():
        module = made.get_submodule(name)
        module.register_forward_hook(_silencer(layer, cut))
    return made


def _silencer(layer: LayerUnits, cut: Cut) -> Callable[..., Any]:
    def stays(numbers: Tensor) -> Tensor:
        return ~torch.isin(cut.following.channels.roots(numbers), cut._all)

    def hook(module: Any, given: Any, answer: Any) -> Any:
        output, final = answer
        width = stays(layer.output(module.num_layers - 1))
        if isinstance(output, Tensor):
            output = output * width.to(output)
        else:
            output = output._replace(data=output.data * width.to(output.data))
        many = [final] if isinstance(final, Tensor) else list(final)
        for place, value in enumerate(many):
            mask = stays(layer.state(place)).to(value)
            many[place] = value * (mask[:, None] if value.dim() == 3 else mask)
        after = many[0] if isinstance(final, Tensor) else type(final)(*many) if hasattr(final, "_fields") else tuple(many)
        return type(answer)(output, after) if hasattr(answer, "_fields") else (output, after)

    return hook


def require_equal(network: nn.Module, smaller: nn.Module, cut: Cut, answer: Any, given: tuple[Any, ...], named: Mapping[str, Any]) -> None:
    """Check that a smaller network says what the whole one says without the units that were taken away.

    Args:
        network: the whole one, in float64 and evaluation mode. answer: what `follow` said of it.
    Raises:
        ArgumentError: it says something else, or cannot run.
    """
    with torch.no_grad():
        expected = silenced(network, cut)(*given, **named)
        try:
            received = copy.deepcopy(smaller).double().eval()(*given, **named)
        except RuntimeError as error:
            raise ArgumentError(
                f"the network cannot run with fewer units ({error}).", expected="a network that reads widths off its weights", fix="units of such a network cannot be taken away"
            ) from error
    leaves = [tree_flatten(one)[0] for one in (expected, received, answer)]
    for wide, narrow, labelled in zip(*leaves, strict=True):
        if not isinstance(wide, Tensor) or not wide.is_floating_point():
            continue
        if wide.shape != narrow.shape:
            for label in cut.following.of(labelled):
                stays = ~torch.isin(cut.following.channels.roots(label), cut._all)
                wide = wide[stays].reshape(narrow.shape) if int(stays.sum()) == narrow.numel() else wide
        gap = float("inf") if wide.shape != narrow.shape else float(_apart(wide, narrow))
        if not gap <= 1e-8:
            raise ArgumentError(
                "the network with fewer units does not say what the whole one says without them.", expected="the same to 1e-8", received=f"a difference of {gap:.3g}",
                fix="something in this network ties units together in a way that cannot be followed: its units cannot be taken away",
            )  # fmt: skip


def _apart(wide: Tensor, narrow: Tensor) -> Tensor:
    if not wide.numel():
        return wide.new_zeros(())
    same = (wide == narrow) | (wide.isnan() & narrow.isnan())
    return torch.where(same, 0.0, (wide - narrow).abs()).max() / wide[wide.isfinite()].abs().max().clamp(min=1.0) if bool(wide.isfinite().any()) else (~same).double().max()
