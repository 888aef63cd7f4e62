"""A network that answers at each step gives a step the same bits whatever it is computed with; its head is a linear map, or another."""

import numpy as np
import pytest
import torch

from tenuto.cells import GRU
from tenuto.data.sequences.batches import Batch
from tenuto.networks.each_step import EachStepNetwork, LinearHead, StepHead
from tenuto.networks.exact import exactly, log_probabilities, unchanging


def drawn(head=lambda width: LinearHead(width, 5, 0.5)):
    torch.manual_seed(0)
    return EachStepNetwork(GRU(), 3, 8, head, num_layers=2, bidirectional=False, dropout=0.5, engine="auto").eval()


def batch(x, lengths=None):
    return Batch(x, torch.tensor(lengths or [x.shape[0]] * x.shape[1]), None, np.arange(x.shape[1]))


def test_a_map_step_by_step_is_the_map():
    torch.manual_seed(0)
    linear, x = torch.nn.Linear(7, 4).double(), torch.randn(9, 3, 7, dtype=torch.float64)
    torch.testing.assert_close(exactly(linear, x), linear(x))
    linear.float()
    np.testing.assert_array_equal(exactly(linear, x.float())[2:5, 1:2].detach(), exactly(linear, x[2:5, 1:2].float()).detach())


def test_a_map_of_more_steps_than_are_computed_at_once_has_the_same_bits(monkeypatch):
    torch.manual_seed(0)
    linear, x = torch.nn.Linear(33, 5), torch.randn(20, 3, 33)
    whole = exactly(linear, x)
    monkeypatch.setattr("tenuto.networks.exact.TILE", 400)
    np.testing.assert_array_equal(exactly(linear, x).detach(), whole.detach())


def test_probabilities_of_a_step_are_the_same_bits_in_any_chunk():
    logits = np.random.default_rng(0).normal(0, 4, size=(50, 29)).astype(np.float32)
    whole = log_probabilities(logits)
    np.testing.assert_allclose(np.exp(whole).sum(1), 1)
    np.testing.assert_array_equal(np.concatenate([log_probabilities(logits[start : start + 7]) for start in range(0, 50, 7)]), whole)


@pytest.mark.cpp  # the promise of equal bits is that of the compiled engine
def test_what_is_read_is_the_same_in_any_batch_and_chunk():
    network, x = drawn(), torch.randn(11, 4, 3)
    with torch.no_grad():
        whole, last = unchanging(lambda: network.read(batch(x)))
        np.testing.assert_array_equal(unchanging(lambda: network(batch(x))), whole)
        for row in range(4):
            state, parts = None, []
            for part in x[:, row : row + 1].split(3):
                read, state = unchanging(lambda part=part, state=state: network.read(batch(part), state))
                parts.append(read)
            np.testing.assert_array_equal(torch.cat(parts), whole[:, row : row + 1])
            state, parts = None, []
            for part in x[:, row : row + 1].split(2):  # as a stream goes on, which repeats the calls of one form
                read, state = unchanging(lambda part=part, state=state: network.further(part, state))
                parts.append(read)
            np.testing.assert_array_equal(torch.cat(parts), whole[:, row : row + 1])
            np.testing.assert_array_equal(state[0][:, 0], last[0][:, row])
    np.testing.assert_allclose(network(batch(x)).detach(), whole, atol=1e-6)  # with gradients, by products of matrices
    rows = network.head.decodable(whole[:, 0])
    assert rows.dtype == np.float64 and np.array_equal(rows, log_probabilities(whole[:, 0].numpy()))


def test_without_a_promise_of_the_engine_it_is_the_call_itself():
    torch.manual_seed(0)
    network = EachStepNetwork(GRU(), 3, 8, lambda width: LinearHead(width, 5, 0.0), num_layers=1, bidirectional=True, dropout=0.0, engine="reference")
    x = torch.randn(6, 2, 3)
    with torch.no_grad():
        assert network.head.linear.in_features == 16 and unchanging(lambda: network(batch(x, [6, 2]))).shape == (6, 2, 5)


def test_a_head_of_ones_own():
    class Loudest(StepHead):
        def forward(self, output, lengths=None, least=0.0):
            return output.amax(-1, keepdim=True).clamp(min=least)

        def read(self, output):
            return self(output).detach()

        def decodable(self, rows):
            return rows.numpy()

    network, x = drawn(lambda width: Loudest()), torch.randn(5, 2, 3)
    assert network(batch(x), 9.0).unique().tolist() == [9.0] and network.head.decodable(network.read(batch(x)).output[:, 0]).shape == (5, 1)
