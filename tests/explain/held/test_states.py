"""States and gates: equal to the equations written out, to the layer's own output bit for bit; lengths, company, packing, stacks, directions; nothing is left."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

import tenuto
from tenuto import Recurrent, cells
from tenuto.cell import Cell, State
from tenuto.explain import Held, states
from tenuto.explain.held import HeldLayer
from tenuto.layers.functional import recurrent
from tests.explain.models import Words, fitted
from tests.tasks.launched import TASKS
from tests.zoo import LAYER_CELLS, Leaking

pytestmark = pytest.mark.usefixtures("reference_engine")


def same(found, expected, rtol=1e-12, atol=1e-12):
    np.testing.assert_allclose(found, expected, rtol=rtol, atol=atol)


def lstm_by_hand(layer: nn.LSTM, x: torch.Tensor) -> dict[str, torch.Tensor]:
    """torch.nn.LSTM's documented equations, one layer and direction."""
    h, c = (torch.zeros(x.shape[1], layer.hidden_size, dtype=x.dtype) for _ in "hc")
    rows = {name: [] for name in ("i", "f", "g", "o", "h", "c")}
    for x_t in x:
        parts = (x_t @ layer.weight_ih_l0.T + layer.bias_ih_l0 + h @ layer.weight_hh_l0.T + layer.bias_hh_l0).chunk(4, -1)
        i, f, o = (1 / (1 + torch.exp(-parts[place])) for place in (0, 1, 3))
        g = torch.tanh(parts[2])
        c = f * c + i * g
        h = o * torch.tanh(c)
        for name, value in zip(rows, (i, f, g, o, h, c)):
            rows[name].append(value)
    return {name: torch.stack(values).detach() for name, values in rows.items()}


def gru_by_hand(layer: nn.GRU, x: torch.Tensor) -> dict[str, torch.Tensor]:
    """torch.nn.GRU's documented equations."""
    h = torch.zeros(x.shape[1], layer.hidden_size, dtype=x.dtype)
    rows = {name: [] for name in ("r", "z", "n", "h")}
    for x_t in x:
        from_x = (x_t @ layer.weight_ih_l0.T + layer.bias_ih_l0).chunk(3, -1)
        from_h = (h @ layer.weight_hh_l0.T + layer.bias_hh_l0).chunk(3, -1)
        r, z = (1 / (1 + torch.exp(-(from_x[place] + from_h[place]))) for place in (0, 1))
        n = torch.tanh(from_x[2] + r * from_h[2])
        h = (1 - z) * n + z * h
        for name, value in zip(rows, (r, z, n, h)):
            rows[name].append(value)
    return {name: torch.stack(values).detach() for name, values in rows.items()}


@pytest.mark.parametrize("kind, by_hand", [("LSTM", lstm_by_hand), ("GRU", gru_by_hand)])
@pytest.mark.parametrize("ours", [False, True])
def test_states_and_gates_are_those_of_the_equations(kind, by_hand, ours):
    torch.manual_seed(1)
    theirs = getattr(nn, kind)(3, 5).double().eval()
    layer = theirs
    if ours:
        layer = getattr(tenuto, kind)(3, 5).double().eval()
        layer.load_state_dict(theirs.state_dict())
    x = 3 * torch.randn(9, 4, 3, dtype=torch.float64)
    expected = by_hand(theirs, x)
    held = states(layer, x)
    assert isinstance(held, Held) and isinstance(held[0], HeldLayer) and len(held) == 1 and held.names == ("0", "1", "2", "3")
    found = {**held[0].states, **held[0].gates}
    assert set(found) == set(expected)
    for name, values in expected.items():
        for row in range(4):
            same(found[name][row], values[:, row])


@pytest.mark.parametrize("name", LAYER_CELLS)
def test_every_cell_holds_its_output_bit_for_bit(name):
    torch.manual_seed(0)
    layer = Recurrent(LAYER_CELLS[name], 3, 6, bidirectional=True).eval()
    x = torch.randn(7, 3, 3)
    with torch.no_grad():
        output, final = layer(x)
    held = states(layer, x)
    assert [one.reverse for one in held] == [False, True]
    for row in range(3):
        assert np.array_equal(np.concatenate([one.output[row] for one in held], axis=1), output[:, row].numpy())
        for direction, one in enumerate(held):
            assert set(one.gates) >= set(LAYER_CELLS[name].widths("gates"))
            assert np.array_equal(one.states[one.output_state][row], one.output[row])
            for state, values in one.states.items():  # the state after the last step, in the order in which the layer reads
                same(values[row][0 if one.reverse else -1], getattr(final, state)[direction, row], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("activations", ["int8", "static-int16"])
def test_a_layer_that_multiplies_whole_numbers_holds_its_output(activations):
    torch.manual_seed(0)
    x = torch.randn(7, 3, 4)
    layer = tenuto.compress(tenuto.GRU(4, 6).eval(), activations=activations, calibrate=None if activations == "int8" else [x])
    layer.engine = "reference"
    held = states(layer, x)[0]
    for row, values in enumerate(layer(x)[0].unbind(1)):
        assert np.array_equal(held.states["h"][row], values.detach().numpy())
        r, z, n = (held.gates[name][row] for name in "rzn")
        same(np.diff(held.states["h"][row], axis=0), ((1 - z) * (n - np.vstack([0 * n[:1], held.states["h"][row][:-1]])))[1:], rtol=1e-5, atol=1e-6)
        assert r.min() > 0


class Normed(Cell):
    """Gates as people write them: a softmax, a clipped line, a rate; a candidate that is never bent; an output that is no state."""

    gates = "i g a k"
    state = "c"
    parameters = "w"

    def step(self, x, U, s):
        i = torch.softmax(self.p.w * (x.i + U.i @ s.c), -1)
        k = torch.clamp(0.2 * x.k + 0.5, 0, 1)
        a = torch.exp(-torch.relu(x.a + s.c))
        return State(c=a * s.c + k * i * x.g)

    def output(self, s):
        return torch.tanh(s.c)


def test_gates_of_a_cell_of_one_s_own():
    torch.manual_seed(2)
    layer = Recurrent(Normed(), 2, 4).double().eval()
    with torch.no_grad():
        layer.w_l0.normal_()
    x = torch.randn(6, 2, 2, dtype=torch.float64)
    held = states(layer, x)[0]
    assert held.output_state is None and {name: held.ranges[name] for name in "iak"} == dict.fromkeys("iak", (0.0, 1.0))
    assert held.ranges["g"] == (-np.inf, np.inf) and list(held.openness) == ["i", "a", "k"]
    row, before = 1, np.zeros(4)
    for t in range(6):
        i, g, a, k = ((x[t, row] @ layer.weight_ih_l0.T + layer.bias_l0).detach().numpy()).reshape(4, 4)
        own = layer.weight_hh_l0.detach().numpy() @ before
        powers = np.exp(layer.w_l0.detach().numpy() * (i + own))
        expected = {"i": powers / powers.sum(), "g": g, "a": np.exp(-np.maximum(a + before, 0)), "k": np.clip(0.2 * k + 0.5, 0, 1)}
        for name, values in expected.items():
            same(held.gates[name][row][t], values)
        before = expected["a"] * before + expected["k"] * expected["i"] * g
        same(held.states["c"][row][t], before)
        same(held.output[row][t], np.tanh(before))


@pytest.mark.parametrize("name, gates", [("peephole", "i f g o"), ("layer_norm", "i f g o"), ("highway", "n t n2 t2 n3 t3"), ("ind_rnn", "h"), ("reset_before", "r z n")])
def test_gates_are_named_and_bounded(name, gates):
    held = states(Recurrent(LAYER_CELLS[name], 2, 4).eval(), torch.randn(5, 1, 2))[0]
    assert list(held.gates) == gates.split()
    for gate in gates.split():
        bounds = (0.0, np.inf) if name == "ind_rnn" else (-1.0, 1.0) if gate[0] in "gn" else (0.0, 1.0)
        assert held.ranges[gate] == bounds, gate


def test_streams_and_resets_belong_to_the_step():
    class Timed(nn.Module):
        def __init__(self):
            super().__init__()
            torch.manual_seed(0)
            self.layer = Recurrent(Leaking(), 2, 3).double()

        def forward(self, x):
            dt = x[..., :1].abs()
            resets = torch.arange(len(x))[:, None].expand(x.shape[:2]) == 3
            return self.layer(x, streams={"dt": dt}, resets=resets)[0]

    model, x = Timed().eval(), torch.randn(6, 2, 2, dtype=torch.float64)
    held = states(model, x)["layer"]
    for row in range(2):
        assert np.array_equal(held.states["h"][row], model(x)[:, row].detach().numpy())
    layer, before = model.layer, torch.zeros(3, dtype=torch.float64)
    for t in range(6):
        before = torch.zeros_like(before) if t == 3 else before
        gate = torch.tanh(layer.weight_ih_l0 @ x[t, 0] + layer.bias_l0 + layer.weight_hh_l0 @ before)
        same(held.gates["h"][0][t], gate.detach())
        kept = torch.exp(-x[t, 0, 0].abs())
        before = kept * before + (1 - kept) * gate
    assert "dt" not in held.states


class Packs(nn.Module):
    """A model that packs its batch in an order of its own, and pools what is there."""

    def __init__(self, kind=nn.LSTM, **options):
        super().__init__()
        torch.manual_seed(0)
        self.body = kind(3, 4, bidirectional=True, num_layers=2, **options)
        self.head = nn.Linear(8, 3)

    def forward(self, x, lengths):
        packed = pack_padded_sequence(x, lengths.cpu(), enforce_sorted=False)
        output, _ = pad_packed_sequence(self.body(packed)[0], total_length=len(x))
        return self.head(output.sum(0))


@pytest.mark.parametrize("kind", [nn.LSTM, nn.GRU, nn.RNN, tenuto.LSTM])
def test_a_model_that_packs_is_told_apart_row_by_row(kind):
    model = Packs(kind).double().eval()
    items = [torch.randn(length, 3, dtype=torch.float64) for length in (4, 7, 2)]
    held = states(model, items)
    assert [one.name for one in held] == ["body, layer 0", "body, layer 0, reverse", "body, layer 1", "body, layer 1, reverse"]
    for row, item in enumerate(items):
        output = model.body(item[:, None])[0][:, 0].detach()
        assert [len(one.output[row]) for one in held] == [len(item)] * 4
        same(np.concatenate([held[2].output[row], held[3].output[row]], axis=1), output)
    assert held.answers == [[str(int(model(item[:, None], torch.tensor([len(item)])).argmax()))] for item in items]


@pytest.mark.parametrize("kind", [nn.LSTM, nn.GRU, nn.RNN])
def test_torch_s_stacks_give_what_they_give_layer_by_layer(kind):
    torch.manual_seed(0)
    layer = kind(3, 5, 2, bidirectional=True, batch_first=True).eval()
    x = torch.randn(4, 6, 3)
    with torch.no_grad():  # with gradients torch takes another kernel, which rounds differently
        output = layer(x)[0].numpy()
    held = states(layer, x)
    for row in range(4):
        assert np.array_equal(np.concatenate([held[2].output[row], held[3].output[row]], axis=1), output[row])
        same(held[2].read[row], np.concatenate([held[0].output[row], held[1].output[row]], axis=1), atol=1e-7)


def test_projections_and_no_bias():
    torch.manual_seed(0)
    layer = nn.LSTM(3, 6, proj_size=2, bias=False).double().eval()
    x = torch.randn(5, 2, 3, dtype=torch.float64)
    output, (h, c) = layer(x)
    held = states(layer, x)[0]
    assert held.states["h"][0].shape == (5, 2) and held.states["c"][0].shape == (5, 6)
    same(held.states["c"][1][-1], c[0, 1].detach())
    assert np.array_equal(held.states["h"][1], output[:, 1].detach().numpy())


class Steps(nn.Module):
    """A loop of the user's over one of torch's cells."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.cell = nn.LSTMCell(3, 4)

    def forward(self, x):
        h = c = x.new_zeros(x.shape[1], 4)
        outputs = []
        for x_t in x:
            h, c = self.cell(x_t, (h, c))
            outputs.append(h)
        return torch.stack(outputs)


def test_a_loop_over_a_cell_is_one_layer():
    model, x = Steps().double().eval(), torch.randn(6, 2, 3, dtype=torch.float64)
    held = states(model, x)
    assert [one.name for one in held] == ["cell"]
    expected = model(x).detach().numpy()
    for row in range(2):
        assert np.array_equal(held[0].states["h"][row], expected[:, row])
    assert held[0].gates["f"][0].shape == (6, 4)


def test_a_layer_that_is_called_twice_has_two_names():
    class Twice(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.GRU(3, 3)

        def forward(self, x):
            return self.layer(self.layer(x)[0] + 1)[0]

    model, x = Twice().eval(), torch.randn(4, 2, 3)
    held = states(model, x)
    assert [one.name for one in held] == ["layer", "layer, call 2"]
    same(held[1].output[0], model(x)[:, 0].detach().numpy(), atol=1e-6)


def test_a_functional_loop_is_heard():
    class Functional(nn.Module):
        def __init__(self):
            super().__init__()
            self.weight, self.recurrent_weight = nn.Parameter(torch.randn(4, 3)), nn.Parameter(torch.randn(4, 4) / 4)

        def forward(self, x):
            return recurrent(cells.Elman(), x, {"weight_ih": self.weight, "U": {"h": self.recurrent_weight}})[0]

    model, x = Functional().eval(), torch.randn(4, 2, 3)
    held = states(model, x)
    assert [one.name for one in held] == ["Functional"] and np.array_equal(held[0].output[1], model(x)[:, 1].detach().numpy())


@pytest.mark.parametrize("layer", [Recurrent(cells.LSTM(), 3, 5, bidirectional=True, num_layers=2), tenuto.GRU(3, 5, bidirectional=True)], ids=["stack", "drop-in"])
def test_company_and_padding_change_nothing(layer):
    layer = layer.double().eval()
    items = [torch.randn(length, 3, dtype=torch.float64) for length in (6, 1, 4)]
    together = states(layer, items)
    padded = nn.utils.rnn.pad_sequence(items)
    padded[4:, 2] = float("nan")
    wild = states(layer, padded, lengths=[6, 1, 4])
    for row, item in enumerate(items):
        alone = states(layer, [item])
        for place, one in enumerate(together):
            for kind in ("states", "gates"):
                for name, values in getattr(one, kind).items():
                    assert values[row].shape[0] == len(item)
                    same(values[row], getattr(alone[place], kind)[name][0])
                    assert np.array_equal(values[row], getattr(wild[place], kind)[name][row])


def test_a_carried_state_is_where_it_begins():
    torch.manual_seed(0)
    layer = nn.GRU(2, 3).double().eval()
    x, h = torch.randn(5, 2, 2, dtype=torch.float64), torch.randn(1, 2, 3, dtype=torch.float64)
    held = states(layer, x, state=h)[0]
    assert np.array_equal(held.states["h"][1], layer(x, h)[0][:, 1].detach().numpy())
    z, n = held.gates["z"][0][0], held.gates["n"][0][0]
    same(held.states["h"][0][0], (1 - z) * n + z * h[0, 0].numpy())


@pytest.mark.parametrize("options", [{"zoneout": 0.2, "recurrent_dropout": 0.3}, {"learned_state": True, "reverse": True}, {"weight_dropout": 0.5, "dropout": 0.5}], ids=str)
def test_options_of_a_layer_are_in_what_it_holds(options):
    torch.manual_seed(0)
    layer = Recurrent(cells.LSTM(), 3, 4, **options).double().eval()
    with torch.no_grad():
        for name, weight in layer.named_parameters():
            if name.startswith("initial"):
                weight.fill_(0.5)
    x = torch.randn(6, 2, 3, dtype=torch.float64)
    held, (output, final) = states(layer, x, fixed_points=True)[0], layer(x)
    assert np.array_equal(held.states["h"][1], output[:, 1].detach().numpy()) and held.fixed_points.tried > 1
    same(held.states["c"][1][0 if held.reverse else -1], final.c[0, 1].detach())
    before = torch.zeros(4, dtype=torch.float64) if "learned_state" not in options else layer.initial_c_l0.detach()
    first, keeps = (-1 if held.reverse else 0), options.get("zoneout", 0.0)
    new = held.gates["f"][1][first] * before.numpy() + held.gates["i"][1][first] * held.gates["g"][1][first]
    same(held.states["c"][1][first], keeps * before.numpy() + (1 - keeps) * new)


def test_half_precision_is_held_in_float32():
    layer = Recurrent(cells.LSTM(), 3, 4).bfloat16().eval()
    x = torch.randn(5, 2, 3).bfloat16()
    held = states(layer, x)[0]
    assert held.output[0].dtype == np.float32
    assert torch.equal(torch.from_numpy(held.output[0]).bfloat16(), layer(x)[0][:, 0])


def test_tokens_have_words_of_their_embedding():
    held = states(Words().eval(), torch.randint(0, 11, (2, 6)))
    assert [one.name for one in held] == ["recurrent"] and held.x[0].shape == (6, 4) and held[0].read[0].shape == (6, 4)


@pytest.mark.parametrize("name", TASKS)
def test_every_task_is_heard_and_nothing_is_left_on_it(name):
    model, data = fitted(name)
    network = model.network_
    before = {key: value.clone() for key, value in network.state_dict().items()}
    attributes, parts, random = set(vars(network)), dict(network._modules), torch.get_rng_state()
    gradients = [parameter.grad for parameter in network.parameters()]
    held = states(model, data, fixed_points=True)
    assert held.layers and len(held.names) == len(data) == len(held.x)
    for one in held:
        assert [len(values) for values in one.output] == [len(values) for values in one.read] and all(len(values) for values in one.output)
        assert one.gates and one.fixed_points is not None
    if name in ("classify", "text"):
        assert held.of_answers == "what the model predicts" and [own[0] for own in held.answers] == [str(answer) for answer in model.predict(data)]
    assert set(vars(network)) == attributes and network._modules == parts and torch.equal(torch.get_rng_state(), random)
    for path, part in network.named_modules():
        assert not part._forward_hooks and not part._forward_pre_hooks and not part.training and "forward" not in vars(part), path
    assert all(torch.equal(value, before[key]) for key, value in network.state_dict().items())
    assert all(parameter.grad is grad for parameter, grad in zip(network.parameters(), gradients, strict=True))


def test_the_encoder_of_a_classifier_holds_what_hidden_states_gives():
    model, data = fitted("classify")
    held, expected = states(model, data), model.hidden_states(data)
    for row, values in enumerate(expected):
        same(np.concatenate([one.output[row] for one in held], axis=1), values, rtol=1e-5, atol=1e-6)
