"""The export to C of compressed models: tables of whole numbers; and where layers multiply such numbers, Python's answers to the last bit."""

import re
import subprocess

import numpy as np
import pytest
import torch

import tenuto
from tenuto.cells import GRU, LSTM
from tenuto.errors import ArgumentError, EngineError
from tenuto.export.c import compare, integers
from tenuto.export.c.compiler import compile_c, host
from tenuto.export.c.exactness import ROUGH, tolerance
from tenuto.export.c.write import print_checked, write_files
from tenuto.export.comparison import Differs
from tenuto.layers.stored import stored_in
from tests.engines.cpp.drawn import together
from tests.export.c.drawn import stepping
from tests.export.c.test_tasks import MODELS
from tests.random_cells import random_cell
from tests.zoo import CELLS, Leaking

pytestmark = pytest.mark.cpp
WHOLE = {"activations": "int8"}
STATIC = {bits: {"activations": f"static-int{bits}", "calibrate": [torch.randn(9, 4, 5, generator=torch.Generator().manual_seed(bits))]} for bits in (8, 16)}


def exact(model):
    """The export, which has the same bits as the model; it is an error if not."""
    printed = print_checked(model, "whole")
    assert [(one.worst, one.tolerance) for one in printed.compared] == [(0, 0)]
    return printed


@pytest.mark.parametrize("name", ["lstm_heads", "lstm_low_rank", "gru", "layer_norm", "elman_gelu", "highway", "leaking"])
def test_a_cell_of_the_zoo_has_the_same_bits(name):
    torch.manual_seed(0)
    exact(stepping(Leaking() if name == "leaking" else CELLS[name], input_size=5, hidden_size=22, compressed=WHOLE))


@pytest.mark.parametrize("bits", STATIC)
@pytest.mark.parametrize("name", ["lstm_heads", "lstm_low_rank", "gru", "reset_before", "highway", "elman_gelu"])
def test_static_scales_give_the_same_bits(name, bits):
    torch.manual_seed(0)
    printed = exact(stepping(CELLS[name], input_size=5, hidden_size=22, compressed=STATIC[bits]))
    assert f"to_{bits}_bits(" in printed.sources.source and "to_integers(" not in printed.sources.source
    assert printed.about["layers"][0]["multiplies"] == f"whole numbers of {bits} bits, with static scales"


def test_sums_that_need_64_bits():
    torch.manual_seed(0)
    model = stepping(LSTM(), input_size=5, hidden_size=520, compressed=STATIC[16])
    source = exact(model).sources.source
    assert "multiply_16_bits_long(gate_i, layer_0_U_" in source and "multiply_16_bits(gate_i, layer_0_W_" in source


def test_a_scale_that_is_no_number_is_refused():
    model = stepping(GRU(), input_size=5, compressed=STATIC[8])
    stored_in(model.layers[0][0])["weight_ih_l0"].most.fill_(torch.nan)
    with pytest.raises(ArgumentError, match="the largest number that weight_ih multiplies"):
        print_checked(model, "broken")


def test_drawn_cells_have_the_same_bits():
    cells = (random_cell(seed, smooth=True) for seed in range(800, 900))
    cells = [cell for cell in cells if all(width == 1 for width in cell.widths("streams").values())][:3]
    with together(cells, 32):
        for cell in cells:
            torch.manual_seed(0)
            exact(stepping(cell, compressed=WHOLE))


@pytest.mark.parametrize("how", ["int8", "static-int8", "static-int16"])
def test_whatever_builds_it(how, tmp_path):
    """A compiler that would make one rounding of two by itself is told not to, and strange steps are answered alike."""
    torch.manual_seed(0)
    model = stepping(LSTM(), input_size=9, hidden_size=20, num_layers=2, residual=True, compressed={"activations": how, **({} if how == "int8" else {"calibrate": [torch.randn(9, 4, 9)]})})
    write_files(exact(model), "whole", tmp_path)
    given = np.random.default_rng(3).standard_normal((12, 9), dtype=np.float32) * np.logspace(-33, 8, 12, dtype=np.float32)[:, None]
    model.layers[0][0].engine = "cpp"
    expected = model.answers(given)
    for flags in (["-std=gnu99", "-O3", "-march=native"], ["-std=c99", "-O1", "-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"]):
        program = compile_c(host(), [tmp_path / "whole.c", tmp_path / "whole_main.c"], tmp_path / "whole.out", *flags, f"-I{tmp_path}", "-lm")
        compare.compare(program, [(given, expected)], "C", 0.0)
        compare.self_test(program)
    refused = subprocess.run([*host(), "-ffast-math", "-c", str(tmp_path / "whole.c"), "-o", str(tmp_path / "whole.o")], capture_output=True, check=False)
    assert refused.returncode and b"-ffast-math" in refused.stderr


@pytest.mark.parametrize(("weights", "most"), [("int8", 0.32), ("int4", 0.2)])
def test_weights_of_few_bits(weights, most, tmp_path):
    torch.manual_seed(0)
    sizes = {"input_size": 71, "hidden_size": 37, "num_layers": 2}
    whole, printed = (print_checked(stepping(LSTM(), compressed=options, **sizes), "few") for options in (None, {"weights": weights}))
    assert printed.sources.constant_bytes < most * whole.sources.constant_bytes and printed.compared[0].worst < 2e-5
    assert f"Constants take {printed.sources.constant_bytes:,} bytes" in printed.sources.header and f"a state {printed.sources.state_bytes:,} bytes" in printed.sources.header
    assert re.search(rf"static const {'int8_t' if weights == 'int8' else 'uint8_t'} layer_1_U_", printed.sources.source)
    assert all(layer["weights"] == [weights] and layer["multiplies"] == "floats" for layer in printed.about["layers"])


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("a classifier", WHOLE),
        ("a classifier", {"weights": "int4"}),
        ("a language model with one matrix at both ends", {"weights": "int4"}),
        ("a classifier of texts", WHOLE),
    ],
)
def test_a_compressed_model(name, options, tmp_path):
    model = tenuto.compress(MODELS[name](), **options)
    printed = print_checked(model.steps(), "small")
    write_files(printed, "small", tmp_path)
    assert printed.compared[0].worst <= 2e-5 and [(one.worst, one.tolerance) for one in printed.compared[1:]] == [(0, 0)] * (options == WHOLE)
    program = compare.build(tmp_path, "small", "-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all")
    compare.self_test(program)


def test_a_normalisation_before_a_rounding_promises_less():
    torch.manual_seed(0)
    model = stepping(GRU(), input_size=6, num_layers=2, layer_norm=True, compressed=WHOLE)
    assert tolerance(model) == ROUGH and print_checked(model, "rough").compared[0].worst <= ROUGH


def test_another_rounding_is_caught(monkeypatch):
    torch.manual_seed(0)
    model = stepping(GRU(), hidden_size=12, compressed=WHOLE)
    broken = integers._OWN["to_integers"].replace("x[k] * factor + 12582912.0f - 12582912.0f", "x[k] * factor")  # towards zero
    monkeypatch.setitem(integers._OWN, "to_integers", broken)
    with pytest.raises(Differs, match="finds a difference"):
        print_checked(model, "broken")
    monkeypatch.setattr(compare, "self_test", lambda program: None)
    with pytest.raises(Differs, match="the same numbers to the last bit"):
        print_checked(model, "broken")


def test_without_the_compiled_engine_it_says_so(monkeypatch):
    model = stepping(GRU(), compressed=WHOLE)
    monkeypatch.setattr("tenuto.engines.cpp.library.obstacle", lambda *asked: "there is no compiler")
    with pytest.raises(EngineError, match="there is no compiler"):
        print_checked(model, "alone")
    assert model.layers[0][0].engine == "reference"
