"""The words of messages: what Python and the command line say in other words is marked (`tenuto.tongues`), so that no command speaks of `hidden_size=` or None.

Read off the source text, in the rooms whose errors a command can show. A text inside `argument(...)` or `either(...)` has both.
"""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.test_house import PACKAGE, SOURCES, relative
from tests.test_house_messages import makes_an_error

ROOMS = ("data", "measures.py", "train", "runs", "networks", "scores", "tasks", "files.py", "report.py", "pages", "cli")
PYTHON = re.compile(r"(?<![-\w])[a-z][a-z_]*=(?!=)|\b(None|True|False)\b|\b(fit|predict|evaluate|save|load|set_params|Columns|Sequences|Sentences|Pairs)\(|\by \[N\]")
# What only a call from Python can bring about: the file, and how the text begins.
FROM_PYTHON = {
    "src/tenuto/data/sequences/sequences.py": ("read a table that holds many sequences with", "for one channel add an axis", "for sequences of one channel add an axis"),
    "src/tenuto/data/sequences/npz.py": ("copy it again; arrays of Python objects (dtype=object)",),
    "src/tenuto/measures.py": ("better=",),
    "src/tenuto/tasks/saved.py": ("call fit(x, y), or ", ".load(folder)"),
    "src/tenuto/tasks/tag/estimator.py": ("fit with labels=",),
    "src/tenuto/train/checkpoint.py": ("a number above zero, or None", "tensors, numbers, text or None"),
    "src/tenuto/train/tensorboard.py": ("every_steps=",),
    "src/tenuto/train/launch.py": ("the environment says WORLD_SIZE=",),
    "src/tenuto/cli/show.py": ("class NAME(Cell): ",),
}


def unmarked(node: ast.AST) -> Iterator[tuple[int, str]]:
    """(line, text) of the texts in a message that both tongues say alike."""
    if isinstance(node, ast.Call) and ast.unparse(node.func) in ("argument", "either"):
        return
    if isinstance(node, ast.FormattedValue):  # a value, or a call that marks; a text chosen inside it stands in quotes of its own
        yield from (found for child in ast.walk(node.value) if isinstance(child, ast.Call) for found in unmarked(child) if ast.unparse(child.func) in ("argument", "either"))
        return
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node.lineno, node.value
    for child in ast.iter_child_nodes(node):
        yield from unmarked(child)


def python_words(tree: ast.AST) -> list[tuple[int, str]]:
    """The texts of messages that only Python understands."""
    found = []
    for call in ast.walk(tree):
        if isinstance(call, ast.Call) and (makes_an_error(call) or ast.unparse(call.func) in ("unknown_name", "NotWritten")):
            parts = [*call.args, *(keyword.value for keyword in call.keywords if keyword.arg in ("expected", "received", "fix", "what"))]
            found += [(line, text) for part in parts for line, text in unmarked(part) if PYTHON.search(text)]
    return found


@pytest.mark.parametrize("path", [path for path in SOURCES if path.relative_to(PACKAGE).parts[0] in ROOMS], ids=relative)
def test_a_message_marks_what_only_python_says(path: Path) -> None:
    allowed = FROM_PYTHON.get(relative(path), ())
    wrong = [f"{relative(path)}:{line}: {text}" for line, text in python_words(ast.parse(path.read_text(encoding="utf-8"))) if not text.startswith(tuple(allowed))]
    assert not wrong, "say it with argument(...) or either(...) of tenuto.tongues:\n" + "\n".join(wrong)


@pytest.mark.parametrize(
    ("planted", "found"),
    [
        ('raise ArgumentError(f"units={units!r} is not known.")', 1),
        ('raise ArgumentError(f"{argument(\'units\', units)} is not known.")', 0),
        ('raise DataError("no labels.", fix="give y, or None")', 1),
        ('raise DataError("no labels.", fix=either("fit(x, y)", "--label-column"))', 0),
        ('raise DataError("no labels.", fix="add " + either("y=", "--label-column"))', 0),
        ('raise unknown_name("no.", given, known, fix="call set_params()")', 1),
        ('raise DataError("a == b, --out=x.")', 0),
    ],
)
def test_a_word_of_pythons_is_found(planted: str, found: int) -> None:
    assert len(python_words(ast.parse(planted))) == found
