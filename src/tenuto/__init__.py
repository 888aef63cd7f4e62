"""tenuto: recurrent neural networks on PyTorch. A cell is written once, as maths; everything else is derived from it.

`Cell`, `State`: write a cell (tenuto.cell). `Recurrent`: the layer for any cell. `LSTM`, `GRU`, `RNN` and their cells: drop-ins
for torch.nn. `invariant`: the same bits in any batch. `explain`: what an answer comes from. `diagnose`: what becomes of gradients and memory. `compare`: which encoder is better, and whether that is chance. `distill`: a simpler model that answers alike. `compress`: the same model, smaller. `export`: the model for another world. `tenuto.cells`: the zoo. `tenuto.keras`: layers for Keras. `tenuto.tasks`: models for
whole jobs.

Names are imported when they are first used: `tenuto --help` answers without loading torch. Once torch is loaded too, it knows the
operation that saved graphs hold in a layer's place, so that `torch.export.load` reads them.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from tenuto import operation

if TYPE_CHECKING:
    from tenuto.activations import Activation, register_activation
    from tenuto.cell import Cell, State
    from tenuto.compare.call import compare
    from tenuto.compress.call import compress
    from tenuto.diagnose.call import diagnose
    from tenuto.distill.call import distill
    from tenuto.engines import invariant
    from tenuto.explain.call import explain
    from tenuto.export.call import export
    from tenuto.layers import GRU, LSTM, RNN, GRUCell, Init, LSTMCell, Recurrent, RNNCell

__version__ = "0.1.0"

_HOME = {
    "Activation": "tenuto.activations",
    "Cell": "tenuto.cell",
    "State": "tenuto.cell",
    "invariant": "tenuto.engines",
    "register_activation": "tenuto.activations",
    "GRU": "tenuto.layers",
    "GRUCell": "tenuto.layers",
    "Init": "tenuto.layers",
    "LSTM": "tenuto.layers",
    "LSTMCell": "tenuto.layers",
    "RNN": "tenuto.layers",
    "RNNCell": "tenuto.layers",
    "Recurrent": "tenuto.layers",
}

_ROOMS = ("activations", "cell", "cells", "compare", "compress", "data", "diagnose", "distill", "engines", "errors", "explain", "export", "keras", "layers", "program", "report", "tasks", "train")

__all__ = [
    "GRU",
    "LSTM",
    "RNN",
    "Activation",
    "Cell",
    "GRUCell",
    "Init",
    "LSTMCell",
    "RNNCell",
    "Recurrent",
    "State",
    "compare",
    "compress",
    "diagnose",
    "distill",
    "explain",
    "export",
    "invariant",
    "register_activation",
]


operation.tell_torch()


def __getattr__(name: str) -> Any:
    if name in _ROOMS:
        return import_module(f"tenuto.{name}")
    if name not in _HOME:
        raise AttributeError(f"module 'tenuto' has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(_HOME[name]), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOME, *_ROOMS})
