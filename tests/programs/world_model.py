"""A recurrent state-space model (Hafner et al. 2019): a GRUCell and a random state, looked at observations first, then dreamt on without."""

import torch
from torch import nn
from torch.distributions import Normal, kl_divergence
from torch.nn.functional import softplus


class WorldModel(nn.Module):
    def __init__(self, layers):
        super().__init__()
        self.core = layers.GRUCell(4 + 2, 8)
        self.prior, self.posterior = nn.Linear(8, 8), nn.Linear(8 + 3, 8)
        self.see = nn.Linear(8 + 4, 3)

    def guess(self, layer, value):
        mean, spread = layer(value).chunk(2, -1)
        return Normal(mean, softplus(spread) + 0.1)

    def forward(self, observations, actions):
        h, z = actions.new_zeros(actions.shape[1], 8), actions.new_zeros(actions.shape[1], 4)
        seen, distance = [], 0
        for step, action in enumerate(actions):
            h = self.core(torch.cat([z, action], -1), h)
            prior = self.guess(self.prior, h)
            if step < len(observations):
                posterior = self.guess(self.posterior, torch.cat([h, observations[step]], -1))
                distance = distance + kl_divergence(posterior, prior).sum()
            z = (posterior if step < len(observations) else prior).rsample()
            seen.append(self.see(torch.cat([h, z], -1)))
        return torch.stack(seen), distance


def run(layers, dtype):
    model = WorldModel(layers).to(dtype)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    observations, actions = torch.randn(6, 3, 3, dtype=dtype), torch.randn(10, 3, 2, dtype=dtype)
    for _ in range(3):
        seen, distance = model(observations, actions)
        optimizer.zero_grad()
        ((seen[:6] - observations).square().sum() + distance).backward()
        optimizer.step()
    return [seen, *model.parameters()]
