"""Recurrent PPO (Schulman et al. 2017): acting step by step without gradients, then training on whole stretches whose states begin as stored."""

import torch
from torch import nn
from torch.distributions import Categorical


class Policy(nn.Module):
    def __init__(self, layers):
        super().__init__()
        self.core = layers.GRU(4, 8)
        self.act, self.judge = nn.Linear(8, 3), nn.Linear(8, 1)
        for name, parameter in self.core.named_parameters():
            nn.init.orthogonal_(parameter) if "weight" in name else nn.init.zeros_(parameter)

    def forward(self, observations, state, done):
        """The state is put back to zeros where an episode is done, as most libraries do: step by step where any is."""
        outputs = []
        for observation, over in zip(observations, done, strict=True):
            output, state = self.core(observation[None], state * (1 - over)[None, :, None])
            outputs.append(output)
        hidden = torch.cat(outputs)
        return Categorical(logits=self.act(hidden)), self.judge(hidden)[..., 0], state


def run(layers, dtype):
    policy = Policy(layers).to(dtype)
    optimizer = torch.optim.Adam(policy.parameters(), lr=1e-2, eps=1e-5)
    state, done = torch.zeros(1, 3, 8, dtype=dtype), torch.zeros(3, dtype=dtype)
    for _ in range(2):
        start, kept = state.clone(), []
        for _ in range(6):
            observation = torch.randn(3, 4, dtype=dtype)
            with torch.no_grad():
                chances, value, state = policy(observation[None], state, done[None])
            action = chances.sample()[0]
            kept.append((observation, done, action, chances.log_prob(action)[0], value[0]))
            done = (torch.rand(3) < 0.2).to(dtype)
        observations, dones, actions, before, values = (torch.stack(part) for part in zip(*kept, strict=True))
        gains = observations.sum(-1) - values
        for _ in range(2):
            chances, value, _ = policy(observations, start, dones)
            ratio = (chances.log_prob(actions) - before).exp()
            loss = -torch.min(ratio * gains, ratio.clamp(0.8, 1.2) * gains).mean() + (value - observations.sum(-1)).square().mean()
            loss = loss - 0.01 * chances.entropy().mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    return [state, actions, *policy.parameters()]
