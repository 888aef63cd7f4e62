"""Batches: every sequence once, similar lengths together, an order that seed and epoch fix, zeros as padding."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tenuto.data import Batch, Sequences, bucketed_batches, collate
from tenuto.data.sequences.batches import sorted_batches
from tenuto.errors import ArgumentError


@settings(max_examples=40, deadline=None)
@given(
    lengths=st.lists(st.integers(1, 50), min_size=1, max_size=60),
    batch_size=st.integers(1, 9),
    seed=st.integers(0, 2**31),
    epoch=st.integers(0, 99),
)
def test_every_sequence_is_in_one_batch(lengths, batch_size, seed, epoch):
    batches = bucketed_batches(np.array(lengths), batch_size, seed=seed, epoch=epoch, bucket=3)
    assert sorted(np.concatenate(batches).tolist()) == list(range(len(lengths)))
    assert max(map(len, batches)) <= batch_size
    assert len(batches) == -(-len(lengths) // batch_size)
    again = bucketed_batches(np.array(lengths), batch_size, seed=seed, epoch=epoch, bucket=3)
    assert [batch.tolist() for batch in batches] == [batch.tolist() for batch in again]
    assert sorted(np.concatenate(sorted_batches(np.array(lengths), batch_size)).tolist()) == list(range(len(lengths)))


def test_epochs_and_seeds_differ():
    lengths = np.arange(1, 65)
    orders = {
        tuple(np.concatenate(bucketed_batches(lengths, 8, seed=seed, epoch=epoch)).tolist()) for seed in range(2) for epoch in range(3)
    }
    assert len(orders) == 6


def test_buckets_save_padding():
    lengths = np.random.default_rng(0).integers(1, 200, size=640)

    def padded_steps(bucket):
        return sum(lengths[batch].max() * len(batch) for batch in bucketed_batches(lengths, 16, seed=0, epoch=0, bucket=bucket))

    assert padded_steps(8) < 0.75 * padded_steps(1)


def test_a_batch_is_padded_with_zeros_after_preparation():
    data = Sequences([np.full((length, 2), float(length)) for length in (1, 3, 2)])
    batch = collate(data, [1, 0], prepare=lambda values, times: (values + 1).astype(np.float32), targets=np.array([5, 6, 7]))
    assert isinstance(batch, Batch)
    assert batch.x.shape == (3, 2, 2)
    assert batch.x.dtype == torch.float32
    assert batch.lengths.tolist() == [3, 1]
    assert batch.targets.tolist() == [6, 5]
    assert batch.indices.tolist() == [1, 0]
    assert batch.x[:, 0].tolist() == [[4, 4]] * 3
    assert batch.x[:, 1].tolist() == [[2, 2], [0, 0], [0, 0]]


def test_a_batch_without_sequences_is_refused():
    with pytest.raises(ArgumentError, match="batch_size is 0"):
        bucketed_batches(np.array([1]), 0, seed=0, epoch=0)
