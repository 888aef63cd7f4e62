"""How weights start: the ranges and shapes that each initialiser promises, by gate name and not by position."""

import math

import pytest
import torch

from tenuto import Init, Recurrent, cells
from tenuto.errors import ArgumentError

INPUT, HIDDEN = 5, 12


def blocks(layer, name="weight_hh_l0"):
    gates = tuple(layer.cell.widths("gates"))
    return dict(zip(gates, getattr(layer, name).detach().chunk(len(gates)), strict=True))


def test_the_default_is_glorot_orthogonal_and_a_forget_bias_of_one():
    layer = Recurrent(cells.LSTM(), INPUT, HIDDEN, dtype=torch.float64)
    bound = math.sqrt(6 / (INPUT + HIDDEN))
    for weight in blocks(layer, "weight_ih_l0").values():
        assert 0.8 * bound < weight.abs().max() <= bound
    for weight in blocks(layer).values():
        torch.testing.assert_close(weight @ weight.t(), torch.eye(HIDDEN, dtype=torch.float64))
    assert {gate: bias.unique().tolist() for gate, bias in blocks(layer, "bias_l0").items()} == {"i": [0], "f": [1], "g": [0], "o": [0]}


@pytest.mark.parametrize("cell", [cells.CoupledLSTM(), cells.PeepholeLSTM(), cells.LayerNormLSTM(), cells.ProjectionLSTM(projection=3)], ids=repr)
def test_the_forget_gate_is_found_by_its_name(cell):
    biases = blocks(Recurrent(cell, INPUT, HIDDEN, init=Init(forget_bias=2.0)), "bias_l0")
    assert {gate: bias.unique().tolist() for gate, bias in biases.items()} == {gate: [2.0 if gate == "f" else 0.0] for gate in biases}


def test_a_gate_called_f_that_is_not_a_forget_gate_starts_at_zero():
    assert not Recurrent(cells.MGU(), INPUT, HIDDEN).bias_l0.any(), "in an MGU an open f takes the new value"


def test_identity_normal_uniform():
    layer = Recurrent(cells.Elman("relu"), INPUT, HIDDEN, init=Init("normal", "identity"))
    assert torch.equal(layer.weight_hh_l0, torch.eye(HIDDEN))
    assert 0.002 < layer.weight_ih_l0.std() < 0.05
    layer = Recurrent(cells.GRU(), INPUT, HIDDEN, init=Init("uniform", "uniform"))
    for weight in (layer.weight_ih_l0, layer.weight_hh_l0):
        assert 0.8 * HIDDEN**-0.5 < weight.abs().max() <= HIDDEN**-0.5
    assert Recurrent(cells.GRU(), INPUT, HIDDEN, init=Init("glorot", "glorot")).weight_hh_l0.abs().max() <= math.sqrt(6 / (2 * HIDDEN))


def test_each_block_of_heads_starts_by_itself():
    weight = Recurrent(cells.Elman(heads=3), INPUT, HIDDEN, dtype=torch.float64).weight_hh_l0
    for block in weight.chunk(3):
        torch.testing.assert_close(block @ block.t(), torch.eye(4, dtype=torch.float64))


@pytest.mark.parametrize(("cell", "forgets", "writes"), [(cells.LSTM(), "f", "i"), (cells.GRU(), "z", None)])
def test_chrono(cell, forgets, writes):
    longest = 100
    biases = blocks(Recurrent(cell, INPUT, 200, init=Init(longest=longest)), "bias_l0")
    assert biases[forgets].min() >= 0 and biases[forgets].max() <= math.log(longest - 1)
    assert 3.2 < biases[forgets].mean() < 4.0  # the mean of log(uniform(1, 99)) is 3.64
    if writes:
        assert torch.equal(biases[writes], -biases[forgets])
    assert not any(bias.any() for gate, bias in biases.items() if gate not in (forgets, writes))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_16_bit_layers_start_like_the_others(dtype):
    weight = Recurrent(cells.LSTM(), INPUT, HIDDEN, dtype=dtype).weight_hh_l0.float()[:HIDDEN]
    torch.testing.assert_close(weight @ weight.t(), torch.eye(HIDDEN), rtol=0, atol=0.02)


def test_a_seed_gives_the_same_start_and_reset_draws_again():
    torch.manual_seed(5)
    first = Recurrent(cells.IndRNN(), INPUT, HIDDEN, learned_state=True)
    torch.manual_seed(5)
    second = Recurrent(cells.IndRNN(), INPUT, HIDDEN, learned_state=True)
    assert torch.equal(first.weight_ih_l0, second.weight_ih_l0) and torch.equal(first.u_l0, second.u_l0)
    second.reset_parameters()
    assert not torch.equal(first.weight_ih_l0, second.weight_ih_l0)
    assert not first.initial_h_l0.any() and 0 <= first.u_l0.min() and first.u_l0.max() <= 1


def test_wrong_initialisers_are_named():
    with pytest.raises(ArgumentError, match="(?s)Init: weight_hh is 'orthogonel'.*expected  orthogonal .* identity .* glorot"):
        Init(weight_hh="orthogonel")
    with pytest.raises(ArgumentError, match="Init: weight_ih is 'identity'"):
        Init("identity")
    with pytest.raises(ArgumentError, match="(?s)longest is 2.*at least 3"):
        Init(longest=2)
    with pytest.raises(ArgumentError, match="(?s)init is 'orthogonal'.*expected  an Init or None.*fix       init=tenuto.Init"):
        Recurrent(cells.LSTM(), INPUT, HIDDEN, init="orthogonal")
