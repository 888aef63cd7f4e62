"""The cards of the tasks: what they name is there, and their options are the estimators' constructors."""

import dataclasses
import inspect

import pytest

from tenuto import tasks
from tenuto.errors import ArgumentError
from tenuto.pages.run import Page
from tenuto.tasks import cards
from tenuto.tasks.option import option, options_of
from tenuto.tasks.task import Task, load


@pytest.mark.parametrize("card", cards(), ids=lambda card: card.name)
def test_what_a_card_names_is_there(card):
    for name in ("splits", "read", "described", "said", "score", "predict", "write", "recipe", "after_fit"):
        named = getattr(card, name)
        assert named is None or callable(load(named)), name
    assert isinstance(load(card.page), Page) and all(callable(load(writer)) for writer in card.writers.values())
    assert card.predict is not None or card.write is not None
    assert all(load(card.recipe)(name) for name in card.recipes)
    assert getattr(tasks, load(card.estimator).__name__) is load(card.estimator)


@pytest.mark.parametrize("card", cards(), ids=lambda card: card.name)
def test_the_options_are_the_constructor_s(card):
    constructor = {name: parameter.default for name, parameter in inspect.signature(load(card.estimator)).parameters.items()}
    assert {field.name: field.default for field in dataclasses.fields(card.options)} == constructor
    typed = {known.name: known.value(known.default) for known in options_of(card.options)}
    assert typed == constructor  # the command line's defaults mean the same


def test_each_task_has_its_own_names():
    for attribute in ("name", "command", "estimator"):
        values = [getattr(card, attribute) for card in cards()]
        assert len(set(values)) == len(values)
    assert all(tasks.card_of(card.name) == card for card in cards()) and tasks.card_of("dance") is None and tasks.card_of(None) is None
    assert set(tasks.FOLDERS) < set(tasks.__all__) <= set(dir(tasks))
    with pytest.raises(AttributeError, match="no attribute 'Dancer'"):
        tasks.Dancer  # noqa: B018


@pytest.mark.parametrize("card", cards(), ids=lambda card: card.name)
def test_a_column_is_one_thing_in_every_task(card: Task):
    """`predict` and `score` list each column once, so tasks that name the same column must mean the same."""
    for choice in (*card.columns, *card.asking):
        others = [one for other in cards() for one in (*other.columns, *other.asking) if one.name == choice.name]
        assert all(one == choice for one in others), choice.name
        assert choice.name not in {known.typed for known in options_of(card.options)} or choice in card.asking


@dataclasses.dataclass
class Some:
    sizes: tuple[int, ...] = option((3, 4), "Sizes.", "Panel")
    limit: float | None = option(None, "0 for none.", "Panel", none=0)
    kind: str | None = option(None, "none, or a kind.", "Panel", none="none")
    seed: int | None = option(0, "Of all.", "Panel", typed="random_seed")


def test_what_is_typed_becomes_what_the_constructor_takes():
    sizes, limit, kind, seed = options_of(Some)
    assert (sizes.kind, sizes.default, sizes.value("1, 2,"), sizes.value("")) == (str, "3,4", (1, 2), ())
    assert (limit.kind, limit.default, limit.value(0.0), limit.value(2.5)) == (float, 0, None, 2.5)
    assert (kind.default, kind.value("none"), kind.value("ema")) == ("none", None, "ema")
    assert (seed.typed, seed.kind, seed.default, seed.value(0)) == ("random_seed", int, 0, 0)
    with pytest.raises(ArgumentError, match="sizes='1,b' is not a list of numbers"):
        sizes.value("1,b")
