"""Weights that are kept in another form than as floats: in less memory, and in a smaller file.

In: a module with parameters. Out: the same module, with a `StoredWeight` where a parameter was, under the same name; to whatever reads the weight it is a tensor as before.
`weight.py` says what a form must do, `int8.py`, `int4.py`, `static.py`, `sparse.py`, `blocks.py` and `low_rank.py` have them; `holder.py` puts one into a module, and finds out from a file which ones to put where; `matrix.py` has a weight as plain arrays, for printers.
A form is a file here and one line below. Imports torch and `errors`.
"""

from tenuto.layers.stored.blocks import Blocks
from tenuto.layers.stored.holder import LoopHolder, as_floats, hold, hold_as, in_files, is_matrix, stored_in
from tenuto.layers.stored.int4 import Int4
from tenuto.layers.stored.int8 import Int8, Int8x8
from tenuto.layers.stored.low_rank import LowRank
from tenuto.layers.stored.matrix import Matrix, together
from tenuto.layers.stored.sparse import Sparse
from tenuto.layers.stored.static import Int8x8Static, Int8x16Static
from tenuto.layers.stored.weight import StoredWeight

__all__ = ["Blocks", "Int4", "Int8", "Int8x8", "Int8x8Static", "Int8x16Static", "LoopHolder", "LowRank", "Matrix", "Sparse", "StoredWeight", "as_floats", "hold", "hold_as", "in_files", "is_matrix", "stored_in", "together"]
