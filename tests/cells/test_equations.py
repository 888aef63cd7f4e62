"""Each cell's step against its published equations, written again in numpy; and against torch.nn where it has the cell."""

import numpy as np
import pytest
import torch

from tenuto.cells import (
    GRU,
    LSTM,
    MGU,
    CoupledLSTM,
    Elman,
    IndRNN,
    LayerNormLSTM,
    PeepholeLSTM,
    ProjectionLSTM,
    RecurrentDropout,
    RecurrentHighway,
    ResetBeforeGRU,
    Zoneout,
)
from tenuto.layers.functional import recurrent

B, H, P, STEPS, FEATURES = 3, 4, 2, 5, 2


def sigmoid(v):
    return 1 / (1 + np.exp(-v))


def normalised(v):
    return (v - v.mean(-1, keepdims=True)) / np.sqrt(v.var(-1, keepdims=True) + 1e-5)


def elman(x, U, p, h):
    return (np.tanh(x["h"] + h @ U["h"].T),)


def lstm(x, U, p, h, c):
    i, f, o = (sigmoid(x[gate] + h @ U[gate].T) for gate in "ifo")
    c = f * c + i * np.tanh(x["g"] + h @ U["g"].T)
    return o * np.tanh(c), c


def relu_lstm(x, U, p, h, c):
    i, f, o = (sigmoid(x[gate] + h @ U[gate].T) for gate in "ifo")
    c = f * c + i * np.maximum(x["g"] + h @ U["g"].T, 0)
    return o * np.maximum(c, 0), c


def peephole(x, U, p, h, c):
    i = sigmoid(x["i"] + h @ U["i"].T + p["p_i"] * c)
    f = sigmoid(x["f"] + h @ U["f"].T + p["p_f"] * c)
    c = f * c + i * np.tanh(x["g"] + h @ U["g"].T)
    o = sigmoid(x["o"] + h @ U["o"].T + p["p_o"] * c)
    return o * np.tanh(c), c


def coupled(x, U, p, h, c):
    f, o = (sigmoid(x[gate] + h @ U[gate].T) for gate in "fo")
    c = f * c + (1 - f) * np.tanh(x["g"] + h @ U["g"].T)
    return o * np.tanh(c), c


def projection(x, U, p, h, c):
    m, c = lstm(x, U, p, h, c)
    return m @ U["r"].T, c


def layer_norm_lstm(x, U, p, h, c):
    def gate(name):
        return normalised(x[name] + h @ U[name].T) * p[f"s_{name}"] + p[f"b_{name}"]

    c = sigmoid(gate("f")) * c + sigmoid(gate("i")) * np.tanh(gate("g"))
    return sigmoid(gate("o")) * np.tanh(normalised(c) * p["s_c"] + p["b_c"]), c


def gru(x, U, p, h):
    r, z = (sigmoid(x[gate] + h @ U[gate].T) for gate in "rz")
    n = np.tanh(x["n"] + r * (h @ U["n"].T + p["recurrent_bias"]))
    return ((1 - z) * n + z * h,)


def reset_before(x, U, p, h):
    r, z = (sigmoid(x[gate] + h @ U[gate].T) for gate in "rz")
    n = np.tanh(x["n"] + (r * h) @ U["n"].T)
    return ((1 - z) * n + z * h,)


def mgu(x, U, p, h):
    f = sigmoid(x["f"] + h @ U["f"].T)
    return ((1 - f) * h + f * np.tanh(x["n"] + (f * h) @ U["n"].T),)


def indrnn(x, U, p, h):
    return (np.maximum(x["h"] + p["u"] * h, 0),)


def highway(x, U, p, h):
    n, t = np.tanh(x["n"] + h @ U["n"].T), sigmoid(x["t"] + h @ U["t"].T)
    h = n * t + h * (1 - t)
    for layer in "23":
        n, t = np.tanh(h @ U[f"n{layer}"].T + p[f"b_n{layer}"]), sigmoid(h @ U[f"t{layer}"].T + p[f"b_t{layer}"])
        h = n * t + h * (1 - t)
    return (h,)


EQUATIONS = [
    (Elman(), elman), (LSTM(), lstm), (LSTM("relu"), relu_lstm), (PeepholeLSTM(), peephole), (CoupledLSTM(), coupled),
    (ProjectionLSTM(P), projection), (LayerNormLSTM(), layer_norm_lstm), (GRU(), gru), (ResetBeforeGRU(), reset_before),
    (MGU(), mgu), (IndRNN(), indrnn), (RecurrentHighway(3), highway),
]  # fmt: skip


def width(label):
    return H if label == "H" else label


def draw(cell):
    """Random weights, a sequence and initial states for a cell, as numpy arrays by name."""
    rng = np.random.default_rng(0)
    gates, states = tuple(cell.widths("gates")), cell.widths("state")
    first = width(next(iter(states.values())))
    U = {name: rng.normal(0, 0.5, (H, first)) for name in gates}
    U |= {name: rng.normal(0, 0.5, (width(w), H)) for name, w in cell.widths("products").items()}
    parameters = {name: rng.normal(0, 0.5, H) for name in cell.widths("parameters")}
    start = {name: rng.normal(0, 0.5, (B, width(w))) for name, w in states.items()}
    W, b = rng.normal(0, 0.5, (len(gates) * H, FEATURES)), rng.normal(0, 0.5, len(gates) * H)
    return rng.normal(size=(STEPS, B, FEATURES)), W, b, U, parameters, start


def as_tensors(values):
    return {name: torch.from_numpy(value) for name, value in values.items()}


@pytest.mark.parametrize(("cell", "equations"), EQUATIONS, ids=[repr(cell) for cell, _ in EQUATIONS])
def test_steps_are_their_equations(cell, equations):
    x, W, b, U, parameters, start = draw(cell)
    weights = {
        "weight_ih": torch.from_numpy(W), "bias": torch.from_numpy(b), "U": as_tensors(U), "parameters": as_tensors(parameters),
    }  # fmt: skip
    output, final = recurrent(cell, torch.from_numpy(x), weights, list(as_tensors(start).values()), engine="reference")
    state = tuple(start.values())
    for t in range(STEPS):
        blocks = dict(zip(cell.widths("gates"), np.split(x[t] @ W.T + b, len(cell.widths("gates")), -1), strict=True))
        state = equations(blocks, U, parameters, *state)
        np.testing.assert_allclose(output[t].numpy(), state[0], rtol=1e-10, atol=1e-12)
    for ours, expected in zip(final, state, strict=True):
        np.testing.assert_allclose(ours.numpy(), expected, rtol=1e-10, atol=1e-12)


def test_recurrent_dropout_masks_only_what_is_multiplied():
    cell = LSTM()
    x, W, b, U, parameters, start = draw(cell)
    mask = (np.random.default_rng(1).random((STEPS, B, H)) > 0.5) * 2.0
    weights = {"weight_ih": torch.from_numpy(W), "bias": torch.from_numpy(b), "U": as_tensors(U)}
    output, _ = recurrent(
        RecurrentDropout(cell), torch.from_numpy(x), weights, list(as_tensors(start).values()),
        streams={"dropout_mask": torch.from_numpy(mask)}, engine="reference",
    )  # fmt: skip
    h, c = start.values()
    for t in range(STEPS):
        blocks = dict(zip("ifgo", np.split(x[t] @ W.T + b, 4, -1), strict=True))
        h, c = lstm(blocks, U, parameters, h * mask[t], c)
        np.testing.assert_allclose(output[t].numpy(), h, rtol=1e-10, atol=1e-12)


def test_zoneout_keeps_old_values_where_its_stream_is_one():
    cell = GRU()
    x, W, b, U, parameters, start = draw(cell)
    kept = (np.random.default_rng(1).random((STEPS, B, H)) > 0.5) * 1.0
    weights = {
        "weight_ih": torch.from_numpy(W), "bias": torch.from_numpy(b), "U": as_tensors(U), "parameters": as_tensors(parameters),
    }  # fmt: skip
    output, _ = recurrent(
        Zoneout(cell), torch.from_numpy(x), weights, list(as_tensors(start).values()),
        streams={"zoneout_h": torch.from_numpy(kept)}, engine="reference",
    )  # fmt: skip
    h = start["h"]
    for t in range(STEPS):
        blocks = dict(zip("rzn", np.split(x[t] @ W.T + b, 3, -1), strict=True))
        h = kept[t] * h + (1 - kept[t]) * gru(blocks, U, parameters, h)[0]
        np.testing.assert_allclose(output[t].numpy(), h, rtol=1e-10, atol=1e-12)


def test_torch_nn_agrees():
    for cell, theirs in ((LSTM(), torch.nn.LSTM), (GRU(), torch.nn.GRU), (Elman(), torch.nn.RNN)):
        layer = theirs(FEATURES, H).double()
        gates = tuple(cell.widths("gates"))
        U = dict(zip(gates, layer.weight_hh_l0.chunk(len(gates)), strict=True))
        bias, parameters = layer.bias_ih_l0 + layer.bias_hh_l0, {}
        if isinstance(cell, GRU):
            candidate = layer.bias_hh_l0[2 * H :]
            bias, parameters = layer.bias_ih_l0 + torch.cat([layer.bias_hh_l0[: 2 * H], candidate * 0]), {"recurrent_bias": candidate}
        x = torch.randn(STEPS, B, FEATURES, dtype=torch.float64)
        weights = {"weight_ih": layer.weight_ih_l0, "bias": bias, "U": U, "parameters": parameters}
        torch.testing.assert_close(recurrent(cell, x, weights, engine="reference")[0], layer(x)[0])
