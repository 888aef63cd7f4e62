"""The peak memory of one call, in a process of its own. As a program: one line, the MB that the call adds.

    python bench/explanations/memory.py WHAT CELL B T F H   WHAT: backward, contributions
    python bench/explanations/memory.py WHAT CASE SAMPLES   WHAT: shapley, shap; CASE: the number of one of `speed.CASES`; SAMPLES: coalitions

Counted as in bench/speed/memory.py.
"""

from __future__ import annotations

import sys
from pathlib import Path

if __name__ == "__main__":
    sys.path[0] = str(Path(__file__).resolve().parent.parent)

import torch

from explanations.rectangles import Reader
from explanations.speed import CASES, CELLS, Game, answer
from speed.memory import forget_peak, resident
from tenuto.engines.cpp import pool
from tenuto.explain.contributions import contributions


def passes(what: str, cell: str, batch: int, steps: int, features: int, hidden: int) -> None:
    """A backward pass with its forward pass, or the contributions of all rows."""
    model, x = Reader(CELLS[cell](), features, hidden).eval(), torch.randn(steps, batch, features)
    if what == "backward":
        followed = x.requires_grad_()
        torch.autograd.grad(model(followed).sum(), followed)
    else:
        contributions(model, {"x": x}, {"x": torch.randn(steps, 1, features)}, answer)


def kernels(what: str, case: int, samples: int) -> None:
    """KernelSHAP of one item."""
    _, *sizes, settings = CASES[case]
    game = Game(*sizes, settings)
    players = game.ours(samples if what == "shapley" else 100, 0).players
    if what == "shap" and players is not None:
        game.of_shap(players.places, samples, 0)


def main() -> None:
    what, *given = sys.argv[1:]
    torch.set_num_threads(1)
    if what in ("backward", "contributions"):
        sizes = list(map(int, given[1:]))
        small, call = (lambda: passes(what, given[0], 2, 5, *sizes[2:])), lambda: passes(what, given[0], *sizes)
    else:
        case, samples = map(int, given)
        small, call = (lambda: kernels(what, case, 150)), lambda: kernels(what, case, samples)
    small()  # code, kernels and packages are there
    pool.shared().clear()
    forget_peak()
    before = resident("VmRSS")
    call()
    print(max(0, resident("VmHWM") - before) / 1024)


if __name__ == "__main__":
    main()
