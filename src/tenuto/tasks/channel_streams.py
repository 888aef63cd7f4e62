"""What a cell takes beside its input, from data over channels: a channel of the stream's name, or what is made of the masks and times of a sequence.

A stream `value`, `mask` or `gap` is made for every channel, and a cell with such a stream has a field for their number; `elapsed` is one number a step.
Where the data has a channel `elapsed`, it is that, as it was given.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from tenuto.cell import Cell
from tenuto.choices import require
from tenuto.data import Sequences, Standardiser
from tenuto.errors import DataError
from tenuto.tongues import either

OBSERVED = {"mask": "mask", "gap": "recency"}  # what an option calls what stands beside the values, and what the standardiser calls it
OF_CHANNELS = ("value", "mask", "gap")
MADE = (*OF_CHANNELS, "elapsed")


def check_observed(observed: Sequence[str]) -> None:
    """Raise ArgumentError unless these are words for what may stand beside the values."""
    for word in observed:
        require("observed", word, tuple(OBSERVED))


def suited(cell: Cell, channels: int) -> Cell:
    """The cell for so many channels, where it takes a stream that has one number for each."""
    fields = set(_of_channels(cell).values())
    return dataclasses.replace(cell, **dict.fromkeys(fields, channels)) if fields else cell


def _of_channels(cell: Cell) -> dict[str, str]:
    """The streams that are made for every channel, each with the cell's field for their number."""
    fields = {field.name for field in dataclasses.fields(cell)}  # type: ignore[arg-type]
    parts = (stream.partition(":") for stream in cell.streams.split())
    return {name: field for name, _, field in parts if name in OF_CHANNELS and field in fields}


def stream_channels(cell: Cell, data: Sequences) -> tuple[str, ...]:
    """The channels that the cell takes as its streams.

    Raises:
        DataError: the data has no channel of that name, the stream is wider than a channel, or no channel is left as an input.
    """
    streams, name, taken = cell.widths("streams"), type(cell).__name__, []
    for stream, width in streams.items():
        there = data.named and stream in data.channels
        if stream in _of_channels(cell) or (stream == "elapsed" and width == 1 and not there and data.times is not None):
            continue
        if width != 1:
            raise DataError(
                f"the cell {name} takes the stream {stream!r}, as wide as its {'state' if width == 'H' else f'{width} channels'}, but a channel of the data is one number a step.",
                fix=f'streams = "{stream}:1" in the cell; a value [B, 1] goes with values of every width',
            )
        if not there:
            times = stream == "elapsed"
            raise DataError(
                f"the cell {name} takes the stream {stream!r}, but the data has no channel of that name" + (", and does not say when its steps were." if times else "."),
                expected=f"a column {stream!r}" + (", or a column of times" if times else ""), received=", ".join(data.channels[:8]) if data.named else "channels without names",
                fix=f"name the column {stream!r}" if data.named else either(f"give data frames, or Sequences(..., channels=[..., {stream!r}])", "give a table, whose columns have names"),
            )  # fmt: skip
        taken.append(stream)
    if len(taken) == len(data.channels):
        raise DataError(f"every channel is a stream of the cell {name}, so nothing is left as its input.", fix="give one more channel")
    return tuple(taken)


def made_beside(cell: Cell, as_given: Sequence[str], observed: Sequence[str], *, bidirectional: bool) -> tuple[str, ...]:
    """What a standardiser puts beside the values for this cell and this option, each once; for a direction that runs backward, with time running backward too."""
    kinds = [OBSERVED[word] for word in observed]
    for stream in cell.widths("streams"):
        if stream in MADE and stream not in as_given and stream != "value":
            kinds += [stream] + [f"{stream}_reverse"] * (bidirectional and stream != "mask")
    return tuple(dict.fromkeys(kinds))


class Layout(NamedTuple):
    """Where what the network reads stands.

    Attributes:
        names: of what the front gives, in order.
        beside: the places in a batch of what the front puts beside the channels that are inputs.
        reads: the places, in what the front gives, that the first layer reads. streams: those of each stream that is made.
    """

    names: tuple[str, ...]
    beside: tuple[int, ...]
    reads: tuple[int, ...]
    streams: dict[str, tuple[int, ...]]


_SAID = {
    "mask": "{} measured", "gap": "time since {}", "gap_reverse": "time until {}", "recency": "recency of {}", "elapsed": "time since the step before", "elapsed_reverse": "time until the step after",
}  # fmt: skip


def layout_of(standardiser: Standardiser, cell: Cell, observed: Sequence[str]) -> Layout:
    """Where everything stands, for a cell that reads what this standardiser gives."""
    own = [place for place, name in enumerate(standardiser.channels) if name not in standardiser.as_given]
    inputs = [standardiser.channels[place] for place in own]
    names, beside, places = list(inputs), list[int](), {"value": tuple(range(len(own)))}
    for kind, stand in list(standardiser.places.items())[1:]:
        found = stand if len(stand) == 1 and kind.startswith("elapsed") else tuple(stand[place] for place in own)
        places[kind] = tuple(range(len(names), len(names) + len(found)))
        beside += found
        names += [_SAID[kind].format(name) for name in (inputs if len(found) == len(own) else [""])]
    streams = _streams(cell, standardiser.as_given, places)
    read = [] if "value" in streams else ["value"]
    read += [kind for kind in places if kind in ("mask", "recency") and (kind in [OBSERVED[word] for word in observed] or (kind == "mask" and "value" in streams))]
    return Layout(tuple(names), tuple(beside), tuple(place for kind in read for place in places[kind]), streams)


def _streams(cell: Cell, as_given: Sequence[str], places: Mapping[str, tuple[int, ...]]) -> dict[str, tuple[int, ...]]:
    made = [stream for stream in cell.widths("streams") if stream in MADE and stream not in as_given]
    return {name: places[name] for stream in made for name in (stream, f"{stream}_reverse") if name in places}
