"""Recomputed time: the same results and gradients, and what is kept is counted."""

import math
from itertools import chain

import pytest
import torch
from torch.nn.utils.rnn import pack_padded_sequence

from tenuto import GRU, LSTM, Recurrent, cells
from tenuto.errors import ArgumentError
from tests.zoo import CELLS, LAYER_CELLS

pytestmark = pytest.mark.usefixtures("reference_engine")

STEPS, ROWS = 11, 4
LENGTHS = [11, 3, 0, 7]


def both(layer, x, every, **given):
    """Output, states, gradients of weights, x and state, without and with segments."""
    found = []
    for steps in (None, every):
        layer.checkpoint_every = steps
        leaves = [x.data if hasattr(x, "batch_sizes") else x, *given.get("state", ()), *layer.parameters()]
        for leaf in leaves:
            leaf.requires_grad_()
        output, state = layer(x, *([tuple(given["state"])] if "state" in given else []), **{name: value for name, value in given.items() if name != "state"})
        rows = output.data if hasattr(output, "batch_sizes") else output
        ends = [rows, *(state if isinstance(state, tuple) else (state,))]
        chance = torch.Generator().manual_seed(5)
        loss = sum((end * torch.randn(end.shape, generator=chance, dtype=end.dtype)).sum() for end in ends)
        found.append((*ends, *torch.autograd.grad(loss, leaves, materialize_grads=True)))  # a state that is given leaves the learned one without
    return found


def same(found, tolerance=1e-13):
    for whole, cut in zip(*found, strict=True):
        torch.testing.assert_close(cut, whole, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize(("name", "every"), [*((name, 4) for name in LAYER_CELLS), ("lstm", 1), ("lstm", 11), ("projection", 1), ("highway", 11)])
def test_every_cell(name, every):
    layer = Recurrent(CELLS[name], 3, 6).double()
    same(both(layer, torch.randn(STEPS, ROWS, 3, dtype=torch.float64), every))


@pytest.mark.parametrize("options", [{"reverse": True}, {"bidirectional": True, "num_layers": 2}, {"learned_state": True}, {"num_layers": 2, "residual": True, "layer_norm": True, "dropout": 0.0}])
@pytest.mark.parametrize("lengths", [None, LENGTHS])
@pytest.mark.parametrize("resets", [False, True])
def test_lengths_states_resets_and_directions(options, lengths, resets):
    layer = Recurrent(cells.LSTM(), 3, 6, **options).double()
    x = torch.randn(STEPS, ROWS, 3, dtype=torch.float64)
    given = {"resets": torch.rand(STEPS, ROWS) < 0.4} if resets else {}
    if lengths is not None:
        x = torch.where(torch.arange(STEPS)[:, None, None] < torch.tensor(lengths)[:, None], x, 0)  # compared with, padding has gradient zero
        given["lengths"] = lengths
    state = [torch.randn(layer.num_layers * layer.directions, ROWS, 6, dtype=torch.float64) for _ in "hc"]
    same(both(layer, x, 3, **given))
    same(both(layer, x, 3, state=state, **given))


@pytest.mark.parametrize("options", [{"reverse": True}, {"bidirectional": True}, {}])
def test_packed_sequences(options):
    layer = Recurrent(cells.GRU(), 3, 6, **options).double()
    packed = pack_padded_sequence(torch.randn(STEPS, ROWS, 3, dtype=torch.float64), torch.tensor([11, 3, 1, 7]), enforce_sorted=False)
    same(both(layer, packed, 4, resets=torch.rand(STEPS, ROWS) < 0.4))


@pytest.mark.parametrize("kind", [LSTM, GRU])
def test_the_layers_of_torch(kind):
    layer = kind(3, 5, num_layers=2, bidirectional=True).double()
    same(both(layer, torch.randn(STEPS, ROWS, 3, dtype=torch.float64), 3))


def test_masks_are_those_of_the_first_run():
    layer = Recurrent(cells.LSTM(), 3, 6, recurrent_dropout=0.5, zoneout=0.3, weight_dropout=0.2).double()
    x = torch.randn(STEPS, ROWS, 3, dtype=torch.float64)
    found = []
    for every in (None, 4):
        layer.checkpoint_every = every
        torch.manual_seed(1)
        output = layer(x).output
        found.append((output, *torch.autograd.grad(output.square().sum(), list(layer.parameters()))))
    same(found)


@pytest.mark.cpp
@pytest.mark.parametrize("name", ["lstm", "gru", "layer_norm"])
@pytest.mark.parametrize("lengths", [None, LENGTHS])
def test_the_compiled_loop(name, lengths):
    """Outputs, states and what goes back through time have the same bits; the weights' gradients are the same sums in another order."""
    layer = Recurrent(CELLS[name], 3, 8, engine="cpp")
    x = torch.randn(STEPS, ROWS, 3)
    whole, cut = both(layer, x, 4, **({} if lengths is None else {"lengths": lengths}))
    states = len(cells_of(layer))
    for one, other in zip(whole[: 2 + states], cut[: 2 + states], strict=True):
        assert torch.equal(one, other)
    same((whole, cut), 2e-6)


def cells_of(layer):
    return layer.cell.widths("state")


def test_narrow_numbers_are_not_rounded_at_the_borders():
    layer = Recurrent(cells.LSTM(), 3, 6).bfloat16()
    x = torch.randn(STEPS, ROWS, 3).bfloat16()
    whole = layer(x)
    layer.checkpoint_every = 3
    for one, other in zip((whole.output, *whole.state), (lambda found: (found.output, *found.state))(layer(x)), strict=True):
        assert torch.equal(one, other) and other.dtype == torch.bfloat16
    layer, found = layer.float(), []
    for every, narrow_way_back in ((None, False), (3, False), (3, True)):
        layer.checkpoint_every = every
        with torch.autocast("cpu", torch.bfloat16):
            output = layer(x.float()).output
        assert output.dtype == torch.bfloat16
        with torch.autocast("cpu", torch.bfloat16, enabled=narrow_way_back):
            found.append((output, *torch.autograd.grad(output.float().square().sum(), list(layer.parameters()))))
    same(found[:2], 1e-5)
    same(found[1:], 1e-5)


def test_penalties_on_gradients():
    layer = Recurrent(cells.GRU(), 2, 3).double()
    x = torch.randn(6, 2, 2, dtype=torch.float64, requires_grad=True)
    found = []
    for every in (None, 2):
        layer.checkpoint_every = every
        (first,) = torch.autograd.grad(layer(x).output.square().sum(), x, create_graph=True)
        found.append((first, *torch.autograd.grad(first.square().sum(), list(layer.parameters()))))
    same(found, 1e-11)


def kept(layer, x):
    """How many numbers autograd keeps of a run, beside x, weights and what comes out."""
    held = {}

    def hold(tensor):
        held[tensor.untyped_storage().data_ptr()] = tensor
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(hold, lambda tensor: tensor):
        output, state = layer(x)
    known = {tensor.untyped_storage().data_ptr() for tensor in chain((x, output, *state), layer.parameters())}
    return sum(tensor.untyped_storage().nbytes() // tensor.element_size() for address, tensor in held.items() if address not in known)


def test_what_is_kept_are_the_states_at_the_borders():
    layer = Recurrent(cells.LSTM(), 3, 5)
    x = torch.randn(100, 2, 3)
    layer.checkpoint_every = 10
    states = 2 * 2 * 5  # h and c, of two rows
    assert kept(layer, x) <= 10 * states
    layer.checkpoint_every = None
    assert kept(layer, x) > 100 * states


@pytest.mark.cpp
def test_memory_grows_with_the_root_of_the_steps():
    """What is kept, and what one segment keeps while it runs again: together 2 sqrt(T), where a whole run keeps T."""
    layer, sizes = Recurrent(cells.LSTM(), 3, 8, engine="cpp"), {}
    for steps in (64, 256, 1024):
        segment = math.isqrt(steps)
        layer.checkpoint_every = segment
        borders = kept(layer, torch.randn(steps, 2, 3))
        layer.checkpoint_every = None
        sizes[steps] = borders + kept(layer, torch.randn(segment, 2, 3))
    assert sizes[256] < 2.3 * sizes[64] and sizes[1024] < 2.3 * sizes[256]


def test_more_steps_than_16_bits_can_count():
    layer = Recurrent(cells.IndRNN(), 1, 2, checkpoint_every=8192)
    x = torch.zeros(70_000, 1, 1)
    x[0] = 1.0
    layer.engine = "auto"
    output = layer(x).output
    assert output.shape == (70_000, 1, 2)
    output[-1].sum().backward()
    assert torch.isfinite(layer.weight_ih_l0.grad).all()


def test_what_is_wrong_is_said_in_words():
    with pytest.raises(ArgumentError, match=r"checkpoint_every is 0\.\n  expected  a number of steps from 1"):
        Recurrent(cells.GRU(), 2, 3, checkpoint_every=0)
    layer = Recurrent(cells.GRU(), 2, 3, checkpoint_every=12)
    assert "checkpoint_every=12" in repr(layer)
    with pytest.raises(ArgumentError, match=r"Recurrent\(GRU\): checkpoint_every is 12, and the sequences have 11 steps\.\n  expected  1 to 11, best near 3"):
        layer(torch.randn(11, 2, 2))
    lstm = LSTM(2, 3)
    lstm.checkpoint_every = "x"
    with pytest.raises(ArgumentError, match="checkpoint_every is 'x'"):
        lstm(torch.randn(4, 2, 2))


def test_in_a_graph_of_torch_the_layer_is_one_operation_that_keeps_every_step():
    torch.manual_seed(0)
    layer, x, graphs = Recurrent(cells.GRU(), 3, 4, checkpoint_every=3, engine="reference"), torch.randn(12, 2, 3, requires_grad=True), []

    def backend(graph, given):
        graphs.append(graph)
        return graph.forward

    torch.compile(layer, backend=backend)(x).output.sum().backward()
    found = [weight.grad.clone() for weight in layer.parameters()]
    layer.zero_grad()
    layer(x).output.sum().backward()
    assert len(graphs) == 1
    for one, weight in zip(found, layer.parameters()):
        torch.testing.assert_close(one, weight.grad)
