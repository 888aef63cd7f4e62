"""Coalitions that begin alike are run together: with the answers of whole runs, in fewer steps; and only where the model allows it."""

import numpy as np
import pytest
import torch
from torch import nn

import tenuto
from tenuto import cells
from tenuto.explain import prefixes
from tenuto.explain.background import Background
from tenuto.explain.coalitions import Coalitions
from tenuto.explain.module import Module
from tenuto.explain.players import players_of
from tenuto.explain.prefixes import Prefixes
from tenuto.explain.question import Question
from tenuto.explain.target import goals_of


class Counted(tenuto.Recurrent):
    """A layer that counts the steps of rows that it runs."""

    def forward(self, x, state=None, **more):
        STEPS.append(x.shape[0] * x.shape[1])
        return super().forward(x, state, **more)


STEPS: list[int] = []
READERS = {
    "last": lambda output, state: output[-1],
    "mean": lambda output, state: output.mean(0),
    "largest": lambda output, state: output.amax(0),
    "state": lambda output, state: state.h[-1],
    "some step": lambda output, state: output[len(output) // 2] + output[-1],
}


class Reader(nn.Module):
    """A recurrent layer, and what is read of it."""

    def __init__(self, read, **options):
        super().__init__()
        torch.manual_seed(0)
        self.read, self.layer = read, Counted(cells.LSTM(), 3, 4, dtype=torch.float64, **options)
        self.head = nn.Linear(4 * (1 + bool(options.get("bidirectional"))), 2).double()

    def forward(self, x):
        output, state = self.layer(x)
        return self.head(self.read(output, state))


class BatchFirst(nn.Module):
    """torch's own layers, of which the final state is read."""

    def __init__(self, kind):
        super().__init__()
        torch.manual_seed(0)
        self.layer, self.head = kind(3, 4, num_layers=2, batch_first=True).double(), nn.Linear(4, 2).double()

    def forward(self, x):
        _, state = self.layer(x)
        return self.head((state if isinstance(state, torch.Tensor) else state[0])[-1])


def question_of(model, x, background):
    subject = Module(model.eval(), x)
    (posed,) = subject.batches()
    return Question(posed, goals_of(None, posed, subject, 0), Background(background, subject), subject.inputs, subject.widest)


def both(model, x, background, *, players="cells", count=300):
    """Answers of whole runs, and of runs together."""
    question = question_of(model, x, background)
    of_row = players_of(players, question.x(0).numpy(), [], None, segments=6)
    present = np.random.default_rng(0).random((count, len(of_row.names))) < np.random.default_rng(1).random((count, 1))
    together = Prefixes(question, 0)
    assert together.fits()
    whole = Coalitions(question, 0, of_row).values(present)
    STEPS.clear()
    return whole, Coalitions(question, 0, of_row, prefixes=together).values(present)


@pytest.mark.parametrize("players", ["cells", "segments", "tokens", "features", np.arange(36).reshape(12, 3) % 5], ids=str)
@pytest.mark.parametrize("read", READERS)
def test_answers_are_those_of_whole_runs(read, players):
    whole, together = both(Reader(READERS[read]), torch.randn(12, 1, 3, dtype=torch.float64), torch.randn(9, 2, 3, dtype=torch.float64), players=players)
    np.testing.assert_allclose(together, whole, atol=1e-12)


@pytest.mark.parametrize("kind", [nn.LSTM, nn.GRU, nn.RNN])
def test_layers_of_torch_with_several_layers_batch_first(kind):
    whole, together = both(BatchFirst(kind), torch.randn(1, 12, 3, dtype=torch.float64), "zero")
    np.testing.assert_allclose(together, whole, atol=1e-12)


def test_fewer_steps_are_run(monkeypatch):
    monkeypatch.setattr(prefixes, "CALL", 0)
    x = torch.randn(60, 1, 3, dtype=torch.float64)
    for read in ("last", "mean"):
        both(Reader(READERS[read]), x, "zero", count=1000)
        assert sum(STEPS) < 0.85 * 1000 * 60
        both(Reader(READERS[read]), x, "zero", players="segments", count=1000)
        assert sum(STEPS) <= 10 * (2 + 4 + 8 + 16 + 32 + 64)


def test_memory_is_bounded(monkeypatch):
    import tenuto.explain.question as module

    x = torch.randn(30, 1, 3, dtype=torch.float64)
    for read in ("last", "mean"):
        monkeypatch.setattr(module, "MOST_NUMBERS", 3000)
        whole, together = both(Reader(READERS[read]), x, "zero")
        assert max(STEPS) * (3 + 16) <= 3000
        np.testing.assert_allclose(together, whole, atol=1e-12)


class Peeking(Reader):
    """Reads x beside its layer."""

    def forward(self, x):
        return super().forward(x) + x[0, :, :2]


class Changed(Reader):
    """Its layer reads x from the last step to the first."""

    def forward(self, x):
        return super().forward(x.flip(0))


@pytest.mark.parametrize("model", [
    lambda: Reader(READERS["last"], bidirectional=True), lambda: Reader(READERS["last"], reverse=True), lambda: Peeking(READERS["last"]), lambda: Changed(READERS["last"]),
])  # fmt: skip
def test_other_models_are_run_as_a_whole(model):
    question = question_of(model(), torch.randn(8, 1, 3, dtype=torch.float64), "zero")
    assert not Prefixes(question, 0).fits()
