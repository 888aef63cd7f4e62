"""What a check means, in words: a verdict for each of its measures, with the thresholds and their reasons.

LIKE. A rank correlation of 0.7 means that half of the order of the values (0.7 squared) is there without anything that was learned. A method that ignores the model has 1. One that follows it has about 0
for values with signs, and for sizes as much as the item and the form of the network bring along (large inputs, late steps), which may be 0.5: the usual reason for gradient times input.
CHANCE. An order is better than chance where fewer than 1 in 20 random ones are as good.
APART. Shares of both halves of time that differ by 20 points. What a half does is measured on one replacement, so small differences mean nothing.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from tenuto.explain.trust.measures import Halves, Removal, Trust
from tenuto.pages.wording import number, percent

LIKE, CHANCE, APART = 0.7, 0.05, 0.2
FEWEST_PARTS = 4  # three parts have six orders, of which one is as good as the best too often to tell it from chance


class Verdict(NamedTuple):
    """What one measure says. holds: None where it does not decide; mark: in a word or two; said: in sentences."""

    name: str
    holds: bool | None
    mark: str
    said: str


def verdicts(trust: Trust) -> list[Verdict]:
    """All of them, the gravest first."""
    return [of_weights(trust), of_order(trust), of_joint_removal(trust), of_halves(trust)]


def of_weights(trust: Trust) -> Verdict:
    """Whether the values come from the weights of the model."""
    name, found = "Random weights", trust.likeness
    if found is None:
        return Verdict(name, None, "cannot be told", "Nothing could be compared: it takes three parts or more in an item, with different values, and a model with weights whose answers stay finite when they are random.")
    values, sizes = np.array(found.values[-1]), np.array(found.sizes[-1])
    like = f"the rank correlation with these values is {values.mean():.2f} ({values.min():.2f} to {values.max():.2f})"
    sized = f"and {sizes.mean():.2f} ({sizes.min():.2f} to {sizes.max():.2f}) for their sizes"
    measured = f"In {len(values)} networks with random weights {like}, {sized}."
    if values.mean() >= LIKE or not trust.signed and sizes.mean() >= LIKE:
        said = "Random weights give nearly the same order of values. So this explanation hardly depends on what the model has learned: it shows the data or the form of the network. Do not use it."
        return Verdict(name, False, "caught", f"{said} {measured}")
    if sizes.mean() >= LIKE:
        said = "Where the values are large is mostly given by the data and the form of the network; their signs come from what the model has learned."
        return Verdict(name, None, "in part", f"{said} {measured}")
    return Verdict(name, True, "holds", f"The values come from what the model has learned. {measured}")


def of_order(trust: Trust) -> Verdict:
    """Whether the order of the values is better than random ones in deletion and insertion."""
    name, known = "Deletion and insertion", _told(trust)
    if not known:
        return Verdict(name, None, "cannot be told", f"No item has {FEWEST_PARTS} parts or more, and fewer have too few orders to tell one from chance.")
    chance = np.array([one.random_areas for one in known]).mean(0)
    deletion, insertion = (float(np.mean([getattr(one, which) for one in known])) for which in ("deletion", "insertion"))
    beaten = [int((chance > deletion).sum()), int((chance < insertion).sum())]
    does = ("falls", "rises") if trust.signed else ("moves away", "comes back")
    said = (
        f"With the largest values taken away first the answer {does[0]} faster than in {beaten[0]} of {len(chance)} random orders; "
        f"with the largest added first to the background it {does[1]} faster than in {beaten[1]}."
    )
    return _ranked(name, beaten, len(chance), said)


def of_joint_removal(trust: Trust) -> Verdict:
    """Whether parts with large values do more, and those with small ones less, than parts at random, when they are taken away one by one."""
    name, known = "One by one (CPD, CPP)", _told(trust)
    if not known:
        return Verdict(name, None, "cannot be told", f"No item has {FEWEST_PARTS} parts or more.")
    chance = np.array([one.random_sums for one in known]).mean(0)
    large, small = (float(np.mean([getattr(one, which) for one in known])) for which in ("cpd", "cpp"))
    beaten = [int((chance < large).sum()), int((chance > small).sum())]
    error = float(chance.std(ddof=1) / np.sqrt(len(chance)))
    said = (
        f"Taken away one by one, the parts with the largest values, whatever their sign, change the answer by {number(large)} in all, those with the smallest by {number(small)}, "
        f"and parts in random order by {number(float(chance.mean()))} ± {number(error)}. Here both signs count, which cancel in a deletion."
    )
    return _ranked(name, beaten, len(chance), said)


def of_halves(trust: Trust) -> Verdict:
    """Whether the values lie in time where the influence lies."""
    name = "Early and late"
    known = [one for one in trust.halves if one is not None and one.values_share is not None and one.influence_share is not None]
    if not known:
        return Verdict(name, None, "cannot be told", "No item has two steps or more, with values, whose halves change the answer.")
    values, sums, truth = shares(known)
    said = (
        f"The earlier half of time has {percent(values)} of the size of all values{f', and {percent(sums)} of the size of the sums of both halves' if trust.signed else ''}. "
        f"When it is taken away, the answer changes by {percent(truth)} of what both halves change: this is what the model does."
    )
    told = (values, sums) if trust.signed else (values,)
    if all(truth - share > APART for share in told):
        return Verdict(name, False, "fades", f"{said} Values of gradients fade towards the past in recurrent networks, and here they do: what lies early matters more than is shown.")
    if all(share - truth > APART for share in told):
        return Verdict(name, False, "too early", f"{said} What lies early matters less than is shown.")
    return Verdict(name, True, "holds", said)


def shares(known: list[Halves]) -> tuple[float, float, float]:
    """The earlier half's mean shares: in the sizes of the values, in their sums, in the influence."""
    found = [[one.values_share, one.sums_share if one.sums_share is not None else 0.5, one.influence_share] for one in known]
    values, sums, truth = np.array(found, dtype=float).mean(0).tolist()
    return values, sums, truth


def _told(trust: Trust) -> list[Removal]:
    return [one for one in trust.removals if one is not None and one.parts >= FEWEST_PARTS]


def _ranked(name: str, beaten: list[int], orders: int, said: str) -> Verdict:
    better = [(1 + orders - one) / (1 + orders) <= CHANCE for one in beaten]
    if all(better):
        return Verdict(name, True, "holds", said)
    if any(better):
        return Verdict(name, None, "in part", f"{said} Only one of the two can be told from chance.")
    return Verdict(name, False, "not told from chance", f"{said} That cannot be told from chance.")
