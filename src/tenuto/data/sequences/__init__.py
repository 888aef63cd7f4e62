"""Multivariate sequences of unequal lengths: read, checked, standardised, and cut into batches."""

from tenuto.data.sequences.sequences import Sequences

__all__ = ["Sequences"]
