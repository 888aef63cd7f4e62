"""A decoder like Tacotron 2's (Shen et al. 2018): two LSTMCells with attention between them, a frame at a time, its own output fed back."""

import torch
from torch import nn


class Decoder(nn.Module):
    def __init__(self, layers):
        super().__init__()
        self.attend, self.decode = layers.LSTMCell(5 + 6, 8), layers.LSTMCell(8 + 6, 8)
        self.query, self.frame = nn.Linear(8, 6), nn.Linear(8 + 6, 5)

    def forward(self, memory, frames, count):
        batch, dtype = memory.shape[0], memory.dtype
        zeros = lambda width: torch.zeros(batch, width, dtype=dtype)  # noqa: E731
        first, second, context, frame = (zeros(8), zeros(8)), (zeros(8), zeros(8)), zeros(6), zeros(5)
        written, weights = [], []
        for step in range(count):
            first = self.attend(torch.cat([frame, context], -1), first)
            weight = torch.softmax((self.query(first[0])[:, None] * memory).sum(-1), -1)
            context = (weight[..., None] * memory).sum(1)
            second = self.decode(torch.cat([first[0], context], -1), second)
            made = self.frame(torch.cat([second[0], context], -1))
            frame = made if frames is None else frames[:, step]  # taught, or on its own
            written.append(made)
            weights.append(weight)
        return torch.stack(written, 1), torch.stack(weights, 1)


def run(layers, dtype):
    decoder = Decoder(layers).to(dtype)
    optimizer = torch.optim.Adam(decoder.parameters(), lr=1e-2)
    memory, frames = torch.randn(2, 7, 6, dtype=dtype), torch.randn(2, 9, 5, dtype=dtype)
    for _ in range(3):
        optimizer.zero_grad()
        (decoder(memory, frames, 9)[0] - frames).square().mean().backward()
        optimizer.step()
    with torch.no_grad():
        return [*decoder(memory, None, 12), *decoder.parameters()]
