"""Hears each recurrent layer that a model runs, and what comes back to it from the loss. Nothing on the model changes: no hook, no copy.

Where somebody listens, a layer of the library is the operation `tenuto::forward`, and its way back `tenuto::backward`, which is given the gradients that arrive at the layer's
output and final states. torch's own layers run on the library's time loop meanwhile, with the same results except for rounding.
Letters: T time, B batch, W a state's width.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from tenuto.engines import Form, autograd
from tenuto.engines.packed import padded, places, spread
from tenuto.engines.problem import Buffers, extent
from tenuto.explain.held.listening import Call, Listening, joined
from tenuto.explain.torch_layers import TorchLayers


@dataclass(frozen=True, eq=False)
class Followed:
    """One recurrent layer in one direction, padded, in float64, with the gradients that came back to it.

    Attributes:
        calls: as the model ran it; several where it was called step by step. d_output: of each call [T, B, W]; d_final: of each call, its states' [B, W].
    """

    calls: list[Call]
    d_output: list[Tensor]
    d_final: list[list[Tensor]]

    @property
    def name(self) -> str:
        """Of layer and direction."""
        return self.calls[0].name

    @property
    def steps(self) -> int:
        """T, of all calls together."""
        return sum(len(call.output) for call in self.calls)

    def whole(self) -> Call:
        """All calls as one."""
        first = self.calls[0]
        if len(self.calls) == 1:
            return first
        inputs = dict(first.inputs)
        for name in inputs:
            if name in ("x", "resets") or (name.startswith("stream.") and any(len(call.inputs[name]) > 1 or not torch.equal(call.inputs[name], inputs[name]) for call in self.calls)):
                inputs[name] = torch.cat([call.inputs[name] for call in self.calls])
        return replace(first, inputs=inputs, output=torch.cat([call.output for call in self.calls]), final=self.calls[-1].final)


class Following(Listening):
    """While it is entered, `calls` collects what recurrent layers do, also on the way back. `followed` gives both.

    Args:
        network: the model, for the names of its parts.
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__(network)
        self._back: dict[int, Sequence[Tensor]] = {}  # by where a call's output lies

    def __enter__(self) -> Following:
        self._modes.enter_context(_BothWays(self._loop, self._pulled))
        self._modes.enter_context(TorchLayers())
        return self

    def _pulled(self, output: Tensor, cotangents: Sequence[Tensor]) -> None:
        self._back[output.data_ptr()] = [cotangent.detach() for cotangent in cotangents]

    def followed(self, most_rows: int) -> Iterator[Followed]:
        """Each layer that ran, with its first rows; a layer to which no gradient came back has zeros."""
        for calls in joined([call for call in self.calls if call.output.numel()]):
            if len(calls) > 1 and calls[0].form.lengths:
                calls = calls[:1]
            parts = [_first_rows(call, self._back.get(call.output.data_ptr()), most_rows) for call in calls]
            yield Followed([call for call, _, _ in parts], [d_output for _, d_output, _ in parts], [d_final for _, _, d_final in parts])


def _first_rows(call: Call, cotangents: Sequence[Tensor] | None, most: int) -> tuple[Call, Tensor, list[Tensor]]:
    """Some rows of a call, padded and in float64, with the gradients that came to them."""
    form, inputs, output = call.form, call.inputs, call.output
    d_output, *d_final = cotangents or [torch.zeros_like(output), *map(torch.zeros_like, call.final)]
    if form.packed:
        steps, rows = extent(form, inputs)
        where = places(inputs["batch_sizes"], inputs["x"], rows)
        output, d_output = (spread(tensor, where, steps, rows) for tensor in (output, d_output))
        form, inputs = replace(form, packed=False), padded(form, inputs)
    kept: Buffers = {}
    for name, tensor in inputs.items():
        if name in ("x", "resets") or name.startswith("stream."):
            tensor = tensor[:, :most]
        elif name == "lengths" or name[:2] in ("s.", "r."):
            tensor = tensor[:most]
        kept[name] = _wide(tensor)
    if form.lengths:  # others of the batch may be longer than these
        steps, longest = len(output), max(1, int(kept["lengths"].max()))
        kept = {name: tensor[:longest] if name in ("x", "resets") or (name.startswith("stream.") and len(tensor) == steps) else tensor for name, tensor in kept.items()}
        output, d_output = output[:longest], d_output[:longest]
    found = Call(call.name, form, kept, _wide(output[:, :most]), [_wide(state[:most]) for state in call.final])
    return found, _wide(d_output[:, :most]), [_wide(d[:most]) for d in d_final]


def _wide(tensor: Tensor) -> Tensor:
    return tensor.double() if tensor.is_floating_point() else tensor


def _recording(asked: bool) -> AbstractContextManager[Any]:
    """Where a mode hears an operation, autograd is off below it; the reference engine's way back runs the steps again under autograd, and finds no gradient without it."""
    return torch._C._SetExcludeDispatchKeyGuard(torch._C.DispatchKey.AutogradFunctionality, False) if asked else nullcontext()  # type: ignore[no-any-return, attr-defined]


class _BothWays(TorchDispatchMode):
    """Tells of each run of a layer, with or without gradients, and of each way back."""

    def __init__(self, ran: Callable[[Form, Buffers, list[Tensor]], None], pulled: Callable[[Tensor, Sequence[Tensor]], None]) -> None:
        super().__init__()
        self._ran, self._pulled = ran, pulled

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        return False  # otherwise torch imports its compiler because of a mode that it never sees (torch 2.13)

    def __torch_dispatch__(self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None) -> Any:
        name = str(func)
        with _recording(name == "tenuto.backward.default"):
            result = func(*args, **(kwargs or {}))
        if name in ("tenuto.loop.default", "tenuto.forward.default"):
            form, _ = autograd.read(args[0])
            self._ran(form, autograd.by_name(form, args[1]), list(result)[: form.results])
        elif name == "tenuto.backward.default":
            self._pulled(args[2][0], args[3])
        return result
