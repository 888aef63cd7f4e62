"""The export to C99: one header and one source that need <math.h> and nothing else, and take no memory.

In: a `StepModel` (a fitted estimator's `steps()`, or a layer by `of_layer`). Out: NAME.h, NAME.c, an example program NAME_main.c, NAME.json.
Reading order: `model.py` (layers as plain data), `expressions.py` (each kind of node as C), `layer.py` (a step from its schedule), `source.py` (both files),
`example.py`, `compiler.py`, `compare.py` (an export is built and compared with the model before it is written), `write.py`.
"""

from tenuto.export.c.model import of_layer
from tenuto.export.c.write import Printed, print_checked, write

__all__ = ["Printed", "of_layer", "print_checked", "write"]
