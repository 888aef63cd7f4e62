"""A PyTorch program with `torch.nn.LSTM` replaced by `tenuto.LSTM`: same constructor, same call, same checkpoint; ragged batches without packing.

Prints the largest difference between the two on the same weights, forward and backward, with packed sequences on one side and plain lengths on
the other, and which engine ran. Takes about 3 s on one core.
"""

import torch
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

import tenuto

torch.manual_seed(0)
theirs = torch.nn.LSTM(12, 64, num_layers=2, bidirectional=True)
ours = tenuto.LSTM(12, 64, num_layers=2, bidirectional=True)  # the one changed line
ours.load_state_dict(theirs.state_dict())

x = torch.randn(29, 8, 12)  # [time, batch, features]
lengths = torch.tensor([29, 7, 20, 12, 18, 29, 9, 14])

packed, _ = theirs(pack_padded_sequence(x, lengths, enforce_sorted=False))
expected, _ = pad_packed_sequence(packed, total_length=29)
expected.square().sum().backward()

output, (h, c) = ours(x, lengths=lengths)
output.square().sum().backward()

print(f"largest difference, outputs:   {(output - expected).abs().max():.1e}")
gradients = zip(ours.parameters(), theirs.parameters())
print(f"largest difference, gradients: {max((a.grad - b.grad).abs().max().item() for a, b in gradients):.1e}")
print(ours.engine_report(x, lengths=lengths))
