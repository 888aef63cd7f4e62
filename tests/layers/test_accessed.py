"""Compiled steps of NTM and DNC: the same as torch's own operations, forward and back, in every option; and what is left to torch."""

import pytest
import torch

import tenuto
from tenuto import cells
from tenuto.errors import EngineError
from tenuto.layers import DNC, NTM, accessed
from tenuto.layers.memory import MemoryReport, tensors_of
from tests.layers.chunks import in_chunks

pytestmark = pytest.mark.cpp

STEPS, ROWS = 7, 3
DNCS = [
    {"rows": rows, "width": width, "read_heads": heads, "masked": masked, "deallocating": deallocating, "links": links, "sharpened_links": sharpened}
    for rows, width, heads in ((1, 1, 1), (6, 3, 2), (33, 18, 5))
    for masked, deallocating, links, sharpened in ((True, True, True, True), (False, True, True, False), (True, False, False, True), (False, False, True, True))
]
NTMS = [
    {"rows": rows, "width": width, "read_heads": readers, "write_heads": writers, "reach": reach}
    for rows, width, readers, writers, reach in ((1, 1, 1, 1, 1), (6, 3, 2, 1, 1), (33, 18, 1, 5, 3), (4, 17, 5, 2, 6))
]
CASES = [(DNC, case) for case in DNCS] + [(NTM, case) for case in NTMS]


def made(kind, options, cell=None, **more):
    """Rows of the memory differ, since among rows of equal usage it is rounding that decides."""
    torch.manual_seed(0)
    model = kind(cell or cells.LSTM(), 4, 5, learned_memory=True, **options, **more).double()
    with torch.no_grad():
        for weight in model.parameters():
            weight.add_(0.3 * torch.randn_like(weight))
    return model


def found_by(model, x, engine, monkeypatch, lengths=None, resets=None):
    """The output, the state, and gradients, all by name; and the same without gradients."""
    monkeypatch.setenv("TENUTO_ENGINE", engine)
    torch.manual_seed(1)
    model.zero_grad()
    begun = model(torch.randn(3, x.shape[1], 4, dtype=torch.float64).to(x.dtype)).state.detach()
    x, leaves = x.clone().requires_grad_(), {name: value.clone().requires_grad_() for name, value in tensors_of(begun).items()}
    control = type(begun.controller)(*(leaves[f"controller.{name}"] for name in begun.controller._fields))
    state = type(begun)(*(leaves[name] for name in begun._fields[:-1]), control)
    found = model(x, state, lengths=lengths, resets=resets)
    results = {"output": found.output, **tensors_of(found.state)}
    sum((value * torch.randn(value.shape, dtype=torch.float64).to(x.dtype)).sum() for value in results.values()).backward()
    with torch.no_grad():
        other = model(x, state, lengths=lengths, resets=resets)
    gradients = {"d x": x.grad, **{f"d {name}": leaf.grad for name, leaf in leaves.items()}, **{f"d {name}": weight.grad for name, weight in model.named_parameters()}}
    return {**results, **{f"{name} without gradients": value for name, value in {"output": other.output, **tensors_of(other.state)}.items()}, **gradients}


def assert_same(one, other, **closeness):
    assert one.keys() == other.keys()
    for name, value in one.items():
        expected = other[name]
        if value is None or expected is None:  # what nothing depends on
            assert all(each is None or not each.any() for each in (value, expected)), name
        else:
            torch.testing.assert_close(value.detach(), expected.detach(), msg=lambda said, name=name: f"{name}: {said}", **closeness)


def compiled(model, x):
    return not model.engine_report(x).torch_heads


@pytest.mark.parametrize(("kind", "options"), CASES)
def test_as_in_torch(kind, options, monkeypatch):
    model, x = made(kind, options), torch.randn(STEPS, ROWS, 4, dtype=torch.float64)
    assert compiled(model, x)
    assert_same(found_by(model, x, "cpp", monkeypatch), found_by(model, x, "reference", monkeypatch), rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("lengths", [None, [7, 3, 0]])
@pytest.mark.parametrize("resets", [False, True])
@pytest.mark.parametrize(("kind", "options"), [(DNC, DNCS[4]), (NTM, NTMS[1])])
def test_lengths_resets_and_a_deep_controller(kind, options, lengths, resets, monkeypatch):
    model, x = made(kind, options, cells.ProjectionLSTM(projection=4), num_layers=2), torch.randn(STEPS, ROWS, 4, dtype=torch.float64)
    for row, length in enumerate(lengths or ()):
        x[length:, row] = 1e9
    flags = torch.rand(STEPS, ROWS) < 0.3 if resets else None
    one, other = (found_by(model, x, engine, monkeypatch, lengths, flags) for engine in ("cpp", "reference"))
    assert_same(one, other, rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize(("kind", "options"), [(DNC, DNCS[8]), (NTM, NTMS[2])])
def test_as_exact_in_float32(kind, options, monkeypatch):
    model, x = made(kind, options), torch.randn(20, 5, 4, dtype=torch.float64)
    exact = found_by(model, x, "reference", monkeypatch)
    found = found_by(model.float(), x.float(), "cpp", monkeypatch)
    for name, value in found.items():
        if value is not None and exact[name] is not None and exact[name].numel():
            error = (value.double() - exact[name]).norm() / exact[name].norm().clamp(min=1e-3)
            assert error < 1e-4, f"{name}: {error}"


@pytest.mark.parametrize("states", [True, False])
@pytest.mark.parametrize(("kind", "options"), [(DNC, DNCS[4]), (DNC, DNCS[6]), (NTM, NTMS[1])])
def test_gradients_are_those_of_the_numbers(kind, options, states):
    model, x = made(kind, options, cells.GRU()), torch.randn(3, 2, 4, dtype=torch.float64, requires_grad=True)
    begun = model(torch.randn(3, 2, 4, dtype=torch.float64)).state.detach()
    memory = begun.memory.clone().requires_grad_()
    names, weights = zip(*model.named_parameters())

    def call(x, memory, *weights):
        found = torch.func.functional_call(model, dict(zip(names, weights)), (x, begun._replace(memory=memory)), {"lengths": [3, 2]})
        return (found.output, found.state.memory, found.state.controller.h) if states else found.output

    assert torch.autograd.gradcheck(call, (x, memory, *weights), fast_mode=True)
    assert torch.autograd.gradcheck(lambda x: call(x, memory, *weights), (x,))


@pytest.mark.parametrize("early", [False, True])
@pytest.mark.parametrize(("kind", "options"), [(DNC, DNCS[4]), (NTM, NTMS[1])])
def test_further_derivatives_and_many_at_once(kind, options, early, monkeypatch):
    model, x = made(kind, options), torch.randn(3, 2, 4, dtype=torch.float64, requires_grad=True)
    begun = (model.begin(2) if early else model(torch.randn(4, 2, 4, dtype=torch.float64)).state).detach()  # early: all links are zero

    def second(engine):
        monkeypatch.setenv("TENUTO_ENGINE", engine)
        (first,) = torch.autograd.grad(model(x, begun).output.square().sum(), x, create_graph=True)
        found = torch.autograd.grad(first.square().sum(), [x, model.interface.project.weight])
        assert all(torch.isfinite(gradient).all() for gradient in found)
        return found

    torch.testing.assert_close(second("cpp"), second("reference"))
    monkeypatch.setenv("TENUTO_ENGINE", "cpp")
    output = model(x, begun).output.sum(1)
    one_by_one = torch.stack([torch.autograd.grad(value, x, retain_graph=True)[0] for value in output.flatten()])
    at_once = torch.autograd.grad(output.flatten(), x, torch.eye(output.numel(), dtype=x.dtype), is_grads_batched=True)[0]
    torch.testing.assert_close(at_once, one_by_one)
    torch.testing.assert_close(torch.func.jacrev(lambda x: model(x, begun).output.sum(1))(x.detach()).reshape(one_by_one.shape), one_by_one)


@pytest.mark.parametrize(("kind", "options"), [(DNC, DNCS[8]), (NTM, NTMS[2])])
def test_whole_in_chunks_alone_and_by_threads(kind, options):
    model, x = made(kind, options).float().eval(), torch.randn(STEPS, 5, 4)
    with torch.no_grad(), tenuto.invariant():
        whole = model(x)
        chunked, state = in_chunks(model, x, (3, 0, 4), None)
        alone = model(x[:, 2:3])
    assert torch.equal(chunked, whole.output) and all(torch.equal(part, tensors_of(state)[name]) for name, part in tensors_of(whole.state).items())
    torch.testing.assert_close(alone.state.memory, whole.state.memory[2:3])  # what is said comes from torch's product, whose bits depend on the batch
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(2)
        torch.testing.assert_close(model(x).state.memory, whole.state.memory)
    finally:
        torch.set_num_threads(before)
    with torch.no_grad():
        stream = model.stream(5)
        torch.testing.assert_close(torch.stack([model.step(one, stream) for one in x]), whole.output)


def test_what_runs_is_said_and_what_cannot_is_torchs(monkeypatch):
    model, x = made(DNC, DNCS[4]), torch.randn(STEPS, ROWS, 4, dtype=torch.float64)
    report = model.engine_report(x)
    assert isinstance(report, MemoryReport) and "the heads of the memory: compiled, all steps in one operation" in str(report)
    heard = []
    handle = model.interface.register_forward_hook(lambda *_: heard.append(1))
    assert "listened to" in str(model.engine_report(x))
    with_hook = model(x).output
    handle.remove()
    assert len(heard) == STEPS
    torch.testing.assert_close(model(x).output, with_hook)
    monkeypatch.setenv("TENUTO_ENGINE", "reference")
    assert "torch, since the engine 'reference' was asked for" in str(model.engine_report(x))
    monkeypatch.delenv("TENUTO_ENGINE")
    assert "float32 or float64" in accessed.obstacle(model, [x, x.float()])


def test_a_state_is_the_callers_own():
    """Writing into a result changes neither gradients nor the state that was given."""
    model, x = made(NTM, NTMS[1]), torch.randn(STEPS, ROWS, 4, dtype=torch.float64)
    begun = model(x).state.detach()
    kept = begun.memory.clone()
    found = model(x, begun)
    (expected,) = torch.autograd.grad(found.output.sum(), model.interface.project.weight, retain_graph=True)
    with torch.no_grad():
        found.state.memory.zero_()
        found.output.zero_()
    assert torch.equal(torch.autograd.grad(found.output.sum(), model.interface.project.weight)[0], expected)
    with torch.no_grad():
        model(x, begun).state.memory.zero_()
    assert torch.equal(begun.memory, kept)


@pytest.mark.parametrize("kind", [DNC, NTM])
def test_what_was_kept_is_looked_at_before_a_kernel_reads_it(kind):
    model, x = made(kind, {"rows": 6, "width": 3, "read_heads": 2}), torch.randn(STEPS, ROWS, 4, dtype=torch.float64)
    assert compiled(model, x)

    def gradient(pack, unpack):
        model.zero_grad()
        with torch.autograd.graph.saved_tensors_hooks(pack, unpack):
            loss = model(x).output.square().sum()
        loss.backward()
        return model.interface.project.weight.grad.clone()

    expected = gradient(lambda kept: kept, lambda kept: kept)
    assert torch.equal(gradient(lambda kept: kept.mT.contiguous() if kept.dim() > 1 else kept, lambda kept: kept.mT if kept.dim() > 1 else kept), expected)
    for unpack in (torch.Tensor.half, torch.Tensor.float, lambda kept: kept[:1], lambda kept: kept.flatten()[None], lambda kept: kept.to("meta")):
        with pytest.raises((EngineError, RuntimeError)):
            gradient(lambda kept: kept, unpack)


@pytest.mark.parametrize("kind", [DNC, NTM])
def test_a_minus_sign_that_waits_is_applied(kind):
    model, x = made(kind, {"rows": 6, "width": 3, "read_heads": 2}), torch.randn(STEPS, ROWS, 4, dtype=torch.float64)
    resets = torch.rand(STEPS, ROWS) < 0.3
    with torch.no_grad():
        state = model(x).state
        waiting = type(state)(*map(torch._neg_view, state[:-1]), type(state.controller)(*map(torch._neg_view, state.controller)))
        applied = type(state)(*(-value for value in state[:-1]), type(state.controller)(*(-value for value in state.controller)))
        assert torch.equal(model(torch._neg_view(x), waiting, resets=resets).output, model(-x, applied, resets=resets).output)
