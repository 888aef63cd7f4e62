"""The language between maths and machine.

In: a `Cell`. Out: a `Traced` pair of `Program`s (one step, and its derivative) and, from them, the `CellSchedule` that engines print.
Reading order: grammar (the words), graph (the sentences), trace and gradient (from a step), check (what is legal),
identity and reads (what a cell is, and whether it still is), union, schedule, cell_schedule (what a step does, in order, free of sizes and machines);
linear and bounds (what is known of all steps before the first).
Imports `tenuto.cell`, `tenuto.activations` and nothing else of ours: no `torch.nn`, no engine.
"""

from tenuto.program.graph import Program, Stack
from tenuto.program.handles import handle_of, traced_of
from tenuto.program.trace import Traced, trace

__all__ = ["Program", "Stack", "Traced", "handle_of", "trace", "traced_of"]
