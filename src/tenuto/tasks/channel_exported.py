"""What an export asks of a task over channels: raw channels go in, standardised inside; masks, gaps and times go in beside them, where the model reads some."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from tenuto.data import Batch
from tenuto.data.sequences.standardise import OF_A_STEP, Standardiser
from tenuto.networks.port import Port
from tenuto.tasks.exported import Exported
from tenuto.tasks.stepped import StepModel, no_steps

BESIDE_SAID = {
    "mask": "whether each channel was measured at the step",
    "gap": "the time since each channel was last measured before the step; where it never was, since the first step",
    "gap_reverse": "the time until each channel is next measured after the step; where it never is, until the last step",
    "recency": "1 / (1 + the time since each channel was last measured before the step; where it never was, since the first step)",
    "elapsed": "the time since the step before; 0 at the first",
    "elapsed_reverse": "the time until the step after; 0 at the last",
}


class ExportedChannels(Exported):
    """See `Exported`."""

    standardiser_: Standardiser

    def steps(self) -> StepModel:
        """As `Stepped.steps`."""
        if self.standardiser_.beside:
            raise no_steps("it reads masks or times beside its channels, and a model of steps reads channels alone", "export it to torch or onnx; or train without observed and with a cell that takes neither mask nor gap nor elapsed")
        return super().steps()

    def ports(self) -> tuple[Port, ...]:
        """Channels, what stands beside them, and lengths."""
        names, width = ", ".join(self.standardiser_.channels), len(self.standardiser_.channels)
        return (
            Port("x", ("time", "batch", width), says=f"the channels as they are measured: {names}"),
            *(
                Port(kind, ("time", "batch", 1 if kind in OF_A_STEP else width), "bool" if kind == "mask" else "float32", says=BESIDE_SAID[kind], positive=kind != "mask")
                for kind in self.standardiser_.beside
            ),
            Port("lengths", ("batch",), "int64", counts="time", says="steps of each row"),
        )

    def batch_of(self, values: Mapping[str, Tensor]) -> Batch:
        """The channels, standardised in float64, as `inputs` does it, with missing values filled where that needs no other step; and what stands beside them."""
        x = values["x"]
        shift, scale, usual = (torch.from_numpy(value).to(x.device) for value in self.standardiser_.maps)
        scaled = ((x.double() - shift) / scale).float()
        if self.standardiser_.missing != "error":
            scaled = torch.where(torch.isnan(scaled), usual, scaled)
        if self.standardiser_.beside:
            scaled = torch.cat([scaled, *(values[kind].float() for kind in self.standardiser_.beside)], dim=-1)
        return Batch(scaled, values["lengths"], None, None)  # type: ignore[arg-type]

    def outside(self) -> dict[str, str]:
        """What becomes of missing values, and how what stands beside the channels is made."""
        unit = "one step to the next" if self.standardiser_.span is None else f"{self.standardiser_.span:.9g} of your units of time"
        said = {kind: f"made before the graph, of rows from their first step on: {BESIDE_SAID[kind]}" + (f"; 1 is {unit}" if kind != "mask" else "") for kind in self.standardiser_.beside}
        if self.standardiser_.missing == "forward":
            said["missing values"] = "a missing value (NaN) becomes the last value before it in its row; do this before the graph, which puts the training mean in the place of those that are left"
        elif self.standardiser_.missing == "error":
            said["missing values"] = "the model knows no missing values: NaN in x gives NaN"
        return said
