"""What an export asks of a model over series: the features of each step go in as `inputs` gives them; quantiles in scales, or the numbers of a density, come out."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from tenuto.data.series.features import Reader
from tenuto.data.series.windows import Batch
from tenuto.networks.densities import Density
from tenuto.networks.port import Port
from tenuto.networks.series import SeriesNetwork, ahead_of
from tenuto.tasks.exported import Exported


class ExportedSeries(Exported):
    """See `Exported`. The graph of a density gives the numbers that its parameters are made of, for the next step."""

    reader_: Reader
    options_: dict[str, Any]

    @property
    @abstractmethod
    def density_(self) -> Density | None:
        """The density that is learnt of the next value; None where quantiles are."""

    @property
    @abstractmethod
    def reach_(self) -> int:
        """Steps ahead that the head answers at once."""

    def ports(self) -> tuple[Port, ...]:
        """The features of the past, and of the steps ahead."""
        reader, horizon = self.reader_, self.reach_
        return (
            Port("x", ("time", "batch", len(reader.names)), says=f"features of each step, in scales: {', '.join(reader.names)}"),
            Port("lengths", ("batch",), "int64", counts="time", says="steps of each row"),
            Port("ahead", ("batch", horizon, len(reader.ahead_names)), says=f"what is known of the steps ahead: {', '.join(reader.ahead_names) or 'nothing'}"),
            *([] if self.density_ is not None else [Port("base", ("batch", horizon), says="the simple forecast that is corrected, from its first step on, in scales")]),
        )

    def batch_of(self, values: Mapping[str, Tensor]) -> Batch:
        """A batch with one origin, the last step of each row."""
        base = (values["ahead"].new_zeros(values["ahead"].shape[:2]) if self.density_ is not None else values["base"])[None]
        return Batch(values["x"], values["lengths"], (values["lengths"] - 1)[None], values["ahead"][None], base - base[..., :1], torch.ones_like(base[..., 0]))

    def heard_at(self, values: Mapping[str, Tensor], state: Any = None) -> tuple[dict[str, Tensor], Any]:
        """The quantiles after the last step of each row, [B, h, Q] in scales from the base, or the numbers of a density [B, K]; and the state there."""
        batch, network = self.batch_of(values), self.network_
        assert isinstance(network, SeriesNetwork)
        found = network.encoder(network.front(batch), state, lengths=batch.lengths)
        last = found.output[batch.places, torch.arange(found.output.shape[1], device=found.output.device)]
        answer = network.head(last, ahead_of(batch))[0]
        return {"quantiles": answer} if self.density_ is None else {"numbers": answer[:, 0]}, found.state

    def outside(self) -> dict[str, str]:
        """Features, scales and bases are made before the graph."""
        options, density = self.options_, self.density_
        names = "x, ahead and base" if density is None else "x and ahead"
        features = f"{names} are computed from the values and stamps before the graph, as `inputs` of the fitted {type(self).__name__} does it (base: {options['base']}, season: {options['season']})"
        if density is not None:
            return {
                "features": features,
                "density": f"`numbers` are those from which the parameters of {options['distribution']} are made, with base and scale of the series: {', '.join(density.parameters)}; `forward` of the fitted {type(self).__name__} gives these",
                "paths": "further steps come from draws that are read as values, which is done outside of the graph",
            }
        return {
            "features": features,
            "units": "a quantile in the units of the series is the base there plus its scale times what the graph gives; `inputs` gives both, in float64",
            "intervals": "conformal intervals of `calibrate` are not in the graph: it gives the quantiles that were learnt",
        }
