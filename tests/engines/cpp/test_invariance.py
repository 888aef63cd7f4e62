"""The same bits for a sequence whatever runs beside it: any batch, chunk, padding and number of threads."""

from __future__ import annotations

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import tenuto
from tenuto import cells
from tenuto.engines.cpp import tune
from tenuto.engines.problem import Form
from tests.engines.cpp.posing import INVARIANT, cotangents, floats, ours, pose
from tests.zoo import CELLS

pytestmark = pytest.mark.cpp

few = settings(max_examples=6, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
FORMS = [{}, {"lengths": True}, {"lengths": True, "packed": True}, {"lengths": True, "packed": True, "reverse": True}]
SIZES = st.tuples(st.integers(1, 24), st.integers(1, 19), st.integers(1, 18), st.integers(2, 70).map(lambda n: 2 * n))


@pytest.fixture
def threads(monkeypatch):
    """Sets the number of threads and how they share a step."""
    before = torch.get_num_threads()

    def choose(count, split):
        torch.set_num_threads(count)
        monkeypatch.setenv("TENUTO_CPP_SPLIT", split)
        tune.forced.cache_clear()

    yield choose
    tune.forced.cache_clear()
    torch.set_num_threads(before)


@pytest.mark.parametrize("cell", CELLS)
@few
@given(sizes=SIZES, flags=st.sampled_from(FORMS))
def test_threads(cell, threads, sizes, flags):
    form = Form(CELLS[cell], **flags)
    inputs = pose(form, sizes, torch.float32)
    threads(1, "rows")
    result, gradients = ours(form, inputs, INVARIANT)
    for count, split in ((2, "rows"), (2, "units"), (3, "units")):
        threads(count, split)
        again, gradients_again = ours(form, inputs, INVARIANT)
        for a, b in zip([result.output, *result.final], [again.output, *again.final]):
            assert torch.equal(a, b), (count, split)
        for name, gradient in gradients.items():
            assert torch.equal(gradient, gradients_again[name]), (count, split, name)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("batch_size", [1, 3])
def test_a_stream_whose_weights_threads_share(threads, batch_size, dtype):
    layer = tenuto.Recurrent(cells.LSTM(), 64, 256, dtype=dtype).eval()  # large enough for two threads
    x, said = torch.randn(5, batch_size, 64, dtype=dtype), []
    for count in (1, 2, 3):
        threads(count, "")
        with tenuto.invariant():
            stream = layer.stream(batch_size)
        said.append(torch.stack([layer.step(row, stream).clone() for row in x]))
    assert torch.equal(said[0], said[1]) and torch.equal(said[0], said[2])
    with torch.no_grad(), tenuto.invariant():
        assert torch.equal(said[0], layer(x).output)


@pytest.mark.parametrize("cell", CELLS)
@few
@given(sizes=SIZES, data=st.data())
def test_batch_and_padding(cell, sizes, data):
    steps, rows, features, hidden = sizes
    form = Form(CELLS[cell], lengths=True)
    inputs = pose(form, sizes, torch.float32)
    chosen = data.draw(st.lists(st.integers(0, rows - 1), min_size=1, max_size=rows, unique=True))
    result, gradients = ours(form, inputs, INVARIANT)
    d_output, d_final = cotangents(form, inputs)
    more = data.draw(st.integers(0, 3))  # steps of padding

    def pick(name, tensor):
        if name == "x" or name.startswith("stream."):
            return torch.cat([tensor[:, chosen], torch.full((more, *tensor[:, chosen].shape[1:]), 7.0)])
        return tensor[chosen] if name.startswith("s.") or name == "lengths" else tensor

    part = {name: pick(name, tensor) for name, tensor in inputs.items()}
    again = INVARIANT.forward(form, part, True)
    assert torch.equal(again.output[:steps], result.output[:, chosen])
    for a, b in zip(again.final, result.final):
        assert torch.equal(a, b[chosen])
    d_part = torch.cat([d_output[:, chosen], torch.zeros(more, *d_output[:, chosen].shape[1:])])
    d_inputs = INVARIANT.backward(form, part, again, d_part, [d[chosen] for d in d_final], floats(part))
    assert torch.equal(d_inputs["x"][:steps], gradients["x"][:, chosen])
    for name in form.cell.widths("state"):
        assert torch.equal(d_inputs[f"s.{name}"], gradients[f"s.{name}"][chosen])


@pytest.mark.parametrize("cell", CELLS)
@few
@given(sizes=SIZES, data=st.data())
def test_chunks_in_time(cell, sizes, data):
    form = Form(CELLS[cell])
    inputs = pose(form, sizes, torch.float32)
    cut = data.draw(st.integers(0, sizes[0]))
    whole = INVARIANT.forward(form, inputs, False)
    timed = [name for name in inputs if name == "x" or name.startswith("stream.")]
    first = INVARIANT.forward(form, inputs | {name: inputs[name][:cut] for name in timed}, False)
    states = {f"s.{name}": value for name, value in zip(form.cell.widths("state"), first.final)}
    second = INVARIANT.forward(form, inputs | {name: inputs[name][cut:] for name in timed} | states, False)
    assert torch.equal(torch.cat([first.output, second.output]), whole.output)
    for a, b in zip(second.final, whole.final):
        assert torch.equal(a, b)
