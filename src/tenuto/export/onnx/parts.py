"""What a layer in one direction is made of in a graph: what does not change, what there is for each step, and the states that it begins with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from tenuto.engines.problem import Form
from tenuto.export.onnx.scribe import Scribe
from tenuto.program.graph import Key


@dataclass(frozen=True)
class Parts:
    """The names of a layer's values.

    Attributes:
        fixed: the parameters [1, W], by key. matrices: of the recurrent products, by the stack's name.
        steps: "gates" [T, B, G * H], each stream [T, B, W], and "live" [T, B, 1] where there are lengths.
        start: the states [B, W].
        rows: B, [1].
    """

    form: Form
    hidden: int
    fixed: Mapping[Key, str]
    matrices: Mapping[str, str]
    steps: Mapping[str, str]
    start: Mapping[str, str]
    rows: str

    def values(self, scribe: Scribe, now: Mapping[str, str]) -> dict[Key, str]:
        """What a step reads beside the states, by key, for one step or for all."""
        cell, count = self.form.cell, self.form.gates
        gates = scribe.ops("Split", [now["gates"], scribe.whole(*[self.hidden] * count)], count, axis=-1) if count > 1 else [now["gates"]]
        found = {**self.fixed, **{("gate", name): value for name, value in zip(cell.widths("gates"), gates)}}
        return found | {("stream", name): now[name] for name in cell.widths("streams")}
