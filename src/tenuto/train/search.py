"""A search for good options: trials one after the other. optuna chooses their values and which trials to stop early; a folder keeps all of it.

The folder holds journal.jsonl, optuna's own record (its `JournalStorage` in a file: one JSON object per line, flushed to the disk; nothing is
pickled), from which a search that was stopped or killed goes on. What is tried depends only on the seed and on the trials that have ended, so a
search that was killed and resumed tries the same values as one that never stopped.
"""

from __future__ import annotations

import contextlib
import math
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

from tenuto.errors import ArgumentError, RunError, TenutoError
from tenuto.files import plain
from tenuto.measures import BEFORE, measure, require_measure
from tenuto.scalars import number, whole
from tenuto.tongues import argument, either
from tenuto.train.differences import differences, short
from tenuto.train.observers import Observer
from tenuto.train.outcome import TrainingError
from tenuto.train.search_space import Space, every_combination

JOURNAL = "journal.jsonl"
# Before a trial may be stopped early, this many others must have ended, and it must have been validated this often.
OTHERS_FIRST, VALIDATIONS_FIRST = 5, 5
# Usually a trial must be better than the median. That stopped 19 of 24 trials on Japanese Vowels, since a trial is judged after every validation.
KEPT_PERCENT = 75.0
COUNTED = ("complete", "pruned", "diverged")


@dataclass(frozen=True)
class SearchOptions:
    """How a search goes.

    Args:
        trials: how many, including those of earlier calls on the same folder; interrupted ones are not counted.
        timeout_s: no trial begins after this many seconds of a call; None for no limit.
        metric: the number of the validation to search by, named as in metrics.jsonl; a trial has its value at the epoch whose weights are kept.
        prune: stop a trial early if its best value so far is worse than what three quarters of the others had after as many validations.
        seed: decides which values are tried.
    Raises:
        ArgumentError: a number out of range, or a metric that is not a measure.
    """

    trials: int = 20
    timeout_s: float | None = None
    metric: str = "validation_loss"
    prune: bool = True
    seed: int = 0

    def __post_init__(self) -> None:
        for name, kind, least in (("trials", whole, 1), ("timeout_s", number, 0), ("seed", whole, 0)):
            value = getattr(self, name)
            settled = kind(value)
            said = argument(name, value) if name != "seed" else either(f"seed={value!r}", f"--search-seed {value}")
            if (settled is None or settled < least or (name == "timeout_s" and not settled)) and (value is not None or name != "timeout_s"):
                raise ArgumentError(f"{said} is out of range.", expected="a number above zero" if name == "timeout_s" else f"a whole number, {least} or more")
            object.__setattr__(self, name, settled)
        measure(self.metric)

    @property
    def maximise(self) -> bool:
        """Whether a higher value of the metric is better."""
        return measure(self.metric).better == "higher"


class TrialOutcome(NamedTuple):
    """The result of a trial's training.

    Attributes:
        metrics: the lines of metrics.jsonl.
        best_epoch: the "epoch" of the line whose weights are kept.
        interrupted: whether Ctrl-C ended it; then it does not count.
    """

    metrics: Sequence[Mapping[str, Any]]
    best_epoch: float
    interrupted: bool = False


class Pruned(Exception):
    """Raised inside training to end a trial early that is unlikely to be the best."""


class Search:
    """A search in a folder: a new one, or the one that the folder holds, which then goes on.

    Args:
        folder: an existing folder; it holds journal.jsonl, and may hold anything else. Only one search at a time can use it.
        space: the options that are varied, and their values.
        options: how the search goes.
        first: the values of the first trial, if the space contains all of them: those that you would take without a search.
        identity: plain data that must be the same when the search goes on, for example the digest of the data.
    Raises:
        RunError: optuna is not installed, the folder is in use, its search is a different one, or its journal is damaged.
    Example:
        >>> import tempfile
        >>> from tenuto.train.search_space import read_space
        >>> space = read_space({"x": {"low": 0.0, "high": 4.0, "step": 1.0}}, {"x": float})
        >>> def objective(values, observer):
        ...     line = {"epoch": 1, "validation_loss": (values["x"] - 3) ** 2}
        ...     observer.epoch_ended(line)
        ...     return TrialOutcome([line], best_epoch=1)
        >>> with Search(tempfile.mkdtemp(), space, SearchOptions(trials=9)) as search:
        ...     len(list(search.run(objective))), search.best()["options"]
        (5, {'x': 3.0})
    """

    def __init__(
        self, folder: str | Path, space: Space, options: SearchOptions, *, first: Mapping[str, Any] | None = None, identity: Mapping[str, Any] | None = None
    ) -> None:
        self.folder, self.space, self.options = Path(folder), dict(space), options
        self.first = {name: (first or {}).get(name) for name in space}
        self.distributions = {name: choice.distribution() for name, choice in _with_optuna(self.space).items()}
        self._lock = _only_one(self.folder / JOURNAL)
        self.stopped = ""
        try:
            self._open(plain(identity or {}))
        except BaseException:
            self.close()
            raise

    def _open(self, identity: dict[str, Any]) -> None:
        options = self.options
        self.study = _open_study(self.folder / JOURNAL, options)
        space = {name: choice.to_data() for name, choice in self.space.items()}
        self._check(plain({"space": space, "metric": options.metric, "prune": options.prune, "seed": options.seed, **identity}))
        for trial in self.study.get_trials(deepcopy=False):
            if trial.state.name == "RUNNING":  # its process was killed
                self._end(trial.number, "interrupted")

    # --- trials --------------------------------------------------------------------------------------------------------

    def run(self, objective: Callable[[dict[str, Any], Observer], TrialOutcome]) -> Iterator[dict[str, Any]]:
        """Runs trials until there are enough, and yields each when it has ended; `stopped` says why there are no more.

        Ctrl-C ends the search; the trial that was running is yielded too, as interrupted.

        Args:
            objective: trains with the given values and tells the observer of every validation. If a loss is not finite or memory runs out,
                the trial's result is "diverged"; other errors end the search.
        Yields:
            The entries of `trials`.
        """
        started = time.perf_counter()
        while not self.stopped:
            done = self._counted()
            if len(done) >= self.options.trials:
                self.stopped = "all trials"
            elif self.options.timeout_s is not None and time.perf_counter() - started >= self.options.timeout_s:
                self.stopped = "time limit"
            elif (trial := self._next(done)) is None:
                self.stopped = "every combination was tried"
            else:
                yield self._one(trial, objective)

    def _one(self, trial: Any, objective: Callable[[dict[str, Any], Observer], TrialOutcome]) -> dict[str, Any]:
        """Run one trial and write down its result."""
        began = time.perf_counter()
        observer = _Reports(trial, self.options)
        state, value = "interrupted", None
        notes: dict[str, Any] = {}
        try:
            outcome = objective(dict(trial.params), observer)
            if not outcome.interrupted:
                value = _value(outcome, self.options.metric)
                state = "complete" if math.isfinite(value) else "diverged"
                notes = {"best_epoch": outcome.best_epoch}
        except Pruned:
            state = "pruned"
        except (TrainingError, torch.OutOfMemoryError) as error:
            state, notes = "diverged", {"reason": str(error).partition("\n")[0]}
        except KeyboardInterrupt:
            pass
        except TenutoError as error:
            raise error.within("the trial with " + in_words(trial.params)) from error.__cause__
        finally:
            self._end(trial.number, state, value, {**notes, "seconds": time.perf_counter() - began})
        if state == "interrupted":
            self.stopped = "interrupted"
        return self.trials()[-1]

    def _next(self, done: list[Any]) -> Any:
        """The next trial, with values that no earlier trial had; None when every combination was tried."""
        import optuna

        tried = {_key(trial.params) for trial in done}
        seeds = np.random.SeedSequence([self.options.seed, len(done)]).generate_state(2)
        if not done and all(self.space[name].contains(value) for name, value in self.first.items()):
            self.study.enqueue_trial(self.first)
        self.study.sampler = optuna.samplers.TPESampler(seed=int(seeds[0]))
        trial = self.study.ask(fixed_distributions=self.distributions)
        if _key(trial.params) not in tried:
            return trial
        self._end(trial.number, "repeated")
        left = [values for values in every_combination(self.space) or () if _key(values) not in tried]
        if not left:
            return None
        self.study.enqueue_trial(left[int(np.random.default_rng(seeds[1]).integers(len(left)))])
        return self.study.ask(fixed_distributions=self.distributions)

    def _end(self, number: int, state: str, value: float | None = None, notes: Mapping[str, Any] | None = None) -> None:
        """Write down how a trial ended. A pruned trial influences what is tried next, an interrupted one does not."""
        from optuna.trial import TrialState

        storage = self.study._storage
        known = storage.get_trial_id_from_study_id_trial_number(self.study._study_id, number)
        for name, note in plain({"state": state, **(notes or {})}).items():
            storage.set_trial_user_attr(known, name, note)
        states = {"complete": TrialState.COMPLETE, "pruned": TrialState.PRUNED, "diverged": TrialState.PRUNED}
        self.study.tell(number, value if state == "complete" else None, state=states.get(state, TrialState.FAIL))

    def _counted(self) -> list[Any]:
        return [trial for trial in self.study.get_trials(deepcopy=False) if trial.user_attrs.get("state") in COUNTED]

    def _check(self, identity: dict[str, Any]) -> None:
        """Keep what makes this search what it is, or compare it with what the folder has kept."""
        before = self.study.user_attrs.get("identity")
        if before is None:
            self.study.set_user_attr("identity", identity)
        elif found := list(differences(identity, before)):
            raise RunError(
                f"{self.folder} holds another search: {', '.join(each.place for each in found)} differ{'s' * (len(found) == 1)}.",
                expected="; ".join(f"{each.place} {short(each.there)}" for each in found),
                received="; ".join(f"{each.place} {short(each.here)}" for each in found),
                fix="use what the search began with, or search in a new folder",
            )

    # --- results -------------------------------------------------------------------------------------------------------

    def trials(self) -> list[dict[str, Any]]:
        """Every trial, in order, as plain data: number (from 1; an interrupted trial has the number of the next), state ("complete", "pruned",
        "diverged", "interrupted"), options, value, best_epoch, seconds, reason (None where there is none), curve (the metric at each validation)."""
        entries, number = [], 1
        for trial in self.study.get_trials(deepcopy=False):
            notes = trial.user_attrs
            if notes.get("state") in (None, "repeated") or set(trial.params) != set(self.space):  # stopped before it had its values
                continue
            curve = [trial.intermediate_values.get(at) for at in range(1, max(trial.intermediate_values, default=0) + 1)]
            known = {name: notes.get(name) for name in ("best_epoch", "seconds", "reason")}
            value = trial.value if notes["state"] == "complete" else None
            entries.append({"number": number, "state": notes["state"], "options": dict(trial.params), "value": value, **known, "curve": plain(curve)})
            number += notes["state"] in COUNTED
        return entries

    def best(self) -> dict[str, Any] | None:
        """The complete trial with the best value, the earliest of them if several are equal; None while no trial is complete."""
        whole = [trial for trial in self.trials() if trial["state"] == "complete"]
        sign = -1 if self.options.maximise else 1
        return min(whole, key=lambda trial: sign * trial["value"], default=None)

    def importance(self) -> dict[str, float]:
        """Each option's share in what sets the better half of the trials apart from the rest, the largest share first; together they are 1.

        Empty with fewer than eight complete trials, or if all of them have the same value.

        Source:     PED-ANOVA, Watanabe, Bansal & Hutter 2023.
        """
        import optuna

        whole = [trial for trial in self.trials() if trial["state"] == "complete"]
        if len(whole) < 8 or len({trial["value"] for trial in whole}) < 2:
            return {}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            evaluator = optuna.importance.PedAnovaImportanceEvaluator(target_quantile=0.5)
            shares = optuna.importance.get_param_importances(self.study, evaluator=evaluator)
        return {name: float(share) for name, share in shares.items() if math.isfinite(share)}

    def results(self) -> dict[str, Any]:
        """The search so far, as plain data."""
        best = self.best()
        return {
            "metric": self.options.metric,
            "direction": "maximise" if self.options.maximise else "minimise",
            "wanted": self.options.trials,
            "space": {name: choice.to_data() for name, choice in self.space.items()},
            "best": None if best is None else best["number"],
            "importance": self.importance(),
            "stopped": self.stopped or "not yet",
            "trials": self.trials(),
        }

    def close(self) -> None:
        """Release the folder for another search."""
        self._lock.close()

    def __enter__(self) -> Search:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class _Reports(Observer):
    """Tells optuna of each validation, and ends the trial when optuna says so."""

    def __init__(self, trial: Any, options: SearchOptions) -> None:
        self.trial, self.options, self.validations = trial, options, 0

    def epoch_ended(self, metrics: Mapping[str, Any]) -> None:
        require_measure(self.options.metric, [name for name in metrics if name.startswith(BEFORE)])
        self.validations += 1
        self.trial.report(float(metrics[self.options.metric]), self.validations)
        if self.options.prune and self.validations >= VALIDATIONS_FIRST and self.trial.should_prune():
            raise Pruned


def in_words(values: Mapping[str, Any]) -> str:
    """Values as text, for people to read.

    Example:
        >>> in_words({"hidden_size": 64, "learning_rate": 0.00123456})
        'hidden_size 64, learning_rate 0.00123'
    """
    return ", ".join(f"{name} {value:.3g}" if isinstance(value, float) else f"{name} {value}" for name, value in values.items())


def _value(outcome: TrialOutcome, metric: str) -> float:
    """The metric at the epoch whose weights are kept."""
    line = next((line for line in outcome.metrics if line["epoch"] == outcome.best_epoch), {})
    value = line.get(metric)
    return math.nan if value is None else float(value)


def _key(values: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    """What makes two trials the same."""
    return tuple(sorted((name, f"{value:.10g}" if isinstance(value, float) else repr(value)) for name, value in values.items()))


def _with_optuna(space: dict[str, Any]) -> dict[str, Any]:
    try:
        import optuna
    except ImportError as error:
        raise RunError("a search needs the package optuna, which is not installed.", fix="pip install 'tenuto[tune]'") from error
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return space


def _open_study(path: Path, options: SearchOptions) -> Any:
    """The study in this journal. Half a line and a lock that a killed process may have left behind are removed first."""
    import optuna
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend, JournalFileOpenLock

    text = path.read_bytes()
    if not text.endswith(b"\n"):
        with path.open("r+b") as file:
            file.truncate(text.rfind(b"\n") + 1)
    path.with_name(path.name + ".lock").unlink(missing_ok=True)
    pruner = optuna.pruners.PercentilePruner(KEPT_PERCENT, n_startup_trials=OTHERS_FIRST)
    try:
        storage = JournalStorage(JournalFileBackend(str(path), lock_obj=JournalFileOpenLock(str(path))))
        return optuna.create_study(
            storage=storage, study_name="tenuto", load_if_exists=True, direction="maximize" if options.maximise else "minimize", pruner=pruner
        )
    except Exception as error:  # optuna has errors of many kinds for a journal that it did not write
        raise RunError(f"{path} is damaged: {str(error)[:100].rstrip('.')}.", expected="one JSON object per line, as optuna writes it", fix="search in a new folder") from error


def _only_one(path: Path) -> Any:
    """An open file that keeps other searches out of the folder until it is closed, where the system has such locks."""
    file = path.open("ab")
    with contextlib.suppress(ImportError):  # Windows has no such locks
        import fcntl

        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            file.close()
            raise RunError(f"another process is searching in {path.parent}.", fix="wait for it, stop it, or search in another folder") from error
    return file
