"""The CPU engine: a cell's programs become C++, are compiled once, and run as one fused time loop each way.

In: a `Form` and buffers by name (engines/problem.py). Out: outputs, states, gradients.
Reading order: union, schedule, cell_schedule (what a step does), kinds, printer (as C++), kernels/ (the loop itself),
compiler, cache, library (to machine code), tables, rows, launch, forward, backward (with sizes), engine. May import `program`.
"""

from tenuto.engines.cpp.engine import Cpp

__all__ = ["Cpp"]
