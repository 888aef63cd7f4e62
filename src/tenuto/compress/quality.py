"""`Quality`: one number for how good two models are on the same data, and by how much the second one is worse."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tenuto.errors import ArgumentError
from tenuto.measures import BEFORE, measures
from tenuto.tasks.estimator import Estimator
from tenuto.tongues import argument


@dataclass(frozen=True)
class Quality:
    """How good a model is before and after.

    Attributes:
        measure: what is measured, as a result of the task names it. better: "higher" or "lower".
        before, after: of the two models.
    """

    measure: str
    better: str
    before: float
    after: float

    @property
    def drop(self) -> float:
        """By how much the second is worse, as a share of the first; negative where it is better.

        Example:
            >>> Quality("accuracy", "higher", 0.8, 0.72).drop, Quality("perplexity", "lower", 100.0, 101.0).drop
            (0.1, 0.01)
        """
        worse = self.before - self.after if self.better == "higher" else self.after - self.before
        if not worse:
            return 0.0
        return round(worse / abs(self.before), 12) if self.before else float("inf") if worse > 0 else float("-inf")

    def __str__(self) -> str:
        way = "worse" if self.drop > 0 else "better"
        said = "the same" if not self.drop else f"{abs(self.drop):.2%} {way}"
        return f"{self.measure.replace('_', ' ')} {self.before:.4g} → {self.after:.4g} ({said})"


def quality(before: dict[str, Any], after: dict[str, Any]) -> Quality:
    """The two results by the most telling measure that they have; the loss where there is no other."""
    known = [one for one in measures() if isinstance(before.get(one.key.removeprefix(BEFORE)), (int, float))]
    chosen = next((one for one in known if one.key != f"{BEFORE}loss"), known[0])
    name = chosen.key.removeprefix(BEFORE)
    return Quality(name, chosen.better, float(before[name]), float(after[name]))


def result_of(model: Estimator, data: Any, *, kept: bool = False) -> dict[str, Any]:
    """How good the model's answers for a set are; with `kept`, `evaluation_` has them from now on."""
    return model.result(model.as_set(data), "test", kept=kept)


def require_good(found: Quality, most: float) -> None:
    """Raise ArgumentError if more is lost than was asked."""
    if not found.drop <= most:
        raise ArgumentError(
            f"the compressed model is worse than asked: {found}.", expected=f"{found.measure.replace('_', ' ')} at most {most:.2%} worse", received=f"{found.drop:.2%} worse",
            fix=f"allow a larger {argument('max_drop')}, or keep the weights in another form",
        )  # fmt: skip
