"""What a cell is: a digest of its step and derivative that nothing else changes, and in words what differs where it does."""

import importlib.abc
import json
import os
import subprocess
import sys
import types
from pathlib import Path

import pytest
import torch

from tenuto import Recurrent
from tenuto.cell import Cell, State
from tenuto.errors import CellError
from tenuto.program import handle_of, trace, traced_of
from tenuto.program.identity import difference, require
from tests.zoo import CELLS

DIGESTS = Path(__file__).parent.parent / "golden" / "digests.json"
HEADER = "import torch\nfrom tenuto.cell import Cell, State\nfrom tenuto.activations import layer_norm, softmax\n"
GATED = """
class Gated(Cell):
    gates = "z n"
    state = "h"
    rate: float = 0.5
    def step(self, x, U, s):
        z = torch.sigmoid(x.z + U.z @ s.h)
        n = torch.tanh(x.n + U.n @ (z * s.h))
        return State(h=(1 - z) * n + self.rate * z * s.h)
"""


class Typed(importlib.abc.InspectLoader):
    """Runs text as a notebook runs a cell."""

    def __init__(self, text):
        self.text = text

    def get_source(self, fullname):
        return self.text


def run(text, space=None):
    """The module that this text makes, or goes on with."""
    module = types.ModuleType("notebook") if space is None else space
    Typed(text).exec_module(module)
    return module


def cell_of(text, name="Gated", before="", **fields):
    return getattr(run(HEADER + before + text), name)(**fields)


def maths_of(text, **options):
    return trace(cell_of(text, **options)).maths


# --- the digest --------------------------------------------------------------------------------------------------------


def test_the_digests_of_the_zoo_are_the_same_with_every_torch_and_hash_seed():
    """Written by `python -m tests.program.test_identity`; the same with torch 2.4, 2.6 and 2.13."""
    known = json.loads(DIGESTS.read_text(encoding="utf-8"))
    assert {name: trace(cell).maths["digest"] for name, cell in CELLS.items()} == known
    code = "from tests.zoo import CELLS; from tenuto.program import trace; import torch; torch.__version__ = '9.9'; print(trace(CELLS['zoneout']).maths['digest'])"
    for seed in ("1", "2"):
        environment = {**os.environ, "PYTHONHASHSEED": seed}
        made = subprocess.run([sys.executable, "-c", code], cwd=Path(__file__).parents[2], env=environment, capture_output=True, text=True, check=True)
        assert made.stdout.strip() == known["zoneout"]


HARMLESS = {
    "names of variables": GATED.replace("z = torch", "update = torch").replace("(z * s.h)", "(update * s.h)").replace("(1 - z) * n", "(1 - update) * n").replace("rate * z", "rate * update"),
    "lines and comments": "\n" * 40 + GATED.replace("        n =", "        # the candidate\n\n        n ="),
    "another name": GATED.replace("class Gated", "class Other") + "Gated = Other\n",
    "the order of what is added": GATED.replace("x.z + U.z @ s.h", "U.z @ s.h + x.z"),
    "functions for methods": GATED.replace("torch.sigmoid(x.z + U.z @ s.h)", "(x.z + U.z @ s.h).sigmoid()"),
}


@pytest.mark.parametrize("text", HARMLESS.values(), ids=HARMLESS)
def test_what_is_no_maths_is_not_in_the_digest(text):
    assert maths_of(text)["digest"] == maths_of(GATED)["digest"]
    assert difference(maths_of(GATED), maths_of(text)) is None


STATEMENTS = """
class Gated(Cell):
    gates = "i f"
    state = "h c"
    def step(self, x, U, s):
        i = torch.sigmoid(x.i + U.i @ s.h)
        f = torch.tanh(x.f + U.f @ s.c)
        return State(h=i * f, c=f + s.c)
"""


def test_statements_in_another_order_are_the_same_maths_and_the_layer_has_the_same_weights():
    first, second = STATEMENTS, STATEMENTS.replace("        i = torch.sigmoid(x.i + U.i @ s.h)\n", "").replace("        return", "        i = torch.sigmoid(x.i + U.i @ s.h)\n        return")
    assert difference(maths_of(first), maths_of(second)) is None
    layers = [Recurrent(cell_of(text), 3, 4) for text in (first, second)]
    layers[1].load_state_dict(layers[0].state_dict())
    x = torch.randn(5, 2, 3)
    torch.testing.assert_close(layers[1](x).output, layers[0](x).output)


@pytest.mark.parametrize(("was", "now"), [("(1 - z) * n", "n - z * n"), ("self.rate * z * s.h", "z * (s.h / 2)"), ("torch.tanh(", "(lambda v: 2 * torch.sigmoid(2 * v) - 1)(")])
def test_the_same_function_written_otherwise_is_the_same_cell(was, now):
    assert difference(maths_of(GATED), maths_of(GATED.replace(was, now))) is None


def test_a_derivative_that_another_torch_writes_otherwise_is_the_same(monkeypatch):
    from tenuto.program import aten

    table = dict(aten.decompositions())
    table[torch.ops.aten.tanh_backward.default] = lambda d, y: d - d * y * y
    before = maths_of(GATED)
    monkeypatch.setattr(aten, "decompositions", lambda: table)
    after = maths_of(GATED)
    assert after["derivative"] != before["derivative"] and difference(before, after) is None


SPIKING = """
class Spike(torch.autograd.Function):
    @staticmethod
    def forward(ctx, v):
        ctx.save_for_backward(v)
        return (v > 0.5).to(v.dtype)
    @staticmethod
    def backward(ctx, d):
        (v,) = ctx.saved_tensors
        return torch.where((v - 0.5).abs() < 0.25, d, 0.0)

class Gated(Cell):
    gates = "v"
    state = "s v"
    def step(self, x, U, s):
        v = 0.9 * s.v * (1 - s.s.detach()) + x.v + U.v @ s.s
        return State(s=Spike.apply(v), v=v)
"""
OTHER = {
    "a number": (GATED, "rate: float = 0.5", "rate: float = 0.4", "the new state h", "0.5", "0.4"),
    "a sign": (GATED, "(1 - z) * n +", "(1 - z) * n -", "the new state h", "+", "-"),
    "an operand": (GATED, "(z * s.h)", "s.h", "the products", "U.n @ (s.h * sigmoid", "U.n U.z @ (s.h)"),
    "an operand's number": (GATED, "(z * s.h)", "(z * s.h * 2)", "the value that U.n is multiplied with", "s.h * sigmoid", "* 2"),
    "the order of gates": (GATED, '"z n"', '"n z"', "the gates", "z n", "n z"),
    "a parameter": (GATED, 'state = "h"', 'state = "h"; parameters = "b"', "the parameters", "none", "b"),
    "no derivative": (GATED, "self.rate * z", "self.rate * z.detach()", "the derivative d x.z", "", ""),
    "a threshold": (SPIKING, "v > 0.5)", "v > 0.5001)", "the new state s", "0.5", "0.5001"),
    "a surrogate's width": (SPIKING, "< 0.25", "< 0.2501", "the derivative d x.v", "0.25", "0.2501"),
    "a derivative let through": (SPIKING, "s.s.detach()", "s.s", "the derivative d s.s", "", ""),
    "heads": (GATED, "rate: float", "heads: int = 2; rate: float", "the heads", "1", "2"),
}


@pytest.mark.parametrize(("text", "was", "now", "what", "expected", "received"), OTHER.values(), ids=OTHER)
def test_a_step_that_changed_its_maths_says_in_words_what_differs(text, was, now, what, expected, received):
    assert was in text
    before, after = maths_of(text), maths_of(text.replace(was, now, 1))
    assert before["digest"] != after["digest"]
    with pytest.raises(CellError, match=f"Gated is not the one with which the run was trained: {what} differ") as caught:
        require(json.loads(json.dumps(before)), after, "Gated", "the run was trained", "train anew")
    assert expected in caught.value.expected and received in caught.value.received and caught.value.expected != caught.value.received


def test_maths_of_a_later_tenuto_differs_and_that_of_none_does_not():
    now = maths_of(GATED)
    assert difference(None, now) is None
    later = {**now, "digest": "0", "step": now["step"].replace("sigmoid", "new_word")}
    assert difference(later, now).what == "the digest"


# --- what is remembered of cells ---------------------------------------------------------------------------------------------


def gradients(layer, engine):
    layer.engine = engine
    layer.zero_grad()
    x = torch.randn(6, 3, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    layer(x).output.sum().backward()
    return [weight.grad.clone() for weight in layer.parameters()]


def layer_of(cell):
    torch.manual_seed(0)
    return Recurrent(cell, 3, 4, dtype=torch.float64)


def check_all_engines(cell):
    layer = layer_of(cell)
    expected = gradients(layer, "reference")
    for found, right in zip(gradients(layer, "cpp"), expected, strict=True):
        torch.testing.assert_close(found, right)
    return expected


NOTEBOOK = {
    "detached": (GATED, "(z * s.h)", "(z.detach() * s.h)"),
    "a number": (GATED, "rate: float = 0.5", "rate: float = 0.1"),
    "a surrogate": (SPIKING, "d, 0.0)", "3 * d, 0.0)"),
}


@pytest.mark.parametrize(("text", "was", "now"), NOTEBOOK.values(), ids=NOTEBOOK)
def test_a_notebook_cell_that_is_run_again_is_used_as_it_is_now(text, was, now):
    first, second = cell_of(text), cell_of(text.replace(was, now))
    before, after = check_all_engines(first), check_all_engines(second)
    assert not all(torch.allclose(a, b) for a, b in zip(before, after, strict=True))
    assert handle_of(first) != handle_of(second)
    assert traced_of(handle_of(first)).cell is first and traced_of(handle_of(second)).cell is second
    for again, right in zip(gradients(layer_of(first), "cpp"), before, strict=True):
        torch.testing.assert_close(again, right)


def test_classes_of_a_factory_share_nothing():
    def made(slope, let_through):
        class Local(Cell):
            gates = "h"
            state = "h"

            def step(self, x, U, s):
                v = x.h + U.h @ s.h
                w = slope * torch.tanh(v)
                return State(h=w + 0.1 * (v if let_through else v.detach()))

        return Local()

    found = [check_all_engines(made(*each)) for each in ((1.0, True), (2.0, True), (1.0, False), (2.0, False))]
    for k, one in enumerate(found):
        for other in found[:k]:
            assert not torch.allclose(one[0], other[0])


OUTSIDE = """
slope = 1.0
table = {"slope": 1.0}
sizes = [1.0]
class Settings: pass
settings = Settings(); settings.slope = 1.0
import types
constants = types.ModuleType("constants"); constants.slope = 1.0
h = [0.0] * 10**6  # the name of an attribute in the step, and nothing that it reads
data = [0.0] * 10**6
def squash(v): return slope * torch.tanh(v)
class Gated(Cell):
    gates = "h"
    state = "h"
    factor = 1.0
    def helped(self, v): return self.factor * v
    def step(self, x, U, s):
        return State(h=self.helped(squash(x.h + U.h @ s.h)) * table["slope"] * sizes[0] * settings.slope * constants.slope * len(data) / 10**6)
"""
EDITS = {
    "a constant": "slope = 2.0",
    "a function": "def squash(v): return torch.sin(v)",
    "a function with another derivative": "def squash(v): return torch.tanh(v) + 0.1 * v.detach() - 0.1 * v",
    "an entry of a table": "table['slope'] = 2.0",
    "an item of a list": "sizes[0] = 2.0",
    "an attribute of an object": "settings.slope = 2.0",
    "a constant of another file": "constants.slope = 2.0",
    "a constant of the class": "Gated.factor = 2.0",
    "a method": "Gated.helped = lambda self, v: v.relu()",
    "code put into the method that is there": "Gated.helped.__code__ = (lambda self, v: 3 * v).__code__",
    "a step": "Gated.step = lambda self, x, U, s: State(h=torch.sin(x.h + U.h @ s.h))",
}


@pytest.mark.parametrize("edit", EDITS.values(), ids=EDITS)
def test_what_a_step_reads_outside_of_itself_is_looked_at_again(edit):
    """In a new layer, and in one that is there: as any function of Python does."""
    space = run(HEADER + OUTSIDE)
    layer = layer_of(space.Gated())
    before = gradients(layer, "cpp")
    x = torch.randn(6, 3, 3, dtype=torch.float64)
    with torch.no_grad():
        layer(x), layer(x)  # calls without gradients are remembered apart
    run(edit, space)
    after = check_all_engines(space.Gated())
    assert not torch.allclose(before[0], after[0])
    torch.testing.assert_close(gradients(layer, "cpp"), after)
    torch.testing.assert_close(gradients(layer, "reference"), after)
    expected = layer(x).output
    layer.engine = "cpp"
    with torch.no_grad():
        torch.testing.assert_close(layer(x).output, expected.detach())


def test_data_of_a_notebook_is_not_read_through():
    reading = trace(run(HEADER + OUTSIDE).Gated()).reading
    assert [before for _, before in reading._lists] == [(1.0,)] and len(reading._items) < 30


def test_a_layer_is_told_when_its_weights_are_no_longer_for_the_step():
    space = run(HEADER + OUTSIDE)
    layer = layer_of(space.Gated())
    gradients(layer, "cpp")
    space.Gated.step = lambda self, x, U, s: State(h=torch.tanh(x.h + U.h @ (s.h * s.h)))
    with pytest.raises(CellError, match="this layer was made: the value that U.h is multiplied with differs"):
        layer(torch.randn(5, 2, 3, dtype=torch.float64))


def test_a_step_that_changes_after_the_graph_was_made_is_refused_in_words():
    from tenuto.engines import Form
    from tenuto.engines.autograd import key_of
    from tests.engines.problems import make_inputs

    space = run(HEADER + OUTSIDE)
    form = Form(space.Gated())
    inputs = list(make_inputs(form, requires_grad=False).values())
    key = key_of(form, "reference")
    torch.ops.tenuto.forward(key, inputs, False)
    run("slope = 2.0", space)
    with pytest.raises(CellError, match="is not the one with which this call began or was compiled: the new state h differs"):
        torch.ops.tenuto.forward(key, inputs, False)


if __name__ == "__main__":
    DIGESTS.write_text(json.dumps({name: trace(cell).maths["digest"] for name, cell in CELLS.items()}, indent=1) + "\n", encoding="utf-8")
