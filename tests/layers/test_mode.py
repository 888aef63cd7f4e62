"""A module that was put into another mode for a while: each of its parts is in its own mode again, whoever did it."""

import pytest
import torch
from torch import nn

import tenuto
from tenuto.compress.spectrum import spectra
from tenuto.layers.mode import in_mode
from tenuto.tasks.evaluation import UsualCall, engine


class Frozen(nn.Module):
    """A model that trains, but for one part."""

    def __init__(self):
        super().__init__()
        self.norm, self.layer, self.last = nn.BatchNorm1d(3), tenuto.Recurrent(tenuto.cells.Elman(), 3, 4, engine="reference"), nn.Linear(4, 2)
        self.train()
        self.norm.eval()

    input_size, hidden_size = 3, 4

    def engine_report(self, x, lengths=None):
        return self.layer.engine_report(x)

    def forward(self, x):
        return self.last(self.layer(self.norm(x.flatten(0, 1)).view(x.shape)).output)


def calibrated(model):
    tenuto.compress.call._seen_by_module(model, [torch.randn(4, 2, 3)])


def compared(model):
    spectra(model, Frozen(), (torch.randn(4, 2, 3),))


def reported(model):
    engine(UsualCall(model, 4, 2, lengths=False), "cpu")


def failing(model):
    with pytest.raises(ValueError, match="meanwhile"), in_mode(model, training=False):
        raise ValueError("meanwhile")


@pytest.mark.parametrize("use", [calibrated, compared, reported, failing])
@pytest.mark.parametrize("whole", [True, False])
def test_every_part_is_in_its_own_mode_again(use, whole):
    model = Frozen()
    model.training = whole
    before = [part.training for part in model.modules()]
    assert True in before and False in before
    use(model)
    assert [part.training for part in model.modules()] == before


def test_within_the_block_all_parts_are_in_one_mode():
    model = Frozen()
    for training in (True, False):
        with in_mode(model, training=training) as nothing:
            assert nothing is None and {part.training for part in model.modules()} == {training}
