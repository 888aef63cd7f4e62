"""What an export asks of a task over channels: raw channels go in, standardised inside."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from tenuto.data import Batch
from tenuto.data.sequences.standardise import Standardiser
from tenuto.errors import ArgumentError
from tenuto.networks.port import Port
from tenuto.networks.reduction import ReducedRecurrent
from tenuto.tasks.exported import Exported
from tenuto.tasks.stepped import Ahead
from tenuto.tongues import argument


class ExportedChannels(Exported):
    """See `Exported`."""

    standardiser_: Standardiser

    def looks_ahead(self) -> Ahead | None:
        """Convolutions are an option of this task."""
        if isinstance(self.network_.encoder, ReducedRecurrent):
            return Ahead("convolutions before the recurrent layer put neighbouring steps together, and so read ahead", f"train with {argument('halvings', 0)}")
        if self.standardiser_.beside:
            return Ahead("it reads masks or times beside its channels, which are made before the first step", "train without observed and with a cell that takes neither mask nor gap nor elapsed")
        return super().looks_ahead()

    def ports(self) -> tuple[Port, ...]:
        """Channels and lengths."""
        if self.standardiser_.beside:
            raise ArgumentError(
                "this model reads masks or times beside its channels, which a graph of the channels alone does not make.",
                expected="a model of channels", received=", ".join(self.standardiser_.beside), fix="train without observed and with a cell that takes neither mask nor gap nor elapsed",
            )  # fmt: skip
        names = ", ".join(self.standardiser_.channels)
        return (
            Port("x", ("time", "batch", len(self.standardiser_.channels)), says=f"the channels as they are measured: {names}"),
            Port("lengths", ("batch",), "int64", counts="time", says="steps of each row"),
        )

    def batch_of(self, values: Mapping[str, Tensor]) -> Batch:
        """The channels, standardised in float64, as `inputs` does it, with missing values filled where that needs no other step."""
        x = values["x"]
        shift, scale, usual = (torch.from_numpy(value).to(x.device) for value in self.standardiser_.maps)
        scaled = ((x.double() - shift) / scale).float()
        if self.standardiser_.missing != "error":
            scaled = torch.where(torch.isnan(scaled), usual, scaled)
        return Batch(scaled, values["lengths"], None, None)  # type: ignore[arg-type]

    def outside(self) -> dict[str, str]:
        """What becomes of missing values."""
        said = dict[str, str]()
        if self.standardiser_.missing == "forward":
            said["missing values"] = "a missing value (NaN) becomes the last value before it in its row; do this before the graph, which puts the training mean in the place of those that are left"
        elif self.standardiser_.missing == "error":
            said["missing values"] = "the model knows no missing values: NaN in x gives NaN"
        return said
