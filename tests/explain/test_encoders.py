"""Explanations of models around every encoder: blocks, attention, memories outside the state, other scales of time."""

import pytest
import torch
from torch import nn

import tenuto
from tenuto import cells
from tenuto.errors import TenutoError
from tenuto.explain import METHODS
from tenuto.layers import DNC, NTM, Blocks, Clockwork, Dilated, FastWeights, Hybrid, Recurrent, Slowed, Stacked, TimeReduced, Transformer

pytestmark = [pytest.mark.usefixtures("reference_engine"), pytest.mark.filterwarnings("ignore:integrated gradients of item:UserWarning")]

MADE = {
    "blocks": lambda: Blocks(cells.GRU(), 3, 8, 2),
    "transformer": lambda: Transformer(3, 8, 1, heads=2),
    "hybrid": lambda: Hybrid(cells.GRU(), 3, 8, 1, heads=2),
    "stacked": lambda: Stacked(3, 8, [Recurrent(cells.GRU(), 8, 8), FastWeights(8, 8, heads=2)]),
    "ntm": lambda: NTM(cells.GRU(), 3, 8, rows=6, width=4),
    "dnc": lambda: DNC(cells.GRU(), 3, 8, rows=6, width=4, read_heads=2),
    "dilated": lambda: Dilated(Recurrent(cells.GRU(), 3, 8), 2),
    "slowed": lambda: Slowed(Recurrent(cells.GRU(), 3, 8), 2),
    "reduced": lambda: TimeReduced(Recurrent(cells.GRU(), 6, 8), 2),
    "clockwork": lambda: Clockwork(cells.GRU(), 3, 8, periods=(2, 1)),
}


class Reader(nn.Module):
    def __init__(self, encoder):
        super().__init__()
        self.encoder, self.head = encoder, nn.Linear(encoder.output_width, 2)

    def forward(self, x):
        return self.head(self.encoder(x).output[-1])


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("encoder", MADE)
def test_every_encoder_by_every_method(encoder, method):
    model, x, others = Reader(MADE[encoder]()).eval(), torch.randn(6, 2, 3), torch.randn(6, 4, 3)

    def explained():
        return tenuto.explain(model, x, method=method, target=0, batch_first=False, background=None if method in ("gradient", "smoothgrad", "lime") else others)

    if (encoder, method) == ("dnc", "contributions"):
        with pytest.raises(TenutoError, match=r"contributions have no rule for torch's 'sort', in DNC\.\n  expected .*\n  fix .* or a gradient method"):
            explained()
        return
    found = explained()
    assert len(found.items) == 2
    if method == "contributions":  # their sum is what the answer differs by from that of the background
        answer, other = (model(each)[:, 0] for each in (x, others))
        for row, item in enumerate(found.items):
            torch.testing.assert_close(torch.as_tensor(item.values).sum().float(), (answer[row] - other.mean()).float(), rtol=1e-3, atol=1e-4)
