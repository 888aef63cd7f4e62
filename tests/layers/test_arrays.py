"""Lengths and resets from tensors, numpy arrays and lists: the same result, or an error that says what is wrong and how to mend it."""

from __future__ import annotations

import numpy
import pytest
import torch
from torch.nn.utils.rnn import pack_sequence

import tenuto
from tenuto import Recurrent, cells
from tenuto.errors import ShapeError
from tenuto.layers.functional import recurrent

STEPS, ROWS = 5, 2
RESETS = torch.zeros(STEPS, ROWS, dtype=torch.bool)
RESETS[2, 1] = RESETS[0, 0] = RESETS[4, 0] = True
LENGTHS = torch.tensor([5, 2])
LAYERS = {
    "LSTM": lambda: tenuto.LSTM(3, 4),
    "RNN, batch first": lambda: tenuto.RNN(3, 4, batch_first=True),
    "GRU, both directions": lambda: tenuto.GRU(3, 4, 2, bidirectional=True),
    "Recurrent": lambda: Recurrent(cells.GRU(), 3, 4),
    "Recurrent, batch first": lambda: Recurrent(cells.MGU(), 3, 4, batch_first=True, learned_state=True),
}
layers = pytest.mark.parametrize("name", LAYERS)


def read_only(array):
    array = array.copy()
    array.setflags(write=False)
    return array


# from bool [.., ..] as a numpy array
RESETS_FROM = {
    "tensor": torch.from_numpy,
    "array": lambda a: a,
    "lists": lambda a: a.tolist(),
    "tuples": lambda a: tuple(map(tuple, a.tolist())),
    "list of arrays": list,
    "list of tensors": lambda a: list(torch.from_numpy(a)),
    "integers": lambda a: torch.from_numpy(a).long(),
    "bytes": lambda a: torch.from_numpy(a).byte(),
    "array of integers": lambda a: a.astype(numpy.int32),
    "array of unsigned": lambda a: a.astype(numpy.uint16),
    "lists of integers": lambda a: a.astype(int).tolist(),
    "floats": lambda a: torch.from_numpy(a).float(),
    "array of floats": lambda a: a.astype(float),
    "array of objects": lambda a: a.astype(object),
    "read-only": read_only,
    "with gaps": lambda a: numpy.repeat(a, 2, 1)[:, ::2],
    "backwards": lambda a: a[::-1].copy()[::-1],
    "by columns": numpy.asfortranarray,
    "with a gradient": lambda a: torch.from_numpy(a).float().requires_grad_(),
}
LENGTHS_FROM = {
    "tensor": lambda n: torch.tensor(n),
    "narrow tensor": lambda n: torch.tensor(n, dtype=torch.int8),
    "unsigned tensor": lambda n: torch.tensor(n, dtype=torch.uint8),
    "list": lambda n: n,
    "tuple": tuple,
    "list of tensors": lambda n: list(torch.tensor(n)),
    "list of numpy numbers": lambda n: list(numpy.array(n)),
    **{kind: (lambda n, kind=kind: numpy.array(n, kind)) for kind in ("int64", "int32", "int8", "uint8", "uint16", "uint32", "uint64", "object")},
    "read-only": lambda n: read_only(numpy.array(n)),
    "backwards": lambda n: numpy.array(n[::-1])[::-1],
    "range": lambda n: range(n[0], n[1] - 1, n[1] - n[0]),
}


def run(layer, resets=None, lengths=None):
    torch.manual_seed(0)
    x = torch.randn(STEPS, ROWS, 3)
    return torch.utils._pytree.tree_leaves(layer(x.transpose(0, 1) if layer.batch_first else x, resets=resets, lengths=lengths))


def equal(found, expected):
    assert all(torch.equal(one, other) for one, other in zip(found, expected, strict=True))


@layers
def test_resets_from_anything(name):
    layer = LAYERS[name]()
    own = RESETS.T if layer.batch_first else RESETS
    expected = run(layer, own)
    assert not torch.equal(expected[0], run(layer)[0])
    for make in RESETS_FROM.values():
        equal(run(layer, make(own.numpy().copy())), expected)


@layers
def test_lengths_from_anything(name):
    layer = LAYERS[name]()
    expected = run(layer, lengths=LENGTHS)
    for make in LENGTHS_FROM.values():
        equal(run(layer, lengths=make(LENGTHS.tolist())), expected)


@layers
def test_of_one_sequence_and_of_packed_ones(name):
    layer = LAYERS[name]()
    one, x = RESETS[:, 1], torch.randn(STEPS, 3)
    expected = torch.utils._pytree.tree_leaves(layer(x, resets=one, lengths=LENGTHS[:1] - 1))
    for given in (one.numpy(), one.tolist(), one.long().numpy(), list(one)):
        equal(torch.utils._pytree.tree_leaves(layer(x, resets=given, lengths=[4])), expected)
    packed = pack_sequence([torch.randn(2, 3), torch.randn(5, 3)], enforce_sorted=False)
    own = RESETS.T if layer.batch_first else RESETS
    expected = layer(packed, resets=own)[0].data
    for given in (own.numpy(), own.tolist(), own.int().numpy()):
        assert torch.equal(layer(packed, resets=given)[0].data, expected)
    with pytest.raises(ShapeError, match="resets has the wrong shape"):
        layer(packed, resets=own.T.tolist())


WRONG_RESETS = {
    "turned": (RESETS.T.tolist(), "resets has the wrong shape", "received  [2, 5]", "fix       transpose resets"),
    "one axis": (RESETS[:, 0], "resets has the wrong shape", "received  [5]", "fix"),
    "three axes": (RESETS[..., None].numpy(), "resets has the wrong shape", "received  [5, 2, 1]", "fix"),
    "one bool": (True, "resets has the wrong shape", "received  []", "fix"),
    "empty": ([], "resets has the wrong shape", "received  [0]", "fix"),
    "ragged": ([[True, False], [True]], "resets is no array of numbers", "received  list", "fix       torch.as_tensor(resets)"),
    "ragged tensors": ([torch.ones(2), torch.ones(1)], "resets has rows of different lengths", "received  [2]", "expected  [5, 2] bool"),
    "a word": ("episode", "resets is no array of numbers", "received  str 'episode'", "fix"),
    "words": (RESETS.numpy().astype(str), "resets is no array of numbers", "received  ndarray", "fix"),
    "nothing among": ([[None, True]] * 5, "resets is no array of numbers", "received  list", "fix"),
    "a set": ({True}, "resets is no array of numbers", "received  set", "fix"),
    "counts": (RESETS.long() * 2, "resets holds 2", "expected  [5, 2] bool, or 0 and 1", "fix       resets != 0"),
    "negative": (-RESETS.long().numpy(), "resets holds -1", "received  [5, 2] int64", "fix       resets != 0"),
    "halves": (RESETS * 0.5, "resets holds 0.5", "received  [5, 2] float32", "fix       resets != 0"),
    "not a number": (torch.where(RESETS, torch.nan, 0.0), "resets holds nan", "received", "fix"),
}
WRONG_LENGTHS = {
    "too few": ([5], "lengths has the wrong shape", "expected  [2] int", "received  [1]"),
    "a column": (LENGTHS[:, None].numpy(), "lengths has the wrong shape", "received  [2, 1]", "fix"),
    "one number": (5, "lengths has the wrong shape", "received  []", "fix       lengths are whole numbers of steps"),
    "bools": ([True, False], "lengths has the wrong shape or dtype", "received  [2] bool", "fix       lengths are whole numbers of steps"),
    "floats": (numpy.array([5.0, 2.0]), "lengths has the wrong shape or dtype", "received  [2] float64", "fix"),
    "complex": (LENGTHS.to(torch.complex64), "lengths has the wrong shape or dtype", "received  [2] complex64", "fix"),
    "beyond": (numpy.array([2, 6], "uint16"), "lengths[1] is 6, but x has 5 steps", "expected  values from 0 to 5", "fix"),
    "below": ([-1, 5], "lengths[0] is -1", "expected  values from 0 to 5", "fix"),
    "huge": ([2**63, 1], "lengths", "expected  [2] int", "received"),
    "ragged": ([[5], [2, 1]], "lengths is no array of numbers", "received  list [[5], [2, 1]]", "fix       torch.as_tensor(lengths)"),
    "nothing among": ([5, None], "lengths is no array of numbers", "received  list [5, None]", "fix"),
    "words": (["5", "2"], "lengths is no array of numbers", "received  list ['5', '2']", "fix"),
    "a set": ({5, 2}, "lengths is no array of numbers", "received  set", "fix"),
    "a generator": ((n for n in (5, 2)), "lengths is no array of numbers", "received  generator", "fix"),
}


@pytest.mark.parametrize("name", ["LSTM", "Recurrent"])
@pytest.mark.parametrize("what", [("resets", key) for key in WRONG_RESETS] + [("lengths", key) for key in WRONG_LENGTHS], ids=" ".join)
def test_what_is_wrong_is_said(name, what):
    which, key = what
    given, *words = {"resets": WRONG_RESETS, "lengths": WRONG_LENGTHS}[which][key]
    with pytest.raises(ShapeError) as caught:
        run(LAYERS[name](), **{which: given})
    assert str(caught.value).startswith("LSTM: " if name == "LSTM" else "Recurrent(GRU): ")
    for part in words:
        assert part in str(caught.value), f"{part!r} is not in:\n{caught.value}"


def test_of_the_function():
    weights = {"weight_ih": torch.randn(4, 3), "bias": torch.zeros(4), "U": {"h": torch.randn(4, 4)}}
    x = torch.randn(STEPS, ROWS, 3)
    expected, _ = recurrent(cells.Elman(), x, weights, lengths=LENGTHS, resets=RESETS)
    found, _ = recurrent(cells.Elman(), x, weights, lengths=LENGTHS.tolist(), resets=RESETS.numpy())
    assert torch.equal(found, expected)
    with pytest.raises(ShapeError, match="transpose resets"):
        recurrent(cells.Elman(), x, weights, resets=RESETS.T)


def test_in_graphs_too():
    """A compiled layer takes the lists that it takes otherwise."""
    torch._dynamo.reset()
    layer, x = tenuto.GRU(3, 4), torch.randn(STEPS, ROWS, 3)
    compiled = torch.compile(layer, fullgraph=True, backend="aot_eager")
    for masks in ({"lengths": [5, 2]}, {"resets": RESETS.tolist()}, {"resets": RESETS.long()}):
        torch.testing.assert_close(compiled(x, **masks)[0], layer(x, **masks)[0])
