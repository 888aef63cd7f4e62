"""A3C (Mnih et al. 2016): an LSTMCell acts one step at a time; every few steps the state is detached and the loss of the stretch trains it."""

import torch
from torch import nn
from torch.nn.functional import log_softmax


class Agent(nn.Module):
    def __init__(self, layers):
        super().__init__()
        self.see = nn.Linear(4, 8)
        self.core = layers.LSTMCell(8, 8)
        self.act, self.judge = nn.Linear(8, 3), nn.Linear(8, 1)

    def forward(self, observation, state):
        state = self.core(torch.relu(self.see(observation)), state)
        return self.act(state[0]), self.judge(state[0]), state


def run(layers, dtype):
    agent = Agent(layers).to(dtype)
    optimizer = torch.optim.RMSprop(agent.parameters(), lr=1e-3)
    world, history = torch.randn(20, 1, 4, dtype=dtype), []
    state = (torch.zeros(1, 8, dtype=dtype), torch.zeros(1, 8, dtype=dtype))
    for first in range(0, 20, 5):
        state = tuple(part.detach() for part in state)
        losses = []
        for observation in world[first : first + 5]:
            scores, value, state = agent(observation, state)
            log_probability = log_softmax(scores, -1)
            action = log_probability.exp().multinomial(1)
            reward = observation.sum()
            losses.append(-(reward - value.detach()) * log_probability.gather(1, action) + (reward - value) ** 2)
        optimizer.zero_grad()
        loss = torch.stack(losses).sum()
        loss.backward()
        nn.utils.clip_grad_norm_(agent.parameters(), 1.0)
        optimizer.step()
        history.append(loss.detach())
    return [torch.stack(history), *agent.parameters()]
