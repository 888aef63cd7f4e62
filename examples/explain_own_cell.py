"""A cell of your own, explained exactly: contributions add up to the answer for any step that can be traced, with no rule to write for it.

The cell multiplies, divides and chooses between two paces: what rules for known layers could not know. It learns to add the two marked numbers of a sequence. Each item is
compared with itself without numbers, its marks kept: a reference should differ in what is asked, and in nothing else. Prints how much of the answers lies on the two marked
steps and what is left of the sums (rounding), and the same against a reference without marks, which the model has never seen; writes explain_own_cell.html.
Takes about 20 s on one core (--small: a few steps).
"""

import sys

import torch
from torch import nn, sigmoid, tanh

import tenuto
from tenuto import Cell, State


class TwoPaces(Cell):
    """Writes into a sum, and forgets it at one of two paces, whichever the sum's size asks for."""

    gates = "i v"
    state = "h"
    parameters = "slow fast"  # one number for each channel, learned

    def step(self, x, U, s):
        keep = torch.where(s.h.abs() > 2.0, sigmoid(self.p.fast + 2), sigmoid(self.p.slow + 5))
        return State(h=keep * s.h + sigmoid(x.i + U.i @ s.h) * tanh(x.v) / (1 + s.h * s.h / 50))


def adding(batch: int, steps: int) -> tuple[torch.Tensor, torch.Tensor]:
    """x [T, B, 2]: numbers from -1 to 1 and two marks; y [B]: the sum of the marked numbers."""
    numbers, marks = 2 * torch.rand(steps, batch) - 1, torch.zeros(steps, batch)
    for half in (0, steps // 2):
        marks[half + torch.randint(steps // 2, (batch,)), torch.arange(batch)] = 1
    return torch.stack([numbers, marks], 2), (numbers * marks).sum(0)


class Adder(nn.Module):
    """One number from the last step."""

    def __init__(self) -> None:
        super().__init__()
        self.layer, self.head = tenuto.Recurrent(TwoPaces(), 2, 32), nn.Linear(32, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.layer(x).output[-1])


torch.manual_seed(0)
model = Adder()
optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
for _ in range(3 if "--small" in sys.argv else 500):
    x, y = adding(64, 50)
    loss = (model(x)[:, 0] - y).square().mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
model.eval()
print(f"mean squared error {loss.item():.4f}; that of answering 0 is 0.67")

x, y = adding(20, 50)
without_numbers = x * torch.tensor([0.0, 1.0])
for said, references in {"without numbers": without_numbers, "without anything": torch.zeros_like(x)}.items():
    found = [tenuto.explain(model, x[:, [row]], target=0, method="contributions", background=references[:, [row]])[0] for row in range(20)]
    shares = [abs(item.values[x[:, row, 1] == 1].sum(1)).sum() / abs(item.values.sum(1)).sum() for row, item in enumerate(found)]
    print(f"against the same {said}: {sum(shares) / 20:.0%} on the two marked steps, {max(abs(item.gap) for item in found):.1g} unexplained at most")

page = tenuto.explain(model, x[:, :1], target=0, method="contributions", background=without_numbers[:, :1])
page.to_html("explain_own_cell.html", title="Where the sum comes from")
print("page: explain_own_cell.html")
