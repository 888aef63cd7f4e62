"""The run folder's contract: every task's real run has the keys that it promises and no others, and the page that tells of them is theirs."""

import importlib
import json
import pkgutil
from pathlib import Path

import pytest

import tenuto.tasks
from tenuto.runs.schema import KINDS, Key, Own, breaches, files_of, in_words
from tests.tasks.launched import SENTENCES, TAGS, TASKS

FOLDERS = [module.name for module in pkgutil.iter_modules(tenuto.tasks.__path__) if module.ispkg]
PAGE = Path(__file__).parents[2] / "docs" / "RUN_FOLDER.md"
PLACES = {  # where the fields of an Own stand
    "preprocessing": "`preprocessing` in config.json",
    "measures": "each line of metrics.jsonl",
    "known": "a SET in `data`",
    "model": "`model` in evaluation.json",
    "result": "a RESULT in `results`",
    "evaluation": "evaluation.json",
}
SPECIAL = {  # what a usual run of the task has not
    "tag": {"labels": ["play", "play", "stop", "stop"] * 6},
    "translate": {"attention": "none"},
    "language": {"units": "bytes", "cutoffs": (5,)},
}


def own(folder):
    return importlib.import_module(f"tenuto.tasks.{folder}.schema").OWN


def run_of(task, path, special=False):
    """A run of the task with a test set."""
    model, x, y = TASKS[task]()
    model.set_params(epochs=2)
    if special and task == "tag":
        model.fit(SENTENCES, TAGS, labels=SPECIAL[task]["labels"])
        return model.save(path, test=(SENTENCES, TAGS, SPECIAL[task]["labels"]))
    model.set_params(**(SPECIAL.get(task, {}) if special else {})).fit(x, y)
    return model.save(path, test=x if y is None else (x, y))


@pytest.mark.parametrize("special", [False, True])
@pytest.mark.parametrize("task", FOLDERS)
def test_a_run_has_the_keys_of_the_schema_and_no_others(task, special, tmp_path):
    folder, files = run_of(task, tmp_path / "run", special), files_of(own(task))
    for name in ("config.json", "evaluation.json"):
        assert list(breaches(files[name], json.loads((folder / name).read_text(encoding="utf-8")))) == [], name
    for line in (folder / "metrics.jsonl").read_text(encoding="utf-8").splitlines():
        assert list(breaches(files["metrics.jsonl"], json.loads(line))) == []


def test_what_is_not_as_it_should_be_is_found():
    keys = (Key("a", "whole"), Key("b", "number", null=True), Key("c", "texts", optional=True), Key("d", "object", "", (Key("e", "truth"),)))
    right = {"a": 1, "b": None, "d": {"e": True}}
    assert list(breaches(keys, right)) == []
    for wrong, said in (
        ({"a": True}, "a is True, not whole"),
        ({"a": None}, "a is null"),
        ({"c": ["x", 1]}, "c[1] is 1"),
        ({"d": {}}, "d.e is missing"),
        ({"d": {"e": False, "f": 1}}, "d.f is not known"),
        ({"g": 1}, "g is not known"),
    ):
        assert list(breaches(keys, {**right, **wrong})) == [said]
    assert {"text", "object"} <= set(KINDS)


def page():
    """docs/RUN_FOLDER.md, from the schema."""
    lines = [
        "# The files of a run folder",
        "",
        "Written from `src/tenuto/runs/schema.py` and `src/tenuto/tasks/*/schema.py`: `python -m tests.runs.test_schema`. What the folder holds stands in",
        "`src/tenuto/runs/folder.py`. Numbers are JSON numbers; a number that is not finite or not known is null. A later version may add keys.",
    ]
    for name, keys in files_of(Own((), (), (), ())).items():
        lines += ["", f"## {name}" + (", each line" if name.endswith("jsonl") else ""), "", "```text", *in_words(keys), "```"]
    for folder in FOLDERS:
        lines += ["", f"## What {folder} has of its own"]
        for field, place in PLACES.items():
            if keys := getattr(own(folder), field):
                lines += ["", f"{place}:", "", "```text", *in_words(keys), "```"]
    return "\n".join(line.rstrip() for line in lines) + "\n"


def test_the_page_is_that_of_the_schema():
    assert PAGE.read_text(encoding="utf-8") == page(), "write it again: python -m tests.runs.test_schema"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
