"""What an export asks of a task over recordings: steps of features go in, as `inputs` gives them."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from tenuto.data.audio.hearing import Hearing
from tenuto.data.sequences.batches import Batch
from tenuto.networks.port import Port
from tenuto.tasks.exported import Exported


class ExportedAudio(Exported):
    """See `Exported`."""

    hearing_: Hearing

    def ports(self) -> tuple[Port, ...]:
        """Steps of features, and lengths."""
        return (
            Port("x", ("time", "batch", self.hearing_.width), says=f"normalised features ({self.hearing_.features.kind}), {self.hearing_.together} frames to a step, and those of the {self.hearing_.ahead} steps after it"),
            Port("lengths", ("batch",), "int64", counts="time", says="steps of each row"),
        )

    def batch_of(self, values: Mapping[str, Tensor]) -> Batch:
        """The batch."""
        return Batch(values["x"], values["lengths"], None, None)  # type: ignore[arg-type]

    def outside(self) -> dict[str, str]:
        """Features are made before the graph."""
        hearing = self.hearing_
        return {
            "features": f"x is made before the graph, by Kaldi's {hearing.features.kind} of {hearing.features.rate} samples a second (times {hearing.features.scale:g}; no dither; the last frame completed with zeros), "
            f"normalised ({hearing.normaliser.rule}), {hearing.together} frames side by side, and those of the {hearing.ahead} steps after them; `inputs` of the fitted {type(self).__name__} gives it"
        }

    def input_names(self) -> list[str]:
        """The features of each frame of a step."""
        features, together = self.hearing_.features, self.hearing_.together * (1 + self.hearing_.ahead)
        frames = [""] if together == 1 else [f", frame {number}" for number in range(1, together + 1)]
        views = ["", " less the mean"][: self.hearing_.normaliser.views]
        return [f"{'band' if features.kind == 'log-mel' else 'cepstrum'} {number}{view}{frame}" for frame in frames for view in views for number in range(1, features.size + 1)]
