"""Cells by name."""

import pytest

from tenuto import cells
from tenuto.cells.names import CELLS, cell_from_name
from tenuto.errors import ArgumentError


def test_names_in_any_spelling():
    assert cell_from_name("LSTM") == cell_from_name("lstm") == cells.LSTM()
    assert cell_from_name("layer-norm_lstm") == cells.LayerNormLSTM()
    assert cell_from_name("rnn") == cells.Elman()
    own = cells.Elman(activation="relu")
    assert cell_from_name(own) is own
    for kind in CELLS.values():
        kind()


def test_an_unknown_name_is_refused_with_the_known_ones():
    with pytest.raises(ArgumentError, match=r"no cell 'lstn'(.|\n)*gru \| (.|\n)*Cell of your own"):
        cell_from_name("lstn")
