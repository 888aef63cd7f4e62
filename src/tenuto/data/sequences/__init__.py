"""Multivariate sequences of unequal lengths: read, checked, standardised, batched."""

from tenuto.data.sequences.sequences import Sequences

__all__ = ["Sequences"]
