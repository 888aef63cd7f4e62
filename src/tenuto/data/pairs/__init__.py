"""Pairs of a source and its target: read, numbered, batched."""

from tenuto.data.pairs.pairs import Pairs

__all__ = ["Pairs"]
