"""How far apart two CRFs are: the Kullback-Leibler divergence of their distributions over all sequences of tags, exactly.

Shapes: T time, B batch, K tags. With p the teacher's distribution, KL = E_p[score of the teacher] - log Z of the teacher - E_p[score of the student] + log Z of the
student. A score is linear in emissions and links, so its mean needs only how often p has each tag in each place and each pair of tags: the gradient of log Z.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from tenuto.networks.crf import Links


def crf_divergence(teacher: tuple[Tensor, Links], student: tuple[Tensor, Links], lengths: Tensor, temperature: float = 1.0) -> Tensor:
    """KL(teacher || student) of whole sequences of tags, [B] nats, with gradients for the student.

    Args:
        teacher, student: emissions [T, B, K] and links. What stands beyond a sentence's end has no influence.
        lengths: [B] int64, 1..T. temperature: all scores are divided by it.
    Source:     structure-level distillation, Wang et al. 2020, section 3.1; there over the k best sequences, here over all.
    """
    rows = teacher[0].shape[1]
    lengths = lengths.to(teacher[0].device)
    known, guessed = (_scaled(emissions, links, rows, temperature) for emissions, links in (teacher, student))
    with torch.enable_grad():
        leaves = [part.detach().requires_grad_() for part in known]
        total = _log_partition(leaves, lengths)
        counts = torch.autograd.grad(total.sum(), leaves)
    total = total.detach()
    own = sum(_per_row(count * part.detach()) for count, part in zip(counts, known))
    other = sum(_per_row(count * part) for count, part in zip(counts, guessed))
    return own - total - other + _log_partition(guessed, lengths)


def _scaled(emissions: Tensor, links: Links, rows: int, temperature: float) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Emissions as [B, T, K] and links for each row, divided by the temperature: a gradient for them is then each row's own."""
    start, transitions, end = (part.expand(rows, *part.shape) / temperature for part in links)
    return emissions.transpose(0, 1) / temperature, start, transitions, end


def _log_partition(parts: Sequence[Tensor], lengths: Tensor) -> Tensor:
    """The logarithm of the sum over all sequences of tags of exp(score), [B], from what `_scaled` gives."""
    emissions, start, transitions, end = parts
    total = start + emissions[:, 0]  # [B, K]
    for step in range(1, emissions.shape[1]):
        longer = torch.logsumexp(total[:, :, None] + transitions, dim=1) + emissions[:, step]
        total = torch.where((step < lengths)[:, None], longer, total)
    return torch.logsumexp(total + end, dim=1)


def _per_row(products: Tensor) -> Tensor:
    """The sum over all but the first axis, [B]."""
    return products.flatten(1).sum(1)
