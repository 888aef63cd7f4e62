"""`keras.layers`, with the recurrent layers that run on tenuto's engines in place of Keras's."""

from keras.layers import *  # noqa: F403

from tenuto.keras.cell_layer import CellLayer
from tenuto.keras.recurrent import GRU, LSTM, RNN, SimpleRNN
