"""Which launches are kept for the next call."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch

import tenuto
from tenuto.engines.cpp.launches import Launches

pytestmark = pytest.mark.cpp


def made(number, size=10):
    return SimpleNamespace(number=number, bytes=size)


def test_those_not_used_for_longest_go_when_the_memory_is_used_up():
    kept, built = Launches(most_bytes=50, least=2), []

    def take(number):
        return kept.take(number, lambda: built.append(number) or made(number))

    for number in (*range(5), 0, 5):  # 0 is used again before 5 comes
        kept.give_back(number, take(number))
    assert built == [0, 1, 2, 3, 4, 5]
    assert take(0).number == 0 and built[-1] == 5
    take(1)
    assert built[-1] == 1


def test_a_few_stay_whatever_their_size():
    kept = Launches(most_bytes=50, least=2)
    for number in range(3):
        kept.give_back(number, made(number, 10**9))
    with pytest.raises(ZeroDivisionError):
        kept.take(0, lambda: 1 / 0)
    assert [kept.take(number, lambda: None).number for number in (1, 2)] == [1, 2]
    kept.give_back("small", made("small"))
    kept.give_back("another", made("another"))
    assert kept.take("small", lambda: None).number == "small"  # the memory of those taken out counts no more


def test_many_batch_sizes_are_built_once(monkeypatch):
    """Texts sorted by length: three epochs over forty batch sizes."""
    kept, built = Launches(1 << 28, 16), []
    take = kept.take
    monkeypatch.setattr(kept, "take", lambda key, build: take(key, lambda: built.append(key) or build()))
    monkeypatch.setattr("tenuto.engines.cpp.engine.launches", kept)
    layer = tenuto.GRU(4, 8)
    for _ in range(3):
        for rows in range(1, 41):
            layer(torch.randn(3, rows, 4))[0].sum().backward()
    assert len(built) == 2 * 40
