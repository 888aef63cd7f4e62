"""The export to C99: one header and one source that need <math.h> and nothing else, and take no memory.

In: a subject, whose model has `steps()` or is a layer. Out: NAME.h, NAME.c, an example program NAME_main.c, NAME.json.
Reading order: `model.py` (layers as plain data), `expressions.py` (each kind of node as C), `integers.py` (the same where products are of whole numbers), `matrices.py` (weights in the form in which they are
stored), `layer.py` (a step from its schedule), `source.py` (both files), `example.py`, `compiler.py`, `exactness.py` and `compare.py` (an export is built and compared with the model before it is written), `write.py`.
"""

from tenuto.export.c.write import write

__all__ = ["write"]
