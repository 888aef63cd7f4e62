"""Encoders by name: what stands between front and head, all with one interface (x, state, lengths to output, state)."""

from __future__ import annotations

from typing import Any

from tenuto.cell import Cell
from tenuto.choices import require
from tenuto.errors import ArgumentError
from tenuto.layers import Blocks, Recurrent, Transformer
from tenuto.layers.connections import CONNECTIONS
from tenuto.tongues import argument

HEADS = 4  # of a Transformer
ENCODERS = ("recurrent", *CONNECTIONS, "transformer")


def check_encoder(kind: str, hidden_size: int, *, streams: tuple[str, ...] = (), recurrent_dropout: float = 0.0) -> None:
    """Check what can be checked before there are data.

    Args:
        streams: of the cell.
    Raises:
        ArgumentError: there is no such encoder, or it cannot have these options.
    """
    require("encoder", kind, ENCODERS)
    if kind != "recurrent" and recurrent_dropout:
        raise ArgumentError(f"{argument('recurrent_dropout', recurrent_dropout)} is an option of the recurrent encoder.", fix=f"{argument('encoder', 'recurrent')}, or {argument('recurrent_dropout', 0)}")
    if kind == "transformer" and streams:
        raise ArgumentError(f"the cell takes the stream {streams[0]!r}, and a Transformer has no cell.", fix=f"{argument('encoder', 'recurrent')}, or the usual cell")
    if kind == "transformer" and hidden_size % (2 * HEADS):
        raise ArgumentError(
            f"{argument('hidden_size', hidden_size)} does not divide into the {HEADS} heads of a Transformer.", expected=f"a multiple of {2 * HEADS}",
            fix=argument("hidden_size", 2 * HEADS * max(1, round(hidden_size / (2 * HEADS)))),
        )  # fmt: skip


def encoder_of(
    kind: str, cell: Cell, input_size: int, hidden_size: int, num_layers: int, *, bidirectional: bool, dropout: float, recurrent_dropout: float = 0.0, engine: str = "auto"
) -> Any:
    """The encoder of this name: a `Recurrent`, `Blocks` with a connection, or a `Transformer`.

    Args:
        cell: of the first two. dropout: between layers, or on what each block adds.
    """
    if kind == "transformer":
        return Transformer(input_size, hidden_size, num_layers, heads=HEADS, bidirectional=bidirectional, dropout=dropout)
    if kind in CONNECTIONS:
        return Blocks(cell, input_size, hidden_size, num_layers, connection=kind, bidirectional=bidirectional, dropout=dropout, engine=engine)
    return Recurrent(
        cell, input_size, hidden_size, num_layers, bidirectional=bidirectional, dropout=dropout if num_layers > 1 else 0.0, recurrent_dropout=recurrent_dropout, engine=engine
    )  # fmt: skip
