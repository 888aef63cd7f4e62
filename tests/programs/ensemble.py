"""An ensemble as one model with stacked weights (torch.func), trained with the backward pass outside vmap.

torch.nn.LSTM has no batching rule, so with torch.nn the members run one after the other.
"""

import copy

import torch
from torch import nn
from torch.func import functional_call, stack_module_state, vmap


class Forecaster(nn.Module):
    def __init__(self, layers):
        super().__init__()
        self.core = layers.LSTM(2, 6, batch_first=True)
        self.output = nn.Linear(6, 1)

    def forward(self, x):
        return self.output(self.core(x)[0][:, -1])


def run(layers, dtype):
    members = [Forecaster(layers).to(dtype) for _ in range(3)]
    weights, buffers = stack_module_state(members)
    skeleton = copy.deepcopy(members[0]).to("meta")
    optimizer = torch.optim.SGD(weights.values(), lr=0.1, momentum=0.9)
    x, y = torch.randn(8, 5, 2, dtype=dtype), torch.randn(8, 1, dtype=dtype)
    for _ in range(3):
        if layers is nn:
            guesses = torch.stack([functional_call(members[k], {name: w[k] for name, w in weights.items()}, (x,)) for k in range(3)])
        else:
            guesses = vmap(lambda p, b, v: functional_call(skeleton, (p, b), (v,)), in_dims=(0, 0, None))(weights, buffers, x)
        optimizer.zero_grad()
        (guesses - y).square().mean((1, 2)).sum().backward()
        optimizer.step()
    return [guesses, *weights.values()]
