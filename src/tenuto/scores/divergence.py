"""How far apart two distributions are over the same choices: the Kullback-Leibler divergence, from logits."""

from __future__ import annotations

import torch
from torch import Tensor


def divergence(teacher: Tensor, student: Tensor, temperature: float = 1.0) -> Tensor:
    """The nats that are lost where the student's probabilities stand in the place of the teacher's, [...]: KL(teacher || student).

    Equations:  p = softmax(teacher / t), q = softmax(student / t); KL = sum p (log p - log q)
    Args:
        teacher, student: [..., K] logits, or log-probabilities.
        temperature: t; above 1, what is improbable tells more.
    Source:     Hinton, Vinyals, Dean 2015, section 2. Their factor t² is not in it.
    Example:
        >>> divergence(torch.tensor([0.0, 0.0]), torch.tensor([0.0, 0.0])).item()
        0.0
    """
    known, guessed = ((logits / temperature).log_softmax(-1) for logits in (teacher, student))
    share = known.exp()
    return torch.where(share > 0, share * (known - guessed), 0.0).sum(-1)
