"""Cells by name."""

import pytest

from tenuto import cells
from tenuto.cells.names import CELLS, cell_class_of, cell_from_name
from tenuto.errors import ArgumentError


def test_names_in_any_spelling():
    assert cell_from_name("LSTM") == cell_from_name("lstm") == cells.LSTM()
    assert cell_from_name("layer-norm_lstm") == cells.LayerNormLSTM()
    assert cell_from_name("rnn") == cells.Elman()
    own = cells.Elman(activation="relu")
    assert cell_from_name(own) is own
    assert cell_class_of("gru-reset-before") is cell_class_of("ResetBeforeGRU") is cells.ResetBeforeGRU and cell_class_of("lstn") is None


@pytest.mark.parametrize("name", sorted(CELLS))
def test_every_name_makes_a_cell_or_says_what_it_needs(name):
    if CELLS[name] is cells.ProjectionLSTM:
        with pytest.raises(ArgumentError, match=r"needs a value for 'projection'(.|\n)*ProjectionLSTM\(projection="):
            cell_from_name(name)
    else:
        assert type(cell_from_name(name)) is CELLS[name]


def test_an_unknown_name_is_refused_with_the_known_ones():
    with pytest.raises(ArgumentError, match=r"no cell 'lstn'(.|\n)*gru \| (.|\n)*Cell of your own"):
        cell_from_name("lstn")
