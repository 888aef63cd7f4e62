"""Recurrent dropout, zoneout and weight dropout: which masks are drawn, what they do to a layer, and what evaluation does instead."""

import pytest
import torch

from tenuto import Recurrent, cells
from tenuto.errors import ArgumentError
from tenuto.layers.masks import Regularisation, dropped
from tests.layers.closeness import assert_near

INPUT, HIDDEN, STEPS, ROWS = 3, 8, 6, 4


def drawn(cell, training=True, steps=50, rows=40, **chosen):
    regularisation = Regularisation.of(cell, chosen.get("dropout", 0.0), chosen.get("kind", "variational"), chosen.get("zoneout", 0.0))
    states = tuple(cell.widths("state"))
    return regularisation.draw(states, [HIDDEN] * len(states), torch.zeros(steps, rows, INPUT, dtype=torch.float64), rows, training)


def test_dropout_masks_keep_the_expected_value():
    whole = drawn(cells.LSTM(), dropout=0.25)["dropout_mask"]
    assert whole.shape == (1, 40, HIDDEN), "one mask for all steps"
    each = drawn(cells.LSTM(), dropout=0.25, kind="step")["dropout_mask"]
    assert each.shape == (50, 40, HIDDEN) and not torch.equal(each[0], each[1])
    for mask in (whole, each):
        assert mask.dtype == torch.float64
        assert set(mask.unique().tolist()) == {0.0, 1 / 0.75}
        assert abs(mask.mean().item() - 1) < 0.15
    assert drawn(cells.LSTM(), training=False, dropout=0.25) == {}
    assert not drawn(cells.GRU(), dropout=1.0)["dropout_mask"].any()


def test_zoneout_masks_are_drawn_in_training_and_expected_in_evaluation():
    masks = drawn(cells.LSTM(), zoneout={"c": 0.5, "h": 0.0})
    assert list(masks) == ["zoneout_c"]
    assert set(masks["zoneout_c"].unique().tolist()) == {0.0, 1.0} and abs(masks["zoneout_c"].mean().item() - 0.5) < 0.05
    expected = drawn(cells.LSTM(), training=False, zoneout=0.1)
    assert {name: (mask.shape[0], mask.unique().tolist()) for name, mask in expected.items()} == {
        "zoneout_h": (1, [0.1]), "zoneout_c": (1, [0.1]),
    }  # fmt: skip


@pytest.mark.parametrize("engine", ["auto", "reference"])
@pytest.mark.parametrize("kind", ["variational", "step"])
def test_recurrent_dropout_in_a_layer(kind, engine):
    """The layer equals the modified cell with the same masks, by hand; evaluation equals the plain layer."""
    cell = cells.GRU()
    layer = Recurrent(cell, INPUT, HIDDEN, recurrent_dropout=0.5, recurrent_dropout_kind=kind, engine=engine, dtype=torch.float64)
    x = torch.randn(STEPS, ROWS, INPUT, dtype=torch.float64)
    torch.manual_seed(3)
    output = layer(x).output
    torch.manual_seed(3)
    mask = layer.regularisation.draw(("h",), [HIDDEN], x, ROWS, True)["dropout_mask"]
    by_hand = Recurrent(cells.RecurrentDropout(cell=cell), INPUT, HIDDEN, dtype=torch.float64)
    by_hand.load_state_dict(layer.state_dict())
    assert_near(output, by_hand(x, streams={"dropout_mask": mask}).output)
    assert not torch.equal(layer(x).output, output)
    plain = Recurrent(cell, INPUT, HIDDEN, dtype=torch.float64)
    plain.load_state_dict(layer.state_dict())
    assert_near(layer.eval()(x).output, plain(x).output)
    output.sum().backward()
    assert layer.weight_hh_l0.grad.any()


def test_zoneout_in_a_layer():
    x = torch.randn(STEPS, ROWS, INPUT, dtype=torch.float64)
    frozen = Recurrent(cells.LSTM(), INPUT, HIDDEN, zoneout=1.0, dtype=torch.float64)
    state = [torch.randn(1, ROWS, HIDDEN, dtype=torch.float64) for _ in range(2)]
    for mode in (True, False):
        result = frozen.train(mode)(x, state)
        assert_near(result.state.h, state[0])
        assert_near(result.state.c, state[1])
    some = Recurrent(cells.Elman(), INPUT, HIDDEN, zoneout=0.5, dtype=torch.float64)
    outputs = some(x).output
    kept = outputs[1:] == outputs[:-1]
    assert 0.3 < kept.double().mean() < 0.7, "about half of the channels keep their value"
    plain = Recurrent(cells.Elman(), INPUT, HIDDEN, dtype=torch.float64)
    plain.load_state_dict(some.state_dict())
    assert_near(some.eval()(x[:1]).output, plain(x[:1]).output / 2)
    assert torch.equal(some(x).output, some(x).output)


def test_both_at_once_in_every_layer_and_direction():
    """With zoneout of 1 the state stays zero, in each layer and direction. With less, each draw gives another output, and only in valid steps."""
    x, lengths = torch.randn(STEPS, ROWS, INPUT), [6, 3, 0, 1]
    for zoneout in (0.2, 1.0):
        rates = {"recurrent_dropout": 0.3, "zoneout": zoneout, "weight_dropout": 0.2}
        layer = Recurrent(cells.ResetBeforeGRU(), INPUT, HIDDEN, 2, bidirectional=True, **rates)
        output = layer(x, lengths=lengths).output
        for row, length in enumerate(lengths):
            assert not output[length:, row].any() and bool(output[:length, row].any()) == (zoneout < 1 and length > 0)
        assert torch.equal(layer(x, lengths=lengths).output, output) == (zoneout == 1)
        output.square().sum().backward()
        assert all(parameter.grad.isfinite().all() and bool(parameter.grad.any()) == (zoneout < 1) for parameter in layer.parameters())


def test_weight_dropout_draws_one_mask_for_each_call():
    layer = Recurrent(cells.Elman("identity"), HIDDEN, HIDDEN, weight_dropout=0.5, dtype=torch.float64)
    with torch.no_grad():
        layer.weight_ih_l0.copy_(torch.eye(HIDDEN))
        layer.weight_hh_l0.fill_(0.01)
        layer.bias_l0.zero_()
    x = torch.zeros(3, HIDDEN, HIDDEN, dtype=torch.float64)
    x[0] = torch.eye(HIDDEN)  # row k of the batch starts as the unit vector k: step 1 shows U, step 2 shows U U
    output = layer(x).output
    dropped = output[1].t()
    assert set((dropped / 0.02).round().unique().tolist()) == {0.0, 1.0}
    assert_near(output[2].t(), dropped @ dropped)
    assert_near(layer.eval()(x).output[1], torch.full((HIDDEN, HIDDEN), 0.01, dtype=torch.float64))


@pytest.mark.parametrize(
    ("chosen", "words"),
    [
        ({"recurrent_dropout": 1.5}, "recurrent_dropout is 1.5"),
        ({"zoneout": -0.1}, "zoneout of h is -0.1"),
        ({"zoneout": {"k": 0.1}}, "zoneout names the state 'k'"),
        ({"recurrent_dropout_kind": "weekly"}, "expected  variational | step"),
        ({"weight_dropout": True}, "weight_dropout is True"),
        ({"dropout": "some"}, "expected  a rate from 0 to 1"),
    ],
)
def test_wrong_rates_are_named(chosen, words):
    with pytest.raises(ArgumentError, match=words):
        Recurrent(cells.LSTM(), INPUT, HIDDEN, **chosen)


def test_variational_dropout_between_layers_is_one_mask_for_all_steps():
    layer = Recurrent(cells.GRU(), INPUT, HIDDEN, 2, dropout=0.5, dropout_kind="variational", dtype=torch.float64)
    seen = []
    layer._before = lambda number, x: seen.append(x) or x
    layer(torch.randn(7, 3, INPUT, dtype=torch.float64))
    gone = seen[1] == 0
    assert gone.any() and not gone.all()
    assert torch.equal(gone, gone[:1].expand_as(gone)), "the same channels at each step"
    assert not torch.equal(gone[0, 0], gone[0, 1]) or not torch.equal(gone[0, 0], gone[0, 2]), "other channels in each sequence"
    torch.testing.assert_close(dropped(torch.ones(1, 200, 50), 0.25, "variational").mean(), torch.tensor(1.0), atol=0.02, rtol=0)
    with pytest.raises(ArgumentError, match="dropout_kind is 'sometimes'"):
        Recurrent(cells.GRU(), INPUT, HIDDEN, dropout_kind="sometimes")
