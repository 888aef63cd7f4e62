"""Q-learning with masks written in place: states of ended episodes are set to zero, outputs are masked and pass relu_ in place."""

import torch
from torch import nn


class Values(nn.Module):
    def __init__(self, layers):
        super().__init__()
        self.core = layers.LSTM(4, 8)
        self.output = nn.Linear(8, 2)

    def forward(self, observations, state, done):
        outputs = []
        for observation, over in zip(observations, done, strict=True):
            h, c = state
            h[:, over] = 0
            c[:, over] = 0
            output, state = self.core(observation[None], (h, c))
            output *= (~over)[None, :, None]
            outputs.append(output)
        hidden = torch.cat(outputs)
        hidden.relu_()
        return self.output(hidden), state


def run(layers, dtype):
    values = Values(layers).to(dtype)
    optimizer = torch.optim.SGD(values.parameters(), lr=0.1)
    state = tuple(torch.zeros(1, 3, 8, dtype=dtype) for _ in range(2))
    for _ in range(3):
        observations, done = torch.randn(6, 3, 4, dtype=dtype), torch.rand(6, 3) < 0.3
        for part in state:
            part.detach_()
        found, state = values(observations, state, done)
        optimizer.zero_grad()
        (found.amax(-1) - observations.sum(-1)).square().mean().backward()
        optimizer.step()
        observed, _ = values.core(observations)  # the whole stretch at once, its output written into as well
        observed.mul_(2).clamp_(-1, 1)
    return [found.detach(), *(part.detach() for part in state), observed.detach(), *values.parameters()]
