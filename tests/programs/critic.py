"""A recurrent critic with gradient penalty (Gulrajani et al. 2017): the norm of its gradient by the input is trained too."""

import torch
from torch import nn


class Critic(nn.Module):
    def __init__(self, layers):
        super().__init__()
        self.core = layers.GRU(3, 8, num_layers=2, bidirectional=True)
        self.output = nn.Linear(16, 1)

    def forward(self, x):
        return self.output(self.core(x)[0].mean(0))


def run(layers, dtype):
    critic = Critic(layers).to(dtype)
    optimizer = torch.optim.Adam(critic.parameters(), lr=1e-2, betas=(0.0, 0.9))
    real, made = torch.randn(7, 4, 3, dtype=dtype), torch.rand(7, 4, 3, dtype=dtype)
    for _ in range(3):
        share = torch.rand(1, 4, 1, dtype=dtype)
        between = (share * real + (1 - share) * made).requires_grad_()
        (gradient,) = torch.autograd.grad(critic(between).sum(), between, create_graph=True)
        penalty = (gradient.transpose(0, 1).flatten(1).norm(dim=1) - 1).square().mean()
        loss = critic(made).mean() - critic(real).mean() + 10 * penalty
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return [loss.detach(), gradient.detach(), *critic.parameters()]
