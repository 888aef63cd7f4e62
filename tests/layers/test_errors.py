"""What a layer says when something that it is given does not fit: which layer, what is wrong, what was expected and received, how to fix it."""

import pytest
import torch
from torch.nn.utils.rnn import pack_padded_sequence

import tenuto
from tenuto import Recurrent, cells
from tenuto.errors import ArgumentError, EngineError, ShapeError
from tenuto.layers.functional import recurrent
from tests.zoo import Leaking

x = torch.zeros(5, 2, 3)


def layer(**options):
    return Recurrent(cells.LSTM(), 3, 4, **options)


def stated(*shape, dtype=torch.float32):
    return [torch.zeros(*shape, dtype=dtype), torch.zeros(1, 2, 4)]


CALLS = {
    "features": (lambda: layer()(torch.zeros(5, 2, 7)), ShapeError,
                 ["Recurrent(LSTM): x has 7 features but the layer was built for 3", "expected  x [T, B, 3]",
                  "received  x [5, 2, 7] float32 cpu", "fix       input_size=7, or project x to 3 features first"]),
    "axes": (lambda: layer()(torch.zeros(5, 2, 3, 1)), ShapeError, ["x has the wrong number of axes", "expected  x [T, B, I]", "[5, 2, 3, 1]"]),
    "state shape": (lambda: layer()(x, stated(1, 3, 4)), ShapeError, ["the state h does not fit", "expected  h [1, 2, 4]", "[1, 3, 4] float32 cpu"]),
    "state count": (lambda: layer()(x, torch.zeros(1, 2, 4)), ShapeError,
                    ["Recurrent(LSTM): the state is one tensor", "expected  (h, c), a tuple of 2 tensors", "received  [1, 2, 4]", "fix       layer(x, (h, c))"]),
    "state dtype": (lambda: layer()(x, stated(1, 2, 4, dtype=torch.float64)), ShapeError,
                    ["the initial state h is torch.float64, but x is torch.float32", "fix       state.to(torch.float32)"]),
    "lengths beyond": (lambda: layer()(x, lengths=[2, 6]), ShapeError,
                       ["Recurrent(LSTM): lengths[1] is 6, but x has 5 steps", "expected  values from 0 to 5", "fix       lengths count steps of x"]),
    "lengths below": (lambda: layer()(x, lengths=[-1, 5]), ShapeError, ["lengths[0] is -1"]),
    "lengths shape": (lambda: layer()(x, lengths=[5]), ShapeError, ["lengths has the wrong shape or dtype", "expected  [2] int", "received  [1] int64"]),
    "lengths dtype": (lambda: layer()(x, lengths=[5.0, 2.0]), ShapeError, ["expected  [2] int", "received  [2] float64"]),
    "dtype": (lambda: layer()(x.double()), ShapeError,
              ["x is torch.float64, but the weights are torch.float32", "fix       x.to(torch.float32), or layer.to(torch.float64)"]),
    "integers": (lambda: layer()(x.long()), ShapeError, ["x is torch.int64", "fix       x.to(torch.float32)"]),
    "device": (lambda: layer(device="meta")(x), ShapeError, ["weight_ih is on meta, but x is on cpu", "expected  all on one device", "fix       layer.to('cpu')"]),
    "resets": (lambda: layer()(x, resets=torch.zeros(2, 5)), ShapeError, ["resets has the wrong shape", "expected  [5, 2]", "received  [2, 5]"]),
    "packed": (lambda: layer()(pack_padded_sequence(x, torch.tensor([5, 2])), lengths=[5, 2]), ArgumentError,
               ["Recurrent(LSTM): a packed sequence has its own lengths", "fix       pass x padded, with lengths=, or packed"]),
    "packed drop-in": (lambda: tenuto.GRU(3, 4)(pack_padded_sequence(x, torch.tensor([5, 2])), lengths=[5, 2]), ArgumentError,
                       ["GRU: a packed sequence has its own lengths", "fix"]),
    "drop-in lengths": (lambda: tenuto.LSTM(3, 4)(x, lengths=[2, 6]), ShapeError, ["LSTM: lengths[1] is 6, but x has 5 steps"]),
    "drop-in resets": (lambda: tenuto.RNN(3, 4)(x, resets=torch.zeros(4, 2)), ShapeError, ["RNN: resets has the wrong shape", "expected  [5, 2]"]),
    "stream missing": (lambda: Recurrent(Leaking(), 3, 4)(x), ShapeError,
                       ["Recurrent(Leaking): the stream 'dt' is missing", "expected  streams={'dt': a tensor [T, B, 1]}"]),
    "stream unknown": (lambda: Recurrent(Leaking(), 3, 4)(x, streams={"td": x}), ArgumentError, ["there is no stream 'td'", "expected  streams named dt"]),
    "no streams": (lambda: layer()(x, streams={"dt": x}), ArgumentError, ["there is no stream 'dt'", "the cell declares no streams"]),
    "stream shape": (lambda: Recurrent(Leaking(), 3, 4)(x, streams={"dt": torch.zeros(4, 2, 1)}), ShapeError,
                     ["the stream 'dt' has the wrong shape", "expected  [5, 2, 1]", "received  [4, 2, 1]"]),
    "weights": (lambda: recurrent(cells.Elman(), x, {"weight_ih": torch.zeros(4, 3), "U": {"h": torch.zeros(4, 5)}}), ShapeError,
                ["the recurrent weight h has the wrong shape", "expected  [4, 4]", "received  [4, 5]"]),
    "parameters": (lambda: recurrent(cells.IndRNN(), x, {"weight_ih": torch.zeros(4, 3), "U": {}}), ShapeError, ["the p 'u' is missing"]),
    "the class": (lambda: Recurrent(cells.LSTM, 3, 4), ArgumentError, ["expected  a tenuto Cell", "fix       Recurrent(LSTM(), ...)"]),
    "the layer": (lambda: Recurrent(tenuto.LSTM, 3, 4), ArgumentError, ["fix       Recurrent(tenuto.cells.LSTM(), ...)"]),
    "size": (lambda: Recurrent(cells.LSTM(), 3, 0), ArgumentError, ["Recurrent: hidden_size is 0", "expected  a positive integer"]),
    "boolean size": (lambda: Recurrent(cells.LSTM(), 3, 4, True), ArgumentError, ["num_layers is True"]),
    "heads": (lambda: Recurrent(cells.LSTM(heads=3), 3, 4), ArgumentError, ["hidden_size 4 is not a multiple of the cell's 3 heads"]),
    "directions": (lambda: layer(bidirectional=True, reverse=True), ArgumentError, ["bidirectional and reverse exclude each other"]),
    "engine": (lambda: layer(engine="cudnn"), ArgumentError, ["engine is 'cudnn'", "auto | "]),
    "engine cannot": (lambda: Recurrent(cells.MGU(), 3, 4, engine="vendor")(x), EngineError,
                      ["Recurrent(MGU): the engine 'vendor' cannot run this: torch has no kernel for MGU", "can, or leave it at 'auto'"]),
}  # fmt: skip


@pytest.mark.parametrize("name", CALLS)
def test_the_message_says_all_of_it(name):
    call, kind, words = CALLS[name]
    with pytest.raises(kind) as caught:
        call()
    for part in words:
        assert part in str(caught.value), f"{part!r} is not in:\n{caught.value}"


@pytest.mark.parametrize("name", ["LSTM", "GRU", "RNN"])
def test_drop_ins_raise_what_torch_raises(name):
    ours, theirs = getattr(tenuto, name), getattr(torch.nn, name)
    wrong = [
        lambda kind: kind(3, 4)(torch.zeros(5, 2, 7)), lambda kind: kind(3, 4)(torch.zeros(5)), lambda kind: kind(3, 4)(x.double()),
        lambda kind: kind(3, 0), lambda kind: kind(3, 4, dropout=2.0), lambda kind: kind(3, 4, num_layers=0), lambda kind: kind(3, 4, proj_size=9),
    ]  # fmt: skip
    for call in wrong:
        with pytest.raises((ValueError, RuntimeError)) as expected:
            call(theirs)
        with pytest.raises(type(expected.value)) as caught:
            call(ours)
        assert str(caught.value).removeprefix(f"{name}: ") == str(expected.value).removeprefix(f"{name}: ")
