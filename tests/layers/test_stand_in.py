"""`isinstance(layer, torch.nn.LSTM)`, and what else asks a layer for its class."""

from __future__ import annotations

import copy
import functools
import pickle

import pytest
import torch
from torch import nn
from torch.nn.utils import parametrize
from torch.nn.utils.parametrizations import weight_norm

import tenuto

NAMES = ["LSTM", "GRU", "RNN"]


class Own(tenuto.LSTM):
    """A user's subclass."""


@pytest.mark.parametrize("name", NAMES)
def test_a_layer_counts_as_the_one_it_replaces_and_as_no_other(name):
    layer = getattr(tenuto, name)(3, 4)
    counted = [other for other in NAMES if isinstance(layer, getattr(nn, other))]
    assert counted == [name]
    assert isinstance(layer, getattr(tenuto, name)) and type(layer) is getattr(tenuto, name)
    assert not isinstance(layer, nn.Linear) and not isinstance(getattr(nn, name)(3, 4), getattr(tenuto, name))
    assert isinstance(Own(3, 4), nn.LSTM) and isinstance(Own(3, 4), tenuto.LSTM) and not isinstance(layer, Own)


@pytest.mark.parametrize("name", [*NAMES, "LSTMCell", "GRUCell", "RNNCell"])
def test_initialisers_by_type_reach_it(name):
    model = nn.Sequential(nn.ModuleDict({"rnn": getattr(tenuto, name)(3, 4)}))

    def initialise(module):
        if isinstance(module, getattr(nn, name)):
            for parameter in module.parameters():
                nn.init.constant_(parameter, 0.5)

    model.apply(initialise)
    assert all((parameter == 0.5).all() for parameter in model.parameters())


def test_single_dispatch_goes_by_torchs_class():
    @functools.singledispatch
    def kind(module):
        return "other"

    kind.register(nn.LSTM)(lambda module: "lstm")
    assert kind(tenuto.LSTM(3, 4)) == "lstm" and kind(tenuto.GRU(3, 4)) == "other"


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize("layer", [tenuto.LSTM(3, 4), tenuto.GRU(3, 4, 2), Own(3, 4)], ids=lambda layer: type(layer).__name__)
def test_pickles_and_copies_are_of_the_plain_class(layer, protocol):
    x = torch.randn(5, 2, 3)
    for again in (pickle.loads(pickle.dumps(layer, protocol)), copy.deepcopy(layer), copy.copy(layer)):  # noqa: S301
        assert type(again) is type(layer)
        torch.testing.assert_close(again(x)[0], layer(x)[0], rtol=0, atol=0)


@pytest.mark.parametrize("layer", [tenuto.LSTM(3, 4), Own(3, 4)], ids=lambda layer: type(layer).__name__)
def test_a_parametrization_comes_and_goes(layer):
    kind, x = type(layer), torch.randn(5, 2, 3)
    plain = layer(x)[0]
    weight_norm(layer, "weight_hh_l0")
    assert isinstance(layer, nn.LSTM) and isinstance(layer, kind) and not issubclass(type(layer), nn.LSTM)
    torch.testing.assert_close(layer(x)[0], plain)
    parametrize.remove_parametrizations(layer, "weight_hh_l0")
    assert type(layer) is kind
    torch.testing.assert_close(layer(x)[0], plain)


def test_its_class_makes_layers_and_has_its_names():
    layer = tenuto.LSTM(3, 4)
    assert type(layer.__class__(3, 4)) is tenuto.LSTM
    assert issubclass(layer.__class__, tenuto.LSTM) and layer.__class__.__qualname__ == "LSTM" and layer.__class__.__module__ == tenuto.LSTM.__module__
    assert repr(layer) == repr(nn.LSTM(3, 4))
    derived = type("Derived", (layer.__class__,), {})
    assert derived.__mro__[1] is tenuto.LSTM and isinstance(derived(3, 4), nn.LSTM)


def test_one_that_was_weighed_compiles_whole():
    layer, x = tenuto.LSTM(3, 4), torch.randn(5, 2, 3)
    assert isinstance(layer, nn.LSTM)
    compiled = torch.compile(layer, fullgraph=True, backend="eager")
    torch.testing.assert_close(compiled(x)[0], layer(x)[0])
    weight_norm(layer, "weight_hh_l0")
    compiled = torch.compile(layer, fullgraph=True, backend="eager")
    torch.testing.assert_close(compiled(x)[0], layer(x)[0])
