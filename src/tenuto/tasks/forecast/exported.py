"""What an export asks of a forecaster: the features of each step go in as `inputs` gives them, quantiles in scales come out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from tenuto.data.series.features import Reader
from tenuto.data.series.windows import Batch
from tenuto.networks.port import Port
from tenuto.tasks.exported import Exported
from tenuto.tasks.forecast.network import ForecastNetwork, ahead_of


class ExportedForecasts(Exported):
    """See `Exported`."""

    reader_: Reader
    options_: dict[str, Any]

    def ports(self) -> tuple[Port, ...]:
        """The features of the past, and of the steps ahead."""
        reader, horizon = self.reader_, int(self.options_["h"])
        return (
            Port("x", ("time", "batch", len(reader.names)), says=f"features of each step, in scales: {', '.join(reader.names)}"),
            Port("lengths", ("batch",), "int64", counts="time", says="steps of each row"),
            Port("ahead", ("batch", horizon, len(reader.ahead_names)), says=f"what is known of the steps ahead: {', '.join(reader.ahead_names) or 'nothing'}"),
            Port("base", ("batch", horizon), says="the simple forecast that is corrected, from its first step on, in scales"),
        )

    def batch_of(self, values: Mapping[str, Tensor]) -> Batch:
        """A batch with one origin, the last step of each row."""
        base = values["base"][None]
        return Batch(values["x"], values["lengths"], (values["lengths"] - 1)[None], values["ahead"][None], base - base[..., :1], torch.ones_like(base[..., 0]))

    def heard_at(self, values: Mapping[str, Tensor], state: Any = None) -> tuple[dict[str, Tensor], Any]:
        """The quantiles after the last step of each row, [B, h, Q] in scales from the base, and the state there."""
        batch, network = self.batch_of(values), self.network_
        assert isinstance(network, ForecastNetwork)
        found = network.encoder(network.front(batch), state, lengths=batch.lengths)
        last = found.output[batch.places, torch.arange(found.output.shape[1], device=found.output.device)]
        return {"quantiles": network.head(last, ahead_of(batch))[0]}, found.state

    def outside(self) -> dict[str, str]:
        """Features, scales and bases are made before the graph."""
        options = self.options_
        return {
            "features": f"x, ahead and base are computed from the values and stamps before the graph, as `inputs` of the fitted {type(self).__name__} does it (base: {options['base']}, season: {options['season']})",
            "units": "a quantile in the units of the series is the base there plus its scale times what the graph gives; `inputs` gives both, in float64",
            "intervals": "conformal intervals of `calibrate` are not in the graph: it gives the quantiles that were learnt",
        }
