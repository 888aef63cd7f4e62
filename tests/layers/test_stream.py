"""Live streams: step by step gives the same as the whole sequence, and a stream goes on where a sequence ended."""

import pytest
import torch

import tenuto
from tenuto.cell import Cell, State
from tenuto.cells import GRU, LSTM, Elman, LayerNormLSTM, ProjectionLSTM, ResetBeforeGRU
from tenuto.errors import ArgumentError, ShapeError, TenutoError
from tenuto.layers.stream import Stream


@pytest.mark.parametrize("engine", ["auto", "reference"])
@pytest.mark.parametrize("cell", [Elman(), LSTM(), LSTM("relu"), ProjectionLSTM(3), LayerNormLSTM(), GRU(), ResetBeforeGRU()], ids=repr)
def test_steps_equal_the_sequence(cell, engine):
    layer = tenuto.Recurrent(cell, 3, 8, 2, engine=engine).eval()
    x = torch.randn(7, 2, 3)
    with torch.no_grad():
        whole = layer(x)
    stream = layer.stream(2)
    assert isinstance(stream, Stream)
    for t in range(7):
        torch.testing.assert_close(layer.step(x[t], stream), whole.output[t], rtol=1e-5, atol=1e-6)
    for ours, expected in zip(stream.state, whole.state, strict=True):
        torch.testing.assert_close(ours, expected, rtol=1e-5, atol=1e-6)


def test_all_kinds_of_stack():
    layer = tenuto.Recurrent(GRU(), 6, 6, 3, residual=True, layer_norm=True, learned_state=True, zoneout=0.1, dropout=0.2).eval()
    with torch.no_grad():
        layer.initial_h_l1.normal_()
        x = torch.randn(5, 4, 6)
        stream = layer.stream(4)
        steps = torch.stack([layer.step(row, stream).clone() for row in x])
        torch.testing.assert_close(steps, layer(x).output, rtol=1e-5, atol=1e-6)


def test_a_stream_goes_on_where_a_sequence_ended():
    layer = tenuto.Recurrent(LSTM(), 3, 5).eval()
    x = torch.randn(6, 1, 3)
    with torch.no_grad():
        whole, half = layer(x), layer(x[:3])
    stream = layer.stream(1, half.state)
    for t in range(3, 6):
        torch.testing.assert_close(layer.step(x[t], stream), whole.output[t])
    stream.state = half.state
    torch.testing.assert_close(layer.step(x[3], stream), whole.output[3])


def test_a_transposed_step():
    layer = tenuto.Recurrent(Elman(), 3, 5).eval()
    x = torch.randn(3, 4).t()
    first, second = layer.stream(4), layer.stream(4)
    torch.testing.assert_close(layer.step(x, first), layer.step(x.contiguous(), second))


REPLACEMENTS = {
    "LSTM": lambda **o: tenuto.LSTM(3, 8, 2, **o),
    "projected LSTM": lambda **o: tenuto.LSTM(3, 8, 2, proj_size=4, **o),
    "GRU": lambda **o: tenuto.GRU(3, 8, bias=False, batch_first=True, **o),
    "RNN": lambda **o: tenuto.RNN(3, 8, 2, "relu", dropout=0.5, **o),
}


@pytest.mark.parametrize("name", REPLACEMENTS)
def test_the_drop_ins_stream_too(name):
    layer, reference = REPLACEMENTS[name]().eval(), REPLACEMENTS[name]().eval()
    reference.engine = "reference"
    reference.load_state_dict(layer.state_dict())
    x = torch.randn(6, 2, 3)
    as_given = (lambda value: value.transpose(0, 1)) if layer.batch_first else (lambda value: value)
    with torch.no_grad():
        whole, end = layer(as_given(x))
        _, half = layer(as_given(x[:3]))
    for each in (layer, reference):
        streams = [each.stream(2), each.stream(2, half)]
        assert streams[0].engines == [each.engine_report(as_given(x)).chosen] * layer.num_layers
        for t in range(6):
            torch.testing.assert_close(each.step(x[t], streams[0]), as_given(whole)[t], rtol=1e-5, atol=1e-6)
            if t >= 3:
                torch.testing.assert_close(each.step(x[t], streams[1]), as_given(whole)[t], rtol=1e-5, atol=1e-6)
        for stream in streams:
            torch.testing.assert_close(stream.state, end, rtol=1e-5, atol=1e-6)
        streams[0].state = half
        torch.testing.assert_close(each.step(x[3], streams[0]), as_given(whole)[3], rtol=1e-5, atol=1e-6)


def test_drop_ins_say_what_does_not_fit():
    with pytest.raises(ArgumentError, match="GRU.stream: the layer is in training mode"):
        tenuto.GRU(3, 5).stream()
    with pytest.raises(ArgumentError, match="runs in reverse"):
        tenuto.RNN(3, 5, bidirectional=True).eval().stream()
    layer = tenuto.LSTM(3, 5).eval()
    with pytest.raises(RuntimeError, match=r"Expected hidden\[0\] size \(1, 2, 5\), got \[1, 3, 5\]"):
        layer.stream(2, layer.stream(3).state)


def test_what_does_not_fit():
    layer = tenuto.Recurrent(LSTM(), 3, 5)
    with pytest.raises(ArgumentError, match="the layer is in training mode"):
        layer.stream()
    stream = layer.eval().stream(2)
    with pytest.raises(ShapeError, match="the step does not fit the stream"):
        layer.step(torch.zeros(1, 3), stream)
    with pytest.raises(ShapeError, match="the state does not fit the stream"):
        stream.state = layer.stream(3).state
    with pytest.raises(ArgumentError, match="runs in reverse"):
        tenuto.Recurrent(LSTM(), 3, 5, bidirectional=True).eval().stream()


class Elapsed(Cell):
    """A leaky unit that is told how long the step took, and something else as wide as its state."""

    gates = "a"
    state = "h"
    streams = "dt:1 other"

    def step(self, x, U, s, dt, other):
        kept = torch.exp(-dt)
        return State(h=kept * s.h + (1 - kept) * torch.tanh(x.a + U.a @ s.h + other))


@pytest.mark.parametrize("engine", ["auto", "reference"])
@pytest.mark.parametrize("more", [{}, {"num_layers": 2, "layer_norm": True}, {"zoneout": 0.2}], ids=["one", "stack", "zoneout"])
def test_a_cell_with_streams_of_its_own(engine, more):
    layer = tenuto.Recurrent(Elapsed(), 3, 5, engine=engine, **more).eval()
    x, dt, other = torch.randn(6, 2, 3), torch.rand(6, 2, 1), torch.randn(6, 2, 5)
    with torch.no_grad():
        whole, end = layer(x, streams={"dt": dt, "other": other})
        _, half = layer(x[:3], streams={"dt": dt[:3], "other": other[:3]})
    stream, later = layer.stream(2), layer.stream(2, half)
    for t in range(6):
        now = {"dt": dt[t], "other": other.transpose(1, 2)[t].t()}
        torch.testing.assert_close(layer.step(x[t], stream, streams=now), whole[t], rtol=1e-5, atol=1e-6)
        if t >= 3:
            torch.testing.assert_close(layer.step(x[t], later, streams=now), whole[t], rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(tuple(stream.state), tuple(end), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("streams", "words"),
    [
        (None, "stream 'dt' is missing"), ({"dt": torch.zeros(2, 1)}, "stream 'other' is missing"),
        ({"dt": torch.zeros(2), "other": torch.zeros(2, 5)}, "stream 'dt' does not fit"),
        ({"dt": torch.zeros(2, 1), "other": torch.zeros(2, 5), "more": torch.zeros(2, 1)}, "no stream 'more'"),
    ],
)  # fmt: skip
def test_streams_that_do_not_fit(streams, words):
    layer = tenuto.Recurrent(Elapsed(), 3, 5).eval()
    with pytest.raises(TenutoError, match=words):
        layer.step(torch.zeros(2, 3), layer.stream(2), streams=streams)


def test_a_cell_without_streams_is_given_none():
    layer = tenuto.GRU(3, 5).eval()
    with pytest.raises(ArgumentError, match="no stream 'dt'"):
        layer.step(torch.zeros(2, 3), layer.stream(2), streams={"dt": torch.zeros(2, 1)})
