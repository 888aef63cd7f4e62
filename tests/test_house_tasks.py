"""Rules, checked on the source text, that keep everything about a task in one folder; and the lines that still break them.

A rule is a function from the house (each file's path and text) to the lines that break it, as "file: line". REMAINING lists the lines
that break a rule today. There may only be fewer: a new one fails the test, and so does one that is listed but gone. Each rule is also tested
on a house with a breach planted in it. (That tasks do not import each other is in `test_house.py`.)
"""

import ast
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from tenuto.measures import measures
from tests.test_house import PACKAGE, SOURCES, imported_modules, module_name, parsed, relative, room_of

House = dict[Path, str]
HOUSE: House = {path: path.read_text(encoding="utf-8") for path in SOURCES}
TASKS = sorted(path.name for path in (PACKAGE / "tasks").iterdir() if path.is_dir() and path.name != "__pycache__")

# Packages that only certain rooms use; other rooms call these rooms instead.
HOMES = {"jinja2": {"pages"}, "typer": {"cli"}}


def lines_at(path: Path, text: str, numbers: set[int]) -> list[str]:
    """`file: text of the line` for each line, in order."""
    lines = text.splitlines()
    return [f"{relative(path)}: {lines[number - 1].strip()}" for number in sorted(numbers)]


def task_of(path: Path) -> str | None:
    """The task's folder in `tasks/` that a file is in; None for files outside of such a folder."""
    parts = path.relative_to(PACKAGE).parts
    return parts[1] if parts[0] == "tasks" and parts[1] in TASKS else None


def hidden_circles(house: House) -> list[str]:
    """Imports for type checkers alone inside tasks/: they would hide circular imports, which must be removed. (`tasks/__init__.py` may: it names what is public, and loads it late.)"""
    found = []
    for path, text in house.items():
        if room_of(module_name(path)) != "tasks" or path == PACKAGE / "tasks" / "__init__.py":
            continue
        blocks = [node for node in ast.walk(parsed(text)) if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)]
        imports = [inner for block in blocks for inner in ast.walk(block) if isinstance(inner, ast.Import | ast.ImportFrom)]
        found += lines_at(path, text, {node.lineno for node in imports})
    return found


def names_of_tasks(house: House) -> dict[str, set[str]]:
    """What each folder of `tasks/` calls its task in config.json: the `name` on its card."""
    names: dict[str, set[str]] = {folder: set() for folder in TASKS}
    for path, text in house.items():
        folder = task_of(path)
        for node in ast.walk(parsed(text)) if folder and path.name == "card.py" else ():
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "Task":
                names[folder] |= {str(ast.literal_eval(given.value)) for given in node.keywords if given.arg == "name"}
    return names


def named_tasks(house: House) -> list[str]:
    """A task's name as a string outside its own folder."""
    home = {name: folder for folder, names in names_of_tasks(house).items() for name in names}
    found = []
    for path, text in house.items():
        here = task_of(path)
        constants = [node for node in ast.walk(parsed(text)) if isinstance(node, ast.Constant) and isinstance(node.value, str)]
        found += lines_at(path, text, {node.lineno for node in constants if home.get(node.value, here) != here})
    return found


def packages_away_from_home(house: House) -> list[str]:
    """jinja2 outside pages/, typer outside cli/."""
    found = []
    for path, text in house.items():
        modules = [(line, module.split(".")[0]) for line, module in imported_modules(path, text)]
        away = {line for line, package in modules if package in HOMES and room_of(module_name(path)) not in HOMES[package]}
        found += lines_at(path, text, away)
    return found


def keys_set(tree: ast.AST) -> list[tuple[int, ast.expr | None]]:
    """(line, key) of what is put into dictionaries: `{key: ...}`, `{key: ... for ...}`, `numbers[key] = ...`."""
    found: list[tuple[int, ast.expr | None]] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Dict):
            found += [(key.lineno, key) for key in node.keys if key is not None]
        elif isinstance(node, ast.DictComp):
            found.append((node.key.lineno, node.key))
        elif isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Store):
            found.append((node.lineno, node.slice))
    return found


def unknown_measures(house: House) -> list[str]:
    """A number of a validation that a task returns and `measures.py` does not have: nobody would know whether higher or lower is better."""
    known = {one.key for one in measures()}
    found = []
    for path, text in house.items():
        if room_of(module_name(path)) != "tasks":
            continue
        lines = set()
        for line, key in keys_set(parsed(text)):
            beginning = key.values[0] if isinstance(key, ast.JoinedStr) else key
            value = beginning.value if isinstance(beginning, ast.Constant) else None
            if isinstance(value, str) and value.startswith("validation_") and (beginning is not key or value not in known):
                lines.add(line)  # a name put together from parts cannot be looked up here
        found += lines_at(path, text, lines)
    return found


RULES: dict[str, Callable[[House], list[str]]] = {
    rule.__name__: rule for rule in (hidden_circles, named_tasks, packages_away_from_home, unknown_measures)
}

# In these lines "tag" means the tag of a word, not the task.
A_WORD_S_TAG = [
    'src/tenuto/data/sentences/conll.py: for name, column in (("token", token_column), ("tag", tag_column)):',
    'src/tenuto/data/sentences/conll.py: for name, column in (("token", token_column), ("tag", tag_column)):',
    'src/tenuto/data/sentences/sentences.py: tags = [_as_texts("tag", row, identity) for row, identity in zip(rows, self.ids)]',
    'src/tenuto/data/sentences/sentences.py: if what == "tag":',
]
REMAINING: dict[str, list[str]] = {
    "hidden_circles": [],
    "named_tasks": [*A_WORD_S_TAG],
    "packages_away_from_home": [],
    "unknown_measures": [],
}


def differences(found: list[str], known: list[str]) -> str:
    """What is new, and what is known but gone; empty where the two lists hold the same lines."""
    new, gone = Counter(found) - Counter(known), Counter(known) - Counter(found)
    said = [f"a new breach: {line}" for line in new.elements()]
    return "\n".join([*said, *(f"mended, so strike it from REMAINING: {line}" for line in gone.elements())])


@pytest.mark.parametrize("rule", sorted(RULES))
def test_the_rule_holds_except_for_the_known_lines(rule: str) -> None:
    unlike = differences(RULES[rule](HOUSE), REMAINING[rule])
    assert not unlike, f"{RULES[rule].__doc__}\n{unlike}"


def test_new_lines_and_lines_that_are_gone_are_both_reported() -> None:
    assert differences(["a", "a"], ["a"]) == "a new breach: a"
    assert differences([], ["a"]) == "mended, so strike it from REMAINING: a"
    assert differences(["a", "b"], ["b", "a"]) == ""


def test_every_task_says_its_name() -> None:
    """Otherwise the rule about names would look for nothing."""
    names = names_of_tasks(HOUSE)
    assert TASKS and all(len(given) == 1 for given in names.values()), f"one name for each folder, not {names}"


@pytest.mark.parametrize(
    ("rule", "place", "planted"),
    [
        ("hidden_circles", "tasks/tag/network.py", "if TYPE_CHECKING:\n    from tenuto.tasks.tag.estimator import Tagger  # planted"),
        ("hidden_circles", "tasks/planted.py", "if typing.TYPE_CHECKING:\n    import torch  # planted"),
        ("named_tasks", "pages/learning.py", 'planted = "translate"'),
        ("named_tasks", "tasks/files.py", 'planted = {"classify-text": 1}'),
        ("named_tasks", "tasks/text/planted.py", 'planted = ["tag"]'),
        ("packages_away_from_home", "tasks/tag/page.py", "def planted():\n    from jinja2 import Environment  # planted"),
        ("packages_away_from_home", "report.py", "import typer  # planted"),
        ("packages_away_from_home", "report.py", "import jinja2  # planted"),
        ("packages_away_from_home", "pages/planted.py", "import typer.testing as planted"),
        ("unknown_measures", "tasks/tag/planted.py", 'numbers = {"validation_loss": 0.5, "validation_r2": 0.9}  # planted'),
        ("unknown_measures", "tasks/planted.py", 'numbers["validation_recall"] = 0.9  # planted'),
        ("unknown_measures", "tasks/text/planted.py", 'numbers = {f"validation_{kind}": 0.9 for kind in planted}'),
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
        ("packages_away_from_home", "pages/planted.py", "import jinja2"),
        ("unknown_measures", "tasks/tag/planted.py", 'options = ["validation_fraction"]\nnumbers = {"validation_loss": 1.0}\nprint(numbers["validation_r2"])'),
        ("unknown_measures", "train/planted.py", 'numbers = {"validation_r2": 1.0}'),
        ("hidden_circles", "tasks/__init__.py", HOUSE[PACKAGE / "tasks/__init__.py"]),
    ],
)
def test_what_is_allowed_is_not_a_breach(rule: str, place: str, planted: str) -> None:
    house = {**HOUSE, PACKAGE / place: planted}
    assert RULES[rule](house) == RULES[rule](HOUSE)
