"""Tokens a second in training, for the language recipes: our network beside the same model on torch.nn, in one run.

    python bench/language_speed.py [--seconds 8] [--smoke]

One training step is what `LanguageModel` does for one window: read with the state carried, loss with the recipe's regularisers, backward, clipping,
the optimiser. Both contenders have the same options, tokens, windows, loss and optimiser. The other one is made of `nn.Embedding`, `nn.LSTM` or `nn.GRU`
(one per layer, since the recipes act between layers) and `nn.Linear`, with dropped recurrent weights put in by `torch.func.functional_call`. Before anything
is timed both are given the same weights and must give the same loss. Then they take turns, step by step, so that whatever else the machine does falls
on both. Tokens are drawn at random: speed does not depend on them.

Prints a table, writes results/language_speed.json and .md. About two minutes on two cores. `--smoke`: everything small, nothing written.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))  # the recipes are bench.recipes, from whatever folder this is started

from bench.recipes import tinyshakespeare, tinyshakespeare_best  # noqa: E402
from bench.speed.timing import circumstances  # noqa: E402

from tenuto.cells.names import cell_from_name  # noqa: E402
from tenuto.data import Streams, Window  # noqa: E402
from tenuto.layers.masks import dropped  # noqa: E402
from tenuto.tasks import LanguageModel  # noqa: E402
from tenuto.tasks.language.estimator import OF_NETWORK  # noqa: E402
from tenuto.tasks.language.learning import window_loss  # noqa: E402
from tenuto.tasks.language.network import LanguageNetwork, Read  # noqa: E402
from tenuto.train import TrainingOptions  # noqa: E402
from tenuto.train.optimiser import build_optimiser  # noqa: E402

# name: (options, vocabulary). AWD-LSTM at half its width: at full width a step takes seconds on two cores.
RECIPES: dict[str, tuple[LanguageModel, int]] = {
    "characters, small budget": (LanguageModel(**tinyshakespeare.RECIPE), 65),
    "characters, small budget, GRU": (LanguageModel(**{**tinyshakespeare.RECIPE, "cell": "gru"}), 65),
    "characters, best recipe": (LanguageModel(**tinyshakespeare_best.RECIPE), 65),
    "words, AWD-LSTM at half width": (LanguageModel.from_recipe("awd-lstm", hidden_size=575), 10_000),
}
SMALL = {"hidden_size": 16, "embedding_size": 8, "window": 6, "batch_size": 2}
WARM_STEPS, LEAST_ROUNDS = 12, 9  # the engine tries its ways of sharing the work on its first calls


class TorchNetwork(nn.Module):
    """What `LanguageNetwork` computes, made of torch.nn's layers; of LSTMs or GRUs, with a full softmax."""

    def __init__(self, ours: LanguageNetwork, model: LanguageModel) -> None:
        super().__init__()
        size, width, hidden = *ours.front.embedding.weight.shape, model.hidden_size
        self.options, self.size = model, size
        self.embedding = nn.Embedding(size, width)
        kind = {"lstm": nn.LSTM, "gru": nn.GRU}[str(model.cell)]
        widths = [hidden] * (model.num_layers - (ours.encoder.last is not None)) + [width] * (ours.encoder.last is not None)
        self.layers = nn.ModuleList(kind(before, after) for before, after in zip([width, *widths], widths))
        self.norms = nn.ModuleList(nn.LayerNorm(hidden) for _ in range(model.num_layers - 1)) if model.layer_norm and ours.encoder.last is None else None
        self.projection = None if ours.head.projection is None else nn.Linear(widths[-1], width)
        self.decoder = nn.Linear(width if model.tied else widths[-1], size)
        if model.tied:
            self.decoder.weight = self.embedding.weight
        self.load_state_dict(self._weights_of(ours))

    def forward(self, window: Window, states: Any = None) -> Read:
        """A window; states: that of each layer, or None."""
        model, finals = self.options, []
        x = self._embedded(window.inputs)
        for layer, recurrent in enumerate(self.layers):
            read = x if self.norms is None or not layer else self.norms[layer - 1](x)
            output, final = self._run(recurrent, read, None if states is None else states[layer])
            finals.append(final)
            if model.residual and x.shape[-1] == output.shape[-1]:
                output = output + x
            x = self._dropped(output, model.dropout) if layer + 1 < len(self.layers) else output
        after = self._dropped(x, model.output_dropout)
        features = after if self.projection is None else self.projection(after)
        nats = nn.functional.cross_entropy(self.decoder(features.flatten(0, 1)), window.targets.flatten(), reduction="none").view_as(window.targets)
        return Read(nats, features, x, after, finals)

    def _embedded(self, tokens: Tensor) -> Tensor:
        rate, weight = self.options.embedding_dropout, self.embedding.weight
        if self.training and rate:
            weight = weight * nn.functional.dropout(weight.new_ones(self.size, 1), rate)
        return self._dropped(nn.functional.embedding(tokens, weight), self.options.input_dropout)

    def _run(self, recurrent: nn.RNNBase, x: Tensor, state: Any) -> Any:
        if not self.training or not self.options.weight_dropout:
            return recurrent(x, state)
        weight = nn.functional.dropout(recurrent.weight_hh_l0, self.options.weight_dropout)
        return torch.func.functional_call(recurrent, {"weight_hh_l0": weight}, (x, state))

    def _dropped(self, x: Tensor, rate: float) -> Tensor:
        return dropped(x, rate, self.options.dropout_kind) if self.training else x

    @staticmethod
    def _weights_of(ours: LanguageNetwork) -> dict[str, Tensor]:
        """By torch's names. Gates stand in the same order, i f g o and r z n; torch's second bias is zero, except for a GRU's inside the reset."""
        found = {}
        for name, value in ours.state_dict().items():
            room, _, rest = name.rpartition(".")
            kind, _, layer = rest.rpartition("_l")
            layer = str(ours.encoder.recurrent.num_layers) if room == "encoder.last" else layer
            if room.startswith("encoder.recurrent.norm_l"):
                found[f"norms.{int(room[-1]) - 1}.{rest}"] = value
            elif room not in ("encoder.recurrent", "encoder.last"):
                found[name.partition(".")[2]] = value
            elif kind == "bias":
                inside = ours.state_dict().get(f"{room}.recurrent_bias_l{layer}", value.new_zeros(0))
                found[f"layers.{layer}.bias_ih_l0"] = value
                found[f"layers.{layer}.bias_hh_l0"] = torch.cat([value.new_zeros(len(value) - len(inside)), inside])
            elif kind == "recurrent_bias":
                continue
            else:
                found[f"layers.{layer}.{kind}_l0"] = value
        return found


def step_of(network: nn.Module, model: LanguageModel, windows: list[Window]) -> Callable[[], None]:
    """One training step each time it is called, on the next window, with the state carried."""
    options = TrainingOptions(**{field.name: getattr(model, field.name) for field in dataclasses.fields(TrainingOptions) if hasattr(model, field.name)})
    optimizer = build_optimiser(network, options)
    at: dict[str, Any] = {"number": 0, "state": None}

    def step() -> None:
        window = windows[at["number"] % len(windows)]
        optimizer.zero_grad(set_to_none=True)
        found = network(window, at["state"])
        mean, _ = window_loss(found, window.counted, activation_decay=model.activation_decay, change_decay=model.change_decay)
        mean.backward()
        nn.utils.clip_grad_norm_(network.parameters(), options.clip_norm)
        optimizer.step()
        at["number"] += 1
        at["state"] = _detached(found.state)

    return step


def _detached(state: Any) -> Any:
    if isinstance(state, Tensor):
        return state.detach()
    parts = [_detached(part) for part in state]
    return type(state)(*parts) if hasattr(state, "_fields") else type(state)(parts)


def measure(name: str, model: LanguageModel, size: int, seconds: float) -> dict[str, Any]:
    """One line of the table."""
    torch.manual_seed(0)
    options = {key: getattr(model, key) for key in OF_NETWORK}
    ours = LanguageNetwork(cell_from_name(model.cell), size, model.hidden_size, **options)
    theirs = TorchNetwork(ours, model)
    tokens = np.random.default_rng(0).integers(0, size, 8 * model.batch_size * model.window + 1)
    windows = list(Streams(tokens, model.batch_size, model.window))
    first = windows[0]
    with torch.no_grad():
        losses = [
            ours.eval()(first).nats.mean().item(),
            theirs.eval()(first).nats.mean().item(),
        ]
    assert abs(losses[0] - losses[1]) < 1e-4, f"{name}: the two are not the same model: {losses}"
    steps = {"tenuto": step_of(ours.train(), model, windows), "torch.nn": step_of(theirs.train(), model, windows)}
    for step in steps.values():
        for _ in range(WARM_STEPS):
            step()
    times: dict[str, list[float]] = {contender: [] for contender in steps}
    begin = time.perf_counter()
    while time.perf_counter() - begin < seconds or len(times["torch.nn"]) < LEAST_ROUNDS:
        for contender, step in steps.items():
            start = time.perf_counter()
            step()
            times[contender].append(time.perf_counter() - start)
    medians = {contender: statistics.median(values) for contender, values in times.items()}
    a_step = model.batch_size * model.window
    engine = ours.encoder.recurrent.engine_report(torch.zeros(model.window, model.batch_size, ours.front.embedding.embedding_dim))
    return {
        "recipe": name,
        "shape": {"B": model.batch_size, "T": model.window, "E": ours.front.embedding.embedding_dim, "H": model.hidden_size, "layers": model.num_layers, "V": size},
        "parameters": sum(parameter.numel() for parameter in ours.parameters()),
        "tokens_per_s": {contender: round(a_step / value) for contender, value in medians.items()},
        "step_ms": {contender: round(value * 1e3, 3) for contender, value in medians.items()},
        "ratio": round(statistics.median(b / a for a, b in zip(times["tenuto"], times["torch.nn"])), 3),
        "rounds": len(times["tenuto"]),
        "engine": engine.chosen,
        "loss_difference": abs(losses[0] - losses[1]),
        "at": circumstances(),
    }


def page(lines: list[dict[str, Any]]) -> str:
    """The table, and below it where it was measured."""
    rows = ["| recipe | B × T, layers × units, vocabulary | weights | tenuto, tokens/s | torch.nn, tokens/s | ratio |", "|---|---|---|---|---|---|"]
    for line in lines:
        shape, rates = line["shape"], line["tokens_per_s"]
        rows.append(
            f"| {line['recipe']} | {shape['B']} × {shape['T']}, {shape['layers']} × {shape['H']}, {shape['V']:,} | {line['parameters']:,} "
            f"| {rates['tenuto']:,} | {rates['torch.nn']:,} | {line['ratio']:.2f} |"
        )
    at = lines[0]["at"]
    rounds = ", ".join(str(line["rounds"]) for line in lines)
    return "\n".join(rows) + (
        f"\n\nTraining steps with the optimiser, in turns: medians of {rounds} rounds; ratio: median over the rounds of torch.nn's time over ours. "
        f"{at['processor']}, {at['threads']} threads, load {at['load']} at the start; torch {at['torch']}; engine {', '.join(line['engine'] for line in lines)}; {at['measured']}.\n"
    )


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--seconds", type=float, default=8.0, help="for each recipe")
    options.add_argument("--only", metavar="WORD", default="", help="recipes with this in their name; nothing is written")
    options.add_argument("--smoke", action="store_true", help="everything small, nothing written")
    arguments = options.parse_args()
    lines = []
    for name, (model, size) in RECIPES.items():
        if arguments.only not in name:
            continue
        model, size = (model.set_params(**SMALL), 50) if arguments.smoke else (model, size)
        lines.append(measure(name, model, size, 0.0 if arguments.smoke else arguments.seconds))
        print(json.dumps({key: lines[-1][key] for key in ("recipe", "tokens_per_s", "ratio", "rounds", "engine")}), flush=True)
    text = page(lines)
    print(text)
    if arguments.smoke or arguments.only:
        return
    results = HERE / "results"
    (results / "language_speed.json").write_text(json.dumps({"format": "tenuto language speed", "lines": lines}, indent=1) + "\n", encoding="utf-8")
    (results / "language_speed.md").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
