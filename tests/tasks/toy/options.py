"""The options of `Summer`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tenuto.tasks.option import NETWORK, TRAINING, WHERE, option


@dataclass(kw_only=True, eq=False, repr=False)
class ToyOptions:
    """What `tenuto fit sum` and the constructor take."""

    cell: Any = option("rnn", "Of the recurrent layer.", NETWORK, cell=True, first=True)
    hidden_size: int = option(4, "Units of the layer.", NETWORK, search=[2, 4])
    widths: tuple[int, ...] = option((1, 2), "Nothing that is used: numbers with commas.", NETWORK)
    scaled: bool = option(True, "Divide the numbers by ten.", NETWORK, flag="--scaled/--as-they-are")
    epochs: int = option(2, "At most.", TRAINING)
    clip_norm: float | None = option(1.0, "0 for never.", TRAINING, none=0)
    random_state: int | None = option(0, "Of the weights.", TRAINING, typed="seed")
    device: str = option("cpu", "cpu, cuda, ...", WHERE, search=False)
