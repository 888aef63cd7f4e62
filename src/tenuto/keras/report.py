"""Which engine ran a Keras layer's time loop, and why not a faster one."""

from __future__ import annotations

from dataclasses import dataclass

from tenuto import engines
from tenuto.engines import EngineReport, Problem

KERAS_LOOP = "keras"
_STEPS = {
    "all": "every step counts",
    "lengths": "mask taken as lengths: padding at the end is skipped",
    "gathered": "kept steps moved together, outputs put back in their places",
}


@dataclass(frozen=True)
class LoopReport:
    """What happened in a layer's last call; `str()` of it is a readable table.

    Attributes:
        layer: the layer's class and name.
        problems: what tenuto's engines were asked, for each cell; empty where Keras's own Python loop ran.
        engine: the engine asked for, "auto" unless the layer's `engine` was set.
        steps: "all", "lengths" (padding at the end is skipped) or "gathered" (kept steps were moved together first).
        reason: why Keras's loop ran, or None.
    """

    layer: str
    problems: tuple[Problem, ...] = ()
    engine: str = "auto"
    steps: str = "all"
    reason: str | None = None

    @property
    def details(self) -> tuple[EngineReport, ...]:
        """For each cell, every engine's answer."""
        return tuple(engines.report(problem, self.engine) for problem in self.problems)

    @property
    def engines(self) -> tuple[str, ...]:
        """For each cell the engine that ran it; ("keras",) for Keras's own loop."""
        return tuple(report.chosen for report in self.details) or (KERAS_LOOP,)

    @property
    def chosen(self) -> str:
        """The engine's name; joined with + where a stack of cells used several."""
        return " + ".join(dict.fromkeys(self.engines))

    def __str__(self) -> str:
        head = f"{self.layer}: engine {self.chosen}"
        if self.reason:
            return f"{head}\n  Keras's own loop ran: {self.reason}"
        lines = [line for report in self.details for line in str(report).splitlines()]
        return "\n  ".join([head, _STEPS[self.steps], *lines])
