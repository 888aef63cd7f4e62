"""Units taken away from layers and modules: where nothing reads them, nothing changes; for every cell, any layers and directions, and plain modules of torch."""

import copy

import pytest
import torch
from torch import nn

import tenuto
from tenuto import Recurrent, cells
from tenuto.cell import Cell, State
from tenuto.compress.following import follow
from tenuto.compress.module import with_fewer_units
from tenuto.compress.narrowing import Cut, narrowed
from tenuto.errors import ArgumentError
from tests.random_cells import random_cell
from tests.zoo import LAYER_CELLS

pytestmark = pytest.mark.usefixtures("reference_engine")

UNITED = {name: cell for name, cell in LAYER_CELLS.items() if name != "layer_norm"}


class Tagged(nn.Module):
    """A recurrent layer, read at each step and at the end, with the state it ends in."""

    def __init__(self, layer, width, streams=None):
        super().__init__()
        self.streams = streams
        self.layer, self.step, self.end = layer, nn.Linear(width, 3), nn.Linear(2 * width, 2)

    def forward(self, x):
        output, state = self.layer(x) if self.streams is None else self.layer(x, streams={name: value.to(x) for name, value in self.streams.items()})
        return self.step(output), self.end(torch.cat([output.mean(0), output.amax(0)], -1)), state


def unread(module, x, count):
    """The module in float64, with `count` units of each layer and direction, drawn, that nothing reads; and the cut that takes just these away."""
    whole = copy.deepcopy(module).double()
    following, _ = follow(whole, (x,))
    gone = set()
    for layer in following.layers.values():
        for row in layer.units:
            if gone.intersection(following.channels.roots(row).tolist()):
                continue  # by a residual, units of one place in all layers go together
            for head in row.chunk(layer.heads):
                gone.update(following.channels.root(number) for number in head[torch.randperm(len(head))[: count // layer.heads]].tolist())
    return whole, Cut(following, frozenset(gone))


LAYOUTS = [(1, False, {}), (2, True, {"learned_state": True}), (3, False, {"residual": True, "bias": False})]
EVERY = [pytest.param(name, seed, marks=[] if place % 3 == seed else pytest.mark.slow) for place, name in enumerate(UNITED) for seed in range(3)]  # each cell with one of them, and with all


@pytest.mark.parametrize(("name", "seed"), EVERY)
def test_what_nothing_reads_changes_nothing(name, seed):
    torch.manual_seed(seed)
    layers, bidirectional, options = LAYOUTS[seed]
    layer = Recurrent(UNITED[name], 3, 8, layers, bidirectional=bidirectional, **options)
    for parameter in layer.parameters():
        nn.init.normal_(parameter, std=0.5)
    module, x = Tagged(layer, layer.output_width * layer.directions), torch.randn(7, 2, 3, dtype=torch.float64)
    smaller = with_fewer_units(module, x, units=0.5)  # checks itself that it says the same, in float64
    assert smaller.layer.hidden_size == 4
    silent, cut = unread(module, x, 4)
    with torch.no_grad():  # nothing reads the units: written here without the library's own list of what does
        for number, (_, ending) in enumerate(cut.following.layers["layer"].places):
            away = ~cut.units(cut.following.layers["layer"], number)
            _forget(silent, cut.following.layers["layer"].places, number, ending, away)
    expected, received = silent(x), narrowed(silent, cut)(x)
    for one, other in zip(expected[:2], received[:2]):
        torch.testing.assert_close(one, other, rtol=1e-10, atol=1e-12)
    for state, wide, narrow in zip(layer.cell.widths("state"), expected[2], received[2]):
        if layer.cell.widths("state")[state] == "H":
            kept = torch.stack([wide[row][:, cut.units(cut.following.layers["layer"], row)] for row in range(len(wide))])
            torch.testing.assert_close(kept, narrow, rtol=1e-10, atol=1e-12)
        else:
            torch.testing.assert_close(wide, narrow, rtol=1e-10, atol=1e-12)


def _forget(module, places, number, ending, away):
    """Set to zero whatever reads the units `away` [H] of one layer and direction."""
    layer = module.layer
    cell, (height, _) = layer.cell, places[number]
    for name, weight in layer.named_parameters():
        if name.endswith(ending) and (name.startswith("weight_hh") or (name.startswith("weight_") and not name.startswith("weight_ih"))):
            if cell.heads > 1:
                blocks = weight.view(-1, cell.heads, 8 // cell.heads, 8 // cell.heads)
                blocks *= (~away).view(1, cell.heads, 1, -1)
            elif weight.shape[1] == 8:
                weight[:, away] = 0
    if layer.output_width != 8:
        return  # what stands behind the layer reads its projection
    first = 8 * (ending.endswith("reverse"))
    whole = torch.zeros(8 * layer.directions, dtype=torch.bool)
    whole[first : first + 8] = away
    last = height == layer.num_layers - 1
    above = [weight for name, weight in layer.named_parameters() if name.startswith(f"weight_ih_l{height + 1}")]
    for weight in above:
        weight[:, whole] = 0
    if last or layer.residual:
        module.step.weight[:, whole] = 0
        module.end.weight[:, whole.repeat(2)] = 0
    if layer.residual:  # one layer's units go on to all above it
        for name, weight in layer.named_parameters():
            if name.startswith("weight_ih") and not name.startswith("weight_ih_l0"):
                weight[:, whole] = 0


@pytest.mark.parametrize("seed", [seed if seed % 3 == 0 else pytest.param(seed, marks=pytest.mark.slow) for seed in range(40)])
def test_random_cells(seed):
    """A cell that runs over its units is refused with that reason; of any other, what is left says the same: `with_fewer_units` checks it."""
    torch.manual_seed(seed)
    cell = random_cell(seed)
    layer = Recurrent(cell, 3, 8)
    streams = {name: torch.randn(5, 2, 8 if width == "H" else width) for name, width in cell.widths("streams").items()} or None
    module, x = Tagged(layer, layer.output_width, streams), torch.randn(5, 2, 3)
    try:
        smaller = with_fewer_units(module, x)
    except ArgumentError as error:
        given = "is given has a channel for each" in str(error) and "H" in cell.widths("streams").values()
        across = any(word in type(cell).__doc__ for word in ("norm", "softmax", "mean", "sum", "amax", "amin", "any", "share"))
        assert given or (across and "over its units in each step" in str(error)), error
    else:
        assert smaller.layer.hidden_size == 4


@pytest.mark.filterwarnings("ignore:LSTM with projections is not supported with oneDNN")
@pytest.mark.parametrize("kind", ["LSTM", "GRU", "RNN"])
@pytest.mark.parametrize("library", [nn, tenuto], ids=["torch", "tenuto"])
@pytest.mark.parametrize("options", [{}, {"num_layers": 2, "bidirectional": True, "batch_first": True}, {"proj_size": 3}], ids=["one", "many", "projection"])
def test_layers_as_torch_has_them(library, kind, options):
    if kind != "LSTM" and "proj_size" in options:
        return
    torch.manual_seed(0)
    layer = getattr(library, kind)(3, 8, **options)
    width = options.get("proj_size", 8) * (2 if options.get("bidirectional") else 1)
    smaller = with_fewer_units(Tagged(layer, width), torch.randn(5, 2, 3))
    assert smaller.layer.hidden_size == 4 and smaller.layer.weight_hh_l0.shape == ((4 if kind == "LSTM" else 3 if kind == "GRU" else 1) * 4, options.get("proj_size", 4))
    assert smaller.layer.input_size == 3 and type(smaller.layer) is type(layer)
    if options.get("num_layers") == 2:
        assert smaller.layer.weight_ih_l1.shape[1] == 8  # the second layer is cut too, and what it reads: Torch-Pruning cuts neither
        assert smaller.step.in_features == 8
    smaller(torch.randn(5, 2, 3))[0].sum().backward()  # an ordinary module, which learns
    assert smaller.layer.weight_hh_l0.grad.abs().sum() > 0


def test_all_gates_of_a_unit_go_together():
    """torch's own pruner masks each gate by itself, and Torch-Pruning cuts all rows by the numbers of one gate: then units no longer line up."""
    torch.manual_seed(0)
    layer = nn.LSTM(3, 4)
    with torch.no_grad():
        layer.weight_hh_l0[:, 2] = 0  # nothing reads unit 2 inside
    module = Tagged(layer, 4)
    with torch.no_grad():
        module.step.weight[:, 2], module.end.weight[:, [2, 6]] = 0, 0
    smaller = with_fewer_units(module, torch.randn(5, 2, 3), units=0.75)
    rows = [4 * gate + unit for gate in range(4) for unit in (0, 1, 3)]
    assert torch.equal(smaller.layer.weight_ih_l0, layer.weight_ih_l0[rows]) and torch.equal(smaller.layer.weight_hh_l0, layer.weight_hh_l0[rows][:, [0, 1, 3]])
    assert torch.equal(smaller.layer.bias_hh_l0, layer.bias_hh_l0[rows])
    x = torch.randn(6, 2, 3)
    for one, other in zip(module(x)[:2], smaller(x)[:2]):
        torch.testing.assert_close(one, other)
    assert torch.equal(smaller(x)[2][1], module(x)[2][1][..., [0, 1, 3]]) or torch.allclose(smaller(x)[2][1], module(x)[2][1][..., [0, 1, 3]])


def test_taylor_keeps_what_the_loss_needs():
    torch.manual_seed(0)
    module, x = Tagged(Recurrent(cells.GRU(), 3, 8), 8), torch.randn(7, 16, 3)
    with torch.no_grad():  # the answer at each step is all that counts, and comes from units 1 and 6 alone
        module.step.weight[:, [0, 2, 3, 4, 5, 7]] = 0
        module.layer.weight_hh_l0[:, [0, 2, 3, 4, 5, 7]] = 0
    target = module(x)[0].detach() + 0.1
    smaller = with_fewer_units(module, x, units=0.25, score="taylor", losses=lambda network: [((network(part)[0] - goal) ** 2).mean() for part, goal in zip(x.split(4, 1), target.split(4, 1))])
    torch.testing.assert_close(smaller(x)[0], module(x)[0])


class Summed(nn.Module):
    """Two layers whose outputs are added, a table that is also the last map, and an attention of one to the other."""

    def __init__(self, kind):
        super().__init__()
        self.kind, self.table = kind, nn.Embedding(9, 6)
        self.first, self.second = tenuto.GRU(6, 6), Recurrent(cells.LSTM(), 6, 6)
        self.norm = nn.LayerNorm(6) if kind == "normalised" else nn.Identity()
        self.after = nn.Linear(6, 9)
        if kind == "tied":
            self.after.weight = self.table.weight

    def forward(self, tokens):
        x = self.table(tokens)
        one = self.first(x)[0]
        other = self.second(one if self.kind == "stacked" else x)[0]
        if self.kind == "attention":
            other = torch.softmax(one.transpose(0, 1) @ other.permute(1, 2, 0), -1) @ one.transpose(0, 1)
            return self.after(other)
        both = one * other if self.kind == "multiplied" else one + other
        return self.after(self.norm(both))


@pytest.mark.parametrize("kind", ["added", "multiplied", "stacked", "tied", "attention"])
def test_what_belongs_together_goes_together(kind):
    torch.manual_seed(0)
    module, tokens = Summed(kind), torch.randint(9, (5, 2))
    smaller = with_fewer_units(module, tokens)
    assert (smaller.first.hidden_size, smaller.second.hidden_size, smaller.after.in_features) == (3, 3, 3)
    assert smaller.table.embedding_dim == (3 if kind == "tied" else 6) and (smaller.after.weight is smaller.table.weight) == (kind == "tied")
    assert sum(p.numel() for p in smaller.parameters()) < 0.7 * sum(p.numel() for p in module.parameters())  # Torch-Pruning#276: of the same size
    assert module.first.hidden_size == 6


class Shared(Cell):
    gates = "a"
    state = "h"

    def step(self, x, U, s):
        return State(h=torch.tanh(x.a + (U.a @ s.h) / s.h.abs().sum(-1, keepdim=True)))


REFUSED = {
    "layer norm of a cell": (lambda: Tagged(Recurrent(cells.LayerNormLSTM(), 3, 4), 4), "LayerNormLSTM takes the mean over its units"),
    "own cell": (lambda: Tagged(Recurrent(Shared(), 3, 4), 4), "Shared takes the sum over its units"),
    "layer norm between layers": (lambda: Tagged(Recurrent(cells.LSTM(), 3, 4, 2, layer_norm=True), 4), "a normalisation over them"),
    "residual to the input": (lambda: Tagged(Recurrent(cells.LSTM(), 3, 3, residual=True), 3), "whose channels stay"),
    "softmax": (lambda: nn.Sequential(nn.GRU(3, 4), First(), nn.Softmax(-1)), "softmax runs over them"),
    "nothing": (lambda: nn.Linear(3, 3), "no recurrent layer"),
    "widths in the code": (lambda: Halves(), "cannot run with fewer units"),
}  # fmt: skip


class First(nn.Module):
    def forward(self, pair):
        return pair[0]


class Halves(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer, self.after = nn.GRU(3, 4), nn.Linear(4, 2)

    def forward(self, x):
        return self.after(self.layer(x)[0].reshape(-1, 4))


@pytest.mark.parametrize("name", REFUSED)
def test_refused_by_name(name):
    make, words = REFUSED[name]
    with pytest.raises(ArgumentError, match=words):
        with_fewer_units(make(), torch.randn(5, 2, 3))


def test_options_out_of_range():
    layer, x = tenuto.LSTM(3, 4), torch.zeros(2, 1, 3)
    for options, words in [({"units": 0}, "units"), ({"units": 1.5}, "units"), ({"score": "random"}, "random"), ({"score": "taylor"}, "loss"), ({"layers": ["other"]}, "other")]:
        with pytest.raises(ArgumentError, match=words):
            with_fewer_units(layer, x, **options)


def test_heads_keep_equally_many():
    torch.manual_seed(0)
    with pytest.raises(ArgumentError, match="whose channels stay|units"):
        with_fewer_units(Recurrent(cells.LSTM(), 4, 4, residual=True), torch.zeros(2, 1, 4))
    smaller = with_fewer_units(Recurrent(cells.LSTM(heads=4), 3, 8), torch.randn(2, 1, 3), units=0.4)
    assert smaller.hidden_size == 4 and smaller.weight_hh_l0.shape == (16, 1)


def test_a_residual_that_would_begin_elsewhere_is_refused():
    with pytest.raises(ArgumentError, match="residual"):
        with_fewer_units(Tagged(Recurrent(cells.LSTM(), 4, 8, residual=True), 8), torch.randn(5, 2, 4))
