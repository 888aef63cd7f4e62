"""A graph as torch's exported program, in which sizes are free and each recurrent layer is one operation, `tenuto::loop`."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.export import Dim, ExportedProgram
from torch.export import export as exported

from tenuto.errors import ArgumentError, TenutoError
from tenuto.export.drawn import drawn
from tenuto.export.graph import Graph
from tenuto.layers.stored import Int8x8, as_floats, stored_in


class _Called(nn.Module):
    """The module with named arguments only in the graph's own order: torch names a program's inputs after them."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module

    def forward(self, *tensors: torch.Tensor) -> tuple[torch.Tensor, ...]:
        return self.module(*tensors)  # type: ignore[no-any-return]


def program_of(graph: Graph) -> ExportedProgram:
    """The program of a graph.

    Raises:
        ArgumentError: the model does something that fixes a size, or that no program can hold; says what torch says.
    """
    for name, stored in stored_in(graph.module).items():
        if isinstance(stored, Int8x8):
            raise ArgumentError(
                f"the model's {graph.name} graph cannot be made: the layer of {name} multiplies whole numbers, which no operation here does as it does.",
                expected="weights as floats, int8, int4, zeros or factors, and activations as floats", fix="compress the model without whole numbers as activations",
            )  # fmt: skip
    axes = sorted({axis for port in graph.reads for axis in port.axes if isinstance(axis, str)})
    sizes = {axis: 5 + 2 * place for place, axis in enumerate(axes)}  # no two alike, so that none is taken for another
    values = drawn(graph.reads, sizes, seed=0)
    free: Any = tuple({place: Dim.DYNAMIC for place, axis in enumerate(port.axes) if isinstance(axis, str)} for port in graph.reads)
    try:
        with torch.no_grad(), quiet():
            return exported(_Called(as_floats(graph.module)), tuple(values[port.name] for port in graph.reads), dynamic_shapes=(free,), strict=False)
    except TenutoError:
        raise
    except Exception as error:  # torch raises many kinds
        said = next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
        raise ArgumentError(
            f"the model's {graph.name} graph cannot be made ({said}).", expected="a forward whose sizes of batch and time are free, without branches on values",
            fix="in the forward, x.shape[0] in place of len(x), and torch.where in place of if",
        ) from error  # fmt: skip


def run_program(module: Callable[..., Any], graph: Graph, values: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """What a program of a graph gives for tensors by name."""
    with torch.no_grad():
        results = module(*(values[port.name] for port in graph.reads))
    return {port.name: value for port, value in zip(graph.gives, results, strict=True)}


@contextmanager
def quiet() -> Iterator[None]:
    """Without what torch logs on the way: an error says it again."""
    logger = logging.getLogger("torch.fx.experimental.symbolic_shapes")
    before = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(before)
