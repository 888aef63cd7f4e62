"""What keeps the price of a task at one folder: rules read off the source text, and what is still to be mended.

A rule is a function from the house (each file's path and text) to its breaches, "file: line" each. REMAINING lists the breaches
of today, which may only become fewer: a new one fails its test, and so does one that is listed but gone. Each rule is also shown
a house with a breach planted in it. (That tasks do not import each other is in `test_house.py`.)
"""

import ast
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.test_house import PACKAGE, SOURCES, imported_modules, module_name, relative, room_of

House = dict[Path, str]
HOUSE: House = {path: path.read_text(encoding="utf-8") for path in SOURCES}
TASKS = sorted(path.name for path in (PACKAGE / "tasks").iterdir() if path.is_dir() and path.name != "__pycache__")

# Outside packages that have a home: who else needs what they do asks a room that has them.
HOMES = {"jinja2": {"pages", "report"}, "typer": {"cli"}}


def lines_at(path: Path, text: str, numbers: set[int]) -> list[str]:
    """`file: what stands there` for each line, in order."""
    lines = text.splitlines()
    return [f"{relative(path)}: {lines[number - 1].strip()}" for number in sorted(numbers)]


def task_of(path: Path) -> str | None:
    """The folder of `tasks/` that a file lies in; None outside them, and for what stands beside them."""
    parts = path.relative_to(PACKAGE).parts
    return parts[1] if parts[0] == "tasks" and parts[1] in TASKS else None


def hidden_circles(house: House) -> list[str]:
    """Imports for type checkers alone inside tasks/: a circle is mended, not hidden."""
    found = []
    for path, text in house.items():
        if room_of(module_name(path)) != "tasks":
            continue
        blocks = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)]
        imports = [inner for block in blocks for inner in ast.walk(block) if isinstance(inner, ast.Import | ast.ImportFrom)]
        found += lines_at(path, text, {node.lineno for node in imports})
    return found


def names_of_tasks(house: House) -> dict[str, set[str]]:
    """What each folder of `tasks/` calls its task in config.json: the value of `"task"` or `task` in its files."""
    names: dict[str, set[str]] = {folder: set() for folder in TASKS}
    for path, text in house.items():
        folder = task_of(path)
        for node in ast.walk(ast.parse(text)) if folder else ():
            given: list[tuple[ast.expr | None, ast.expr]] = []
            if isinstance(node, ast.Dict):
                given = list(zip(node.keys, node.values))
            elif isinstance(node, ast.Assign):
                given = [(ast.Constant(target.id), node.value) for target in node.targets if isinstance(target, ast.Name)]
            for key, value in given:
                if isinstance(key, ast.Constant) and key.value == "task" and isinstance(value, ast.Constant):
                    names[folder].add(str(value.value))
    return names


def named_tasks(house: House) -> list[str]:
    """A task's name as a string anywhere but in its own folder."""
    home = {name: folder for folder, names in names_of_tasks(house).items() for name in names}
    found = []
    for path, text in house.items():
        here = task_of(path)
        constants = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Constant) and isinstance(node.value, str)]
        found += lines_at(path, text, {node.lineno for node in constants if home.get(node.value, here) != here})
    return found


def packages_away_from_home(house: House) -> list[str]:
    """jinja2 outside pages/ and report/, typer outside cli/."""
    found = []
    for path, text in house.items():
        modules = [(line, module.split(".")[0]) for line, module in imported_modules(path, text)]
        away = {line for line, package in modules if package in HOMES and room_of(module_name(path)) not in HOMES[package]}
        found += lines_at(path, text, away)
    return found


RULES: dict[str, Callable[[House], list[str]]] = {
    rule.__name__: rule for rule in (hidden_circles, named_tasks, packages_away_from_home)
}

# "tag" in these lines is what a word has, not the task.
A_WORD_S_TAG = [
    'src/tenuto/data/sentences/conll.py: for name, column in (("token", token_column), ("tag", tag_column)):',
    'src/tenuto/data/sentences/conll.py: for name, column in (("token", token_column), ("tag", tag_column)):',
    'src/tenuto/data/sentences/sentences.py: tags = [_as_texts("tag", row, identity) for row, identity in zip(rows, self.ids)]',
    'src/tenuto/data/sentences/sentences.py: if what == "tag":',
]
REMAINING: dict[str, list[str]] = {
    "hidden_circles": [],
    "named_tasks": [
        *A_WORD_S_TAG,
        'src/tenuto/cli/fit_classify.py: Task(name="classify", command="classify", function=classify, prepare=prepare, load=_load, read=_read, predict=_predict, say_score=lambda console, result: say_classes(console, result, "sequences"))',
        'src/tenuto/cli/fit_language.py: Task(name="language", command="language", function=language, prepare=prepare, load=_load, read=_read, predict=None, say_score=_say_score, write=_write)',
        'src/tenuto/cli/fit_tag.py: name="tag", command="tag", function=tag, prepare=prepare, load=_load, read=_read, predict=_predict, say_score=_say_score, writers={".conll": _conll}',
        'src/tenuto/cli/fit_text.py: Task(name="classify-text", command="text", function=text, prepare=prepare, load=_load, read=_read, predict=_predict, say_score=lambda console, result: say_classes(console, result, "texts"))',
        'src/tenuto/cli/fit_translate.py: Task(name="translate", command="translate", function=translate, prepare=prepare, load=_load, read=_read, predict=_predict, say_score=_say_score)',
        'src/tenuto/cli/search_defaults.py: "tag": {"num_layers": None, "word_dropout": {"low": 0.0, "high": 0.5, "step": 0.05}},',
        'src/tenuto/cli/search_defaults.py: "classify-text": {"num_layers": None, "word_dropout": {"low": 0.0, "high": 0.5, "step": 0.05}},',
        'src/tenuto/cli/search_defaults.py: "translate": {"num_layers": {"low": 1, "high": 2}, "embedding_size": [32, 64, 128]},',
        'src/tenuto/cli/search_defaults.py: "language": {"hidden_size": [128, 256, 512], "num_layers": {"low": 1, "high": 2}},',
        'src/tenuto/pages/confusion.py: names, noun = run.evaluation["classes"], "text" if run.config["task"] == "classify-text" else "sequence"',
        'src/tenuto/pages/origin.py: "classify": (("sequences", "sequences"), ("time steps", "steps"), *_LENGTHS, ("missing values", "missing_values")),',
        'src/tenuto/pages/origin.py: "language": (("documents", "sequences"), ("tokens", "steps"), ("characters", "characters")),',
        'src/tenuto/pages/origin.py: "tag": (("sentences", "sequences"), ("words", "steps"), *_LENGTHS),',
        'src/tenuto/pages/origin.py: "classify-text": (("texts", "sequences"), ("words", "steps"), *_LENGTHS),',
        'src/tenuto/pages/origin.py: "translate": (("pairs", "sequences"), ("symbols read", "steps"), *_LENGTHS, ("symbols written", "target_steps")),',
        'src/tenuto/pages/origin.py: columns=[(title, key) for title, key in SET_COLUMNS.get(run.config["task"], SET_COLUMNS["classify"]) if any(known.get(key) is not None for _, known in sets)],',
        'src/tenuto/pages/page.py: return {"classify": "nats a sequence", "classify-text": "nats a text", "tag": "nats a sentence"}.get(task, "nats a token")',
        'src/tenuto/report/build.py: "classify": Page(examples.headline, (learning.section, confusion.section, examples.section, running.section, origin.section)),',
        'src/tenuto/report/build.py: "language": Page(',
        'src/tenuto/report/build.py: "tag": Page(tagging.headline, (learning.section, tagging.spans, tagging.tags, tagging.sentences, running.section, origin.section)),',
        'src/tenuto/report/build.py: "classify-text": Page(text_classes.headline, (learning.section, confusion.section, text_classes.texts, running.section, origin.section)),',
        'src/tenuto/report/build.py: "translate": Page(',
    ],
    "packages_away_from_home": [],
}


def differences(found: list[str], known: list[str]) -> str:
    """What is new, and what is known but gone; empty where the two lists hold the same lines."""
    new, gone = Counter(found) - Counter(known), Counter(known) - Counter(found)
    said = [f"a new breach: {line}" for line in new.elements()]
    return "\n".join([*said, *(f"mended, so strike it from REMAINING: {line}" for line in gone.elements())])


@pytest.mark.parametrize("rule", sorted(RULES))
def test_the_rule_holds_but_for_what_is_known(rule: str) -> None:
    unlike = differences(RULES[rule](HOUSE), REMAINING[rule])
    assert not unlike, f"{RULES[rule].__doc__}\n{unlike}"


def test_what_is_new_and_what_is_gone_are_both_said() -> None:
    assert differences(["a", "a"], ["a"]) == "a new breach: a"
    assert differences([], ["a"]) == "mended, so strike it from REMAINING: a"
    assert differences(["a", "b"], ["b", "a"]) == ""


def test_every_task_says_its_name() -> None:
    """Otherwise the rule about names would look for nothing."""
    names = names_of_tasks(HOUSE)
    assert TASKS and all(len(given) == 1 for given in names.values()), f"one name a folder, not {names}"


@pytest.mark.parametrize(
    ("rule", "place", "planted"),
    [
        ("hidden_circles", "tasks/tag/network.py", "if TYPE_CHECKING:\n    from tenuto.tasks.tag.estimator import Tagger  # planted"),
        ("hidden_circles", "tasks/planted.py", "if typing.TYPE_CHECKING:\n    import torch  # planted"),
        ("named_tasks", "pages/learning.py", 'planted = "translate"'),
        ("named_tasks", "tasks/files.py", 'planted = {"classify-text": 1}'),
        ("named_tasks", "tasks/text/planted.py", 'planted = ["tag"]'),
        ("packages_away_from_home", "tasks/tag/page.py", "def planted():\n    from jinja2 import Environment  # planted"),
        ("packages_away_from_home", "report/build.py", "import typer  # planted"),
        ("packages_away_from_home", "pages/planted.py", "import typer.testing as planted"),
    ],
)
def test_a_planted_breach_is_found(rule: str, place: str, planted: str) -> None:
    path = PACKAGE / place
    house = {**HOUSE, path: HOUSE.get(path, "") + f"\n{planted}\n"}
    new = Counter(RULES[rule](house)) - Counter(RULES[rule](HOUSE))
    assert [line for line in new.elements() if line.startswith(f"src/tenuto/{place}: ") and "planted" in line] == list(new.elements()) != []


@pytest.mark.parametrize(
    ("rule", "place", "planted"),
    [
        ("hidden_circles", "cli/planted.py", "if TYPE_CHECKING:\n    from tenuto.tasks import Tagger"),
        ("named_tasks", "tasks/tag/planted.py", 'name = "tag"'),
        ("named_tasks", "pages/planted.py", '"""A page of a tag."""\nname = "tags"'),
        ("packages_away_from_home", "report/planted.py", "import jinja2"),
    ],
)
def test_what_is_allowed_is_no_breach(rule: str, place: str, planted: str) -> None:
    house = {**HOUSE, PACKAGE / place: planted}
    assert RULES[rule](house) == RULES[rule](HOUSE)
