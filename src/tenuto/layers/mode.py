"""Training or evaluation mode for a while. The parts of a module may be in different modes, as where some of them are frozen: afterwards each is in its own again."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from torch import nn


@contextmanager
def in_mode(module: nn.Module, *, training: bool) -> Iterator[None]:
    """The whole module in one mode within the block."""
    own = [(part, part.training) for part in module.modules()]
    module.train(training)
    try:
        yield
    finally:
        module.train(own[0][1])  # a module may do more than take note of its mode
        for part, mode in own:
            part.training = mode
