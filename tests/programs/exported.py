"""A classifier trained, exported by torch.export with any batch size, saved, read again and run on other sizes."""

import io

import torch
from torch import nn


class Classifier(nn.Module):
    def __init__(self, layers):
        super().__init__()
        self.core = layers.GRU(3, 8, num_layers=2, batch_first=True, dropout=0.0)
        self.output = nn.Linear(8, 4)

    def forward(self, x):
        _, last = self.core(x)
        return torch.log_softmax(self.output(last[-1]), -1)


def run(layers, dtype):
    classifier = Classifier(layers).to(dtype)
    optimizer = torch.optim.Adam(classifier.parameters(), lr=1e-2)
    for _ in range(3):
        optimizer.zero_grad()
        nn.functional.nll_loss(classifier(torch.randn(6, 5, 3, dtype=dtype)), torch.randint(4, (6,))).backward()
        optimizer.step()
    classifier.eval()
    rows = torch.export.Dim("rows", min=1, max=64)
    program = torch.export.export(classifier, (torch.randn(4, 5, 3, dtype=dtype),), dynamic_shapes={"x": {0: rows}})
    file = io.BytesIO()
    torch.export.save(program, file)
    file.seek(0)
    read = torch.export.load(file).module()
    results = []
    for count in (1, 3, 9):
        x = torch.randn(count, 5, 3, dtype=dtype)
        results += [read(x).detach(), classifier(x).detach()]
        assert torch.allclose(results[-1], results[-2])
    return [*results, *classifier.parameters()]
