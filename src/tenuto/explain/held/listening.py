"""Hears each recurrent layer that a model runs, in each direction, with all that it is given. Nothing on the model changes: no hook, no copy.

The library's layers, and cells of one's own in them, are the operation `tenuto::loop` to whoever listens; torch's own layers are heard by the names of their functions
and run as they always do. Which module a call belongs to is read off Python's stack of calls.
Letters: T time, B batch, I input, W a state's width.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, replace
from types import FrameType
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode, _disable_current_modes

from tenuto.engines import Form, autograd
from tenuto.engines.problem import Buffers
from tenuto.explain.torch_layers import ONE_STEP, STACKS, call_of, problem_of


@dataclass(frozen=True, eq=False)
class Call:
    """One recurrent layer in one direction, as the model ran it.

    Attributes:
        name: of layer and direction. form, inputs: as an engine is asked. output: [T, B, W], what it gave. final: its states after the last step, [B, W] each.
    """

    name: str
    form: Form
    inputs: Buffers
    output: Tensor
    final: list[Tensor]

    @property
    def rows(self) -> int:
        """B."""
        return len(self.final[0])

    @property
    def packed(self) -> bool:
        """Whether its rows lie in an order that only the model knows."""
        return self.form.packed and self.rows > 1

    def unpacked(self) -> Call:
        """The same for one sequence [T, 1, I], which packed and padded is the same."""
        if not self.form.packed:
            return self
        inputs = {name: tensor for name, tensor in self.inputs.items() if name != "batch_sizes"}
        for name, tensor in inputs.items():
            if name in ("x", "resets") or (name.startswith("stream.") and tensor.dim() == 2):
                inputs[name] = tensor[:, None]
        return replace(self, form=replace(self.form, packed=False, lengths=False), inputs=inputs, output=self.output[:, None])


def joined(calls: list[Call]) -> Iterator[list[Call]]:
    """The calls of each layer: those that go on from where the one before ended belong together, others have a name of their own."""
    by_name: dict[str, list[list[Call]]] = {}
    for call in calls:
        known = by_name.setdefault(call.name, [])
        before = known[-1][-1] if known else None
        if before is not None and not call.form.reverse and before.form == call.form and _goes_on(before, call):
            known[-1].append(call)
        else:
            known.append([call])
    for runs in by_name.values():
        for number, run in enumerate(runs):
            yield run if not number else [replace(call, name=f"{call.name}, call {number + 1}") for call in run]


def _goes_on(before: Call, call: Call) -> bool:
    starts = [call.inputs[f"s.{name}"] for name in call.form.cell.widths("state")]
    return all(start.shape == end.shape and torch.equal(start, end.to(start.dtype)) for start, end in zip(starts, before.final))


class Listening(AbstractContextManager["Listening"]):
    """While it is entered, `calls` collects what recurrent layers do.

    Args:
        network: the model, for the names of its parts.
    """

    def __init__(self, network: nn.Module) -> None:
        self.calls: list[Call] = []
        self._paths = {id(part): path for path, part in network.named_modules()}
        self._root = type(network).__name__
        self._frame: FrameType | None = None
        self._heard = 0
        self._modes = ExitStack()

    def __enter__(self) -> Listening:
        self._modes.enter_context(_Loops(self._loop))
        self._modes.enter_context(_TorchCalls(self._stack, self._step))
        return self

    def __exit__(self, *error: Any) -> None:
        self._frame = None
        self._modes.close()

    def _loop(self, form: Form, inputs: Buffers, results: list[Tensor]) -> None:
        path, module = self._running()
        self._heard += 1
        directions = 2 if getattr(module, "bidirectional", False) else 1
        self._note(path, module, (self._heard - 1) // directions, form, inputs, results)

    def _stack(self, name: str, function: Callable[..., Any], args: Any, result: Any) -> None:
        """torch's stack, layer by layer: each gives what it gives in the stack."""
        path, module = self._running()
        call = call_of(args)
        x = call.x
        whole = result[0].transpose(0, 1) if call.batch_first else result[0]
        for layer in range(call.layers):
            places = range(layer * call.directions, (layer + 1) * call.directions)
            start = [state[places.start : places.stop] for state in call.start]
            hx = start if name == "lstm" else start[0]
            own = [weight for place in places for weight in call.weights[place]]
            given = (x, hx) if call.batch_sizes is None else (x, call.batch_sizes, hx)
            tail = (False,) if call.batch_sizes is None else ()
            y, *final = (whole, *result[1:]) if call.layers == 1 else function(*given, own, call.bias, 1, 0.0, False, call.both, *tail)
            for place, output in zip(places, y.chunk(call.directions, -1)):
                form, inputs = problem_of(name, x, call.weights[place], call.bias, [state[place] for state in call.start], place > places.start, call.batch_sizes)
                self._note(path, module, layer, form, inputs, [output, *(state[place - places.start] for state in final)])
            x = y

    def _step(self, name: str, x: Tensor, hx: Any, weights: list[Tensor], result: Any) -> None:
        """One step of torch's, of a cell in a loop of the user's."""
        path, module = self._running()
        start, final = ([given] if isinstance(given, Tensor) else list(given) for given in (hx, result))
        form, inputs = problem_of(name, x[None], weights, len(weights) > 2, start, False)
        self._note(path, module, 0, form, inputs, [final[0][None], *final])

    def _note(self, path: str, module: nn.Module | None, layer: int, form: Form, inputs: Buffers, results: list[Tensor]) -> None:
        words = [path or (type(module).__name__ if module is not None else self._root)]
        words += [f"layer {layer}"] * (getattr(module, "num_layers", 1) > 1 or layer > 0) + ["reverse"] * form.reverse
        output, *final = (tensor.detach() for tensor in results)
        self.calls.append(Call(", ".join(words), form, {name: tensor.detach() for name, tensor in inputs.items()}, output, final))

    def _running(self) -> tuple[str, nn.Module | None]:
        """The innermost part of the model that is running, and its path. What one call of it runs is counted."""
        frame: FrameType | None = sys._getframe(1)
        while frame is not None:
            if frame.f_code.co_varnames[:1] == ("self",):
                module = frame.f_locals.get("self")
                if id(module) in self._paths and isinstance(module, nn.Module):
                    if frame is not self._frame:
                        self._frame, self._heard = frame, 0
                    return self._paths[id(module)], module
            frame = frame.f_back
        self._frame, self._heard = None, 0
        return "", None


class _Loops(TorchDispatchMode):
    """Tells of each `tenuto::loop`."""

    def __init__(self, told: Callable[[Form, Buffers, list[Tensor]], None]) -> None:
        super().__init__()
        self._told = told

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        return False  # otherwise torch imports its compiler because of a mode that it never sees (torch 2.13)

    def __torch_dispatch__(self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None) -> Any:
        result = func(*args, **(kwargs or {}))
        if str(func) == "tenuto.loop.default":
            form, _ = autograd.read(args[0])
            self._told(form, autograd.by_name(form, args[1]), list(result))
        return result


class _TorchCalls(TorchFunctionMode):
    """Tells of each call of torch.lstm, torch.gru, torch.rnn_tanh, torch.rnn_relu, and of one step of each."""

    def __init__(self, stack: Callable[..., None], step: Callable[..., None]) -> None:
        super().__init__()
        self._stack, self._step = stack, step

    def __torch_function__(self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None) -> Any:
        name = getattr(func, "__name__", "")
        if kwargs or name not in ONE_STEP | STACKS.keys() or (name in STACKS and len(args) != 9):
            return func(*args, **(kwargs or {}))
        with _disable_current_modes():
            result = func(*args)
            if name in STACKS:
                self._stack(name, func, args, result)
            else:
                self._step(name.removesuffix("_cell"), args[0], args[1], [weight for weight in args[2:] if weight is not None], result)
        return result
