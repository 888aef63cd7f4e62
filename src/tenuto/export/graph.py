"""`Graph`: a model as a function of tensors by name: whole sequences, or one step, with the state in and out.

Letters: T time, B batch.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor, nn

from tenuto.export.drawn import drawn
from tenuto.networks.port import Axis, Port

Hear = Callable[[Mapping[str, Tensor], Any], tuple[dict[str, Tensor], Any]]  # tensors by name and a state to tensors by name and a state
IN, OUT = "state_in_", "state_out_"


@dataclass(frozen=True)
class Graph:
    """One function of tensors.

    Attributes:
        name: "sequence" or "step"; a task may have others.
        module: called with a tensor for each of `reads`, in order; gives a tuple, a tensor for each of `gives`.
        reads, gives: what goes in and comes out.
        states: pairs of names: what comes out under the second goes in under the first when the sequence goes on.
        initial: what a sequence begins with, by the name of a state that goes in, for one row (a batch axis of one); zeros where it is not named.
    """

    name: str
    module: nn.Module
    reads: tuple[Port, ...]
    gives: tuple[Port, ...]
    states: tuple[tuple[str, str], ...]
    initial: Mapping[str, Tensor] = field(default_factory=dict)

    def run(self, values: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The results by name for tensors by name."""
        with torch.no_grad():
            found = self.module(*(values[port.name] for port in self.reads))
        return {port.name: value for port, value in zip(self.gives, found, strict=True)}

    def to_data(self) -> dict[str, Any]:
        """What a file of it takes and gives, as plain data."""
        return {
            "reads": [port.to_data() for port in self.reads], "gives": [port.to_data() for port in self.gives],
            "states": [{"in": read, "out": given, **({"initial": self.initial[read].flatten().tolist()} if read in self.initial else {})} for read, given in self.states],
        }  # fmt: skip


class Whole(nn.Module):
    """Whole sequences: a network, and how it is called with tensors by name."""

    def __init__(self, network: nn.Module, hear: Hear, ports: Sequence[Port], state: Any) -> None:
        super().__init__()
        self.network = network
        self.hear, self.names, self.like = hear, [port.name for port in ports], state

    def forward(self, *tensors: Tensor) -> tuple[Tensor, ...]:
        """The results, then the states."""
        values = dict(zip(self.names, tensors))
        given, state = self.hear(values, rebuilt(self.like, list(tensors[len(self.names) :])))
        return (*given.values(), *flat(state).values())


class OneStep(nn.Module):
    """One step of what runs over whole sequences: the same without the axis of time."""

    def __init__(self, whole: nn.Module, reads: Sequence[Port], gives: Sequence[Port]) -> None:
        super().__init__()
        self.whole = whole
        self.reads, self.gives = tuple(reads), tuple(gives)

    def forward(self, *tensors: Tensor) -> tuple[Tensor, ...]:
        """The results, then the states."""
        given, found = iter(tensors), list[Tensor]()
        first = tensors[0]
        rows = first.shape[[axis for axis in self.reads[0].axes if axis != "time"].index("batch")]
        for port in self.reads:
            if port.counts == "time":
                found.append(torch.ones(rows, dtype=torch.int64, device=first.device))
            else:
                value = next(given)
                found.append(value.unsqueeze(port.axes.index("time")) if port.over_time else value)
        results = self.whole(*found)
        return tuple(value.squeeze(port.axes.index("time")) if port.over_time else value for port, value in zip(self.gives, results))


def flat(state: Any, name: str = "") -> dict[str, Tensor]:
    """The tensors of a state by name, of a tensor, a named tuple, or tuples of these; None has none."""
    if state is None:
        return {}
    if isinstance(state, Tensor):
        return {name or "state": state}
    names = getattr(state, "_fields", None) or [str(place) for place in range(len(state))]
    return {key: value for part, one in zip(names, state) for key, value in flat(one, f"{name}_{part}" if name else part).items()}


def rebuilt(like: Any, tensors: list[Tensor]) -> Any:
    """A state of the same form with these tensors, which are taken from the list."""
    if like is None:
        return None
    if isinstance(like, Tensor):
        return tensors.pop(0)
    parts = [rebuilt(one, tensors) for one in like]
    return type(like)(*parts) if hasattr(like, "_fields") else tuple(parts)


def sequence_graph(network: nn.Module, hear: Hear, ports: Sequence[Port], name: str = "sequence") -> Graph:
    """The graph of a network over whole sequences. Which axes of its results are free is seen from calls in which one size differs."""
    usual = {axis: 4 for port in ports for axis in port.axes if isinstance(axis, str)}

    def called(sizes: Mapping[str, int]) -> tuple[dict[str, Tensor], dict[str, Tensor], Any]:
        with torch.no_grad():
            given, state = hear(drawn(ports, sizes, seed=0), None)
        return given, flat(state), state

    given, states, like = called(usual)
    others = {axis: called({**usual, axis: 5})[:2] for axis in usual}
    gives = [_port(key, value, {axis: one[0][key] for axis, one in others.items()}) for key, value in given.items()]
    kept = [_port(key, value, {axis: one[1][key] for axis, one in others.items()}) for key, value in states.items()]
    begin: dict[str, Tensor] = {}
    if kept and name == "sequence" and any(port.counts == "time" for port in ports):  # after no step at all the state is the first one
        values = {**drawn(ports, {**usual, "batch": 1}, seed=0), **{port.name: torch.zeros(1, dtype=torch.int64) for port in ports if port.counts == "time"}}
        with torch.no_grad():
            begin = {IN + key: value for key, value in flat(hear(values, None)[1]).items() if bool(value.isfinite().all()) and bool((value != 0).any())}
    return Graph(
        name,
        Whole(network, hear, ports, like).eval(),
        (*ports, *(replace(port, name=IN + port.name) for port in kept)),
        (*gives, *(replace(port, name=OUT + port.name) for port in kept)),
        tuple((IN + port.name, OUT + port.name) for port in kept),
        begin,
    )


def step_graph(whole: Graph) -> Graph:
    """The graph of one step, from that of whole sequences."""
    without: Callable[[Port], Port] = lambda port: replace(port, axes=tuple(axis for axis in port.axes if axis != "time"))  # noqa: E731
    reads = tuple(without(port) for port in whole.reads if port.counts != "time")
    return Graph("step", OneStep(whole.module, whole.reads, whole.gives).eval(), reads, tuple(map(without, whole.gives)), whole.states, whole.initial)


def _port(name: str, value: Tensor, others: Mapping[str, Tensor]) -> Port:
    """The port of a result, from its value and what it is where one size is another."""
    axes: list[Axis] = [next((axis for axis, other in others.items() if other.shape[place] != size), size) for place, size in enumerate(value.shape)]
    return Port(name, tuple(axes), str(value.dtype).removeprefix("torch."))
