"""Which channels of the data are not inputs but streams of the cell: those with the streams' names."""

from __future__ import annotations

from tenuto.cell import Cell
from tenuto.data import Sequences
from tenuto.errors import DataError
from tenuto.tongues import either


def stream_channels(cell: Cell, data: Sequences) -> tuple[str, ...]:
    """The channels that the cell takes as its streams.

    Raises:
        DataError: the data has no channel of that name, the stream is wider than a channel, or no channel is left as an input.
    """
    streams, name = cell.widths("streams"), type(cell).__name__
    for stream, width in streams.items():
        if width != 1:
            raise DataError(
                f"the cell {name} takes the stream {stream!r}, as wide as its {'state' if width == 'H' else f'{width} channels'}, but a channel of the data is one number a step.",
                fix=f'streams = "{stream}:1" in the cell; a value [B, 1] goes with values of every width',
            )
        if not data.named or stream not in data.channels:
            raise DataError(
                f"the cell {name} takes the stream {stream!r}, but the data has no channel of that name.",
                expected=f"a column {stream!r}", received=", ".join(data.channels[:8]) if data.named else "channels without names",
                fix=f"name the column {stream!r}" if data.named else either(f"give data frames, or Sequences(..., channels=[..., {stream!r}])", "give a table, whose columns have names"),
            )  # fmt: skip
    if len(streams) == len(data.channels):
        raise DataError(f"every channel is a stream of the cell {name}, so nothing is left as its input.", fix="give one more channel")
    return tuple(streams)
