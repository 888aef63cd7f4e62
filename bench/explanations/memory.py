"""The peak memory of one explanation, in a process of its own. As a program: one line, the MB that the call adds.

    python bench/explanations/memory.py WHAT STEPS SAMPLES   WHAT: backward, contributions (16 items each), shapley, shap (one item, SAMPLES coalitions)

A GRU of 64 units reads 4 features; players are the features in 10 segments. Counted as in bench/speed/memory.py.
"""

from __future__ import annotations

import sys
from pathlib import Path

if __name__ == "__main__":
    sys.path[0] = str(Path(__file__).resolve().parent.parent)

import torch

from explanations.speed import Game, answer
from speed.memory import forget_peak, resident
from tenuto import explain


def call(what: str, steps: int, samples: int) -> None:
    """What is measured."""
    game = Game(steps, 4, 64, {"players": "cells", "segments": 10})
    x = torch.randn(steps, 16, 4)
    if what == "backward":
        followed = x.requires_grad_()
        torch.autograd.grad(game.model(followed).sum(), followed)
    elif what == "contributions":
        explain(game.model, x, method="contributions", target=answer, background="zero")
    else:
        players = game.ours(samples, 0).players if what == "shapley" else game.ours(100, 0).players
        if what == "shap" and players is not None:
            game.of_shap(players.places, samples, 0)


def main() -> None:
    what, steps, samples = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    torch.set_num_threads(1)
    call(what, 10, 150)  # code, kernels and packages are there
    forget_peak()
    before = resident("VmRSS")
    call(what, steps, samples)
    print(max(0, resident("VmHWM") - before) / 1024)


if __name__ == "__main__":
    main()
