"""Streams: no token is lost or read twice, rows go on from window to window, and every process sees the same windows."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tenuto.data import IGNORED, RandomWindows, Streams, Window
from tenuto.errors import ArgumentError, DataError


def counted(windows):
    """The (input, target) pairs that count, sorted; tokens are their own positions."""
    pairs = []
    for window in windows:
        kept = window.targets != IGNORED
        assert window.counted == kept.sum()
        pairs += list(zip(window.inputs[kept].tolist(), window.targets[kept].tolist()))
    return sorted(pairs)


@given(length=st.integers(2, 200), rows=st.integers(1, 8), window=st.integers(1, 40), data=st.data())
def test_every_token_is_a_target_once_over_all_processes(length, rows, window, data):
    rows = min(rows, length - 1)
    world = data.draw(st.sampled_from([n for n in (1, 2, 3, 4) if rows % n == 0]))
    stride = data.draw(st.integers(1, window))
    shares = [Streams(range(length), rows, window, stride=stride, rank=rank, world=world) for rank in range(world)]
    assert len({len(share) for share in shares}) == 1
    assert counted(window for share in shares for window in share) == [(n, n + 1) for n in range(length - 1)]


def test_a_row_goes_on_from_window_to_window():
    text = np.arange(101, dtype=np.uint8)
    streams = Streams(text, 4, 7)
    rows = torch.cat([window.inputs for window in streams])
    assert rows.dtype == torch.int64
    assert rows.shape == (25, 4)
    assert (rows[1:] - rows[:-1] == 1).all()
    assert len(streams) == 4
    assert len(streams[3].inputs) == 25 - 3 * 7
    torch.testing.assert_close(streams[-1].inputs, streams[3].inputs)
    assert [window.inputs[0, 0].item() for window in streams[1:3]] == [7, 14]


def test_documents_reset_the_state_where_they_begin():
    streams = Streams(range(20), 1, 6, starts=[0, 4, 13])
    assert all(window.resets.dtype == torch.bool for window in streams)
    resets = torch.cat([window.resets for window in streams])[:, 0]
    assert resets.nonzero()[:, 0].tolist() == [0, 4, 13]
    assert Streams(range(20), 1, 6)[0].resets is None
    assert Streams(range(20), 1, 6, starts=[])[0].resets.any().item() is False
    moved = streams[0].to("cpu")
    assert isinstance(moved, Window)
    torch.testing.assert_close(moved.resets, streams[0].resets)


def test_overlapping_windows_give_context_and_count_once():
    streams = Streams(range(30), 1, 10, stride=4)
    assert streams[1].inputs[0, 0] == 4
    assert streams[1].targets[:6, 0].tolist() == [IGNORED] * 6
    assert streams[1].targets[6:, 0].tolist() == [11, 12, 13, 14]


def test_jitter_changes_lengths_by_epoch_and_loses_nothing():
    streams = Streams(range(5000), 2, 70, jitter=True, seed=3)
    first, again, second = streams.epoch(1), streams.epoch(1), streams.epoch(2)
    lengths = [len(window.inputs) for window in first]
    assert lengths == [len(window.inputs) for window in again]
    assert lengths != [len(window.inputs) for window in second]
    assert len(set(lengths)) > 5
    assert counted(first) == counted(second) == [(n, n + 1) for n in range(4999)]
    plain = Streams(range(50), 2, 5)
    assert plain.epoch(2) is plain


def test_random_windows_follow_seed_epoch_and_number():
    windows = RandomWindows(range(1000), 8, 16, 5, seed=1)
    assert (len(windows), len(list(windows)), len(windows[1:3])) == (5, 5, 2)
    torch.testing.assert_close(windows[2].inputs, RandomWindows(range(1000), 8, 16, 5, seed=1)[2].inputs)
    assert not torch.equal(windows[2].inputs, windows[3].inputs)
    assert not torch.equal(windows[2].inputs, windows.epoch(2)[2].inputs)
    assert not torch.equal(windows[2].inputs, RandomWindows(range(1000), 8, 16, 5, seed=2)[2].inputs)
    assert (windows[0].targets == windows[0].inputs + 1).all()
    halves = [RandomWindows(range(1000), 8, 16, 5, seed=1, rank=rank, world=2)[4].inputs for rank in (0, 1)]
    torch.testing.assert_close(torch.cat(halves, 1), windows[4].inputs)
    with pytest.raises(IndexError):
        windows[5]
    assert RandomWindows(range(100), 2, 99, 3, starts=[0])[0].resets[0].tolist() == [True, True]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"batch_size": 0}, "batch_size is 0"),
        ({"window": 0}, "window is 0"),
        ({"stride": 9}, "stride is 9"),
        ({"rank": 2, "world": 2}, "rank 2 is out of range for 2 processes"),
        ({"world": 3}, "cannot be shared evenly by 3(.|\n)*batch_size=6"),
        ({"jitter": True, "stride": 2}, "jitter and stride"),
    ],
)
def test_options_out_of_range_are_refused(options, said):
    with pytest.raises(ArgumentError, match=said):
        Streams(range(40), **{"batch_size": 4, "window": 8, **options})


def test_texts_that_cannot_be_cut_are_refused():
    with pytest.raises(DataError, match="4 tokens are too few for 4 rows"):
        Streams(range(4), 4, 8)
    with pytest.raises(DataError, match="tokens are not a row of integers"):
        Streams([0.5, 1.5], 1, 1)
    with pytest.raises(DataError, match="begins outside the text"):
        Streams(range(9), 1, 3, starts=[9])
    with pytest.raises(DataError, match="too few for a window of 9"):
        RandomWindows(range(9), 1, 9, 1)
    with pytest.raises(ArgumentError, match="steps is 0"):
        RandomWindows(range(9), 1, 3, 0)


def test_jittered_lengths_are_those_of_the_paper():
    lengths = np.array([len(window.inputs) for window in Streams(np.zeros(70 * 3000, dtype=np.uint8), 1, 70, jitter=True).epoch(1)][:-1])
    short = lengths < 52
    assert short.mean() == pytest.approx(0.05, abs=0.015)
    assert (lengths[~short].mean(), lengths[short].mean()) == (pytest.approx(69.5, abs=0.5), pytest.approx(34.5, abs=2))
    assert lengths[~short].std() == pytest.approx(5, abs=0.3)
    assert min(len(window.inputs) for window in list(Streams(range(2000), 1, 4, jitter=True).epoch(1))[:-1]) == 5
