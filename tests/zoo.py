"""Every cell of the zoo, with variants that run other code (activations, heads, low rank, cells around cells); and one with a stream."""

from tenuto import cells
from tenuto.cell import Cell, State

CELLS: dict[str, Cell] = {
    "elman": cells.Elman(),
    "elman_gelu": cells.Elman(activation="gelu"),
    "lstm": cells.LSTM(),
    "lstm_relu": cells.LSTM(activation="relu"),
    "lstm_heads": cells.LSTM(heads=2),
    "lstm_low_rank": cells.LSTM(rank=2),
    "peephole": cells.PeepholeLSTM(),
    "coupled": cells.CoupledLSTM(),
    "projection": cells.ProjectionLSTM(projection=3),
    "layer_norm": cells.LayerNormLSTM(),
    "gru": cells.GRU(),
    "reset_before": cells.ResetBeforeGRU(),
    "mgu": cells.MGU(),
    "ind_rnn": cells.IndRNN(),
    "highway": cells.RecurrentHighway(depth=3),
    "gru_d": cells.GRUD(channels=3),
    "time_aware": cells.TimeAwareLSTM(),
    "cfc": cells.CfC(),
    "dropout": cells.RecurrentDropout(cells.LSTM(activation="softplus")),
    "zoneout": cells.Zoneout(cells.RecurrentDropout(cells.GRU())),
}
LAYER_CELLS = {name: cell for name, cell in CELLS.items() if not cell.widths("streams")}  # those that need no input except x


class Leaking(Cell):
    """A leaky unit whose rate depends on the time since the last step."""

    gates = "h"
    state = "h"
    streams = "dt:1"

    def step(self, x, U, s, *, dt):
        kept = (-dt).exp()
        return State(h=kept * s.h + (1 - kept) * (x.h + U.h @ s.h).tanh())
