"""The state benchmark: which of three channels decides the class at each step of a series (Tonekaboni et al. 2020; Crabbé, van der Schaar 2021).

A hidden chain has two states. State 0 makes the class depend on channel 1, state 1 on channel 2; the truth is that channel, at each step. A state lasts 20 steps or
so and ends the sooner the longer state 1 has lasted. The recipe is that of time_interpret 0.3.0 (experiments/hmm): 800 series to learn from and 200 others,
T = 200; a GRU of 200 units, batch norm, dropout 0.5; at each training step one prefix, Adam at 1e-4 with weight decay 1e-3, batches of 32, 50 epochs, four fifths of the
800 in each of five folds. Explained is the answer to each prefix, and what is kept of it are the three values of the prefix's last step.

All T prefixes of a series cost T² steps; therefore the slower a method is, the fewer of the 200 test series it explains. The three cells of the last step are
players of occlusion, Shapley and LIME, and all earlier steps are a fourth.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

import tenuto
from explanations.measures import areas, mean_and_spread
from tenuto import explain

# Means over five folds of time_interpret's results.csv (experiments/hmm), of which its DeepLIFT is captum's: on a GRU that is gradient × difference.
PUBLISHED: dict[str, list[float]] = {
    "LIME": [0.932, 0.438, 0.937, 0.912],
    "DeepLIFT of captum (gradient × difference)": [0.920, 0.454, 0.938, 0.912],
    "integrated gradients": [0.918, 0.454, 0.936, 0.909],
    "ExtremalMask": [0.885, 0.781, 0.910, 0.883],
    "occlusion": [0.866, 0.393, 0.870, 0.817],
    "GradientSHAP": [0.849, 0.414, 0.852, 0.798],
    "augmented occlusion": [0.755, 0.388, 0.915, 0.830],
    "Dynamask": [0.711, 0.763, 0.876, 0.695],
    "RETAIN": [0.645, 0.334, 0.799, 0.622],
    "FIT": [0.421, 0.549, 0.711, 0.463],
}
MEANS = np.array([[0.1, 1.6, 0.5], [-0.1, -0.4, -1.5]])  # of the channels, in each state
DECIDES = np.array([1, 2])  # the channel, in each state


def series(count: int, steps: int, generator: np.random.Generator) -> tuple[Tensor, Tensor, np.ndarray]:
    """x [T, N, 3], classes [T, N], and which cells decide, [N, T, 3]."""
    covariance = np.stack([np.eye(3) * 0.801] * 2)
    for state, channel in enumerate(DECIDES):
        covariance[state, 0, channel] = covariance[state, channel, 0] = 0.01
    roots = np.linalg.cholesky(covariance)
    state, lasted = generator.integers(0, 2, count), np.zeros(count)
    x, states = np.empty((steps, count, 3)), np.empty((steps, count), dtype=np.int64)
    for step in range(steps):
        one = generator.random(count) < np.where(state == 1, 0.95 - lasted / 500, 0.05)  # whether state 1 comes next
        new = one.astype(np.int64)
        lasted = np.where(new == state, lasted + 1, 0)
        state, states[step] = new, new
        x[step] = MEANS[new] + np.einsum("nij,nj->ni", roots[new], generator.normal(size=(count, 3)))
    deciding = np.take_along_axis(x, DECIDES[states][..., None], 2)[..., 0]
    classes = generator.random((steps, count)) < 1.0 / (1.0 + np.exp(-2.0 * deciding))
    truth = np.arange(3) == DECIDES[states][..., None]
    return torch.from_numpy(x).float(), torch.from_numpy(classes).long(), truth.transpose(1, 0, 2)


class Classifier(nn.Module):
    """The class at the last step of x [T, B, 3]."""

    def __init__(self, hidden: int) -> None:
        super().__init__()
        self.layer = tenuto.GRU(3, hidden)
        self.head = nn.Sequential(nn.BatchNorm1d(hidden), nn.ReLU(), nn.Dropout(0.5), nn.Linear(hidden, 2))

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.layer(x)[1][-1])  # type: ignore[no-any-return]


def trained(x: Tensor, classes: Tensor, *, hidden: int, epochs: int, seed: int) -> Classifier:
    """As the recipe says, in evaluation mode."""
    torch.manual_seed(seed)
    model = Classifier(hidden)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-4, weight_decay=1e-3)
    for _ in range(epochs):
        for rows in torch.randperm(x.shape[1]).split(32):
            step = int(torch.randint(len(x), ()))
            loss = nn.functional.cross_entropy(model(x[: step + 1, rows]), classes[step, rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    return model.eval()


class Way(NamedTuple):
    """A method for a prefix of so many steps, and how many series it explains in a fold."""

    method: Callable[[int], Any]
    series: int


def players(steps: int) -> np.ndarray:
    """[T, 3]: the last step's cells are 0, 1, 2, and everything before is 3."""
    return np.concatenate([np.full((steps - 1, 3), 3), np.arange(3)[None]])


WAYS = {
    "contributions": Way(lambda steps: explain.Contributions(), 10),
    "gradient × input": Way(lambda steps: explain.Gradient(), 20),
    "smoothgrad, 8 copies": Way(lambda steps: explain.SmoothGrad(draws=8), 5),
    "integrated gradients": Way(lambda steps: explain.IntegratedGradients(steps=8, tolerance=0.02, most_steps=16), 5),
    "expected gradients, 16 draws": Way(lambda steps: explain.ExpectedGradients(draws=16), 5),
    "occlusion": Way(lambda steps: explain.Occlusion(players(steps)), 10),
    "shapley, exact": Way(lambda steps: explain.Shapley(players(steps)), 5),
    "lime": Way(lambda steps: explain.Lime(players(steps), fill="background", draws=32, redraws=2), 5),
}


def values_of(model: Classifier, x: Tensor, method: Callable[[int], Any]) -> np.ndarray:
    """[N, T, 3]: of the explanation of each prefix's answer, what it says of the last step."""
    kept = []
    warnings.filterwarnings("ignore", "integrated gradients of item")  # 16 steps, for the time that all prefixes take
    for steps in range(1, len(x) + 1):
        found = explain(model, x[:steps], method=method(steps), background="zero")
        kept.append([item.values[-1] for item in found])
    return np.array(kept).transpose(1, 0, 2)


def accuracy(model: Classifier, x: Tensor, classes: Tensor) -> float:
    """The share of steps whose class is right, at every tenth step."""
    with torch.no_grad():
        return float(np.mean([(model(x[: step + 1]).argmax(-1) == classes[step]).float().mean().item() for step in range(9, len(x), 10)]))


def measure(smoke: bool) -> Iterator[dict[str, Any]]:
    """The section, after each fold."""
    generator = np.random.default_rng(42)
    steps, hidden, epochs, folds = (12, 8, 1, 1) if smoke else (200, 200, 50, 5)
    x, classes, _ = series(80 if smoke else 800, steps, generator)
    x_test, classes_test, truth = series(20 if smoke else 200, steps, generator)
    parts = torch.from_numpy(generator.permutation(x.shape[1])).chunk(5)
    measured: dict[str, list[dict[str, float]]] = {name: [] for name in WAYS}
    seconds: dict[str, list[float]] = {name: [] for name in ["training", *WAYS]}
    right = []
    for fold in range(folds):
        begin = time.perf_counter()
        learnt = torch.cat([part for number, part in enumerate(parts) if number != fold])
        model = trained(x[:, learnt], classes[:, learnt], hidden=hidden, epochs=epochs, seed=fold)
        seconds["training"].append(round(time.perf_counter() - begin, 1))
        right.append(round(accuracy(model, x_test, classes_test), 4))
        for name, way in WAYS.items():
            begin, count = time.perf_counter(), 1 if smoke else way.series
            values = values_of(model, x_test[:, :count], way.method)
            seconds[name].append(round(time.perf_counter() - begin, 1))
            measured[name].append(areas(values, truth[:count]))
            print(f"hmm, fold {fold + 1}: {name:30} {seconds[name][-1]:6.1f} s  " + "  ".join(f"{key} {value:.3f}" for key, value in measured[name][-1].items()), flush=True)
        yield {
            "folds": fold + 1,
            "accuracy": right,
            "training_seconds": seconds["training"],
            "ours": {
                name: {"series": way.series, "seconds": seconds[name], **mean_and_spread(measured[name])} for name, way in WAYS.items()
            },
            "published": {name: dict(zip(("AUP", "AUR", "AUROC", "AUPRC"), row)) for name, row in PUBLISHED.items()},
        }
