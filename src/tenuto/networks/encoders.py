"""Encoders by name: what stands between front and head, all with one interface (x, state, lengths to output, state)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from torch import nn

from tenuto.cell import Cell
from tenuto.cells.names import CELLS, cell_class_of
from tenuto.choices import unknown_name
from tenuto.errors import ArgumentError
from tenuto.layers import DNC, NTM, Blocks, BothWays, FastWeights, Hybrid, Recurrent, Stacked, Transformer
from tenuto.layers.connections import CONNECTIONS
from tenuto.layers.memory import MemoryEncoder
from tenuto.tongues import argument

HEADS = 4  # of attention, and of fast weights
WINDOW = 128  # steps that local attention sees
ROWS, WIDTH = 64, 16  # of the memory of an NTM and a DNC
MEMORIES = ("ntm", "dnc", "fast-weights")
ENCODERS = ("recurrent", *CONNECTIONS, "transformer", "hybrid", *MEMORIES)
RECURRENT_ONLY = ("recurrent_dropout", "residual", "layer_norm", "weight_dropout", "zoneout")  # options of plain recurrent layers
_DIVIDED = {"transformer": 2 * HEADS, "hybrid": 2 * HEADS, "fast-weights": HEADS}  # by what the width of these is divided


def encoder_kind(encoder: str) -> str:
    """One of `ENCODERS`: the name of a cell stands for recurrent layers of it.

    Raises:
        ArgumentError: neither an encoder nor a cell has that name.
    Example:
        >>> encoder_kind("gru"), encoder_kind("dnc")
        ('recurrent', 'dnc')
    """
    if encoder in ENCODERS:
        return encoder
    if not isinstance(encoder, str) or cell_class_of(encoder) is None:
        raise unknown_name(f"{argument('encoder', encoder)} is not known.", str(encoder), (*ENCODERS, *CELLS))
    return "recurrent"


def check_encoder(encoder: str, size: int, name: str = "hidden_size", *, cell: Any = None, streams: tuple[str, ...] = (), options: Mapping[str, Any] = {}) -> None:
    """Check what can be checked before there are data.

    Args:
        size, name: of its layers, and the option that says so. cell: as the option is given; None where nothing is said. streams: of the cell. options: others, of which those of plain recurrent layers are looked at.
    Raises:
        ArgumentError: there is no such encoder, or it cannot have these options.
    """
    kind = encoder_kind(encoder)
    if encoder != kind and cell is not None and not (isinstance(cell, str) and cell_class_of(cell) is cell_class_of(encoder)):
        raise ArgumentError(f"{argument('encoder', encoder)} and {argument('cell', cell)} name two cells.", expected="one of them", fix=f"leave {argument('cell')} out, or {argument('encoder', 'recurrent')}")
    wrong = next((name for name in RECURRENT_ONLY if options.get(name)), None)
    if kind != "recurrent" and wrong is not None:
        value = options[wrong]
        raise ArgumentError(f"{argument(wrong, value)} is an option of the recurrent encoder.", fix=f"{argument('encoder', 'recurrent')}, or {argument(wrong, type(value)(0))}")
    if streams and kind in ("transformer", "hybrid", *MEMORIES):
        whose = {"transformer": "a Transformer has no cell", "fast-weights": "fast weights have no cell"}.get(kind, f"the encoder {kind} has none to give it")
        raise ArgumentError(f"the cell takes the stream {streams[0]!r}, and {whose}.", fix=f"{argument('encoder', 'recurrent')}, or the usual cell")
    each = _DIVIDED.get(kind, 1)
    if size % each:
        whose = {"transformer": "a Transformer", "hybrid": "attention"}.get(kind, "fast weights")
        raise ArgumentError(
            f"{argument(name, size)} does not divide into the {HEADS} heads of {whose}.", expected=f"a multiple of {each}",
            fix=argument(name, each * max(1, round(size / each))),
        )  # fmt: skip


def encoder_of(
    encoder: str, cell: Cell, input_size: int, hidden_size: int, num_layers: int, *, bidirectional: bool, dropout: float, recurrent_dropout: float = 0.0, window: int | None = None, engine: str = "auto"
) -> Any:  # fmt: skip
    """The encoder of this name, or recurrent layers where it is a cell's.

    Args:
        cell: of all but a Transformer and fast weights. dropout: between layers, or on what each block adds; an NTM and a DNC have none.
        window: how many steps a Transformer sees that looks only backwards, itself included, so that a stream without an end has a state of one size; None for all.
    """
    kind = encoder_kind(encoder)
    if kind == "transformer":
        return Transformer(input_size, hidden_size, num_layers, heads=HEADS, window=None if bidirectional else window, bidirectional=bidirectional, dropout=dropout)
    if kind == "hybrid":
        return Hybrid(cell, input_size, hidden_size, num_layers, heads=HEADS, window=WINDOW, bidirectional=bidirectional, dropout=dropout, engine=engine)
    if kind in CONNECTIONS:
        return Blocks(cell, input_size, hidden_size, num_layers, connection=kind, bidirectional=bidirectional, dropout=dropout, engine=engine)
    if kind in MEMORIES:
        made: Mapping[str, Callable[[], nn.Module]] = {
            "ntm": lambda: NTM(cell, input_size, hidden_size, rows=ROWS, width=WIDTH, num_layers=num_layers, engine=engine),
            "dnc": lambda: DNC(cell, input_size, hidden_size, rows=ROWS, width=WIDTH, num_layers=num_layers, engine=engine),
            "fast-weights": lambda: Stacked(input_size, hidden_size, [FastWeights(hidden_size, hidden_size, heads=HEADS) for _ in range(num_layers)], dropout=dropout),
        }
        return BothWays(made[kind](), made[kind]()) if bidirectional else made[kind]()
    return Recurrent(
        cell, input_size, hidden_size, num_layers, bidirectional=bidirectional, dropout=dropout if num_layers > 1 else 0.0, recurrent_dropout=recurrent_dropout, engine=engine
    )  # fmt: skip


def not_plain(network: nn.Module) -> nn.Module | None:
    """The part of a network that is another encoder than recurrent layers, the outermost; None where there is none."""
    return next((part for part in network.modules() if isinstance(part, (Blocks, Transformer, Stacked, MemoryEncoder, BothWays))), None)
