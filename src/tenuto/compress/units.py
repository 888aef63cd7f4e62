"""Fewer units in a fitted estimator: an ordinary, smaller estimator of the same task, which every engine and every command takes as any other; with fine-tuning between the steps."""

from __future__ import annotations

import copy
import itertools
import math
from collections.abc import Iterator, Mapping
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from tenuto.choices import require
from tenuto.compress.amounts import amount
from tenuto.compress.fitting import fit_into
from tenuto.compress.following import Following
from tenuto.compress.learning_on import LearningOn
from tenuto.compress.module import SCORES
from tenuto.compress.narrowing import UnitsStay
from tenuto.compress.rounds import Rounds, still_to_go
from tenuto.compress.scores import by_norm, by_taylor
from tenuto.distill.teacher import digest_of
from tenuto.errors import ArgumentError
from tenuto.tasks.estimator import Estimator
from tenuto.tongues import argument
from tenuto.train.course import Learning

E = TypeVar("E", bound=Estimator)

BATCHES = 8  # of the training data, by which the units are scored


def steps_to(before: int, after: int, rounds: int, heads: int = 1) -> list[int]:
    """The numbers of units of each round, see `still_to_go`; a round in which none would go is left out.

    Example:
        >>> steps_to(128, 64, 3), steps_to(8, 4, 1)
        ([83, 66, 64], [4])
    """
    sizes = [after + (before - after) * left for left in still_to_go(rounds)]
    whole = [max(after, math.floor(size / heads + 0.5) * heads) for size in sizes]
    return [size for place, size in enumerate(whole) if size < (whole[place - 1] if place else before)]


def without_units(model: E, data: Any, *, units: float, score: str = "norm") -> E:
    """A copy of a fitted estimator with a share of its units, as it is without the others: it has learnt nothing since.

    Args:
        data: a set as for `fit`, of which one batch is read. units: the share that stays. score: "norm".
    Raises:
        ArgumentError: units that cannot be taken away; says why.
    """
    if score != "norm":
        raise ArgumentError(f"{argument('score', score)} needs a loss, and without fine-tuning there is none.", expected=argument("score", "norm"), fix=argument("finetune"))
    made = copy.copy(model)
    changes = model.narrower(count_of(model, units))
    made.set_params(**changes)
    made.check_options()
    made.options_ = {**model.options_, **changes}
    made.network_ = made._network().to(model.device)
    fit_into(model.network_, made.network_, lesson_of(model, data), lambda network, following: by_norm(network, following))
    made.network_.eval()
    made.evaluation_ = described(made, model.evaluation_)
    return made


def finetuned_units(model: E, data: Any, *, units: float, rounds: Rounds, score: str = "taylor") -> E:
    """A smaller estimator that learns on: in each round some units go, those that count least, and what is left is trained.

    Args:
        data: a labelled set as for `fit`, or (x, y). units: the share that stays at the end. score: "taylor" or "norm".
        rounds: in how many steps they go, and how what is left is trained.
    Raises:
        ArgumentError: units that cannot be taken away; says why. RunError: the folder of the rounds holds those of something else.
    """
    require("score", score, SCORES)
    sizes = steps_to(model.options_["hidden_size"], count_of(model, units), rounds.checked(), heads_of(model))
    return rounds.run(model, data, sizes, lambda found, size: (found.narrower(int(size)), FewerUnits(found, score)), {"units by": score})


class FewerUnits(LearningOn):
    """What takes part in the fit of a smaller network (`tenuto.train.course.Teaching`): it begins with what counts most of the model's weights.

    Args:
        model: fitted; it stays as it is. score: "taylor" or "norm".
    """

    def __init__(self, model: Estimator, score: str) -> None:
        super().__init__(model)
        self.score = score
        self.network = copy.deepcopy(model.network_).cpu().eval()
        self.smaller: nn.Module = self.network

    @property
    def identity(self) -> Mapping[str, Any]:
        """Whose units these were, and by what they were scored."""
        return {"fewer units": {"weights": digest_of(self.network), "score": self.score}}

    def begin(self, network: nn.Module) -> None:
        """Take note of the network, which gets its weights when there are batches to score units by."""
        self.smaller = network

    def lead(self, learning: Learning, training: Any) -> Learning:
        """Give the network its first weights; it is trained as its task would train it."""
        with torch.random.fork_rng(devices=[]):
            batches = list(itertools.islice(learning.batches(0), BATCHES))
            heard = _Given(self.network)
            learning.loss(heard, batches[0], None)  # type: ignore[arg-type]  # called like the network

            def losses(network: nn.Module) -> Iterator[Tensor]:
                return (learning.loss(network, batch, None).mean for batch in batches)

            def scored(network: nn.Module, following: Following) -> Tensor:
                return by_norm(network, following) if self.score == "norm" else by_taylor(network, following, losses(network))

            fit_into(self.network, self.smaller, heard.given, scored)
        return learning


class _Given:
    """Stands for the network in a task's loss, and keeps what it was given."""

    def __init__(self, network: nn.Module) -> None:
        self.network, self.given = network, ()

    def __call__(self, *given: Any) -> Any:
        self.given = given
        return self.network(*given)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.network, name)


def checked_units(units: Any) -> float:
    """The share of the units that is to stay.

    Raises:
        ArgumentError: it is none.
    """
    return amount("units", units, "the share of units that stays, above 0 and below 1", lambda share: 0 < share < 1)


def count_of(model: Estimator, units: float) -> int:
    """How many units in each layer a share is, a multiple of the cell's heads.

    Raises:
        ArgumentError: the share is out of range, or leaves all units or none.
    """
    hidden, heads = model.options_["hidden_size"], heads_of(model)
    units = checked_units(units)
    count = max(1, math.floor(hidden * units / heads + 0.5)) * heads
    if count >= hidden:
        raise UnitsStay(f"{argument('units', units)} leaves all {hidden} units.", expected="a share that takes some of them away", fix="a smaller share")
    return count


def heads_of(model: Estimator) -> int:
    """The heads of a model's cell, each of which keeps equally many units."""
    return model.cell_.heads if model.cell_.rank is None else 1


def lesson_of(model: Estimator, data: Any) -> tuple[Any, ...]:
    """What the network is given for the first batch of a set."""
    return next(iter(model.lessons(model.answered(model.as_set(data)))))


def described(model: Estimator, evaluation: Mapping[str, Any]) -> dict[str, Any]:
    """The evaluation of a model whose network has other sizes than it says."""
    named = list(model.network_.named_parameters())
    about = {
        **evaluation["model"], "hidden_size": model.hidden_size, "parameters": sum(weight.numel() for _, weight in named),
        "weights": [{"name": name, "shape": list(weight.shape), "parameters": weight.numel()} for name, weight in named],
    }  # fmt: skip
    return {**evaluation, "model": about}
