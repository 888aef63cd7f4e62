"""torch.export of Keras models on tenuto's engines, with a free batch size. (Keras exports weights as constants, its own layers' too: there are no gradients.)"""

import importlib.util

import pytest
import torch
from torch.export import Dim, export

if importlib.util.find_spec("keras") is None:
    pytest.skip("Keras is not installed", allow_module_level=True)
import tenuto.keras as ours  # isort: skip
import keras  # isort: skip

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")


@pytest.mark.parametrize("name", ["LSTM", "GRU", "SimpleRNN"])
def test_an_exported_keras_model_serves_any_batch(name):
    model = keras.Sequential([keras.Input((5, 3)), getattr(ours.layers, name)(4, return_sequences=True), keras.layers.Dense(2)])
    program = export(model, (torch.randn(3, 5, 3),), dynamic_shapes=(({0: Dim("batch")},),), strict=False)
    assert torch.ops.tenuto.loop.default in [node.target for node in program.graph.nodes]
    module = program.module()
    for rows in (3, 7):
        x = torch.randn(rows, 5, 3)
        torch.testing.assert_close(module(x), model(x))
