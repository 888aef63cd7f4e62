"""A plain torch module with recurrent layers as a subject: its forward, with lengths and a state where it takes them.

A module without a state in its forward gives a graph of whole sequences. It has one of a step only where its answers to single steps, with the state
handed on, are its answers to the whole: that is tried.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from tenuto.errors import ArgumentError, ShapeError, TenutoError, describe
from tenuto.explain.module import Form
from tenuto.explain.subject import require_steady
from tenuto.export.drawn import drawn
from tenuto.export.graph import Graph, sequence_graph, step_graph
from tenuto.export.subject import Subject
from tenuto.layers import GRU, LSTM, RNN
from tenuto.layers.recurrent import Recurrent
from tenuto.networks.port import Port

_TORCHS: dict[type, Any] = {nn.LSTM: LSTM, nn.GRU: GRU, nn.RNN: RNN}


def module(model: nn.Module, example: Any) -> Subject:
    """The subject of a module in evaluation mode.

    Args:
        example: x [T, B, F] (or batch first) or tokens [T, B]; only its dtype and its last axis count. None for a recurrent layer, which knows them.
    Raises:
        ArgumentError: it is in training mode, or there is no example. ShapeError: the example does not fit.
    """
    require_steady(model)
    given, model = model, with_our_layers(model)
    form = Form(model, None)
    ports = _ports(model, form, example)

    def hear(values: Mapping[str, Tensor], state: Any) -> tuple[dict[str, Tensor], Any]:
        options: dict[str, Any] = {"lengths": values["lengths"]} if form.lengths else {}
        if form.state is not None and state is not None:
            options[form.state] = state
        return _parted(model(values[ports[0].name], **options), form)

    try:
        whole = sequence_graph(model, hear, ports)
    except TenutoError as error:
        raise error.within("the example") from error
    reason = _no_step(whole)
    return Subject("module", given, (whole,) if reason else (whole, step_graph(whole)), reason)


def with_our_layers(model: nn.Module) -> nn.Module:
    """The model with torch's own LSTM, GRU and RNN replaced by ours, which any graph can hold with free sizes; a copy, if there are any."""
    if not any(type(part) in _TORCHS for part in model.modules()):
        return model
    made = copy.deepcopy(model)
    if type(made) in _TORCHS:
        return _ours(made)  # type: ignore[arg-type]
    for path, part in list(made.named_modules()):
        if type(part) in _TORCHS:
            parent, _, name = path.rpartition(".")
            setattr(made.get_submodule(parent), name, _ours(part))  # type: ignore[arg-type]
    return made.eval()


def _ours(part: nn.RNNBase) -> nn.Module:
    options: dict[str, Any] = {name: getattr(part, name) for name in ("bias", "batch_first", "dropout", "bidirectional")}
    if type(part) is nn.RNN:
        options["nonlinearity"] = part.nonlinearity
    if part.proj_size:
        options["proj_size"] = part.proj_size
    layer = _TORCHS[type(part)](part.input_size, part.hidden_size, part.num_layers, **options, dtype=part.weight_ih_l0.dtype)
    layer.load_state_dict(part.state_dict())
    return layer.eval()


def _ports(model: nn.Module, form: Form, example: Any) -> tuple[Port, ...]:
    over = ("batch", "time") if form.batch_first else ("time", "batch")
    if example is None:
        if not isinstance(model, (Recurrent, nn.RNNBase)):
            raise ArgumentError("there is no example of what the module reads.", expected="x [T, B, F], or tokens [T, B]", fix="export(model, folder, example=torch.zeros(5, 2, 3))")
        first, below = Port("x", (*over, int(model.input_size)), str(form.dtype).removeprefix("torch.")), None
    else:
        x = torch.as_tensor(example)
        if x.dim() != (3 if x.is_floating_point() else 2) or not (x.is_floating_point() or x.dtype == torch.int64):
            raise ShapeError("the example is not what a module over sequences reads.", expected="x [T, B, F] of floats, or tokens [T, B] of int64", received=describe(x))
        below = None if x.is_floating_point() else int(form.module.get_submodule(form.embedding()).num_embeddings)  # type: ignore[arg-type]
        first = Port("x" if below is None else "tokens", (*over, *x.shape[2:]), str(x.dtype).removeprefix("torch."), below=below)
    return (first, Port("lengths", ("batch",), "int64", counts="time", says="steps of each row", least=0 if isinstance(model, Recurrent) else 1)) if form.lengths else (first,)


def _parted(raw: Any, form: Form) -> tuple[dict[str, Tensor], Any]:
    """What a forward gives, as tensors by name and a state: of a pair, the second is the state where the forward takes one."""
    if isinstance(raw, Tensor):
        return {"output": raw}, None
    if not isinstance(raw, (tuple, list)) or not raw or not isinstance(raw[0], Tensor):
        raise ArgumentError("the module's answer cannot be a file's.", expected="a tensor, (output, state), or a tuple of tensors", received=type(raw).__name__)
    if form.state is not None and len(raw) == 2:
        return {"output": raw[0]}, _named(raw[1], form)
    if not all(isinstance(value, Tensor) for value in raw):
        raise ArgumentError("a part of the module's answer is no tensor.", expected="a tensor, (output, state), or a tuple of tensors", received=", ".join(type(value).__name__ for value in raw))
    names = getattr(raw, "_fields", None) or [f"output_{place}" for place in range(len(raw))]
    return dict(zip(names, raw)), None


class _LongShort(tuple):  # type: ignore[type-arg]
    """(h, c), as torch.nn has it, with names."""

    _fields = ("h", "c")

    def __new__(cls, h: Tensor, c: Tensor) -> _LongShort:
        return super().__new__(cls, (h, c))


class _Only(tuple):  # type: ignore[type-arg]
    _fields = ("h",)


def _named(state: Any, form: Form) -> Any:
    return _LongShort(*state) if type(state) is tuple and form.state_names == ("h", "c") and len(state) == 2 else state


def _no_step(whole: Graph) -> str | None:
    """Why there is no graph of one step: what ran step by step was not what ran at once."""
    steps, rows = 4, 2
    reads = [port for port in whole.reads if port.name not in dict(whole.states)]
    values = drawn(reads, {"time": steps, "batch": rows}, seed=1)
    for port in reads:
        if port.counts == "time":
            values[port.name].fill_(steps)
    if not all(port.over_time or port.counts == "time" for port in reads):
        return "the module reads something that is not given for each step"
    state = {port.name: torch.zeros([rows if axis == "batch" else int(axis) for axis in port.axes], dtype=getattr(torch, port.dtype)) for port in whole.reads if port.name in dict(whole.states)}
    expected = whole.run({**values, **state})
    one, found = step_graph(whole), dict[str, Tensor]()
    try:
        for step in range(steps):
            now = {port.name: values[port.name].select(port.axes.index("time"), step) for port in reads if port.over_time}
            found = one.run({**now, **state})
            state = {into: found[out] for into, out in whole.states}
            for port in whole.gives:
                if port.over_time and not torch.allclose(found[port.name], expected[port.name].select(port.axes.index("time"), step), rtol=1e-4, atol=1e-5):
                    return "its answer to a step, after those before it, is not its answer to the whole sequence: it looks ahead, or keeps a state that its forward does not give"
    except (RuntimeError, TenutoError) as error:
        return f"it does not run on one step: {error}".splitlines()[0]
    last = [port.name for port in whole.gives if not port.over_time]
    if all(torch.allclose(found[name], expected[name], rtol=1e-4, atol=1e-5) for name in last):
        return None
    return "what it gives after single steps is not what it gives after the whole sequence"
