"""The random generators of a process: their states as tensors and numbers, and the generators set back to them.

They are torch's (for the CPU, and for each GPU once CUDA is in use), numpy's global one and Python's. A generator that a program makes for itself
is not included. `batches(epoch)` needs none of them: it makes its own generator from a seed and the epoch.
"""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import torch


def generator_states() -> dict[str, Any]:
    """The present states, as nested tensors, text and numbers."""
    name, words, position, has_gauss, gauss = np.random.get_state(legacy=True)
    version, python_words, python_gauss = random.getstate()
    return {
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_initialized() else [],
        "numpy": [str(name), torch.from_numpy(np.asarray(words).astype(np.int64)), int(position), int(has_gauss), float(gauss)],
        "python": [version, torch.tensor(python_words, dtype=torch.int64), python_gauss],
    }


def restore_generators(states: dict[str, Any]) -> None:
    """Set the generators to what `generator_states` gave."""
    torch.set_rng_state(states["torch"])
    if states["cuda"]:
        torch.cuda.set_rng_state_all(states["cuda"])
    name, words, position, has_gauss, gauss = states["numpy"]
    np.random.set_state((name, words.numpy().astype(np.uint32), position, has_gauss, gauss))
    version, python_words, python_gauss = states["python"]
    random.setstate((version, tuple(python_words.tolist()), python_gauss))
