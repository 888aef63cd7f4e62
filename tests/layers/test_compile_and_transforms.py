"""A layer inside other features of torch: torch.compile, functorch, double backward, checkpointing, deterministic mode, autocast."""

import pickle
import subprocess
import sys

import pytest
import torch
from torch.func import functional_call, grad, jvp, vmap
from torch.utils.checkpoint import checkpoint

import tenuto
from tenuto import Recurrent, cells
from tests.layers.closeness import assert_near

INPUT, HIDDEN, STEPS, ROWS = 3, 4, 5, 3
LAYERS = {
    "LSTM": lambda **o: tenuto.LSTM(INPUT, HIDDEN, 2, bidirectional=True, **o),
    "GRU": lambda **o: tenuto.GRU(INPUT, HIDDEN, **o),
    "two_phases": lambda **o: Recurrent(cells.ResetBeforeGRU(), INPUT, HIDDEN, 2, bidirectional=True, residual=True, learned_state=True, **o),
}
MASKS = {
    "plain": {},
    "lengths": {"lengths": torch.tensor([5, 2, 0])},
    "resets": {"resets": torch.arange(STEPS * ROWS).view(STEPS, ROWS) % 4 == 0},
}


def learn(module, x, **masks):
    """Output, and the gradients of x and of every parameter."""
    x = x.clone().requires_grad_()
    output = module(x, **masks)[0]
    return output, torch.autograd.grad(output.square().sum(), [x, *module.parameters()])


@pytest.mark.parametrize("masks", MASKS)
@pytest.mark.parametrize("name", LAYERS)
def test_compiled_equals_eager(name, masks):
    torch._dynamo.reset()
    layer, x = LAYERS[name](), torch.randn(STEPS, ROWS, INPUT)
    compiled = torch.compile(layer, fullgraph=True, backend="aot_eager")
    output, gradients = learn(layer, x, **MASKS[masks])
    compiled_output, compiled_gradients = learn(compiled, x, **MASKS[masks])
    assert_near(compiled_output, output)
    for actual, expected in zip(compiled_gradients, gradients, strict=True):
        assert_near(actual, expected, gradient=True)
    with torch.no_grad():
        assert_near(compiled(x, **MASKS[masks])[0], output)


def test_compiled_under_autocast():
    torch._dynamo.reset()
    layer, x = LAYERS["GRU"](), torch.randn(STEPS, ROWS, INPUT)
    compiled = torch.compile(layer, fullgraph=True, backend="aot_eager")
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(compiled(x)[0], layer(x)[0])


def test_a_compiled_training_step_learns():
    torch._dynamo.reset()
    model = torch.nn.ModuleDict({"layer": tenuto.LSTM(INPUT, HIDDEN), "head": torch.nn.Linear(HIDDEN, 1)})
    optimiser, x = torch.optim.Adam(model.parameters(), 0.05), torch.randn(STEPS, ROWS, INPUT)

    @torch.compile(fullgraph=True, backend="aot_eager")
    def loss_of(x):
        return (model["head"](model["layer"](x)[0]) - x.sum(-1, keepdim=True).tanh()).square().mean()

    losses = []
    for _ in range(30):
        optimiser.zero_grad()
        loss = loss_of(x)
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0] / 3


@pytest.mark.parametrize("name", LAYERS)
def test_per_sample_gradients(name):
    layer = LAYERS[name]().double()
    parameters = {key: value.detach() for key, value in layer.named_parameters()}
    x = torch.randn(ROWS, STEPS, INPUT, dtype=torch.float64)

    def loss(values, one):
        return functional_call(layer, values, (one[:, None],))[0].square().sum()

    together = vmap(grad(loss), in_dims=(None, 0))(parameters, x)
    for row in range(ROWS):
        for key, gradient in grad(loss)(parameters, x[row]).items():
            assert_near(together[key][row], gradient, key, gradient=True)


@pytest.mark.parametrize("name", LAYERS)
def test_second_derivatives_and_forward_mode(name):
    layer, x = LAYERS[name]().double(), torch.randn(2, 2, INPUT, dtype=torch.float64, requires_grad=True)
    options = {"lengths": torch.tensor([2, 1])}
    assert torch.autograd.gradgradcheck(lambda x: layer(x, **options)[0], (x,))
    tangent, step = torch.randn_like(x), 1e-6
    with torch.no_grad():
        _, derivative = jvp(lambda x: layer(x, **options)[0], (x.detach(),), (tangent,))
        difference = (layer(x + step * tangent, **options)[0] - layer(x - step * tangent, **options)[0]) / (2 * step)
    torch.testing.assert_close(derivative, difference, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("name", LAYERS)
def test_checkpointing_deterministic_mode_and_gradients_in_evaluation(name):
    layer, x = LAYERS[name]().eval(), torch.randn(STEPS, ROWS, INPUT)
    output, gradients = learn(layer, x)
    again = x.clone().requires_grad_()
    saved = checkpoint(lambda x: layer(x)[0], again, use_reentrant=False)
    torch.use_deterministic_algorithms(True)
    try:
        strict_output, strict_gradients = learn(layer, x)
    finally:
        torch.use_deterministic_algorithms(False)
    assert torch.equal(saved, output) and torch.equal(strict_output, output)
    for actual, strict, expected in zip(
        torch.autograd.grad(saved.square().sum(), [again, *layer.parameters()]), strict_gradients, gradients, strict=True
    ):
        assert torch.equal(actual, expected) and torch.equal(strict, expected)


@pytest.mark.parametrize("engine", ["auto", "reference"])
@pytest.mark.parametrize("name", LAYERS)
def test_autocast_keeps_states_in_float32_and_gives_its_own_dtype(name, engine):
    layer, x = LAYERS[name](), torch.randn(STEPS, ROWS, INPUT)
    layer.engine = engine
    exact, exact_gradients = learn(layer, x)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        output, gradients = learn(layer, x)
        carried = layer(x, layer(x)[1])[0]
        narrow = layer(x.bfloat16())[0]
    assert output.dtype == carried.dtype == narrow.dtype == torch.bfloat16
    assert_near(output, exact, dtype=torch.bfloat16)
    if name == "GRU" and engine == "reference":  # one layer, so it is rounded once, at its end
        torch.testing.assert_close(output, exact.bfloat16(), rtol=0, atol=0)
    for actual, expected in zip(gradients, exact_gradients, strict=True):
        assert actual.dtype == torch.float32
        assert_near(actual, expected, gradient=True, dtype=torch.bfloat16)


@pytest.mark.cpp
@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("name", ["LSTM", "two_phases"])
def test_inductor(name):
    """torch's own compiler for the code around the time loop; on the CPU it needs a C++ compiler too."""
    torch._dynamo.reset()
    layer, x = LAYERS[name](), torch.randn(STEPS, ROWS, INPUT)

    def around(x, **masks):
        output, state = layer((2 * x).sin(), **masks)
        return output.tanh() + 1, state

    around.parameters = layer.parameters
    compiled = torch.compile(around, fullgraph=True)
    compiled.parameters = layer.parameters
    for masks in MASKS.values():
        output, gradients = learn(around, x, **masks)
        compiled_output, compiled_gradients = learn(compiled, x, **masks)
        assert_near(compiled_output, output)
        for actual, expected in zip(compiled_gradients, gradients, strict=True):
            assert_near(actual, expected, gradient=True)


EAGER = """
import sys, tenuto, torch
layer = tenuto.LSTM(3, 4)
layer(torch.zeros(5, 2, 3), lengths=[5, 2])[0].sum().backward()
print("torch._dynamo" in sys.modules)
"""


def test_an_uncompiled_call_does_not_load_torchs_compiler():
    done = subprocess.run([sys.executable, "-c", EAGER], capture_output=True, text=True, check=False)
    assert done.stdout == "False\n", done.stderr


UNPICKLED = """
import pickle, sys, torch
layer = pickle.loads(sys.stdin.buffer.read())
x = torch.randn(2, 3) if isinstance(layer, torch.nn.RNNCellBase) else torch.randn(5, 2, 3)
compiled = torch.compile(layer, fullgraph=True, backend="aot_eager")
torch.testing.assert_close(compiled(x), layer(x))
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    "layer",
    [lambda: Recurrent(cells.GRU(), 3, 4, zoneout=0.1), lambda: tenuto.LSTM(3, 4), lambda: tenuto.RNNCell(3, 4)],
    ids=["Recurrent", "LSTM", "RNNCell"],
)
def test_a_layer_sent_to_a_process_that_made_no_layer_can_be_compiled(layer):
    layer = layer().eval()
    done = subprocess.run([sys.executable, "-c", UNPICKLED], input=pickle.dumps(layer), capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()[-3000:]
