"""`compare`: the public call."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from tenuto.compare.comparison import Comparison
from tenuto.compare.peak import Peak
from tenuto.errors import ArgumentError, RunError, TenutoError
from tenuto.measures import measure, require_measure
from tenuto.networks.encoders import encoder_kind
from tenuto.runs.compare_folder import claim_comparison, write_comparison
from tenuto.runs.names import REPORT
from tenuto.scalars import whole
from tenuto.tasks.estimator import Estimator
from tenuto.tasks.option import WHERE, options_of
from tenuto.tongues import argument
from tenuto.train import Observer

Fitted = Callable[[Estimator], Iterable[Observer]]


def compare(
    model: Estimator,
    x: Any,
    y: Any = None,
    *,
    encoders: Sequence[str],
    seeds: int = 5,
    metric: str | None = None,
    validation: Any = None,
    folder: str | Path | None = None,
    overwrite: bool = False,
    data: str | None = None,
    title: str | None = None,
    observers: Callable[[str, int], Iterable[Observer]] | None = None,
    ended: Callable[[Mapping[str, Any]], None] | None = None,
) -> Comparison:
    """Trains the same estimator with each encoder, several times, and says which is better and whether that is more than chance.

    All have the same options, data and number of passes, and for each seed the same division of the data and the same order of batches. The quality is that of the best epoch, measured on the validation part:
    all encoders have that advantage alike. Differences are paired by seed: a t test, two-sided, by Holm's rule for all pairs. The seeds differ in first weights, batches and the division
    of the data, so a difference that is real is so for this kind of data, not for any.

    Args:
        model: an estimator with its options; it is not fitted here, and stays as it is. Seeds count from its `random_state`.
        x, y: as its `fit` takes them. validation: likewise.
        encoders: names as the option `encoder` takes them, cells too: "lstm", "transformer", "hybrid", ...
        seeds: how often each is trained. metric: as in metrics.jsonl. Default: the accuracy, if the task has one, else the model's `select_by`.
        folder: where compare.json and report.html are kept, from which a comparison that was stopped goes on; with more seeds or encoders, too. None: nothing is written.
        overwrite: remove an earlier comparison in the folder.
        data: the digest of the data, so that a comparison does not go on with others; title: the data's name on the page.
        observers: for each encoder and seed, who is told of the training. ended: told of each run as it ends.
    Raises:
        ArgumentError: fewer than two encoders, one that is not known or is named twice, or that cannot have the model's options. RunError: the folder is of another comparison. As `fit`.
    Example:
        >>> from tenuto.tasks import SequenceClassifier
        >>> x = [[[i % 2 + 0.1 * t] for t in range(4)] for i in range(20)]
        >>> found = compare(SequenceClassifier(hidden_size=4, epochs=1), x, ["a", "b"] * 10, encoders=["gru", "rnn"], seeds=2)
        >>> sorted(one.encoder for one in found.summaries), len(found.differences)
        (['gru', 'rnn'], 1)
    """
    count = whole(seeds)
    if count is None or count < 1:
        raise ArgumentError(f"{argument('seeds', seeds)} is out of range.", expected="a whole number, 1 or more")
    names = [str(one) for one in encoders]
    if len(names) < 2 or len(set(names)) < len(names):
        raise ArgumentError(f"{argument('encoders', ','.join(names))} cannot be compared.", expected="two encoders or more, each once", fix=argument("encoders", "lstm,transformer"))
    first = whole(model.random_state)
    if first is None:
        raise ArgumentError(f"{argument('random_state', model.random_state)} is no number to count seeds from.", expected="a whole number", fix=argument("random_state", 0))
    for name in names:
        try:
            made(model, name, first).check()
        except TenutoError as error:
            raise error.within(f"the encoder {name}") from error.__cause__
    by = metric or next((key for key in ("validation_accuracy",) if key in model.measures()), model.select_by)
    require_measure(by, model.measures())
    common = {known.name: getattr(model, known.name) for known in options_of(type(model)) if known.panel != WHERE and known.name not in ("encoder", "random_state")}
    identity = {"options": {name: _plain(value) for name, value in common.items()}, "data": data}
    results: dict[str, Any] = {
        "task": model.task, "title": title or model.task, "identity": identity, "metric": by, "direction": "maximise" if measure(by).better == "higher" else "minimise",
        "encoders": names, "seeds": [first + number for number in range(count)], "runs": [],
    }  # fmt: skip
    if folder is not None:
        results = _gone_on(results, claim_comparison(folder, overwrite=overwrite), folder)
    known = {(run["encoder"], run["seed"]) for run in results["runs"]}
    for seed in results["seeds"]:
        for name in results["encoders"]:
            if (name, seed) in known:
                continue
            run = _trained(made(model, name, seed), name, seed, by, x, y, validation, () if observers is None else observers(name, seed))
            results["runs"].append(run)
            if folder is not None:
                write_comparison(folder, results)
                Comparison(results).to_html(Path(folder) / REPORT)
            if ended is not None:
                ended(run)
    return Comparison(results)


def made(model: Estimator, encoder: str, seed: int) -> Estimator:
    """A new estimator with the model's options, this encoder and this seed; the name of a cell stands in the place of the model's cell."""
    options = {**model.get_params(), "encoder": encoder, "random_state": seed}
    if encoder_kind(encoder) != encoder:
        options |= {"encoder": "recurrent", "cell": encoder}
    return type(model)(**options)


def _plain(value: Any) -> Any:
    """An option as JSON has it; what is no plain value, as it is written in Python."""
    if isinstance(value, (list, tuple)):
        return [_plain(one) for one in value]
    return value if isinstance(value, (int, float, str, type(None))) else repr(value)


def _gone_on(results: dict[str, Any], before: dict[str, Any] | None, folder: str | Path) -> dict[str, Any]:
    """The results of an earlier call, with this call's encoders and seeds beside its own."""
    if before is None:
        return results
    for name in ("task", "metric", "identity"):
        if before[name] != results[name]:
            told = [f"{key} {before[name][part].get(key)!r}" for part in ("options",) for key in results[name][part] if before[name][part].get(key) != results[name][part][key]] if name == "identity" else [str(before[name])]
            raise RunError(f"{folder} holds another comparison.", expected=f"the same {'options and data' if name == 'identity' else name}", received=", ".join(told) or "other data", fix="another folder, or --overwrite")
    both = {name: list(dict.fromkeys([*before[name], *results[name]])) for name in ("encoders", "seeds")}
    return {**results, **both, "runs": list(before["runs"])}


def _trained(model: Estimator, encoder: str, seed: int, metric: str, x: Any, y: Any, validation: Any, observers: Iterable[Observer]) -> dict[str, Any]:
    with Peak() as peak:
        model.fit(x, **({} if y is None else {"y": y}), validation=validation, observers=list(observers))
    found = model.evaluation_
    training, best = found["training"], found["training"]["best_epoch"]
    lines = [line for line in model.metrics_ if metric in line]
    chosen = next((line for line in lines if line.get("epoch") == best), lines[-1])
    weights = list(model.network_.parameters())
    return {
        "encoder": encoder, "seed": seed, "value": float(chosen[metric]), "part": "validation", "curve": [float(line[metric]) for line in lines], "best_epoch": best,
        "epochs": training["epochs_run"], "steps": training["steps"], "seconds": float(training["seconds"]), "weights": sum(weight.numel() for weight in weights),
        "bytes": sum(weight.numel() * weight.element_size() for weight in weights), "memory_mib": peak.mib, "steps_per_s": found["speed"]["prediction"].get("steps_per_s"),
        "cell": type(model.cell_).__name__,
    }  # fmt: skip
