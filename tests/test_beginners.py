"""Cells as beginners write them: legal ones work; for others an error says in words what is wrong, with the author's line and what to write instead."""

import importlib.abc
import importlib.util
import linecache
import os
import subprocess
import sys
import textwrap
import types

import pytest
import torch

from tenuto import Recurrent
from tenuto.errors import CellError, TenutoError, TraceError

IMPORTS = """
import math
import numpy as np
import torch
import torch.nn.functional as F
from torch import nn, tanh
from tenuto import Cell, State, tenuto_activation
""".replace(", tenuto_activation", "")

# For each: the cell, the class of the error, what the message says, what its fix says. The line that it names ends with `# <-`.
D, T = CellError, TraceError
STEP = "    def step(self, x, U, s):\n"
HEAD = '    gates = "h"\n    state = "h"\n'


def cell(step: str, head: str = HEAD, before: str = "") -> str:
    """A file with a cell of that step; if the step is an expression, `tanh(...)` of it is the new state."""
    lines = [f"        {line}" for line in (step if "\n" in step or "return" in step else f"return State(h=tanh({step}))  # <-").splitlines()]
    return f"{IMPORTS}{before}\nclass Mine(Cell):\n{head}{STEP}" + "\n".join(lines) + "\n"


def declared(text: str, step: str = "return State(h=tanh(x.h + U.h @ s.h))", signature: str = STEP) -> str:
    """A file with a cell of these declarations."""
    body = textwrap.indent(textwrap.dedent(text).strip("\n"), "    ")
    return f"{IMPORTS}\nclass Mine(Cell):\n{body}\n{signature}        {step}\n"


GATED = 'gates = "h"\nstate = "h"\n'
WRONG = {
    # what is declared
    "a layer in the cell": (declared(GATED + "lin = nn.Linear(4, 4)  # <-", "return State(h=self.lin(s.h))"), D, "a torch module (Linear)", "U.m @ v"),
    "a layer as a field": (declared(GATED + "act: nn.Module = nn.ReLU()  # <-"), D, "a torch module (ReLU)", 'act: Activation = "relu"'),
    "a tensor in the cell": (declared(GATED + "w = torch.ones(4)  # <-"), D, "w is a tensor", 'parameters = "w"'),
    "a parameter of torch": (declared(GATED + "w = nn.Parameter(torch.ones(4))  # <-"), D, "w is a Parameter", "self.p.w"),
    "an array in the cell": (declared(GATED + "w = np.ones(4)  # <-"), D, "numpy array", 'parameters = "w"'),
    "a list of gates": (declared('gates = ["i", "f"]  # <-\nstate = "h"'), D, "gates is a list", 'gates = "i f"'),
    "a tuple of states": (declared('gates = "h"\nstate = ("h", "c")  # <-'), D, "state is a tuple", 'state = "h c"'),
    "gates with commas": (declared('gates = "i, f"  # <-\nstate = "h"'), D, "'i,'", 'gates = "i  f"'),
    "a table of matrices": (declared(GATED + 'parameters = {"w": (4, 4)}  # <-'), D, "parameters is a dict", "U.m @ v"),
    "gates as a method": (declared('def gates(self):  # <-\n    return "h"\nstate = "h"'), D, "gates is a method", 'gates = "..."'),
    "no gates": (declared('state = "h"', "return State(h=tanh(s.h))").replace("class Mine(Cell):", "class Mine(Cell):  # <-"), D, "declares no gates", 'gates = "h"'),
    "no state": (declared('gates = "h"').replace("class Mine(Cell):", "class Mine(Cell):  # <-"), D, "declares no state", 'state = "h"'),
    "states for state": (declared('gates = "h"\nstates = "h"  # <-'), D, "'states' is not read", 'state = "h"'),
    "states beside state": (declared(GATED + 'states = "h c"  # <-'), D, "states is not read", "call it state"),
    "params": (declared(GATED + 'params = "w"  # <-'), D, "params is not read", "call it parameters"),
    "an init": (declared(GATED + "def __init__(self, alpha=0.5, units=3):  # <-\n    self.alpha = alpha"), D, "has an __init__", "alpha: float = 0.5; units: int = 3"),
    "a list as a field": (declared(GATED + "sizes: list = [1, 2]").replace("class Mine(Cell):", "class Mine(Cell):  # <-"), D, "mutable default", "write a tuple"),
    "a function as a field": (declared(GATED + "act: object = torch.tanh  # <-"), D, "what can be saved as data", 'activation: Activation = "tanh"'),
    "a field without a value below one with": (
        declared(GATED + "a: float = 1.0\nb: float").replace("class Mine(Cell):", "class Mine(Cell):  # <-"), D, "non-default argument", "move those without one"),
    "a width of a gate": (declared('gates = "h:3"  # <-\nstate = "h"'), D, "gives a gate a width", "declared in products"),
    "a word of Python": (declared('gates = "in out"  # <-\nstate = "h"'), D, "is a keyword of Python", "call it in_1"),
    "an underscore": (declared('gates = "_h"  # <-\nstate = "h"'), D, "begins with an underscore", "call it h_1"),
    "a parameter called bias": (declared(GATED + 'parameters = "bias"  # <-'), D, "taken by the layer's bias", "call it bias_1"),
    "a parameter called weight_hh": (declared(GATED + 'parameters = "weight_hh"  # <-'), D, "taken by the layer's recurrent weights", "weight_hh_1"),
    "a parameter called initial_h": (declared(GATED + 'parameters = "initial_h"  # <-'), D, "initial value of the state 'h'", "initial_h_1"),
    "a parameter called weight_q": (declared(GATED + 'products = "q"\nparameters = "weight_q"  # <-'), D, "weights of the product 'q'", "weight_q_1"),
    "a product called hh": (declared(GATED + 'products = "hh"  # <-'), D, "recurrent weights of the gates", "call it hh_1"),
    "a product called as a gate": (declared(GATED + 'products = "h"  # <-'), D, "gate 'h'", "call it h_1"),
    "a state called to": (declared('gates = "h"\nstate = "to"  # <-'), D, "method to() of every state", "call it to_1"),
    "a stream called x": (declared(GATED + 'streams = "x"  # <-'), D, "argument 'x' of step", "call it x_1"),
    "no step": (f"{IMPORTS}\nclass Mine(Cell):  # <-\n{HEAD}", D, "defines no step", "def step(self, x, U, s):"),
    "forward": (declared(GATED, signature="    def forward(self, x, U, s):  # <-\n"), D, "forward is not read", "call it step"),
    "a step without U": (declared(GATED, signature="    def step(self, x, s):  # <-\n"), D, "takes (x, s)", "def step(self, x, U, s):"),
    "a step without self": (declared(GATED, signature="    def step(x, U, s):  # <-\n"), D, "takes (U, s)", "def step(self, x, U, s):"),
    "a step in another order": (declared(GATED, signature="    def step(self, x, s, U):  # <-\n"), D, "then the weights, then the state", "def step(self, x, U, s):"),
    "an undeclared stream": (declared(GATED, signature="    def step(self, x, U, s, mask):  # <-\n"), D, "takes (x, U, s, mask)", 'streams = "mask"'),
    "a declared stream not taken": (declared(GATED + 'streams = "m"', signature="    def step(self, x, U, s):  # <-\n"), D, "the streams m", "def step(self, x, U, s, m):"),
    # names in the step
    "an unknown gate": (cell("x.i + U.h @ s.h"), T, "no gate 'i'", 'gates = "h i"'),
    "an unknown product": (cell("x.h + U.g @ s.h"), T, "no gate or product 'g'", "to products"),
    "an unknown state": (cell("x.h + s.c"), T, "'c' is none of them", 'state = "h c"'),
    "an unknown parameter": (cell("x.h * self.p.a"), T, "self.p.a", 'parameters = "a"'),
    "a parameter without p": (cell("x.h * self.a", HEAD + '    parameters = "a"\n'), T, "which is a parameter", "self.p.a"),
    "an unknown field": (cell("x.h * self.rate"), T, "no field of that name", "rate: float"),
    "a state misspelt": (cell("return State(m=tanh(x.h))  # <-"), T, "returned ('m',)", "return State(h=...)"),
    "a tensor returned": (cell("return tanh(x.h)  # <-"), T, "returned Tensor", "return State(h=...)"),
    "a tuple returned": (cell("return tanh(x.h), s.h  # <-"), T, "returned tuple", "return State(h=...)"),
    "nothing returned": (cell("v = tanh(x.h)\nreturn  # <-"), T, "returned NoneType", "return State(h=...)"),
    "a value kept in the cell": (cell("self.last = s.h  # <-\nreturn State(h=x.h)"), T, "cannot be changed", "returned in State(...)"),
    # other uses of U, x and s
    "U times": (cell("x.h + U.h * s.h"), T, "U.h is used in another way", "U.h @ s.h"),
    "times U": (cell("x.h + s.h * U.h"), T, "U.h is used in another way", "U.h @ s.h"),
    "U on the right": (cell("x.h + s.h @ U.h"), T, "U.h is used in another way", "U.h @ s.h"),
    "U called": (cell("x.h + U.h(s.h)"), T, "U.h is used in another way", "U.h @ s.h"),
    "U transposed": (cell("x.h + U.h.T @ s.h"), T, "U.h is used in another way", "U.h @ s.h"),
    "U whole": (cell("x.h + U @ s.h"), T, "U is used whole", "U.h @ s.h"),
    "U by index": (cell('x.h + U["h"] @ s.h'), T, "U is used whole", "U.h @ s.h"),
    "matmul of U": (cell("x.h + torch.matmul(U.h, s.h)"), T, "U.h is used in another way", "U.h @ s.h"),
    "linear of U": (cell("x.h + F.linear(s.h, U.h)"), T, "U.h is used in another way", "U.h @ s.h"),
    "the state whole": (cell("x.h + U.h @ s"), T, "the whole state", "U.h @ s.h"),
    "the state in a function": (cell("x.h + torch.sigmoid(s)"), T, "the whole state", "s.h"),
    "the state by name": (cell('x.h + s["h"]'), T, "the whole state", "s.h"),
    "the state added": (cell("x.h + s"), T, "the whole state", "s.h"),
    "the state summed": (cell("x.h + s.sum()"), T, "the whole state", "s.h"),
    "x whole": (cell("x + U.h @ s.h"), T, "x is used whole", "x.h is the input of gate 'h'"),
    "x in a function": (cell("tanh(x)"), T, "x is used whole", "x.h"),
    "x in a product": (cell("U.h @ x"), T, "x whole", "U.h @ s.h"),
    "x's shape": (cell("s.h * x.shape[0]"), T, "x is used whole", "x.h"),
    "the parameters whole": (cell("x.h * self.p", HEAD + '    parameters = "a"\n'), T, "all parameters at once", "self.p.NAME"),
    "two products of one matrix": (cell("U.h @ s.h + U.h @ x.h"), T, "two different values", "a name of its own in products"),
    # matrices, randomness, other libraries
    "a layer closed over": (cell("x.h + outer(s.h)", before="outer = nn.Linear(4, 4)\n"), T, "a matrix of its own", "U.NAME @ v"),
    "a matrix parameter": (cell("x.h + self.p.w @ s.h", HEAD + '    parameters = "w"\n'), T, "a matrix of its own", "U.NAME @ v"),
    "einsum": (cell('torch.einsum("bh,bk->bh", x.h, s.h)'), T, "a matrix of its own", "U.NAME @ v"),
    "dropout": (cell("F.dropout(x.h + U.h @ s.h, 0.5)"), T, "drops channels", "recurrent_dropout=0.1"),
    "a module of dropout": (cell("self.drop(x.h)", HEAD + "    drop = nn.Dropout(0.5)\n"), T, "drops channels", "recurrent_dropout=0.1"),
    "randn": (cell("x.h + 0.1 * torch.randn(4)"), T, "draws random numbers", 'streams = "noise"'),
    "randn_like": (cell("x.h + torch.randn_like(s.h)"), T, "draws random numbers", "streams={"),
    "bernoulli": (cell("x.h * torch.bernoulli(s.h)"), T, "draws random numbers", 'streams = "noise"'),
    "normal_": (cell("x.h + torch.empty(3).normal_()"), T, "writes in place", "v = v + 1"),
    "numpy": (cell("np.tanh(x.h)"), T, "hands a value to numpy", "torch.tanh for np.tanh"),
    "to numpy": (cell("x.h.detach().numpy()"), T, "hands a value to numpy", "torch.tanh for np.tanh"),
    "math": (cell("x.h * math.exp(s.h.sum())"), T, "turns a tensor into a number", "keep numbers as tensors"),
    "a tensor closed over": (cell("x.h * mask", before="mask = torch.ones(4)\n"), T, "do not fit together", "a tensor of your own in parameters"),
    "a tensor in a list": (cell("x.h * torch.tensor([1.0, 2.0, 3.0, 4.0])"), T, "do not fit together", "a tensor of your own in parameters"),
    "arange": (cell("x.h * torch.arange(4)"), T, "makes a tensor of its own", "parameters"),
    # shapes, parts, order
    "roll": (cell("x.h + torch.roll(s.h, 1, -1)"), T, "the order of the channels (torch.roll)", "U.NAME @ v"),
    "cumsum": (cell("torch.cumsum(x.h, -1)"), T, "the order of the channels", "v.sum(-1, keepdim=True)"),
    "view": (cell("(U.h @ s.h).view(-1, 2, 2).flatten(1)"), T, "changes the shape", "heads=N"),
    "transpose": (cell("x.h.T"), T, "changes the shape", "[B, H]"),
    "cat": (cell("torch.cat([x.h, s.h], -1)"), T, "joins or cuts channels", 'gates = "a b"'),
    "chunk": (cell("x.h.chunk(2, -1)[0]"), T, "joins or cuts channels", 'gates = "a b"'),
    "split": (cell("a, b = torch.split(x.h, 2, -1)  # <-\nreturn State(h=a)"), T, "joins or cuts channels", 'gates = "a b"'),
    "slices": (cell("x.h[:, :4]"), T, "joins or cuts channels", 'gates = "a b"'),
    "the batch summed": (cell("x.h + s.h.sum()"), T, "which no program can hold", "v.sum(-1, keepdim=True)"),
    "a sum without keepdim": (cell("x.h * s.h.sum(-1)"), T, "do not fit together", "v.sum(-1, keepdim=True)"),
    "a wrong width": (cell("return State(h=x.h.sum(-1, keepdim=True))  # <-"), T, "the wrong shape", "keepdim=True"),
    "a quotient in whole numbers": (cell("x.h // s.h"), T, "whose derivative torch does not know", "torch.floor(v / w)"),
    "an unknown function": (cell("torch.special.i0(x.h)"), T, "i0", "docs/CELLS.md"),
    "complex numbers": (cell("torch.fft.fft(x.h).real"), T, "complex numbers", "a state for each part"),
    "the width as a number": (cell("x.h / x.h.shape[-1]"), T, "depends on the hidden size", "mean"),
    "batch norm": (cell("F.batch_norm(x.h, None, None, training=True)"), T, "normalises over something other", "layer_norm"),
    # branches, numbers, writes
    "if": (cell("v = x.h\nif v.sum() > 0:  # <-\n    v = -v\nreturn State(h=v)"), T, "branches on a tensor's values", "torch.where"),
    "while": (cell("v = x.h\nwhile v.max() > 1:  # <-\n    v = v / 2\nreturn State(h=v)"), T, "branches on a tensor's values", "torch.where"),
    "for": (cell("v = x.h\nfor row in x.h:  # <-\n    v = v + row\nreturn State(h=v)"), T, "one by one", "in range(self.depth)"),
    "max of Python": (cell("max(x.h, s.h)"), T, "branches on a tensor's values", "torch.where"),
    "float": (cell("x.h * float(s.h.sum())"), T, "turns a tensor into a number", "keep numbers as tensors"),
    "int": (cell("x.h * int(s.h.sum())"), T, "turns a tensor into a number", "keep numbers as tensors"),
    "item": (cell("x.h * s.h.sum().item()"), T, "turns a tensor into a number", "keep numbers as tensors"),
    "tolist": (cell("x.h * s.h.tolist()[0][0]"), T, "turns a tensor into a number", "keep numbers as tensors"),
    "+=": (cell("v = x.h + s.h\nv += 1  # <-\nreturn State(h=v)"), T, "writes in place", "v = v + 1"),
    "add_": (cell("x.h.add_(1)"), T, "writes in place", "v = v + 1"),
    "a slice written": (cell("v = x.h + s.h\nv[:, 0] = 0  # <-\nreturn State(h=v)"), T, "writes in place", "v = v + 1"),
    "inplace=True": (cell("F.relu(x.h, inplace=True)"), T, "writes in place", "v = v + 1"),
    "print": (cell("print('h', s.h)  # <-\nreturn State(h=x.h)"), T, "prints a value", "make it a state"),
    "a text of a value": (cell("text = f'{s.h}'  # <-\nreturn State(h=x.h)"), T, "prints a value", "make it a state"),
    "an error of Python": (cell("x.h + 1 / 0"), T, "raised ZeroDivisionError", ""),
    "a name that is none": (cell("x.h + nothing"), T, "raised NameError", ""),
}  # fmt: skip

RIGHT = {
    "tan": cell("torch.tan(x.h + U.h @ s.h)"),
    "a constant without annotation": cell("self.alpha * x.h", HEAD + "    alpha = 0.5\n"),
    "a module without weights": cell("self.act(x.h)", HEAD + "    act = nn.ReLU()\n"),
    "softmax": cell("torch.softmax(x.h + U.h @ s.h, -1)"),
    "softmax of functional": cell("F.softmax(x.h + U.h @ s.h, dim=-1)"),
    "layer_norm of functional": cell("F.layer_norm(x.h + U.h @ s.h, x.h.shape[-1:])"),
    "a print of words": cell("print('here', s.h.shape)\nreturn State(h=x.h)"),
    "a loop over numbers": cell("v = x.h\nfor k in range(3):\n    v = v + U.h @ s.h / (k + 1)\nreturn State(h=v)"),
    "a branch on a field": cell("return State(h=tanh(x.h) if self.squash else x.h)", HEAD + "    squash: bool = True\n"),
    "a state by position": cell("x.h + U.h @ s[0]"),
    "a function of one's own": cell("swish(x.h)", before="def swish(v):\n    return v * torch.sigmoid(v)\n"),
    "a step with types": cell("x.h").replace("def step(self, x, U, s):", "def step(self, x: object, U: object, s: object) -> object:"),
    "a tuple as a field": cell("x.h * self.sizes[0]", HEAD + "    sizes: tuple = (1, 2)\n"),
}  # fmt: skip


@pytest.fixture
def load(tmp_path, monkeypatch):
    """The class `Mine` of a file with this text."""

    def load(text: str) -> type:
        path = tmp_path / "mine.py"
        path.write_text(text)
        specification = importlib.util.spec_from_file_location("mine", path)
        module = importlib.util.module_from_spec(specification)
        monkeypatch.setitem(sys.modules, "mine", module)
        linecache.checkcache(str(path))
        specification.loader.exec_module(module)
        return module.Mine

    return load


def marked(text: str) -> int:
    """The number of the line that ends with the mark."""
    return next(number for number, line in enumerate(text.splitlines(), 1) if line.endswith("# <-"))


@pytest.mark.parametrize("name", WRONG)
def test_an_error_names_the_line_and_says_what_to_write_instead(name, load, tmp_path):
    text, kind, said, mend = WRONG[name]
    with pytest.raises(TenutoError) as caught:
        Recurrent(load(text)(), 4, 4)
    message = str(caught.value)
    assert type(caught.value) is kind, message
    line = marked(text)
    assert f"{tmp_path / 'mine.py'}, line {line}: {text.splitlines()[line - 1].strip()}" in message
    assert said in caught.value.what and mend in (caught.value.fix or ""), message
    assert "aten." not in message and "NotAValue" not in message and "_Weight" not in message


@pytest.mark.parametrize("name", RIGHT)
def test_what_is_legal_works(name, load):
    layer = Recurrent(load(RIGHT[name])(), 4, 4, engine="reference")
    output, _ = layer(torch.randn(3, 2, 4))
    output.sum().backward()
    assert output.shape == (3, 2, 4) and layer.weight_ih_l0.grad is not None


def test_a_tuple_as_a_field_survives_as_data(load):
    import json

    from tenuto.cell import cell_from_data, cell_to_data

    made = load(RIGHT["a tuple as a field"])(sizes=(3, (4, "five")))
    assert cell_from_data(json.loads(json.dumps(cell_to_data(made)))) == made


def test_fields_that_are_not_there(load):
    kind = load(RIGHT["a constant without annotation"])
    with pytest.raises(CellError, match=r"alpha has no annotation(.|\n)*line 12: alpha = 0.5(.|\n)*alpha: float = 0.5"):
        kind(alpha=0.1)
    with pytest.raises(CellError, match=r"unexpected keyword argument 'beta'(.|\n)*fields heads, rank"):
        kind(beta=0.1)
    with pytest.raises(CellError, match=r"missing a required argument: 'rate'(.|\n)*Mine\(rate=\.\.\.\)"):
        load(cell("x.h * self.rate", HEAD + "    rate: float\n"))()


def test_an_invalid_name(load):
    with pytest.raises(CellError, match=r"'?\.\./evil is no name for a cell"):
        load(cell("x.h") + 'Mine = type("../evil", (Mine,), {})\n')


def test_parameters_start_as_the_cell_says(load):
    def with_start(text):
        return load(cell("x.h * self.p.a", HEAD + f'    parameters = "a"\n    def initial_parameter(self, name, values):\n        {text}\n'))()

    for text in ("return values.fill_(2.0)", "return torch.full_like(values, 2.0)", "return 2.0"):
        assert Recurrent(with_start(text), 4, 4).a_l0.tolist() == [2.0] * 4
    for text in ("values.fill_(2.0)", "return torch.ones(7)"):
        with pytest.raises(CellError, match=r"gives no values for 'a'(.|\n)*line 13: def initial_parameter(.|\n)*return values.fill_"):
            Recurrent(with_start(text), 4, 4)


# --- where there is no file ----------------------------------------------------------------------------------------------------

WIDE = cell("torch.relu(x.h / x.h.shape[-1])")  # noticed only when a second size is tried


class Typed(importlib.abc.InspectLoader):
    """Code that is in no file, under the name that a notebook or Python gives it."""

    def __init__(self, text, filename):
        self.text, self.filename = text, filename

    def get_source(self, name):
        return self.text

    def get_code(self, name):
        return self.source_to_code(self.text, self.filename)


@pytest.mark.parametrize("text", [WRONG["roll"][0], WRONG["a layer in the cell"][0], WRONG["a sum without keepdim"][0], WIDE], ids=["call", "class", "fit", "size"])
@pytest.mark.parametrize("filename", ["<ipython-input-3-abc>", "ipykernel_77/123.py", "<string>", "<stdin>"])
def test_a_cell_of_a_notebook_or_of_the_command_line(filename, text, monkeypatch):
    if "ipy" in filename:  # notebooks also keep the text that was typed
        monkeypatch.setitem(linecache.cache, filename, (len(text), None, text.splitlines(True), filename))
    specification = importlib.util.spec_from_loader("typed", Typed(text + "\nfrom tenuto import Recurrent\nRecurrent(Mine(), 4, 4)\n", filename))
    module = importlib.util.module_from_spec(specification)
    monkeypatch.setitem(sys.modules, "typed", module)
    with pytest.raises(TenutoError) as caught:
        specification.loader.exec_module(module)
    shown = "notebook cell" if "ipy" in filename else filename
    line = marked(text)
    known = "ipy" in filename or text in (WRONG["roll"][0], WRONG["a sum without keepdim"][0])
    assert f"{shown}, line {line if known else ''}" in str(caught.value)  # without the text, the message names the first line of the class or function
    assert "functools" not in str(caught.value)


def test_a_notebook_names_its_cells(monkeypatch):
    compiler = types.SimpleNamespace(format_code_name=lambda name: ("Cell", "In[5]"))
    monkeypatch.setitem(sys.modules, "IPython", types.SimpleNamespace(get_ipython=lambda: types.SimpleNamespace(compile=compiler)))
    from tenuto.place import Place

    assert Place("ipykernel_77/123.py", 4).told == "Cell In[5], line 4" and str(Place("ipykernel_77/123.py", 4)) == "Cell In[5]:4"


@pytest.mark.parametrize("way", ["-c", "-"])
def test_a_cell_that_was_typed(way):
    text = WRONG["roll"][0] + "\nimport tenuto\ntry:\n    tenuto.Recurrent(Mine(), 4, 4)\nexcept tenuto.errors.TenutoError as error:\n    print(error)\n"
    words = [sys.executable, "-c", text] if way == "-c" else [sys.executable, "-"]
    said = subprocess.run(words, input=None if way == "-c" else text, capture_output=True, text=True, env={**os.environ}, check=True).stdout
    assert f"<{'string' if way == '-c' else 'stdin'}>, line {marked(text)}" in said and "torch.roll" in said


# --- names ---------------------------------------------------------------------------------------------------------------------


def test_operands_have_the_names_under_which_the_program_prints_them():
    from tenuto.cells import RecurrentHighway
    from tenuto.program import trace

    traced = trace(RecurrentHighway(3))
    printed = str(traced.forward)
    for line in traced.products():
        operand = line.rpartition("@ ")[2]
        assert operand == "s.h" or f"  {operand} = " in printed


def test_a_state_with_the_name_of_a_stack_keeps_it():
    from tenuto import Cell, State
    from tenuto.program import trace

    class Clashing(Cell):
        gates = "a b"
        state = "of_a v0"

        def step(self, x, U, s):
            return State(of_a=torch.tanh(x.a + U.a @ (s.v0 * s.of_a)), v0=torch.tanh(x.b + U.b @ s.of_a))

    names = [stack.name for stack in trace(Clashing()).stacks]
    assert len(set(names)) == 2 and "of_a" in names
    output, _ = Recurrent(Clashing(), 3, 4, engine="reference")(torch.randn(5, 2, 3))
    assert output.shape == (5, 2, 4)
