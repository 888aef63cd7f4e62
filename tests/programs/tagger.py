"""A tagger of sentences of different lengths, packed: pack_padded_sequence in, pad_packed_sequence out, both directions, dropout."""

import torch
from torch import nn
from torch.nn.functional import cross_entropy
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence, pad_sequence


class Tagger(nn.Module):
    def __init__(self, layers):
        super().__init__()
        self.embedding = nn.Embedding(20, 6, padding_idx=0)
        self.core = layers.LSTM(6, 8, num_layers=2, bidirectional=True, batch_first=True)
        self.output = nn.Linear(16, 4)

    def forward(self, words, lengths):
        packed = pack_padded_sequence(self.embedding(words), lengths, batch_first=True, enforce_sorted=False)
        hidden, (h, _) = self.core(packed)
        padded, _ = pad_packed_sequence(hidden, batch_first=True)
        return self.output(padded), h


def run(layers, dtype):
    tagger = Tagger(layers).to(dtype)
    optimizer = torch.optim.AdamW(tagger.parameters(), lr=1e-2)
    for _ in range(3):
        sentences = [torch.randint(1, 20, (length,)) for length in torch.randint(1, 9, (5,)).tolist()]
        words, lengths = pad_sequence(sentences, batch_first=True), torch.tensor(list(map(len, sentences)))
        scores, last = tagger(words, lengths)
        loss = cross_entropy(scores.flatten(0, 1), (words % 4).masked_fill(words == 0, -100).flatten(), ignore_index=-100)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return [scores.detach(), last.detach(), *tagger.parameters()]
