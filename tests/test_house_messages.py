"""How the messages of our errors end: one sentence with a full stop; what was expected, what came and what to do about it, without one.

Read off the source text. What a message ends with may be a constant, a name that the function gives a value, a choice between the two, or an argument
of a function that makes the error (`_wrong(kind, name, what)`): each is judged where it is written. A message whose sentence ends in a
`{value}` has no full stop.
"""

import ast
import builtins
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path

import pytest

from tests.test_house import SOURCES, relative


def makes_an_error(call: ast.Call) -> bool:
    """Whether this call makes an error of ours."""
    name = ast.unparse(call.func).rpartition(".")[2]
    return name.endswith("Error") and name not in dir(builtins)


def last_parts(text: ast.expr, values: Mapping[str, list[ast.expr]]) -> Iterator[ast.expr]:
    """What a text may end with: a constant, or an expression of which only the run knows; `values` are those that the function gives its names."""
    if isinstance(text, ast.JoinedStr) and text.values:
        yield from last_parts(text.values[-1], values)
    elif isinstance(text, ast.FormattedValue):
        yield from last_parts(text.value, {})
    elif isinstance(text, ast.IfExp):
        yield from [*last_parts(text.body, values), *last_parts(text.orelse, values)]
    elif isinstance(text, ast.BinOp) and isinstance(text.op, ast.Add):
        yield from last_parts(text.right, values)
    elif isinstance(text, ast.Name) and values.get(text.id):
        for value in values[text.id]:
            yield from last_parts(value, {name: given for name, given in values.items() if name != text.id})
    else:
        yield text


def values_of_names(function: ast.AST) -> dict[str, list[ast.expr]]:
    """The expressions that a function assigns to each of its names."""
    found: dict[str, list[ast.expr]] = {}
    for node in ast.walk(function):
        if isinstance(node, ast.Assign):
            for target in node.targets:
                pairs = zip(target.elts, node.value.elts) if isinstance(target, ast.Tuple) and isinstance(node.value, ast.Tuple) else [(target, node.value)]
                for name, value in pairs:
                    if isinstance(name, ast.Name):
                        found.setdefault(name.id, []).append(value)
    return found


def makers(tree: ast.AST) -> dict[str, tuple[list[str], str, bool]]:
    """Functions that make an error of ours and end its sentence with one of their parameters, as `_wrong` does with `what`.

    By name: all parameters, the one that ends the sentence, and whether its text must have the full stop, since the function adds none.
    """
    found = {}
    for function in ast.walk(tree):
        if not isinstance(function, ast.FunctionDef):
            continue
        parameters = [each.arg for each in (*function.args.posonlyargs, *function.args.args, *function.args.kwonlyargs) if each.arg not in ("self", "cls")]
        for call in ast.walk(function):
            if not (isinstance(call, ast.Call) and makes_an_error(call) and call.args):
                continue
            parts = call.args[0].values if isinstance(call.args[0], ast.JoinedStr) else [call.args[0]]
            stop = isinstance(parts[-1], ast.Constant) and parts[-1].value == "."
            last = parts[-2] if stop and len(parts) > 1 else parts[-1]
            last = last.value if isinstance(last, ast.FormattedValue) and last.conversion == -1 else last  # `{what!r}` shows a value, no text
            if isinstance(last, ast.Name) and last.id in parameters:
                found[function.name] = (parameters, last.id, not stop)
    return found


def ends_of_messages(tree: ast.AST) -> list[tuple[int, str]]:
    """(line, end of the text) where an error of ours says it otherwise: one sentence with a full stop; what was expected and what to do, without."""
    wrong, made = [], makers(tree)

    def judge(line: int, text: ast.expr, sentence: bool, values: Mapping[str, list[ast.expr]], handed_on: Collection[str] = ()) -> None:
        for last in last_parts(text, values):
            if isinstance(last, ast.Constant):
                said = str(last.value) if sentence else str(last.value).removesuffix("...")
                if said.endswith(".") != sentence and (said or sentence) and last.value is not None:
                    wrong.append((line, str(last.value)[-40:]))
            elif sentence and not (isinstance(last, ast.Name) and last.id in handed_on) and ast.unparse(last) != "error.what":  # that is one already
                wrong.append((line, f"{{{ast.unparse(last)}}}"[-40:]))

    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
    within = {inner: function for function in functions for inner in ast.walk(function)}  # the innermost, since outer ones come first
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Attribute) and node.targets[0].attr in ("expected", "received", "fix"):
            judge(node.lineno, node.value, False, {})
        if not isinstance(node, ast.Call):
            continue
        name = ast.unparse(node.func).rpartition(".")[2]
        if not makes_an_error(node) and name not in made:
            continue
        values = values_of_names(within.get(node, tree))
        if makes_an_error(node) and node.args:
            handed_on = {made[within[node].name][1]} if node in within and within[node].name in made else ()
            judge(node.lineno, node.args[0], True, values, handed_on)
        elif name in made:
            parameters, last, sentence = made[name]
            given = {**dict(zip(parameters, node.args)), **{keyword.arg: keyword.value for keyword in node.keywords if keyword.arg}}
            if last in given:
                judge(node.lineno, given[last], sentence, values)
        for keyword in node.keywords:
            if keyword.arg in ("expected", "received", "fix"):
                judge(node.lineno, keyword.value, False, values)
    return wrong


@pytest.mark.parametrize("path", SOURCES, ids=relative)
def test_messages_end_alike(path: Path) -> None:
    assert ends_of_messages(ast.parse(path.read_text(encoding="utf-8"))) == []


WRONG = 'def _wrong(kind, what, **more):\n    return CellError(f"{kind}{what}%s", **more)\n'


@pytest.mark.parametrize(
    ("planted", "found"),
    [
        ('raise DataError("no file")', 1),
        ('raise DataError("No file.", fix="make one.")', 1),
        ('raise DataError(f"no {x}.", fix="a, b, ...")', 0),
        ('raise DataError(f"no {x}")', 1),
        ('raise DataError(f"no {x}.", fix=f"make {x}")', 0),
        ('raise DataError("no file." if x else f"no {y}")', 1),
        ('raise DataError(f"no {x}" + ".", fix=None if x else "make one.")', 1),
        ('def f(x):\n    said = "no file"\n    raise DataError(said)', 1),
        ('def f(x):\n    fix = "make one"\n    raise DataError("no file.", fix=fix)', 0),
        ('error.fix = "make one."', 1),
        (WRONG % "" + 'raise _wrong(kind, " is no cell", fix="make one")', 1),
        (WRONG % "" + 'raise _wrong(kind, f" is no {x}.")', 0),
        (WRONG % "." + 'raise _wrong(kind, f" is no {x}")', 0),
        (WRONG % "." + 'raise _wrong(kind, " is no cell.", fix="make one.")', 2),
    ],
)
def test_a_message_that_ends_otherwise_is_found(planted: str, found: int) -> None:
    assert len(ends_of_messages(ast.parse(planted))) == found
