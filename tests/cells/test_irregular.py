"""Cells for irregular measurements against values that were computed by hand, and against their equations in numpy; each known error of public code has a test of its own."""

import math

import numpy as np
import pytest
import torch

from tenuto import Recurrent
from tenuto.cells import GRUD, CfC, TimeAwareLSTM
from tenuto.layers.functional import recurrent

LN2 = math.log(2)


def one(value, mask, gap, x=None, *, decay=LN2, U=None, state=(0.0, 0.0), bias=None, fade=0.0):
    """GRU-D with one unit and one channel, whose weights are 0 but for those of v in the candidate; the final (h, last).

    value, mask, gap: [T] each. decay: w. U: other recurrent weights by name.
    """
    cell, steps = GRUD(), len(value)
    weights = {
        "weight_ih": torch.zeros(3, 1, dtype=torch.float64),
        "bias": torch.tensor(bias or [0.0, 0.0, 0.0], dtype=torch.float64),
        "U": {name: torch.tensor([[float((U or {}).get(name, name == "value_n"))]], dtype=torch.float64) for name in ("r", "z", "n", "value_r", "value_z", "value_n", "fade")},
        "parameters": {name: torch.tensor([number], dtype=torch.float64) for name, number in (("decay_w", decay), ("decay_b", 0.0), ("fade_b", fade))},
    }
    streams = {name: torch.tensor(given, dtype=torch.float64).view(steps, 1, 1) for name, given in (("value", value), ("mask", mask), ("gap", gap))}
    start = [torch.tensor([[number]], dtype=torch.float64) for number in state]
    given = torch.zeros(steps, 1, 1, dtype=torch.float64) if x is None else torch.tensor(x, dtype=torch.float64).view(steps, 1, 1)
    _, final = recurrent(cell, given, weights, start, streams=streams, engine="reference")
    return tuple(number.item() for number in final)


def test_the_last_observation_decays_not_the_current_one():
    """At step 2 nothing is measured, and 1 stands in the place of a value. The last one was 3, two units ago: exp(-2 ln 2) 3 = 0.75."""
    h, last = one([3.0, 1.0], [1, 0], [0, 2], bias=[0.0, 40.0, 0.0])  # z is 1: h is the candidate
    assert h == pytest.approx(math.tanh(0.75), abs=1e-12) and last == 3
    h, _ = one([3.0, 1.0], [1, 1], [0, 2], bias=[0.0, 40.0, 0.0])
    assert h == pytest.approx(math.tanh(1.0), abs=1e-12)  # what is measured does not decay, however long the gap before it


def test_what_is_kept_is_the_observation_and_not_what_is_left_of_it():
    """Gaps 1 and 2: 3 / 4 is left at the third step. If the half that was left at the second had been kept, it would be 3 / 8."""
    h, last = one([3.0, 0.0, 0.0], [1, 0, 0], [0, 1, 2], bias=[0.0, 40.0, 0.0])
    assert h == pytest.approx(math.tanh(0.75), abs=1e-12) and last == 3


def test_it_decays_to_the_mean_and_is_the_mean_before_the_first_observation():
    h, _ = one([3.0, 0.0], [1, 0], [0, 1e6], bias=[0.0, 40.0, 0.0])
    assert h == 0  # standardised: the mean is 0
    h, last = one([5.0, 5.0], [0, 0], [0, 1], bias=[0.0, 40.0, 0.0])
    assert (h, last) == (0, 0)


def test_the_state_decays_before_anything_reads_it():
    """z is 1/2 and the candidate 0: h = 1/2 exp(-gap ln 2) h_before = 1/2 * 1/4 * 0.8."""
    h, _ = one([0.0], [1], [2], U={"fade": LN2}, state=(0.8, 0.0))
    assert h == pytest.approx(0.1, abs=1e-12)
    h, _ = one([0.0], [1], [2], U={"fade": -LN2}, state=(0.8, 0.0))
    assert h == pytest.approx(0.4, abs=1e-12)  # max(0, ...): a state never grows


def test_the_r_gate_is_there():
    """n = tanh(r U_n h): with r = sigmoid(ln 3) = 3/4, U_n = 2, h = 0.4 it is tanh(0.6); z = 1/2."""
    h, _ = one([0.0], [1], [0], U={"n": 2.0}, state=(0.4, 0.0), bias=[math.log(3), 0.0, 0.0])
    assert h == pytest.approx(0.5 * 0.4 + 0.5 * math.tanh(0.6), abs=1e-12)
    h, _ = one([0.5], [1], [0], U={"value_r": 4.0, "n": 2.0}, state=(0.4, 0.0))
    assert h == pytest.approx(0.2 + 0.5 * math.tanh(0.5 + 2 * 0.4 / (1 + math.exp(-2))), abs=1e-12)  # and it reads the values


def test_the_mask_reaches_the_gates():
    torch.manual_seed(0)
    layer = Recurrent(GRUD(channels=2), 2, 4)
    zeros, mask = torch.zeros(1, 1, 2), torch.tensor([[[1.0, 0.0]]])
    with torch.no_grad():
        layer.decay_w_l0.fill_(50.0)
        answers = [layer(x, streams={"value": zeros, "mask": x, "gap": zeros}).output for x in (mask, 1 - mask)]
    assert (answers[0] - answers[1]).abs().max() > 1e-3


def test_its_inputs_are_left_as_they_were():
    torch.manual_seed(0)
    layer, streams = Recurrent(GRUD(channels=3), 3, 4), {name: torch.rand(5, 2, 3) for name in ("value", "mask", "gap")}
    before, x = {name: value.clone() for name, value in streams.items()}, torch.rand(5, 2, 3)
    first = layer(x, streams=streams)
    held = [value.clone() for value in (first.output, *first.state)]
    layer(x, first.state, streams=streams)
    for name, value in streams.items():
        assert torch.equal(value, before[name])
    assert all(torch.equal(value, kept) for value, kept in zip((first.output, *first.state), held))


def sigmoid(v):
    return 1 / (1 + np.exp(-v))


def gru_d(x, U, p, streams, h, last):
    v, m, d = streams["value"], streams["mask"], streams["gap"]
    filled = np.where(m > 0, v, np.exp(-np.maximum(0, p["decay_w"] * d + p["decay_b"])) * last)
    k = np.exp(-np.maximum(0, d @ U["fade"].T + p["fade_b"])) * h
    r, z = (sigmoid(x[gate] + filled @ U[f"value_{gate}"].T + k @ U[gate].T) for gate in "rz")
    n = np.tanh(x["n"] + filled @ U["value_n"].T + (r * k) @ U["n"].T)
    return (1 - z) * k + z * n, np.where(m > 0, v, last)


def time_aware(x, U, p, streams, h, c):
    short = np.tanh(c @ U["short"].T + p["short_b"])
    c = (c - short) + short * (1 / np.log(np.e + streams["elapsed"]))
    i, f, o = (sigmoid(x[gate] + h @ U[gate].T) for gate in "ifo")
    c = f * c + i * np.tanh(x["g"] + h @ U["g"].T)
    return o * np.tanh(c), c


def cfc(x, U, p, streams, h):
    u = 1.7159 * np.tanh(0.666 * (x["u"] + h @ U["u"].T))
    g, k, a, b = (u @ U[name].T + p[f"b_{name}"] for name in "gkab")
    t = sigmoid(a * streams["elapsed"] + b)
    return (np.tanh(g) * (1 - t) + t * np.tanh(k),)


@pytest.mark.parametrize(("cell", "equations"), [(GRUD(channels=3), gru_d), (TimeAwareLSTM(), time_aware), (CfC(), cfc)], ids=["gru-d", "time-aware-lstm", "cfc"])
def test_steps_are_their_equations(cell, equations):
    torch.manual_seed(0)
    draw, H = np.random.default_rng(0), 4
    layer = Recurrent(cell, 2, H).double()
    with torch.no_grad():
        for weight in layer.parameters():
            weight.normal_(0, 0.5)
    x = draw.normal(size=(6, 3, 2))
    streams = {name: draw.exponential(size=(6, 3, 3 if width == 3 else 1)) for name, width in cell.widths("streams").items()}
    if "mask" in streams:
        streams["mask"] = (draw.random((6, 3, 3)) < 0.5) * 1.0
    given = {name: torch.from_numpy(value) for name, value in streams.items()}
    weights = {name: weight.detach().numpy() for name, weight in layer.named_parameters()}
    gates, products = list(cell.widths("gates")), list(cell.widths("products"))
    U = dict(zip(gates, np.split(weights["weight_hh_l0"], len(gates)))) | {name: weights[f"weight_{name}_l0"] for name in products}
    p = {name: weights[f"{name}_l0"] for name in cell.widths("parameters")}
    expected, state = [], tuple(np.zeros((3, 3 if width == 3 else H)) for width in cell.widths("state").values())
    for t in range(6):
        blocks = dict(zip(gates, np.split(x[t] @ weights["weight_ih_l0"].T + weights["bias_l0"], len(gates), -1)))
        state = equations(blocks, U, p, {name: value[t] for name, value in streams.items()}, *state)
        expected.append(state[0])
    found = layer(torch.from_numpy(x), streams=given)
    np.testing.assert_allclose(found.output.detach().numpy(), expected, rtol=1e-10, atol=1e-12)
    for ours, theirs in zip(found.state, state):
        np.testing.assert_allclose(ours[0].detach().numpy(), theirs, rtol=1e-10, atol=1e-12)


def test_published_values_of_the_discount():
    """Baytas et al.: nothing is lost where no time has passed, and 1 / log(e + d) is left of the short-term memory after d."""
    cell = TimeAwareLSTM()
    weights = {
        "weight_ih": torch.zeros(4, 1, dtype=torch.float64), "bias": torch.tensor([-40.0, 40.0, 0.0, 40.0], dtype=torch.float64),
        "U": {name: torch.zeros(1, 1, dtype=torch.float64) for name in "ifgo"} | {"short": torch.ones(1, 1, dtype=torch.float64)},
        "parameters": {"short_b": torch.zeros(1, dtype=torch.float64)},
    }  # fmt: skip
    for elapsed, kept in ((0.0, 1.0), (math.e**2 - math.e, 0.5), (math.e**4 - math.e, 0.25)):
        start = [torch.zeros(1, 1, dtype=torch.float64), torch.full((1, 1), 0.9, dtype=torch.float64)]
        _, final = recurrent(cell, torch.zeros(1, 1, 1, dtype=torch.float64), weights, start, streams={"elapsed": torch.full((1, 1, 1), elapsed, dtype=torch.float64)}, engine="reference")
        assert final[1].item() == pytest.approx(0.9 - math.tanh(0.9) * (1 - kept), abs=1e-12)


@pytest.mark.cpp
@pytest.mark.parametrize("cell", [GRUD(channels=3), TimeAwareLSTM(), CfC()], ids=["gru-d", "time-aware-lstm", "cfc"])
def test_a_live_stream_has_the_bits_of_the_whole_sequence_in_the_fused_loop(cell):
    torch.manual_seed(0)
    layer = Recurrent(cell, 3, 8, engine="cpp").eval()
    x, streams = torch.randn(7, 2, 3), {name: torch.rand(7, 2, 3 if width == 3 else 1) for name, width in cell.widths("streams").items()}
    with torch.no_grad():
        whole = layer(x, streams=streams)
        live = layer.stream(2)
        for t in range(7):
            assert torch.equal(layer.step(x[t], live, streams={name: value[t] for name, value in streams.items()}), whole.output[t])
        assert all(torch.equal(ours, theirs) for ours, theirs in zip(live.state, whole.state))
    assert layer.engine_report(x).chosen == "cpp"


def test_each_direction_is_given_its_own_stream():
    torch.manual_seed(0)
    layer, x = Recurrent(CfC(), 3, 4, bidirectional=True), torch.randn(5, 2, 3)
    forward, backward = torch.rand(5, 2, 1), torch.rand(5, 2, 1)
    both = layer(x, streams={"elapsed": forward, "elapsed_reverse": backward}).output
    alike = [layer(x, streams={"elapsed": one}).output for one in (forward, backward)]
    assert torch.equal(both[..., :4], alike[0][..., :4]) and torch.equal(both[..., 4:], alike[1][..., 4:])
    assert not torch.equal(both[..., 4:], alike[0][..., 4:])
