"""Numbers as users have them, in layers and cells: numpy's, and those in tensors without axes, become Python's. Names that are not known are understood."""

import copy

import numpy as np
import pytest
import torch

import tenuto
from tenuto import Init, Recurrent, cells
from tenuto.cells.names import cell_from_name
from tenuto.data.sets import path_of
from tenuto.errors import ArgumentError, CellError, ShapeError, TenutoError
from tenuto.train import TrainingOptions
from tenuto.train.search import SearchOptions

WHOLE = [np.int8, np.uint16, np.int64, np.uint64, np.array, torch.tensor]
NUMBERS = [np.float32, np.float64, np.array, torch.tensor]
whole = pytest.mark.parametrize("make", WHOLE, ids=lambda make: make.__name__)


@whole
def test_sizes_of_layers(make):
    layer = Recurrent(cells.LSTM(), make(3), make(4), make(2), bidirectional=True)
    plain = Recurrent(cells.LSTM(), 3, 4, 2, bidirectional=True)
    assert {name: value.shape for name, value in layer.named_parameters()} == {name: value.shape for name, value in plain.named_parameters()}
    assert repr(layer) == repr(plain) and type(copy.deepcopy(layer).hidden_size) is int
    assert layer(torch.zeros(5, 2, 3)).output.shape == (5, 2, 8)


@whole
@pytest.mark.parametrize("name", ["LSTM", "GRU", "RNN", "LSTMCell", "GRUCell", "RNNCell"])
def test_sizes_of_the_layers_of_torch(name, make):
    layer = getattr(tenuto, name)(make(3), make(4))
    assert repr(layer) == repr(getattr(tenuto, name)(3, 4)) and type(layer.hidden_size) is int
    x = torch.zeros(2, 3) if name.endswith("Cell") else torch.zeros(5, 2, 3)
    assert layer(x)[0].shape[-1] == 4


@whole
def test_whole_numbers_of_cells(make):
    cell = cells.ProjectionLSTM(projection=make(2))
    assert cell == cells.ProjectionLSTM(projection=2) and type(cell.projection) is int and hash(cell) == hash(cells.ProjectionLSTM(projection=2))
    assert cells.GRU(heads=make(2)) == cells.GRU(heads=2) and cells.GRU(rank=make(2)) == cells.GRU(rank=2)
    assert tenuto.LSTM(3, 4, proj_size=make(2))(torch.zeros(5, 1, 3))[0].shape == (5, 1, 2)
    assert Init(longest=make(9)) == Init(longest=9)
    assert TrainingOptions(epochs=make(3), patience=make(2)) == TrainingOptions(epochs=3, patience=2)
    assert SearchOptions(trials=make(3), seed=make(1)) == SearchOptions(trials=3, seed=1)


@pytest.mark.parametrize("make", NUMBERS, ids=lambda make: make.__name__)
def test_rates(make):
    layer = Recurrent(cells.GRU(), 3, 4, 2, dropout=make(0.5), recurrent_dropout=make(0.25), zoneout=make(0.5), weight_dropout=make(0.5))
    assert repr(layer) == repr(Recurrent(cells.GRU(), 3, 4, 2, dropout=0.5, recurrent_dropout=0.25, zoneout=0.5, weight_dropout=0.5))
    assert Init(forget_bias=make(0.5)) == Init(forget_bias=0.5)
    assert TrainingOptions(learning_rate=make(0.5), betas=(make(0.5), make(0.25))) == TrainingOptions(learning_rate=0.5, betas=(0.5, 0.25))


@pytest.mark.parametrize("wrong", [0, -1, 2.0, np.float32(2), True, np.True_, torch.tensor(True), "2", None, np.array([2]), torch.tensor([2]), [2]], ids=repr)
def test_other_sizes_are_refused(wrong):
    for sizes in ((wrong, 4), (3, wrong)):
        with pytest.raises(ArgumentError, match="a positive integer"):
            Recurrent(cells.LSTM(), *sizes)
    if wrong is not None:
        with pytest.raises(ArgumentError, match="epochs=.* is out of range"):
            TrainingOptions(epochs=wrong)
        with pytest.raises(CellError):
            cells.GRU(rank=wrong)


@pytest.mark.parametrize("kind", [np.uint8, np.uint16, np.uint32, np.uint64])
@pytest.mark.parametrize("make", [np.array, list, torch.tensor], ids=["array", "list", "tensor"])
def test_lengths_without_sign(kind, make):
    layer, x = Recurrent(cells.GRU(), 2, 3), torch.randn(4, 2, 2)
    given = np.array([4, 2], dtype=kind)
    lengths = make(given) if make is not torch.tensor else torch.from_numpy(given)
    assert torch.equal(layer(x, lengths=lengths).output, layer(x, lengths=torch.tensor([4, 2])).output)
    assert torch.equal(layer(x, lengths=[kind(4), 2]).output, layer(x, lengths=[4, 2]).output)
    with pytest.raises(ShapeError):
        layer(x, lengths=np.array([4, np.iinfo(kind).max], dtype=kind))


UNKNOWN = {
    "a cell": (lambda: cell_from_name("lsmt"), "lstm"),
    "an activation": (lambda: cells.LSTM(activation="Relu"), "relu"),
    "an engine": (lambda: Recurrent(cells.LSTM(), 3, 4, engine="referense"), "reference"),
    "a kind of mask": (lambda: Recurrent(cells.LSTM(), 3, 4, dropout_kind="variational_"), "variational"),
    "a state": (lambda: Recurrent(cells.LSTM(), 3, 4, zoneout={"cc": 0.1}), "c"),
    "a start": (lambda: Init(weight_hh="orthogonl"), "orthogonal"),
    "a schedule": (lambda: TrainingOptions(schedule="cosin"), "cosine"),
    "a measure": (lambda: TrainingOptions(select_by="accuracy"), "validation_accuracy"),
    "an option": (lambda: tenuto.tasks.SequenceClassifier().set_params(hiden_size=3), "hidden_size"),
    "a recipe": (lambda: tenuto.tasks.LanguageModel.from_recipe("awdlstm"), "awd-lstm"),
    "a data set": (lambda: path_of("Japanese-Vowels"), "japanese_vowels"),
    "a part": (lambda: tenuto.data.read_sequences(path_of("japanese_vowels"), split="trian"), "train"),
}


@pytest.mark.parametrize("name", UNKNOWN)
def test_a_name_that_is_not_known_is_understood(name):
    call, meant = UNKNOWN[name]
    with pytest.raises(TenutoError) as error:
        call()
    assert "did you mean " in error.value.fix and meant in error.value.fix, str(error.value)
