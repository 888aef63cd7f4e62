"""How much noise suits a set of sequences, where the user leaves that to the data."""

from __future__ import annotations

import numpy as np

from tenuto.data import Sequences

SHARE, MOST = 0.8, 0.5


def usual_noise(data: Sequences) -> float:
    """A standard deviation for noise on the standardised channels: `SHARE` of the usual change from a step to the next, over all channels, and at most `MOST`.

    Noise makes a network rely on what neighbouring steps have in common; more of it than these differ by hides what a smooth series shows.

    Example:
        >>> smooth = Sequences([np.linspace(-1, 1, 101)[:, None]] * 2)
        >>> usual_noise(smooth)
        0.02
    """
    values = np.concatenate(data.values).astype(np.float64)
    changes = [np.diff(one.astype(np.float64), axis=0) for one in data.values if len(one) > 1]
    if not changes:
        return 0.0
    between = np.concatenate(changes)
    told = ~np.isnan(between).all(axis=0)  # a channel that is never measured at two steps running does not say how much it changes
    if not told.any():
        return 0.0
    spread, rough = np.nanvar(values[:, told], axis=0), np.nanmean(between[:, told] ** 2, axis=0) / 2
    shares = np.sqrt(rough[spread > 0] / spread[spread > 0])
    return min(MOST, round(SHARE * float(shares.mean()), 2)) if shares.size else 0.0
