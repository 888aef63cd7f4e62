"""tenuto: recurrent neural networks on PyTorch. A cell is written once, as maths, and runs fused everywhere.

`Cell`, `State`: write a cell (tenuto.cell). `Recurrent`: the layer for any cell. `LSTM`, `GRU`, `RNN` and their cells: drop-ins
for torch.nn. `tenuto.cells`: the zoo. `tenuto.keras`: the Keras way in. `tenuto.tasks`: models for whole jobs.
"""

from tenuto.cell import Activation, Cell, State, register_activation
from tenuto.layers import GRU, LSTM, RNN, GRUCell, Init, LSTMCell, Recurrent, RNNCell

__version__ = "0.1.0"

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
    "register_activation",
]
