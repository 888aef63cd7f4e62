"""Halvings: convolutions that put neighbouring steps together before a recurrent layer reads them."""

import numpy as np
import pytest
import torch

from tenuto import Recurrent, cells
from tenuto.data import Sequences
from tenuto.networks.pooling import PARTS, pool, pooled_width
from tenuto.networks.reduction import Halving, ReducedRecurrent, usual_halvings
from tenuto.tasks.channel_noise import usual_noise

LENGTHS = torch.tensor([21, 8, 1])


def encoder(halvings=2, shortcut=False):
    torch.manual_seed(0)
    return ReducedRecurrent(3, 6, halvings, Recurrent(cells.GRU(), 6, 5, bidirectional=True), shortcut=shortcut)


@pytest.mark.parametrize("shortcut", [False, True])
def test_padding_has_no_influence_in_training_and_a_row_alone_is_as_in_a_batch_afterwards(shortcut):
    network = encoder(shortcut=shortcut)
    x = torch.randn(21, 3, 3)
    other = x.clone()
    other[torch.arange(21)[:, None] >= LENGTHS] = float("nan")
    other = torch.nan_to_num(other, nan=1e6)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    expected = network(x, lengths=LENGTHS).output
    network.load_state_dict(before)
    torch.testing.assert_close(network(other, lengths=LENGTHS).output, expected)
    network.eval()
    together = network(x, lengths=LENGTHS).output
    for row, length in enumerate(LENGTHS.tolist()):
        assert (together[length:, row] == 0).all()
        alone = network(x[:length, row : row + 1], lengths=LENGTHS[row : row + 1]).output
        torch.testing.assert_close(together[:length, row : row + 1], alone)


def test_a_halving_is_what_torch_says_where_nothing_is_padded():
    block = Halving(3, 4)
    x = torch.randn(5, 3, 12)
    expected = torch.nn.functional.batch_norm(block.convolution(x), None, None, block.norm.weight, block.norm.bias, training=True)
    found, lengths = block(x, torch.full((5,), 12))
    torch.testing.assert_close(found, torch.nn.functional.max_pool1d(torch.relu(expected), 2))
    assert lengths.tolist() == [6] * 5


def test_a_shortcut_puts_the_convolutions_beside_each_direction():
    plain, with_shortcut = encoder().eval(), encoder(shortcut=True).eval()
    x = torch.randn(16, 2, 3)
    output = with_shortcut(x).output
    assert output.shape == (16, 2, 2 * with_shortcut.output_width) == (16, 2, 22)
    expected, (forward, backward) = plain(x).output, output.chunk(2, dim=-1)
    torch.testing.assert_close(torch.cat([forward[..., :5], backward[..., :5]], dim=-1), expected)
    read, lengths = x.permute(1, 2, 0), torch.full((2,), 16)
    for halving in plain.halvings:
        read, lengths = halving(read, lengths)
    for part in (forward, backward):
        torch.testing.assert_close(part[::4, :, 5:], read.permute(2, 0, 1))


@pytest.mark.parametrize("halvings", [1, 2, 3])
def test_each_output_stands_for_the_steps_it_was_made_from(halvings):
    network = encoder(halvings).eval()
    output, state = network(torch.randn(17, 2, 3))
    together = 2**halvings
    assert output.shape == (17, 2, 10) and network.together == together
    for start in range(0, 17, together):
        assert (output[start : start + together] == output[start]).all()
    assert state is not None


@pytest.mark.parametrize(("steps", "halvings"), [(1, 0), (256, 0), (257, 3), (512, 3), (1460, 5)])
def test_long_series_are_halved_until_they_are_short(steps, halvings):
    assert usual_halvings(steps) == halvings


def test_parts_are_means_of_equal_parts():
    output = torch.randn(21, 3, 4)
    output[torch.arange(21)[:, None] >= LENGTHS] = 0.0
    found = pool(output, LENGTHS, ("parts",), bidirectional=False)
    assert found.shape == (3, pooled_width(("parts",), 4)) == (3, PARTS * 4)
    for row, length in enumerate(LENGTHS.tolist()):
        for part, piece in enumerate(found[row].split(4)):
            inside = [step for step in range(length) if step * PARTS // length == part]
            expected = output[inside, row].mean(0) if inside else torch.zeros(4)
            torch.testing.assert_close(piece, expected)


def test_noise_is_less_than_the_change_from_step_to_step():
    draw = np.random.default_rng(0)
    smooth = Sequences([np.cumsum(draw.normal(size=(300, 2)), axis=0) for _ in range(4)])
    rough = Sequences([draw.normal(size=(300, 2)) for _ in range(4)])
    assert 0 < usual_noise(smooth) < 0.1 < usual_noise(rough) == 0.5
    assert usual_noise(Sequences([np.ones((5, 1))] * 2)) == 0.0 == usual_noise(Sequences([np.ones((1, 1)), np.zeros((1, 1))]))
    holes = Sequences([np.array([[0.0], [np.nan], [1.0], [0.0]])] * 2)
    assert 0 < usual_noise(holes) <= 0.5
