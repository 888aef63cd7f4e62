"""NTM, DNC and fast weights against their equations in NumPy: row by row, head by head, step by step."""

import numpy as np
import pytest
import torch

from tenuto import cells
from tenuto.layers import DNC, NTM, FastWeights
from tenuto.layers.addressing import allocated, sharpened, shifted, similarity


@pytest.fixture(autouse=True, params=["reference", pytest.param("cpp", marks=pytest.mark.cpp)])
def engine(request, monkeypatch):
    """In torch's own operations, and compiled (`layers/accessed.py`)."""
    monkeypatch.setenv("TENUTO_ENGINE", request.param)


STEPS, ROWS, E = 6, 3, 1e-6


def drawn(*shape):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


def shaken(model):
    """Weights so far from zero that no gate is half open."""
    chance = torch.Generator().manual_seed(2)
    with torch.no_grad():
        for weight in model.parameters():
            weight.add_(torch.randn(weight.shape, generator=chance, dtype=weight.dtype))
    return model


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def softplus(x):
    return np.log1p(np.exp(x))


def softmax(x):
    return np.exp(x) / np.exp(x).sum(-1, keepdims=True)


def weights_of(model):
    return {name: value.detach().numpy() for name, value in (*model.named_parameters(), *model.named_buffers())}


def control(model, x, reads, h):
    """An Elman controller, and what it says by name."""
    w = weights_of(model)
    h = np.tanh(w["controller.weight_ih_l0"] @ np.concatenate([x, reads.ravel()]) + w["controller.weight_hh_l0"] @ h + w["controller.bias_l0"])
    flat, said, begin = w["interface.project.weight"] @ h + w["interface.project.bias"], {}, 0
    for name, shape in model.interface.shapes.items():
        count = int(np.prod(shape))
        said[name] = flat[begin : begin + count].reshape(shape)
        begin += count
    assert begin == len(flat)
    return h, said


def content(memory, key, strength, mask=None):
    scores = []
    for row in memory:
        k, v = (key, row) if mask is None else (key * mask, row * mask)
        scores.append(strength * (k @ v) / np.sqrt((k @ k + E) * (v @ v + E)))
    return softmax(np.array(scores))


def ntm(model, x):
    """One row x [T, I]: after each step the output and the state by name."""
    w = weights_of(model)
    memory, reads, weights, h = w["initial_memory"], np.tanh(w["initial_reads"]), softmax(w["initial_weights"]), np.zeros(model.hidden_size)
    count, found = model.rows, []
    for now in x:
        h, said = control(model, now, reads, h)
        new = []
        for head, before in enumerate(weights):
            gate, shift, power = sigmoid(said["gates"][head]), softmax(said["shifts"][head]), 1 + softplus(said["powers"][head])
            mixed = gate * content(memory, np.tanh(said["keys"][head]), softplus(said["strengths"][head])) + (1 - gate) * before
            moved = np.array([sum(mixed[j] * shift[s + model.reach] for j in range(count) for s in range(-model.reach, model.reach + 1) if (i - j - s) % count == 0) for i in range(count)])
            new.append(moved**power / (moved**power).sum())
        weights = np.array(new)
        reads = np.array([sum(weights[head, i] * memory[i] for i in range(count)) for head in range(model.read_heads)])
        memory = memory.copy()
        for head in range(model.write_heads):
            memory *= 1 - np.outer(weights[model.read_heads + head], sigmoid(said["erased"][head]))
        for head in range(model.write_heads):
            memory += np.outer(weights[model.read_heads + head], np.tanh(said["added"][head]))
        found.append((np.concatenate([h, reads.ravel()]), {"memory": memory, "reads": reads, "weights": weights}))
    return found


def dnc(model, x):
    """As `ntm`."""
    w, count, heads = weights_of(model), model.rows, model.read_heads
    memory, reads, h = w["initial_memory"], np.zeros((heads, model.width)), np.zeros(model.hidden_size)
    read, write, usage, link, last = np.zeros((heads, count)), np.zeros(count), np.zeros(count), np.zeros((count, count)), np.zeros(count)
    found = []
    for now in x:
        h, said = control(model, now, reads, h)
        kept = np.prod([1 - sigmoid(said["free_gates"][head]) * read[head] for head in range(heads)], 0)
        usage = (usage + write - usage * write) * kept
        allocation, product = np.zeros(count), 1.0
        for i in np.argsort(usage, kind="stable"):
            used = E + (1 - E) * usage[i]
            allocation[i] = (1 - used) * product
            product *= used
        mask = sigmoid(said["write_mask"][0]) if model.masked else None
        found_write = content(memory, said["write_key"][0], 1 + softplus(said["write_strength"][0]), mask)
        gate = sigmoid(said["allocation_gate"][0])
        write = sigmoid(said["write_gate"][0]) * (gate * allocation + (1 - gate) * found_write)
        if model.deallocating:
            memory = kept[:, None] * memory
        memory = memory * (1 - np.outer(write, sigmoid(said["erased"]))) + np.outer(write, said["written"])
        if model.links:
            link = np.array([[0.0 if i == j else (1 - write[i] - write[j]) * link[i, j] + write[i] * last[j] for j in range(count)] for i in range(count)])
            last = (1 - write.sum()) * last + write
        new = []
        for head in range(heads):
            mask = sigmoid(said["read_masks"][head]) if model.masked else None
            places = content(memory, said["read_keys"][head], 1 + softplus(said["read_strengths"][head]), mask)
            if model.links:
                ahead, back, mode = link @ read[head], link.T @ read[head], softmax(said["modes"][head])
                if model.sharpened_links:
                    for powers, values in (("forward_powers", ahead), ("backward_powers", back)):
                        raised = (values / max(values.max(), E)) ** (1 + softplus(said[powers][head]))
                        values[:] = raised / max(raised.sum(), 1)
                places = mode[0] * back + mode[1] * places + mode[2] * ahead
            new.append(places)
        read = np.array(new)
        reads = read @ memory
        state = {"memory": memory, "reads": reads, "read_weights": read, "write_weights": write, "usage": usage}
        found.append((np.concatenate([h, reads.ravel()]), {**state, "link": link, "precedence": last} if model.links else state))
    return found


def compare(model, written_out):
    """Each step's output and state, of each row, and the same at once."""
    x = drawn(STEPS, ROWS, 2)
    rows = [written_out(model, x[:, row].numpy()) for row in range(ROWS)]
    whole, state = model(x).output, None
    for t in range(STEPS):
        output, state = model(x[t : t + 1], state)
        for row in range(ROWS):
            expected, parts = rows[row][t]
            np.testing.assert_allclose(output[0, row].detach(), expected, rtol=1e-8, atol=1e-9)
            np.testing.assert_allclose(whole[t, row].detach(), expected, rtol=1e-8, atol=1e-9)
            for name, value in parts.items():
                np.testing.assert_allclose(getattr(state, name)[row].detach(), value, rtol=1e-8, atol=1e-9, err_msg=f"{name} after step {t}")


@pytest.mark.parametrize(("reading", "writing", "reach", "rows"), [(1, 1, 1, 5), (2, 3, 2, 5), (1, 1, 1, 1), (1, 1, 3, 4)])
@pytest.mark.parametrize("learned", [False, True])
def test_the_ntm_is_its_equations(reading, writing, reach, rows, learned):
    model = NTM(cells.Elman(), 2, 4, rows=rows, width=3, read_heads=reading, write_heads=writing, reach=reach, learned_memory=learned)
    compare(shaken(model.double()), ntm)


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("deallocating", [False, True])
@pytest.mark.parametrize(("links", "sharpened_links"), [(True, True), (True, False), (False, True)])
@pytest.mark.parametrize(("rows", "heads", "learned"), [(5, 2, False), (1, 1, True)])
def test_the_dnc_is_its_equations(masked, deallocating, links, sharpened_links, rows, heads, learned):
    model = DNC(
        cells.Elman(), 2, 4, rows=rows, width=3, read_heads=heads, links=links, masked=masked, deallocating=deallocating, sharpened_links=sharpened_links, learned_memory=learned
    )  # fmt: skip
    compare(shaken(model.double()), dnc)


def test_fast_weights_are_their_equations():
    def positive(z):
        raised = np.where(z > 0, z + 1, np.exp(z))
        return raised / raised.sum()

    def written_out(model, x):
        memory, found = np.zeros((2, 3, 3)), []
        w = weights_of(model)
        for now in x:
            said, output = (w["project.weight"] @ now + w["project.bias"]).reshape(2, 10), []
            memory = memory.copy()
            for head in range(2):
                key, value, question, pace = positive(said[head, :3]), said[head, 3:6], positive(said[head, 6:9]), sigmoid(said[head, 9])
                memory[head] += pace * np.outer(value - memory[head] @ key, key)
                output.append(memory[head] @ question)
            found.append((np.concatenate(output), {"memory": memory}))
        return found

    compare(shaken(FastWeights(2, 6, heads=2).double()), written_out)


def test_the_least_used_row_is_allocated():
    found = allocated(torch.tensor([[0.5, 0.25, 1.0], [0.0, 0.0, 1.0], [1.0, 1.0, 1.0]], dtype=torch.float64))
    torch.testing.assert_close(found, torch.tensor([[0.125, 0.75, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 0.0]], dtype=torch.float64), rtol=1e-5, atol=2e-6)


def test_weights_are_shifted_and_sharpened():
    weights = torch.tensor([[[0.2, 0.8, 0.0, 0.0]]])
    torch.testing.assert_close(shifted(weights, torch.tensor([[[0.0, 0.0, 1.0]]])), torch.tensor([[[0.0, 0.2, 0.8, 0.0]]]))
    torch.testing.assert_close(shifted(weights, torch.tensor([[[0.5, 0.5, 0.0]]])), torch.tensor([[[0.5, 0.4, 0.0, 0.1]]]))
    torch.testing.assert_close(sharpened(weights, torch.tensor([[2.0]])), torch.tensor([[[0.04 / 0.68, 0.64 / 0.68, 0.0, 0.0]]]))
    assert sharpened(torch.full((1, 1, 4), 0.25), torch.tensor([[500.0]])).sum() == 1
    assert not sharpened(torch.zeros(1, 1, 4), torch.tensor([[2.0]])).any()


def test_a_cosine_has_a_gradient_at_zero():
    keys, memory = torch.zeros(1, 1, 3, requires_grad=True), torch.zeros(1, 2, 3, requires_grad=True)
    for mask in (None, torch.zeros(1, 1, 3)):
        gradients = torch.autograd.grad(similarity(keys, memory, mask).sum(), (keys, memory))
        assert all(torch.isfinite(gradient).all() for gradient in gradients)
    ones = torch.ones(1, 1, 4)
    torch.testing.assert_close(similarity(ones, torch.tensor([[[2.0, 2.0, 2.0, 2.0], [-1.0, -1.0, -1.0, -1.0]]])), torch.tensor([[[1.0, -1.0]]]), rtol=1e-5, atol=1e-5)
