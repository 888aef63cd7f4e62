"""The network: pooling against a loop over sequences, and no influence of padding or of other sequences."""

import numpy as np
import pytest
import torch

from tenuto import cells
from tenuto.data import Batch
from tenuto.errors import ArgumentError
from tenuto.networks.pooled import PooledNetwork
from tenuto.networks.pooling import pool

LENGTHS = torch.tensor([4, 1, 3])


def batch(x, lengths=LENGTHS):
    return Batch(x, lengths, None, np.arange(x.shape[1]))


@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("pooling", [("mean",), ("max",), ("last",), ("last", "mean", "max")])
@pytest.mark.parametrize("cell", [cells.LSTM(), cells.MGU(), cells.ProjectionLSTM(projection=3)], ids=repr)
def test_a_batch_is_its_sequences_one_by_one(cell, bidirectional, pooling):
    network = PooledNetwork(cell, 2, 5, 3, num_layers=2, bidirectional=bidirectional, pooling=pooling, dropout=0.5, input_noise=1.0)
    network.eval()
    x = torch.full((4, 3, 2), float("nan"))
    for row, length in enumerate(LENGTHS):
        x[:length, row] = torch.randn(length, 2)
    together = network(batch(x))
    for row, length in enumerate(LENGTHS):
        alone = network(batch(x[:length, row : row + 1], LENGTHS[row : row + 1]))
        torch.testing.assert_close(together[row : row + 1], alone)


def test_pooling_is_what_it_says():
    output = torch.randn(4, 3, 8)
    output[torch.arange(4)[:, None] >= LENGTHS] = 0.0
    pooled = pool(output, LENGTHS, ("mean", "max", "last"), bidirectional=True)
    for row, length in enumerate(LENGTHS):
        valid = output[:length, row]
        expected = torch.cat([valid.mean(0), valid.amax(0), valid[-1, :4], valid[0, 4:]])
        torch.testing.assert_close(pooled[row], expected)


def test_noise_and_dropout_are_only_in_training():
    network = PooledNetwork(cells.GRU(), 2, 4, 3, dropout=0.5, input_noise=1.0)
    x = torch.randn(4, 3, 2)
    assert not torch.equal(network(batch(x)), network(batch(x)))
    network.eval()
    assert torch.equal(network(batch(x)), network(batch(x)))


def test_level_noise_is_the_same_at_all_steps_of_a_sequence():
    front = PooledNetwork(cells.GRU(), 2, 4, 3, level_noise=0.5).front
    x = torch.randn(6, 400, 2)
    added = front(batch(x, torch.full((400,), 6))) - x
    torch.testing.assert_close(added, added[:1].expand_as(added), atol=1e-5, rtol=0)
    assert abs(added[0].std() - 0.5) < 0.05 and abs(torch.corrcoef(added[0].T)[0, 1]) < 0.2
    assert torch.equal(front.eval()(batch(x, torch.full((400,), 6))), x)


@pytest.mark.parametrize("pooling", [(), ("sum",), ("mean", "mean")])
def test_unknown_pooling_is_refused(pooling):
    with pytest.raises(ArgumentError, match="mean, max, last"):
        PooledNetwork(cells.GRU(), 2, 4, 3, pooling=pooling)
