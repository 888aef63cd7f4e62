"""Names that a layer, a cell or a step uses itself: refused where the class is written, with the user's line; and names that only look like them."""

import importlib.util
import linecache

import pytest
import torch

from tenuto import Recurrent
from tenuto.errors import CellError


def written(folder, text):
    """The module of a file with this text."""
    path = folder / "named.py"
    path.write_text("import torch\nfrom tenuto import Cell, State\n\n" + text)
    linecache.checkcache(str(path))
    specification = importlib.util.spec_from_file_location("named", path)
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


DECLARATIONS = {
    'parameters = "bias"': "taken by the layer's bias",
    'parameters = "weight_ih"': "taken by the layer's input weights",
    'parameters = "weight_hh"': "taken by the layer's recurrent weights",
    'products = "m"\n    parameters = "weight_m"': "taken by the weights of the product 'm'",
    'parameters = "initial_h"': "taken by the initial value of the state 'h'",
    'parameters = "norm"': "taken by the layer's normalisation",
    'products = "ih"': "taken by the layer's input weights (weight_ih)",
    'products = "hh"': "taken by the recurrent weights of the gates (weight_hh)",
    'products = "h"': "taken by the gate 'h', which has a product U.h already",
    'products = "low_rank0"': "taken by the first factor of a product of low rank",
    'gates = "h low_rank0"': "taken by the first factor of a product of low rank",
    'streams = "x"': "taken by the argument 'x' of step",
    'streams = "U"': "taken by the argument 'U' of step",
    'streams = "dropout_mask"': "taken by the mask of recurrent_dropout",
    'streams = "zoneout_h"': "taken by the mask of zoneout",
    'state = "h count"': "taken by the method count() of every state",
    "p: float = 0.5": "where a step finds the parameters, self.p.NAME",
    "width: int = 3": "width is no function, but every cell has one of this name",
    "output: int": "output is no function, but every cell has one of this name",
    "widths: int = 3": "widths cannot be a name of the class: it belongs to every cell",
    "bind = 3": "bind cannot be a name of the class: it belongs to every cell",
}


def text_of(declaration):
    return f"class Named(Cell):\n    gates = 'h'\n    state = 'h'\n    {declaration}\n    def step(self, x, U, s):\n        return State(h=torch.tanh(x.h + U.h @ s.h))\n"


@pytest.mark.parametrize(("declaration", "said"), DECLARATIONS.items(), ids=DECLARATIONS)
def test_a_name_that_something_else_has_is_refused_where_the_class_is_written(declaration, said, tmp_path):
    with pytest.raises(CellError) as caught:
        written(tmp_path, text_of(declaration))
    assert said in str(caught.value)
    assert ", line " in str(caught.value) and declaration.split("\n")[-1].strip() in str(caught.value)


@pytest.mark.parametrize("name", ["bias", "hh", "ih", "weight_ih", "product", "misused", "owner", "name", "shape", "h_l0", "initial_h"])
def test_a_gate_may_be_called_anything(name, tmp_path):
    text = text_of("").replace("'h'\n    state", f"'{name}'\n    state").replace("x.h", f"x.{name}").replace("U.h", f"U.{name}")
    layer = Recurrent(written(tmp_path, text).Named(), 3, 4, 2, bidirectional=True, learned_state=True)
    assert len({weight.data_ptr() for weight in layer.parameters()}) == len(list(layer.parameters())) == 4 * 4
    for rank in (None, 2):
        layer = Recurrent(written(tmp_path, text).Named(rank=rank), 3, 4, dtype=torch.float64)
        layer.engine = "reference"
        expected = layer(torch.ones(5, 2, 3, dtype=torch.float64)).output
        layer.engine = "cpp"
        torch.testing.assert_close(layer(torch.ones(5, 2, 3, dtype=torch.float64)).output, expected)


@pytest.mark.parametrize("name", ["h", "ih", "hh", "x", "lengths", "training", "cell", "engine", "forward", "maths", "norm_l1", "num_layers"])
def test_a_parameter_may_be_called_what_nothing_of_the_layer_is(name, tmp_path):
    text = text_of(f"parameters = '{name}'").replace("x.h +", f"x.h + self.p.{name} +")
    layer = Recurrent(written(tmp_path, text).Named(), 3, 4, 2, layer_norm=True, learned_state=True)
    x = torch.ones(5, 2, 3)
    before = layer(x).output
    with torch.no_grad():
        getattr(layer, f"{name}_l0").fill_(1.0)
    assert not torch.allclose(layer(x).output, before)
    assert len({weight.data_ptr() for weight in layer.parameters()}) == len(list(layer.parameters()))
