"""An exported graph beside the model: drawn batches, times, lengths and states through both, and how far their answers are apart.

Nothing is written that does not answer as the model does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from tenuto.errors import TenutoError
from tenuto.export.drawn import drawn
from tenuto.export.graph import Graph

TOLERANCE = {"float32": 1e-5, "float64": 1e-11}  # of the largest number of the answer, or of 1 where that is larger
SIZES = ((4, 3), (1, 1), (7, 2), (2, 5))  # of drawn calls: every free axis but the batch, and the batch
Run = Callable[[Mapping[str, Tensor]], Mapping[str, Tensor]]  # the exported graph: tensors by name to tensors by name


class Differs(TenutoError):
    """An exported graph does not answer as the model does."""


@dataclass(frozen=True)
class Compared:
    """What was compared. worst: the largest difference, as a share of the tolerance's unit. calls: how many. runtime: who ran the exported graph.
    all_steps: only rows with all steps were, since this runtime does not heed lengths."""

    runtime: str
    calls: int
    worst: float
    tolerance: float
    all_steps: bool = False

    def to_data(self) -> dict[str, Any]:
        """As plain data."""
        return {"runtime": self.runtime, "calls": self.calls, "worst": self.worst, "tolerance": self.tolerance, **({"heeds_lengths": False} if self.all_steps else {})}


def compared(graph: Graph, run: Run, runtime: str, *, tolerance: Mapping[str, float] = TOLERANCE, all_steps: bool = False) -> Compared:
    """Run both on drawn tensors.

    Args:
        run: the exported graph. runtime: its name, for messages. all_steps: only rows with all steps, for a runtime that does not heed lengths.
    Raises:
        Differs: a result is not that of the model; names graph, result, sizes and difference.
    """
    worst, allowed, calls = 0.0, 0.0, 0
    for values in drawn_calls(graph):
        if all_steps:
            ends = {axis: size for port in graph.reads for axis, size in zip(port.axes, values[port.name].shape)}
            values |= {port.name: torch.full_like(values[port.name], ends[port.counts]) for port in graph.reads if port.counts in ends}
        expected = graph.run(values)
        try:
            found = run(values)
        except TenutoError:
            raise
        except Exception as error:  # each runtime raises its own kinds
            raise Differs(f"{runtime} does not run the {graph.name} graph: {str(error).strip()[:400]}", received=_sizes(values), fix="report this: nothing was written") from error
        calls += 1
        for port in graph.gives:
            limit = tolerance.get(port.dtype, 0.0)
            apart = _apart(found.get(port.name), expected[port.name])
            worst, allowed = max(worst, apart), max(allowed, limit)
            if not apart <= limit:
                raise Differs(
                    f"{port.name} of the exported {graph.name} graph is not what the model gives.", expected=f"a difference of at most {limit:g}",
                    received=f"{apart:.3g} in {runtime}, for {_sizes(values)}", fix="report this: nothing was written",
                )  # fmt: skip
    return Compared(runtime, calls, worst, allowed, all_steps)


def drawn_calls(graph: Graph) -> Iterator[dict[str, Tensor]]:
    """Tensors for the graph: several sizes of batch and time, lengths from one step to all, states from zeros and drawn."""
    states = {name for name, _ in graph.states}
    for seed, (steps, rows) in enumerate(SIZES):
        others = [axis for port in graph.reads for axis in port.axes if isinstance(axis, str)]
        sizes = {**{axis: steps for axis in others}, "batch": rows}
        values = drawn(graph.reads, sizes, seed)
        for name in states:
            values[name] = torch.zeros_like(values[name]) if seed == 0 else settled(name, values[name])
        yield values


def settled(name: str, value: Tensor) -> Tensor:
    """A drawn state as a network could leave it: counts of steps are whole numbers above zero."""
    return value.abs().ceil() + 1 if name.endswith("steps") else torch.tanh(value)


def _apart(found: Tensor | None, expected: Tensor) -> float:
    if found is None or found.shape != expected.shape or found.dtype != expected.dtype:
        return float("inf")
    if not expected.numel():
        return 0.0
    if not expected.dtype.is_floating_point:
        return 0.0 if torch.equal(found, expected) else float("inf")
    known = torch.isfinite(expected)
    if not torch.equal(torch.isfinite(found), known) or not torch.equal(torch.nan_to_num(found[~known]), torch.nan_to_num(expected[~known])):
        return float("inf")
    size = max(1.0, float(expected[known].abs().max())) if bool(known.any()) else 1.0
    return float((found[known] - expected[known]).abs().max()) / size if bool(known.any()) else 0.0


def _sizes(values: Mapping[str, Tensor]) -> str:
    return ", ".join(f"{name} {list(value.shape)}" for name, value in values.items())[:300]
