"""Follow a network's channels through one call of it, operation by operation: which columns of which weights read a unit, and what else belongs to it.

Each tensor has labels: tensors of its own shape with the number of a channel (`channels.py`) at each place. An activation has one; a weight has one for each axis. Operations that move numbers
move the labels alike; what is added or multiplied place by place belongs together; a product joins the channels that it sums over. What cannot be followed is fixed, with the operation's name.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence
from torch.utils._python_dispatch import TorchDispatchMode, _disable_current_modes
from torch.utils._pytree import tree_flatten, tree_map

from tenuto.compress.channels import GIVEN, OF_THE_INPUT, Channels
from tenuto.compress.layer_units import LayerUnits, is_layer

Labels = tuple[Tensor, ...]
MOVING = set(
    "view _unsafe_view reshape _reshape_alias permute transpose t numpy_T expand slice select index index_select cat stack split split_with_sizes chunk unbind squeeze unsqueeze repeat flip roll gather "
    "alias detach clone contiguous constant_pad_nd index_put index_put_ narrow unfold as_strided diagonal movedim swapaxes tril triu lift_fresh _to_copy copy copy_ repeat_interleave".split()
)
ACROSS = set("sum mean amax amin max min var std logsumexp prod any all argmax argmin var_mean std_mean linalg_vector_norm norm median".split())
ALONG = set("_softmax _log_softmax cumsum cumprod cummax cummin logcumsumexp sort topk".split())
FREE = set("zeros_like ones_like full_like empty_like rand_like randn_like new_zeros new_ones new_full new_empty bernoulli_ _local_scalar_dense is_same_size equal native_dropout".split())


class Following(TorchDispatchMode):
    """While it is entered, labels go with the tensors of a network.

    Attributes:
        axes: for each parameter and buffer by name, the numbers of the channels on each of its axes. layers: the recurrent layers by name.
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network, self.channels = network, Channels()
        self.axes: dict[str, list[Tensor]] = {}
        self.layers: dict[str, LayerUnits] = {}
        self._labels: dict[int, tuple[Tensor, Labels]] = {}  # the tensor too, so that no other one gets its number
        seen: dict[int, str] = {}
        for name, tensor in [*network.named_parameters(remove_duplicate=False), *network.named_buffers(remove_duplicate=False)]:
            first = seen.setdefault(id(tensor), name)
            if first == name:
                self.axes[name] = [self.channels.new(size) for size in tensor.shape]
                labels = tuple(axis.reshape([-1 if place == at else 1 for at in range(tensor.dim())]).expand(tensor.shape) for place, axis in enumerate(self.axes[name]))
                self.put(tensor, labels)
            self.axes[name] = self.axes[first]
        done: dict[int, LayerUnits] = {}
        for name, module in network.named_modules(remove_duplicate=False):
            if is_layer(module):
                own = {key.removeprefix(f"{name}." if name else ""): axes for key, axes in self.axes.items() if key.startswith(f"{name}." if name else "")}
                found = done.get(id(module)) or LayerUnits(module, own, self.channels)
                self.layers[name] = done[id(module)] = found

    # --- labels ------------------------------------------------------------------------------------------------------------

    def of(self, tensor: Any) -> Labels:
        """The labels of a tensor."""
        return self._labels[id(tensor)][1] if isinstance(tensor, Tensor) and id(tensor) in self._labels else ()

    def put(self, tensor: Any, labels: Labels) -> None:
        """Give a tensor of real numbers labels; those that name no channel are left out."""
        if isinstance(tensor, Tensor) and tensor.is_floating_point():
            self._labels[id(tensor)] = tensor, tuple(label for label in labels if bool(label.any()))

    def give(self, given: Any) -> None:
        """Label what the network is given."""
        for tensor in tree_flatten(given)[0]:
            for one in [tensor.data] if isinstance(tensor, PackedSequence) else [tensor]:
                if isinstance(one, Tensor) and one.is_floating_point():
                    self.put(one, (torch.full(one.shape, GIVEN),))

    # --- layers ------------------------------------------------------------------------------------------------------------

    @contextmanager
    def layers_as_one(self) -> Iterator[None]:
        """Within the block a recurrent layer is one operation."""
        changed = []
        for module in self.network.modules():
            if is_layer(module):
                changed.append(module)
                module.__dict__["forward"] = self._layer(module, module.forward)
        try:
            yield
        finally:
            for module in changed:
                module.__dict__.pop("forward")

    def _layer(self, module: nn.Module, forward: Callable[..., Any]) -> Callable[..., Any]:
        units = next(found for found in self.layers.values() if found.layer is module)

        def run(*given: Any, **named: Any) -> Any:
            with _disable_current_modes():
                answer = forward(*given, **named)
                x = given[0] if given else named.get("x", named.get("input"))
                state = given[1] if len(given) > 1 else named.get("state", named.get("hx"))
                self._read(units, x, state, named.get("streams") or {})
                output, final = answer
                packed = output.data if isinstance(output, PackedSequence) else output
                self.put(packed, (units.output(units.layer.num_layers - 1).expand(packed.shape),))
                for place, value in enumerate([final] if isinstance(final, Tensor) else final):
                    numbers = units.state(place)
                    self.put(value, ((numbers[:, None] if value.dim() == 3 else numbers).expand(value.shape),))
            return answer

        return run

    def _read(self, units: LayerUnits, x: Any, state: Any, streams: Mapping[str, Tensor]) -> None:
        """Join what a layer reads with the channels that it has for it."""
        labels = self.of(x.data if isinstance(x, PackedSequence) else x)
        numbers = labels[0].reshape(-1, labels[0].shape[-1]) if labels else torch.full((1, len(units.given)), GIVEN)
        self.channels.join(numbers, units.given.expand_as(numbers))
        for place, value in enumerate([] if state is None else [state] if isinstance(state, Tensor) else state):
            for label in self.of(value):
                numbers = units.state(place)
                self.channels.join(label, (numbers[:, None] if label.dim() == 3 else numbers).expand(label.shape))
        for name, value in streams.items():
            if value.shape[-1] == units.hidden != 1:
                self.channels.fix(units.units, f"the stream {name!r} that the cell is given has a channel for each")

    # --- operations --------------------------------------------------------------------------------------------------------

    def __torch_dispatch__(self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None) -> Any:
        named = dict(kwargs or {})
        result = func(*args, **named)
        if any(self.of(value) for value in tree_flatten((args, named))[0]):
            with _disable_current_modes():
                self._after(func, args, named, result)
        return result

    def _after(self, func: Any, args: tuple[Any, ...], named: dict[str, Any], result: Any) -> None:
        name = func.overloadpacket.__name__
        if name in FREE:
            return
        if name == "embedding":
            self.put(result, tuple(label[args[1]] for label in self.of(args[0])[-1:]))
        elif name in MOVING:
            self._move(func, args, named, result)
        elif name in ("mm", "bmm"):
            self._product(args[0], args[1], result)
        elif name in ("addmm", "baddbmm"):
            self._product(args[1], args[2], result)
            self._place_by_place([args[0], result], result, name)
        elif name == "convolution":
            self._convolution(args, result)
        elif name.startswith(("_native_batch_norm", "native_batch_norm")):
            self._over_channels(args[0], [value for value in args[1:5] if isinstance(value, Tensor)], result[0])
        elif name in ("native_layer_norm", "native_group_norm", "_fused_rms_norm"):
            self._mixed(args[0], f"{name} runs over them")
        elif name in ("max_pool2d_with_indices", "avg_pool2d", "max_pool1d", "avg_pool1d", "_adaptive_avg_pool2d", "max_pool2d"):
            self._pool(args[0], result[0] if isinstance(result, tuple) else result)
        elif name in ("_pack_padded_sequence", "_pad_packed_sequence"):
            self.put(result[0], tuple(label.reshape(-1, label.shape[-1])[0].expand(result[0].shape) for label in self.of(args[0])))
        elif name in ACROSS:
            self._across(args, named, result, name)
        elif name in ALONG:
            self._along(args, result, name)
        elif torch.Tag.pointwise in func.tags or name.endswith("_like") or name in ("masked_fill_", "masked_fill", "where", "fill_", "mul_", "add_", "zero_", "rsub"):
            self._place_by_place([value for value in tree_flatten((args, named))[0] if isinstance(value, Tensor)], result, name)
        else:
            for value in tree_flatten((args, named))[0]:
                self._mixed(value, f"the operation {func} is not followed")

    def _mixed(self, value: Any, why: str) -> None:
        for label in self.of(value):
            self.channels.fix(label, why)

    def _move(self, func: Any, args: Any, named: Any, result: Any) -> None:
        """An operation that moves numbers moves their labels alike."""
        count = max(len(self.of(value)) for value in tree_flatten((args, named))[0])
        moved = []
        for place in range(count):

            def label(value: Any, place: int = place) -> Any:
                if not isinstance(value, Tensor) or not value.is_floating_point():
                    return value
                labels = self.of(value)
                return labels[place].clone() if place < len(labels) else torch.zeros(value.shape, dtype=torch.int64)

            given, more = tree_map(label, args), tree_map(label, named)
            name = func.overloadpacket.__name__
            if name == "constant_pad_nd":
                given = (*given[:2], 0)
            if name == "_to_copy":
                moved.append(given[0])
            elif name in ("copy", "copy_"):
                moved.append(given[1].expand(given[0].shape))
            else:
                moved.append(func(*given, **more))
            if name in ("expand", "repeat") and isinstance(moved[-1], Tensor):
                moved[-1] = self._without_given(given[0], moved[-1])
        if isinstance(result, (list, tuple)):
            for place, one in enumerate(result):
                self.put(one, tuple(labels[place] for labels in moved))
        else:
            self.put(result, tuple(moved))
            if func.overloadpacket.__name__.endswith("_"):
                self.put(args[0], tuple(moved))

    def _without_given(self, before: Tensor, after: Tensor) -> Tensor:
        """A label after its tensor was made wider: one given number for many channels is no channel of them."""
        return after if before.shape == after.shape else torch.where(after == GIVEN, 0, after)

    def _place_by_place(self, values: list[Any], result: Any, name: str) -> None:
        """Numbers that meet at one place belong together."""
        if not isinstance(result, Tensor):
            result = result[0]
        own: list[Tensor] = []
        for value in values:
            labels = tuple(self._without_given(label, label.expand(result.shape)) for label in self.of(value))
            if len(labels) > 1 and len(own) > 1 or len(labels) == 1 and len(own) <= 1:
                pairs = zip(own, labels)
            elif not own or not labels:
                pairs = zip((), ())
            else:  # a weight of two axes and an activation
                for label in (*own, *labels):
                    self.channels.fix(label, f"{name} puts a matrix of weights and activations together")
                return
            joined = []
            for one, other in pairs:
                self.channels.join(one, other)
                joined.append(torch.where(one > 0, one, other))
            own = joined or own or list(labels)
        self.put(result, tuple(own))

    def _product(self, one: Tensor, other: Tensor, result: Tensor) -> None:
        """[..., N, K] times [..., K, M]: what stands along K is joined."""
        kept, summed = [], []
        for tensor, axis in ((one, -1), (other, -2)):
            along = []
            for label in self.of(tensor):
                first = one_along(label, (axis,))
                if first is not None:
                    carried = torch.where(first == GIVEN, 0, first)
                    kept.append(carried.expand(result.shape))
                    continue
                numbers = one_along(label.movedim(axis, -1).reshape(-1, label.shape[axis]), (0,))
                if numbers is not None:
                    along.append(numbers[0])
                else:
                    self.channels.fix(label, "a product mixes them with what stands beside them")
            summed.append(along)
        if summed[0] and summed[1]:
            self.channels.join(summed[0][0], summed[1][0])
        else:
            read = any(bool((label == GIVEN).any()) for tensor in (one, other) for label in self.of(tensor))
            for numbers in (*summed[0], *summed[1]):
                self.channels.fix(numbers, OF_THE_INPUT if read else "they are multiplied with a matrix that is no weight and has no channels for them")
        self.put(result, self._one_of(kept))

    def _one_of(self, labels: list[Tensor]) -> Labels:
        """The labels of a product: one channel that stands everywhere is multiplied with all others, and is none of theirs."""
        labels = [label for label in labels if bool(label.any())]
        several = [label for label in labels if bool((label != label.reshape(-1)[0]).any())]
        if not several or len(several) == len(labels):
            return tuple(labels)
        for label in labels:
            if not any(label is one for one in several):
                self.channels.fix(label, "they are multiplied with all others")
        return tuple(several)

    def _convolution(self, args: tuple[Any, ...], result: Tensor) -> None:
        x, weight, bias, groups, turned = args[0], args[1], args[2], args[8], args[6]
        if groups != 1 or turned:
            for value in args[:3]:
                self._mixed(value, "a convolution in groups, or a transposed one, is not followed")
            return
        rows, columns = self.of(weight)[0], self.of(weight)[1]
        for label in self.of(x):
            numbers = label.movedim(1, -1).reshape(-1, label.shape[1])
            self.channels.join(numbers, columns[0].flatten(1)[:, 0].expand_as(numbers))
        out = rows.flatten(1)[:, 0]
        if isinstance(bias, Tensor):
            for label in self.of(bias):
                self.channels.join(out, label)
        self.put(result, (out.reshape([1, -1] + [1] * (result.dim() - 2)).expand(result.shape),))

    def _over_channels(self, x: Tensor, values: list[Tensor], result: Tensor) -> None:
        labels = self.of(x)
        for label in labels:
            numbers = label.movedim(1, -1).reshape(-1, label.shape[1])
            for value in values:
                for other in self.of(value):
                    self.channels.join(numbers, other.expand_as(numbers))
        self.put(result, labels)

    def _pool(self, x: Tensor, result: Tensor) -> None:
        axes = tuple(range(-2, 0)) if x.dim() == 4 else (-1,)
        self.put(result, tuple(label.expand(result.shape) for label in self._constant(x, axes, "a pooling runs over them")))

    def _constant(self, x: Any, axes: tuple[int, ...], why: str) -> Labels:
        """The labels that are the same along these axes, one place wide there; others are fixed."""
        found = []
        for label in self.of(x):
            one = one_along(label, axes)
            if one is None:
                self.channels.fix(label, why)
            else:
                found.append(one)
        return tuple(found)

    def _across(self, args: tuple[Any, ...], named: Mapping[str, Any], result: Any, name: str) -> None:
        """A reduction: what is the same along its axes stays."""
        x = args[0]
        place = 2 if name in ("linalg_vector_norm", "norm") else 1
        given = args[place] if len(args) > place else named.get("dim")
        if isinstance(given, Tensor):  # the larger of two tensors
            self._place_by_place([x, given], result, name)
            return
        axes = tuple(range(x.dim())) if given is None or given == [] else (given,) if isinstance(given, int) else tuple(given)
        for one in result if isinstance(result, (tuple, list)) else [result]:
            labels = self._constant(x, axes, f"the {name} runs over them")
            self.put(one, tuple(label.reshape(one.shape) for label in labels))

    def _along(self, args: tuple[Any, ...], result: Any, name: str) -> None:
        """An operation along an axis that keeps it."""
        axis = args[1] if len(args) > 1 and isinstance(args[1], int) else -1
        if name == "topk":
            axis = args[2] if len(args) > 2 else -1
        labels = self._constant(args[0], (axis,), f"{name.strip('_')} runs over them")
        for one in result if isinstance(result, (tuple, list)) else [result]:
            self.put(one, tuple(label.expand(one.shape) for label in labels))


def one_along(label: Tensor, axes: tuple[int, ...]) -> Tensor | None:
    """The one channel along these axes, where there is not more than one; the axes stay, one place wide. Places without a channel may be any."""
    high = label.amax(axes, keepdim=True)
    return high if bool(((label == high) | (label == 0)).all()) else None


def follow(network: nn.Module, given: tuple[Any, ...], named: Mapping[str, Any] | None = None) -> tuple[Following, Any]:
    """A network's channels, followed through one call in evaluation mode, and what the call gave.

    Args:
        given, named: the arguments of the call.
    """
    following = Following(network.eval())
    with torch.enable_grad(), following.layers_as_one():  # as in training: without gradients a network may multiply its matrices in an order of its own
        following.give((given, dict(named or {})))
        with following:
            answer = network(*given, **(named or {}))
    return following, answer
