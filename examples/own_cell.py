"""A cell of your own, from maths to training: a unit that sums up its input and forgets at a learned pace.

Prints the cell's traced program, which engine runs it, and the error on the adding problem (add the two marked numbers of a sequence; guessing
1 has a mean squared error of 0.167) while it learns. Takes about 10 s on one core (--small: a few steps).
"""

import sys

import torch
from torch import nn, sigmoid, tanh

import tenuto
from tenuto import Cell, State


class Summing(Cell):
    """Keeps a sum of gated inputs, and forgets it, each channel at its own pace."""

    gates = "i v"  # x.i, x.v: blocks of W x_t + b; U.i, U.v: recurrent weights, of which this cell uses U.i
    state = "h"
    parameters = "pace"  # one number per channel, learned

    def step(self, x, U, s):
        keep = sigmoid(self.p.pace + 4)
        return State(h=keep * s.h + sigmoid(x.i + U.i @ s.h) * tanh(x.v))


def adding(batch: int, steps: int) -> tuple[torch.Tensor, torch.Tensor]:
    """x [T, B, 2]: random numbers and two marks; y [B]: the sum of the marked numbers."""
    numbers, marks = torch.rand(steps, batch), torch.zeros(steps, batch)
    for half in (0, steps // 2):
        marks[half + torch.randint(steps // 2, (batch,)), torch.arange(batch)] = 1
    return torch.stack([numbers, marks], 2), (numbers * marks).sum(0)


torch.manual_seed(0)
print(tenuto.program.trace(Summing()).forward)
layer, head = tenuto.Recurrent(Summing(), 2, 32), nn.Linear(32, 1)
optimizer = torch.optim.Adam([*layer.parameters(), *head.parameters()], lr=1e-2)
x, y = adding(64, 100)
print(layer.engine_report(x))

for step in range(3 if "--small" in sys.argv else 401):
    x, y = adding(64, 100)
    loss = (head(layer(x).output[-1])[:, 0] - y).square().mean()
    optimizer.zero_grad()
    loss.backward()
    nn.utils.clip_grad_norm_(layer.parameters(), 1.0)
    optimizer.step()
    if step % 50 == 0:
        print(f"step {step:3}: mean squared error {loss.item():.4f}")
