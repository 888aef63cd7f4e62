"""Models to explain: a fitted estimator of each task, and torch modules with recurrent layers."""

from functools import cache
from typing import Any

import torch
from torch import nn

from tests.tasks.launched import TASKS


@cache
def fitted(name: str) -> tuple[Any, Any]:
    """A fitted estimator of a task, and a few items of its data."""
    model, x, y = TASKS[name]()
    model.set_params(epochs=3).fit(x, y)
    return model, ["do re", "m", "la si do re", "fa"] if name in ("language", "softmax") else list(x[:4])


def target_of(name: str) -> Any:
    """A target for a task: where it answers at every step, the answer at the last."""
    return (-1, None) if name in ("tag", "translate", "forecast", "anomalies", "transcribe", "spot") else None


NUMBERS = ("regress", "forecast", "anomalies")  # tasks that answer with numbers, which have no counterfactual


class Reader(nn.Module):
    """A recurrent layer of torch's, and the mean of its outputs over the steps that are there."""

    def __init__(self, kind: type[nn.Module] = nn.GRU, features: int = 3, outputs: int = 2, **options: Any) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.recurrent = kind(features, 5, **options)
        self.head = nn.Linear(5 * (2 if options.get("bidirectional") else 1), outputs)

    def forward(self, x: torch.Tensor, lengths: torch.Tensor | None = None, state: Any = None) -> torch.Tensor:
        output, _ = self.recurrent(x, state)
        time = 1 if self.recurrent.batch_first else 0
        if lengths is None:
            return self.head(output.mean(time))
        live = torch.arange(output.shape[0], device=x.device)[:, None] < lengths.to(x.device)
        return self.head((output * live[..., None]).sum(0) / lengths.to(x)[:, None])


class Words(nn.Module):
    """Tokens, an embedding, an LSTM, two outputs."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.table, self.recurrent, self.head = nn.Embedding(11, 4), nn.LSTM(4, 5, batch_first=True), nn.Linear(5, 2)

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        return self.head(self.recurrent(self.table(tokens))[0][:, -1])


def double(module: nn.Module) -> nn.Module:
    """The module in float64 and evaluation mode."""
    return module.double().eval()
