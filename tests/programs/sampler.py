"""A language model that writes: one token at a time, each drawn and fed back, the state kept between calls."""

import torch
from torch import nn


class Writer(nn.Module):
    def __init__(self, layers):
        super().__init__()
        self.embedding = nn.Embedding(11, 6)
        self.core = layers.LSTM(6, 12, num_layers=2, batch_first=True)
        self.output = nn.Linear(12, 11)

    def forward(self, tokens, state=None):
        hidden, state = self.core(self.embedding(tokens), state)
        return self.output(hidden), state


def run(layers, dtype):
    writer = Writer(layers).to(dtype).eval()
    written, scores = [], []
    with torch.no_grad():
        logits, state = writer(torch.randint(11, (3, 7)))  # the beginning, read at once
        for _ in range(40):
            token = torch.softmax(logits[:, -1] / 0.8, -1).multinomial(1)
            logits, state = writer(token, state)
            written.append(token)
            scores.append(logits[:, -1])
    return [torch.cat(written, 1), torch.stack(scores), *state]
