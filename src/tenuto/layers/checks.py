"""Checks of the shapes, dtypes and devices of one layer's tensors; the errors say what would fit."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor

from tenuto.engines import Form, Problem
from tenuto.engines.autograd import autocast
from tenuto.engines.problem import extent, size_of
from tenuto.errors import ArgumentError, ShapeError, describe
from tenuto.layers.recording import tracing, unseen


def sizes_of_states(form: Form, hidden: int) -> tuple[tuple[str, int], ...]:
    """The cell's states with their widths in channels."""
    if not isinstance(hidden, int):  # a symbol, where a graph is made: no key of a table
        return _sizes_of_states.__wrapped__(form, hidden)
    return _sizes_of_states(form, hidden)


@lru_cache(maxsize=None)
def _sizes_of_states(form: Form, hidden: int) -> tuple[tuple[str, int], ...]:
    return tuple((name, size_of(width, hidden)) for name, width in form.cell.widths("state").items())


_fitting: set[tuple[Any, ...]] = set()  # shapes and devices that have been looked at and fit
_MOST_SIGNATURES = 4096


def check_shapes(form: Form, inputs: Mapping[str, Tensor], hidden: int) -> None:
    """Checks that every input of the time loop fits x [T, B, I] (packed [N, I]) and the hidden size, and is on x's device.

    Raises:
        ShapeError: names the first that does not.
    """
    if tracing():
        with unseen():
            return check_shapes(form, inputs, hidden)
    x = inputs["x"]
    signature = None
    sizes = (hidden, *x.shape, *extent(form, inputs)) if form.packed else (hidden, x.shape[0], x.shape[1])
    if type(x) is Tensor and all(type(size) is int for size in sizes):  # where a graph is made, sizes may be symbols
        signature = (form.number, *[(tensor.shape, tensor.device) for tensor in inputs.values()])
        if signature in _fitting:
            return
    if x.shape[-1] != inputs["weight_ih"].shape[-1]:
        features, built = x.shape[-1], inputs["weight_ih"].shape[-1]
        raise ShapeError(
            f"x has {features} features but the layer was built for {built}.", expected=f"x [{'N' if form.packed else 'T, B'}, {built}]",
            received=f"x {describe(x)}", fix=f"input_size={features}, or project x to {built} features first",
        )  # fmt: skip
    problem = Problem.of(form, inputs, False)
    for name, shape in problem.shapes().items():
        if inputs[name].shape != shape and not (name.startswith("stream.") and inputs[name].shape == (1, problem.batch_size, shape[-1])):
            raise ShapeError(f"{_spoken(name)} has the wrong shape.", expected=str(list(shape)), received=describe(inputs[name]))
    for name, tensor in inputs.items():
        if tensor.device != x.device and name != "batch_sizes":
            raise ShapeError(
                f"{_spoken(name)} is on {tensor.device}, but x is on {x.device}.", expected="all on one device",
                received=f"x {describe(x)}", fix=f"layer.to({str(x.device)!r}), or x.to({str(tensor.device)!r})",
            )  # fmt: skip
    if signature is not None:
        if len(_fitting) == _MOST_SIGNATURES:
            _fitting.clear()
        _fitting.add(signature)


def _spoken(name: str) -> str:
    prefix, _, rest = name.partition(".")
    words = {"U": "the recurrent weight", "p": "the parameter", "s": "the initial state", "r": "the reset state", "stream": "the stream"}
    return f"{words[prefix]} {rest!r}" if prefix == "stream" else f"{words[prefix]} {rest}" if prefix in words else name


def dtypes(x: Tensor, weight: Tensor) -> tuple[torch.dtype, torch.dtype]:
    """The dtype to compute in and the dtype of the result: 16-bit tensors, and all under autocast, are widened to float32.

    Raises:
        ShapeError: x has another dtype than the weights (outside autocast).
    """
    if x.is_floating_point() and x.dtype != torch.float64 and autocast(x.device):
        return torch.float32, torch.get_autocast_dtype(x.device.type)
    if x.dtype != weight.dtype:
        mend = f"x.to({weight.dtype})" + (f", or layer.to({x.dtype})" if x.is_floating_point() else "")
        raise ShapeError(
            f"x is {x.dtype}, but the weights are {weight.dtype}.", expected=f"x of dtype {weight.dtype}",
            received=f"x {describe(x)}", fix=mend,
        )  # fmt: skip
    return (torch.float32 if x.dtype in (torch.float16, torch.bfloat16) else x.dtype), x.dtype


def check_states(states: Mapping[str, Tensor], x: Tensor, compute: torch.dtype) -> None:
    """Checks that states given by the user have x's dtype, or the one computed in; under autocast any dtype will do.

    Raises:
        ShapeError: a state has another dtype; a conversion could lose digits without a word.
    """
    for name, state in states.items():
        if state.dtype not in (x.dtype, compute) and not autocast(x.device):
            raise ShapeError(
                f"{_spoken(name)} is {state.dtype}, but x is {x.dtype}.", expected=f"a state of dtype {x.dtype}",
                received=describe(state), fix=f"state.to({x.dtype})",
            )  # fmt: skip


def check_weight(name: str, weight: Tensor, compute: torch.dtype) -> None:
    """Checks that a weight loses no digits in the dtype computed in; under autocast any dtype will do.

    Raises:
        ShapeError: it would (a module given parameters of which only some are float64).
    """
    if weight.dtype.itemsize > compute.itemsize and not autocast(weight.device):
        raise ShapeError(
            f"{_spoken(name)} is {weight.dtype}, but x and the other weights are {compute}.", expected="all of one dtype",
            received=describe(weight), fix=f"layer.to({compute}), or all of them and x in {weight.dtype}",
        )  # fmt: skip


def check_streams(given: Mapping[str, Tensor], declared: Mapping[str, Any]) -> None:
    """Checks that no stream is given that the cell does not declare.

    Raises:
        ArgumentError: one is.
    """
    unknown = sorted(set(given) - set(declared))
    if unknown:
        known = ", ".join(declared) or "none: the cell declares no streams"
        raise ArgumentError(f"there is no stream {unknown[0]!r}.", expected=f"streams named {known}" if declared else known)


def streams_of(names: Iterable[str], given: Mapping[str, Tensor], backward: bool) -> dict[str, Tensor]:
    """The streams of these names as a direction is given them: one that runs backward takes NAME_reverse, where there is one."""
    found = {name: f"{name}_reverse" if backward and f"{name}_reverse" in given else name for name in names}
    return {name: given[source] for name, source in found.items() if source in given}
