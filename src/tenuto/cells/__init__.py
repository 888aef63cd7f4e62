"""The zoo: each cell is its maths and nothing else.

In: `tenuto.cell`, `tenuto.activations`. Out: `Cell` classes, which `Recurrent`, the program and every engine take, also by name (`names.py`).
Of ours, only these and `errors` are imported here.
`tenuto.cells.LSTM` is the maths of one step; `tenuto.LSTM` is the layer that replaces `torch.nn.LSTM`.
"""

from tenuto.cells.elman import Elman
from tenuto.cells.gru import GRU, MGU, ResetBeforeGRU
from tenuto.cells.highway import RecurrentHighway
from tenuto.cells.indrnn import IndRNN
from tenuto.cells.irregular import GRUD, CfC, TimeAwareLSTM
from tenuto.cells.lstm import LSTM, CoupledLSTM, LayerNormLSTM, PeepholeLSTM, ProjectionLSTM
from tenuto.cells.modifiers import Modifier, RecurrentDropout, Zoneout

__all__ = [
    "GRU",
    "GRUD",
    "LSTM",
    "MGU",
    "CfC",
    "CoupledLSTM",
    "Elman",
    "IndRNN",
    "LayerNormLSTM",
    "Modifier",
    "PeepholeLSTM",
    "ProjectionLSTM",
    "RecurrentDropout",
    "RecurrentHighway",
    "ResetBeforeGRU",
    "TimeAwareLSTM",
    "Zoneout",
]
