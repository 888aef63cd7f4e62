"""The run folder's contract: a real run of every task has the keys that the schema promises and no others, and docs/RUN_FOLDER.md is made from the schema."""

import importlib
import json
import pkgutil
import re
import textwrap
from pathlib import Path

import pytest

import tenuto.tasks
from tenuto.runs import folder as run_folder
from tenuto.runs.schema import BY_CLASS, CLASSIFICATION, KINDS, SET, Key, Own, breaches, files_of, grouped, in_words
from tests.tasks.launched import SENTENCES, TAGS, TASKS

FOLDERS = [module.name for module in pkgutil.iter_modules(tenuto.tasks.__path__) if module.ispkg]
PAGE = Path(__file__).parents[2] / "docs" / "RUN_FOLDER.md"
PLACES = {  # of the fields of an Own: where in the files their keys are
    "preprocessing": "config.json, in `preprocessing`",
    "measures": "metrics.jsonl, in each line",
    "known": "config.json and evaluation.json, in each SET of `data`",
    "model": "evaluation.json, in `model`",
    "result": "evaluation.json, in each RESULT of `results`",
    "evaluation": "evaluation.json",
}
GROUPS = {"SET": SET, "CLASS": BY_CLASS, "CLASSIFICATION": CLASSIFICATION}  # keys that several places have; the page lists them once
SAID = {
    "SET": "one part of the data",
    "CLASS": "how well one class, tag or kind of span is found. Null: `precision` where nothing was predicted as it, `recall` where it does not occur, `f1` where both are",
    "CLASSIFICATION": "how well classes are found",
}
SPECIAL = {  # options that give a run keys which a usual run does not have
    "tag": {"labels": ["play", "play", "stop", "stop"] * 6},
    "translate": {"attention": "none"},
    "forecast": {"head": "density"},
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


def test_a_file_that_breaks_the_schema_is_found():
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
    listed = re.search(r"RUN/\n(.*?)\n\n", run_folder.__doc__, re.DOTALL)
    lines = [
        "# The files of a run folder",
        "",
        "```text",
        *textwrap.dedent(listed[1]).splitlines(),
        "```",
        "",
        "The lists below say which keys the JSON files have. A line is a key, what kind of value it has, and what the value means.",
        "",
        "- `whole` is a whole number; `truth` is true or false; `number` is any number. A number that is not finite, or not known, is null.",
        "- `texts` and `numbers` are lists of such values; `rows` is a list of lists of numbers.",
        "- `object` has the keys that are indented below it; `objects` is a list of these. The names in a `map` vary. `any` may be anything.",
        "- A word in capitals stands for keys that are listed once: SET, CLASS and CLASSIFICATION below the three files, RESULT (what is measured on one part of the data) with each task.",
        "  `as SET` means: the keys of SET. Keys that follow after `and` are added, or take the place of the one of that name.",
        "",
        "A later version of tenuto may add keys. This page is made from `src/tenuto/runs/schema.py` and `src/tenuto/tasks/*/schema.py` by `python -m tests.runs.test_schema`.",
    ]
    for name, keys in files_of(Own((), (), (), ())).items():
        lines += ["", f"## {name}" + (", each line" if name.endswith("jsonl") else ""), "", "```text", *in_words(keys, groups=GROUPS), "```"]
    lines += ["", "## Groups of keys"]
    for name, keys in GROUPS.items():
        others = {other: group for other, group in GROUPS.items() if other != name}
        lines += ["", f"{name}: {SAID[name]}.", "", "```text", *in_words(keys, groups=others), "```"]
    for folder in FOLDERS:
        lines += ["", f"## More keys of {folder}", "", "```text"]
        for field, place in PLACES.items():
            if keys := getattr(own(folder), field):
                group, rest = grouped(keys, GROUPS)
                lines += [place + (f": as {group}" if group else ""), *in_words(rest, "  ", GROUPS)]
        lines += ["```"]
    return "\n".join(line.rstrip() for line in lines) + "\n"


def test_a_group_of_keys_is_named_and_only_what_differs_is_listed():
    pair = (Key("a", "whole"), Key("b", "text"))
    keys = (Key("x", "object", "", (*pair, Key("c", "truth"))), Key("y", "objects", "", (Key("a", "number"), pair[1])), Key("z", "object", "", pair[:1]))
    said = [" ".join(line.split()) for line in in_words(keys, groups={"ONE": pair[:1], "PAIR": pair})]
    assert said == ["x object, as PAIR, and:", "c truth", "y objects, as PAIR, and:", "a number", "z object, as ONE"]


def test_the_page_is_that_of_the_schema():
    assert PAGE.read_text(encoding="utf-8") == page(), "write it again: python -m tests.runs.test_schema"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
