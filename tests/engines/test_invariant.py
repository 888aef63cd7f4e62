"""`tenuto.invariant()`: the same bits in any batch, chunk, padding and number of threads, with engine="auto"; and what it refuses."""

import threading

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch._dynamo.backends.common import aot_autograd

import tenuto
from tenuto import Recurrent, cells
from tenuto.engines import Form, Problem, choose, contest, settled
from tenuto.errors import EngineError
from tenuto.layers.functional import run_layer
from tenuto.program import handle_of
from tests.zoo import LAYER_CELLS

LAYERS = {
    "LSTM": lambda i, h: tenuto.LSTM(i, h, 2, bidirectional=True),
    "GRU": lambda i, h: tenuto.GRU(i, h),
    "RNN": lambda i, h: tenuto.RNN(i, h),
}
LAYERS |= {name: lambda i, h, cell=cell: Recurrent(cell, i, h, 2) for name, cell in LAYER_CELLS.items()}
LAYERS["both directions"] = lambda i, h: Recurrent(cells.ResetBeforeGRU(), i, h, bidirectional=True)
few = settings(max_examples=5, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
SIZES = st.tuples(st.integers(1, 12), st.integers(1, 12), st.integers(1, 9), st.integers(1, 20).map(lambda n: 2 * n))


@pytest.fixture
def vendor_wins(monkeypatch):
    """A machine on which "auto" takes torch's kernels wherever it is allowed to."""
    monkeypatch.setattr(contest, "winner", lambda problem, first, second, folder: second)


def problem(cell, dtype=torch.float32, device="cpu"):
    return Problem(Form(cell), 7, 3, 4, 8, dtype, torch.device(device), True)


def results(layer, x, lengths):
    """Output, final states, gradient of x."""
    x = x.clone().requires_grad_()
    output, state = layer(x, lengths=lengths)
    weights = torch.arange(x.shape[0])[:, None, None] - 3.5
    (gradient,) = torch.autograd.grad((output * weights).square().sum(), [x])
    return [output.detach(), gradient], [state] if isinstance(state, torch.Tensor) else list(state)


@pytest.mark.cpp
@pytest.mark.parametrize("name", LAYERS)
@few
@given(sizes=SIZES, data=st.data())
def test_any_batch_padding_and_threads(name, sizes, data, vendor_wins):
    steps, rows, features, hidden = sizes
    layer, x = LAYERS[name](features, hidden), torch.randn(steps, rows, features)
    lengths = torch.tensor(data.draw(st.lists(st.integers(0, steps), min_size=rows, max_size=rows)))
    chosen = data.draw(st.lists(st.integers(0, rows - 1), min_size=1, max_size=rows, unique=True))
    padding = torch.full((data.draw(st.integers(0, 3)), len(chosen), features), 7.0)
    before = torch.get_num_threads()
    try:
        with tenuto.invariant():
            torch.set_num_threads(1)
            timed, states = results(layer, x, lengths)
            torch.set_num_threads(data.draw(st.integers(1, 2)))
            timed_again, states_again = results(layer, torch.cat([x[:, chosen], padding]), lengths[chosen])
    finally:
        torch.set_num_threads(before)
    assert all(torch.equal(b[:steps], a[:, chosen]) for a, b in zip(timed, timed_again, strict=True))
    assert all(torch.equal(b, a[:, chosen]) for a, b in zip(states, states_again, strict=True))


@pytest.mark.cpp
@pytest.mark.parametrize("name", sorted(set(LAYERS) - {"LSTM", "both directions"}))
@few
@given(sizes=SIZES, data=st.data())
def test_chunks_and_streams(name, sizes, data, vendor_wins):
    steps, rows, features, hidden = sizes
    layer, x = LAYERS[name](features, hidden).eval(), torch.randn(steps, rows, features)
    cut = data.draw(st.integers(0, steps))
    with tenuto.invariant(), torch.no_grad():
        whole, state = layer(x)
        first, between = layer(x[:cut])
        second, end = layer(x[cut:], between)
        assert torch.equal(torch.cat([first, second]), whole)
        assert all(torch.equal(a, b) for a, b in zip(state, end, strict=True))
        stream = layer.stream(rows, between)
        assert all(torch.equal(layer.step(x[t], stream), whole[t]) for t in range(cut, steps))


@pytest.mark.cpp
def test_auto_never_takes_torchs_kernels(vendor_wins):
    assert choose(problem(cells.LSTM())).name == "vendor"
    with tenuto.invariant():
        with tenuto.invariant():
            assert settled(settled("auto")) == "invariant auto" and settled("cpp") == "invariant cpp"
        assert choose(problem(cells.LSTM())).name == "invariant cpp"
        assert choose(problem(cells.LSTM()), "cpp").name == "invariant cpp"
        assert Recurrent(cells.LSTM(), 3, 4).engine_report(torch.zeros(5, 2, 3)).chosen == "invariant cpp"
        others = []
        thread = threading.Thread(target=lambda: others.append(choose(problem(cells.LSTM())).name))
        thread.start()
        thread.join()
        assert others == ["vendor"]
    assert settled("auto") == "auto"
    assert choose(problem(cells.LSTM())).name == "vendor"


def test_what_it_refuses(monkeypatch):
    with tenuto.invariant():
        with pytest.raises(EngineError, match="the engine 'vendor' does not give a sequence the same bits"):
            choose(problem(cells.LSTM()), "vendor")
        with pytest.raises(EngineError, match=r"can run this \(invariant cpp: the tensors are on meta"):
            choose(problem(cells.LSTM(), device="meta"))
        monkeypatch.setenv("TENUTO_ENGINE", "reference")
        with pytest.raises(EngineError, match="LSTM: the engine 'reference' does not give"):
            tenuto.LSTM(3, 4)(torch.zeros(5, 2, 3))


LAYER, CELL, HANDLE = tenuto.LSTM(3, 40), tenuto.LSTMCell(3, 40), handle_of(cells.LSTM())
WEIGHTS = {"weight_ih": torch.randn(160, 3), "U.h": torch.randn(160, 40)}
CALLS = {
    "a layer": lambda x: LAYER(x)[0],
    "a cell": lambda x: CELL(x[0])[0],
    "what layers are made of": lambda x: run_layer(HANDLE, {"x": x, **WEIGHTS}, [], [], False, "auto")[0],
}


@pytest.mark.cpp
@pytest.mark.parametrize("name", CALLS)
def test_compiled_calls_follow_it(name, vendor_wins):
    torch._dynamo.reset()
    graphs = []

    def keep(graph, inputs):
        graphs.append(str(graph.graph))
        return graph

    call, x = CALLS[name], torch.randn(50, 9, 3)
    compiled = torch.compile(call, fullgraph=True, backend=aot_autograd(fw_compiler=keep))
    with torch.no_grad():
        compiled(x)
        with tenuto.invariant():
            whole, alone = compiled(x), compiled(x[:, :1].contiguous())
            assert torch.equal(alone, whole[:1] if name == "a cell" else whole[:, :1])
            assert torch.equal(whole, call(x))
    engines = [{name for name in ("vendor", "invariant cpp") if f'["{name}"' in graph} for graph in graphs]
    assert engines[0] == {"vendor"} and {"invariant cpp"} in engines[1:] and not any("vendor" in names for names in engines[1:])
