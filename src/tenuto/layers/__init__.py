"""Layers: one layer, stacks, both directions, and drop-ins for torch.nn.

In: cells and tensors. Out: `torch.nn.Module`s. Reading order: functional (one layer, one direction), checks (what fits),
stack (several), masks, initialise, recurrent (`Recurrent`, for any cell), replacements (torch.nn's `LSTM`, `GRU`, `RNN`) and their cells;
then encoders that are called alike: blocks, transformer, memory (the loop), addressing, ntm, dnc, fast_weights, stacked (hybrids), both_ways, timescales; rows (of a state).
Imports cells, program and engines.
"""

from tenuto.layers.blocks import Blocks
from tenuto.layers.both_ways import BothWays
from tenuto.layers.bounds import bound_spectrum
from tenuto.layers.dnc import DNC, DNCState
from tenuto.layers.fast_weights import FastWeights, FastWeightState
from tenuto.layers.initialise import Init
from tenuto.layers.ntm import NTM, NTMState
from tenuto.layers.recurrent import Output, Recurrent
from tenuto.layers.replacement_cells import GRUCell, LSTMCell, RNNCell
from tenuto.layers.replacements import GRU, LSTM, RNN
from tenuto.layers.stacked import Hybrid, Stacked, StackedState
from tenuto.layers.timescales import Clockwork, Dilated, Slowed, TimeReduced
from tenuto.layers.transformer import Transformer, TransformerState

__all__ = [
    "DNC", "GRU", "LSTM", "NTM", "RNN", "Blocks", "BothWays", "Clockwork", "DNCState", "Dilated", "FastWeightState", "FastWeights", "GRUCell", "Hybrid", "Init",
    "LSTMCell", "NTMState", "Output", "RNNCell", "Recurrent", "Slowed", "Stacked", "StackedState", "TimeReduced", "Transformer", "TransformerState", "bound_spectrum",
]  # fmt: skip
