"""What is saved is what was fitted, whatever happened to the options since: the run can be loaded and gives the same answers."""

import pytest

from tenuto.tasks.option import options_of
from tests.tasks.launched import TASKS

ANSWERS = {"language": "token_nats"}
# Another value for each kind of option; those with words of their own have one here.
OTHER = {"cell": "rnn", "pooling": ("mean",), "units": "bytes", "source_unit": "words", "target_unit": "words", "attention": "none", "cutoffs": (3,),
         "character_encoder": "convolution", "decoder_input": "both", "missing": "mean", "tag_scheme": "none", "unknown": "error"}  # fmt: skip


def other(known):
    if known.name in OTHER:
        return OTHER[known.name]
    return (not known.usual) if known.kind is bool else {int: 3, float: 0.4}.get(known.kind)


def answers(model, task, x):
    given = getattr(model, ANSWERS.get(task, "predict"))(x)
    given = given.fillna(-1).to_dict("list") if hasattr(given, "to_dict") else given  # a frame
    return [part.tolist() if hasattr(part, "tolist") else part for part in (given if isinstance(given, tuple) else (given,))]


@pytest.mark.parametrize("task", [task for task in TASKS if task != "softmax"])
def test_options_that_change_after_fit_do_not_spoil_the_run(task, tmp_path):
    model, x, y = TASKS[task]()
    model.set_params(epochs=1).fit(x, y)
    before, fitted = answers(model, task, x), dict(model.options_)
    where = {"engine", "device", "precision", "random_state", "decoder_cell"}
    changed = {known.name: other(known) for known in options_of(type(model)) if known.name not in where and not known.answering}
    model.set_params(**{name: value for name, value in changed.items() if value is not None})
    assert answers(model, task, x) == before
    model.evaluate(x, y) if y is not None else model.evaluate(x)
    again = type(model).load(model.save(tmp_path / "run"))
    assert answers(again, task, x) == before
    assert again.options_ == fitted
    again.save(tmp_path / "again")
    assert answers(type(model).load(tmp_path / "again"), task, x) == before


def test_how_answers_are_searched_may_change_after_fit(tmp_path):
    model, x, y = TASKS["translate"]()
    model.set_params(epochs=1).fit(x, y).set_params(unknown="symbol", beam_size=2)
    again = type(model).load(model.save(tmp_path / "run"))
    assert (again.unknown, again.beam_size) == ("symbol", 2)
    assert again.predict(["zz"]) == model.predict(["zz"])
