"""The CPU engine: a cell's programs become C++, are compiled once, and run as one fused time loop each way.

In: a `Form` and buffers by name (engines/problem.py). Out: outputs, states, gradients.
Reading order, after `program/cell_schedule.py` (what a step does): expressions and printer (a step as C++), kernels/ (the loop itself),
compiler, cache and library (C++ becomes machine code), tables, calls, rows, launch, forward and backward (a loop for given sizes), engine.
May import `program`.
"""

from tenuto.engines.cpp.engine import Cpp

__all__ = ["Cpp"]
