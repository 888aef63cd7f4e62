"""Pairs of a source and its target: read, turned into numbers, and cut into batches."""

from tenuto.data.pairs.pairs import Pairs

__all__ = ["Pairs"]
