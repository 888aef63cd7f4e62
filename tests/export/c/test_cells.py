"""The export to C of every cell: built by this machine's compiler, without a warning, and with the answers of the model."""

import pytest
import torch

from tenuto.cell import Cell, State
from tenuto.export.c import compare, expressions
from tenuto.export.c.compare import drawn
from tenuto.export.c.write import print_checked, write_files
from tenuto.export.comparison import Differs
from tenuto.program.grammar import KINDS
from tests.export.c.drawn import stepping
from tests.random_cells import random_cell
from tests.zoo import CELLS, Leaking

FED = {name: cell for name, cell in CELLS.items() if all(width == 1 for width in cell.widths("streams").values())} | {"leaking": Leaking()}


class Exchange(Cell):
    """What each state becomes is made of the other's old value, also after the other is there already."""

    gates = "a b"
    state = "a b c:1"
    products = "late"

    def step(self, x, U, s):
        first = torch.tanh(x.a + U.a @ s.b + s.c)
        second = torch.sigmoid(x.b + U.b @ s.a) * s.a
        return State(a=second + U.late @ first * s.a, b=first + s.b, c=(first * s.b).mean(-1, keepdim=True) + 0.5 * s.c)

    def output(self, s):
        return s.a - s.b


class Sharp(Cell):
    """Conditions, and maths that jumps."""

    gates = "a b"
    state = "h"

    def step(self, x, U, s):
        above = (x.a > 0.1) & ~(U.b @ s.h > x.b) | (s.h == 0)
        held = torch.where(above, torch.relu(x.a), torch.minimum(x.b, s.h.abs()))
        return State(h=(held - held.amax(-1, keepdim=True)).exp() - torch.sign(x.b) * (1 - (0.3 - (x.a - 2))))


def test_every_kind_of_node_is_printed():
    assert set(expressions.EXPRESSIONS) | set(expressions.REDUCTIONS) == set(KINDS) and not set(expressions.EXPRESSIONS) & set(expressions.REDUCTIONS)


@pytest.mark.cpp
@pytest.mark.parametrize("name", FED)
def test_a_cell_of_the_zoo(name):
    torch.manual_seed(0)
    assert print_checked(stepping(FED[name], hidden_size=20 if name == "lstm" else 6), "cell").compared[0].calls == 4


@pytest.mark.cpp
@pytest.mark.parametrize("cell", [Exchange(), Sharp()], ids=repr)
def test_a_cell_of_ones_own(cell):
    torch.manual_seed(0)
    print_checked(stepping(cell, hidden_size=5), "own")


@pytest.mark.cpp
def test_drawn_cells():
    drawn_cells = (random_cell(seed, smooth=True) for seed in range(700, 800))
    for cell in [cell for cell in drawn_cells if all(width == 1 for width in cell.widths("streams").values())][:6]:
        torch.manual_seed(0)
        print_checked(stepping(cell), "random")


@pytest.mark.cpp
@pytest.mark.parametrize("options", [{"residual": True, "layer_norm": True, "learned_state": True, "zoneout": 0.2}, {"bias": False, "layer_norm": True}], ids=str)
def test_stacks(options):
    torch.manual_seed(0)
    model = stepping(CELLS["lstm"], input_size=6, num_layers=3, **options)
    for value in model.layers[0][0].parameters():
        torch.nn.init.normal_(value, std=0.5)  # initial states and normalisations too
    print_checked(model, "stack")


@pytest.mark.cpp
def test_it_runs_under_the_sanitizers(tmp_path):
    torch.manual_seed(0)
    for name in ("lstm_heads", "highway", "leaking"):
        model = stepping(FED[name], hidden_size=18, num_layers=1)
        write_files(print_checked(model, name), name, tmp_path)
        program = compare.build(tmp_path, name, "-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all")
        compare.compare(program, drawn(model, seed=5), "C")
        compare.self_test(program)


@pytest.mark.cpp
def test_a_wrong_printer_is_caught_and_nothing_is_written(monkeypatch, tmp_path):
    torch.manual_seed(0)
    model = stepping(CELLS["lstm"])
    monkeypatch.setitem(expressions.EXPRESSIONS, "tanh", ("atanf({0})", expressions.ATOM, (expressions.LOOSE,)))
    with pytest.raises(Differs, match="finds a difference, so it is not written"):
        write_files(print_checked(model, "broken"), "broken", tmp_path)
    monkeypatch.setattr(compare, "self_test", lambda program: None)
    with pytest.raises(Differs, match=r"does not answer as the model does[^\n]*\n.*a difference of 2e-05 at most.*\n.*sequence \d, step \d+ of"):
        write_files(print_checked(model, "broken"), "broken", tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.mark.cpp
def test_an_export_that_was_changed_finds_it_out_by_itself(tmp_path):
    torch.manual_seed(0)
    write_files(print_checked(stepping(CELLS["gru"]), "changed"), "changed", tmp_path)
    source = tmp_path / "changed.c"
    text = source.read_text()
    source.write_text(text.replace("sigmoid(gate_z[u])", "sigmoid(0.5f * gate_z[u])"))
    assert source.read_text() != text
    with pytest.raises(Differs, match="finds a difference"):
        compare.self_test(compare.build(tmp_path, "changed"))
