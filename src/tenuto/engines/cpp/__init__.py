"""The CPU engine: a cell's programs become C++, are compiled once, and run as one fused time loop each way.

In: a `Form` and buffers by name (engines/problem.py). Out: outputs, states, gradients.
Reading order, after `program/cell_schedule.py` (what a step does): expressions, printer (as C++), kernels/ (the loop itself),
compiler, cache, library (to machine code), tables, calls, rows, launch, forward, backward (with sizes), engine. May import `program`.
"""

from tenuto.engines.cpp.engine import Cpp

__all__ = ["Cpp"]
