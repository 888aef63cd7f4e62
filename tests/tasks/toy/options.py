"""The options of `Summer`."""

from __future__ import annotations

from tenuto.tasks.estimator_options import EstimatorOptions
from tenuto.tasks.option import NETWORK, option, options


@options(cell="rnn", epochs=2, batch_size=2)
class ToyOptions(EstimatorOptions):
    """The options of every estimator, and those of `Summer`."""

    hidden_size: int = option(4, "Units of the layer.", NETWORK, least=1, search=[2, 4])
    widths: tuple[int, ...] = option((1, 2), "Nothing that is used: numbers with commas.", NETWORK)
    scaled: bool = option(True, "Divide the numbers by ten.", NETWORK, flag="--scaled/--as-they-are")
