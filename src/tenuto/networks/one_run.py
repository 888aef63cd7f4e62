"""The loss of keywords in sound: a recording in which a keyword is said has one run of steps that say it, of so many steps at least, somewhere in a span; all other steps say nothing.

Shapes: T steps, B rows, K keywords; answer 0 says nothing, 1..K are the keywords.
"""

from __future__ import annotations

import torch
from torch import Tensor

IMPOSSIBLE = -1e30  # finite, since the derivative of a sum of exponentials at minus infinity alone is not a number


def run_losses(logits: Tensor, keywords: Tensor, begins: Tensor, ends: Tensor, counted: Tensor, least: int) -> Tensor:
    """[B] float64 nats: minus the logarithm of the probability of each row, over all runs that it may have.

    It is the sum over paths of connectionist temporal classification for one symbol that must last, and a sum of T terms: a run's gain over silence is a difference of two cumulative sums.

    Args:
        logits: [T, B, 1 + K]. keywords: [B] int; 0 where nothing is said.
        begins, ends: [B] int: the run lies within these steps, the second not among them; it has room for `least` steps where a keyword is said.
        counted: [T, B] bool: other steps may say anything; all steps of a span are counted.
    Source:     Graves, Fernández, Gomez & Schmidhuber 2006, equation 3, for a label of one symbol; the least duration is that of a left-to-right hidden Markov model of `least` states (Rabiner 1989, section IV.D).
    Example:
        >>> run_losses(torch.zeros(3, 1, 2), torch.tensor([1]), torch.tensor([0]), torch.tensor([3]), torch.ones(3, 1, dtype=torch.bool), 2).exp()
        tensor([2.6667], dtype=torch.float64)
    """
    steps = len(logits)
    known = logits.double().log_softmax(-1)
    nothing = known[..., 0]
    said = known.gather(2, keywords[None, :, None].expand(steps, -1, -1))[..., 0]
    gains = torch.where(counted, said - nothing, 0.0).cumsum(0)
    gains = torch.cat([torch.zeros_like(gains[:1]), gains])  # [T + 1, B]: of a run over the first steps
    place = torch.arange(steps + 1, device=logits.device)[:, None]
    begun = torch.where((place >= begins) & (place <= ends - least), -gains, IMPOSSIBLE).logcumsumexp(0)
    begun = torch.cat([begun.new_full((least, len(keywords)), IMPOSSIBLE), begun])[: steps + 1]
    runs = torch.where((place >= begins + least) & (place <= ends), gains + begun, IMPOSSIBLE).logsumexp(0)
    return -torch.where(counted, nothing, 0.0).sum(0) - torch.where(keywords > 0, runs, 0.0)
