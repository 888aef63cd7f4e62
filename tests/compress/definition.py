"""A product of whole numbers as `engines.problem` defines it, in numpy."""

import numpy as np


def defined(rows, weight, scale):
    """rows [N, K] times whole numbers [R, K], as `engines.problem` says it, in numpy's integers."""
    found = np.zeros((len(rows), len(weight)), dtype=np.float32)
    for n, row in enumerate(rows):
        largest = np.abs(row).max()
        if largest < np.float32(1e-30):
            continue
        numbers = np.rint(row * (np.float32(127) / largest)).astype(np.int64)
        found[n] = (weight.astype(np.int64) @ numbers).astype(np.float32) * (largest / np.float32(127) * scale)
    return found


def defined_within(rows, weight, scale, most, bits):
    """The same with a scale that is known before: numbers beyond `most` count as it."""
    count = 2 ** (bits - 1) - 1
    numbers = np.rint(np.clip(rows * (np.float32(count) / most), -count, count)).astype(np.int64)
    return (numbers @ weight.astype(np.int64).T).astype(np.float32) * (most / np.float32(count) * scale)
