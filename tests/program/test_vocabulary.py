"""What a step may use: every expression of the list can be traced and gives the right numbers, the list has every word of the table of translations, and docs/CELLS.md shows the list."""

import importlib.util
import re
import tempfile
from functools import lru_cache
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch.overrides import get_overridable_functions

from tenuto import Cell, State
from tenuto.activations import Activation
from tenuto.errors import TraceError
from tenuto.program import aten, trace, translate
from tenuto.program.graph import Builder
from tenuto.program.recording import record
from tenuto.program.trace import Markers, discover, explained, flat_step
from tenuto.program.translate import Translation
from tenuto.program.vocabulary import MAY, MAY_NOT, REFUSED

PAGE = Path(__file__).parents[2] / "docs" / "CELLS.md"
REFUSALS = {"torch.roll(v, 1)": "The order of channels", "v.numpy()": "Other libraries", "v.tolist()": "Branches and numbers"}
EXPRESSIONS = [expression for row in MAY for expression in row.expressions]


@lru_cache(maxsize=None)
def functions():
    """Each expression as a function, from a file that has them all."""
    lines = ["import torch", "import torch.nn.functional as F", "from tenuto import activations", "MADE = {"]
    lines += [f"    {expression!r}: lambda self, U, s, v, w, c, q: {expression}," for expression in (*EXPRESSIONS, *REFUSALS)]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "expressions.py"
        path.write_text("\n".join([*lines, "}"]))
        specification = importlib.util.spec_from_file_location("expressions", path)
        module = importlib.util.module_from_spec(specification)
        specification.loader.exec_module(module)
    return module.MADE


class Using(Cell):
    gates = "h v w"
    state = "h"
    products = "m"
    activation: Activation = "tanh"
    rate: float = 0.5
    expression: str = "v"

    def step(self, x, U, s):
        v, w = torch.sigmoid(x.v), torch.sigmoid(x.w)
        return State(h=s.h + functions()[self.expression](self, U, s, v, w, v.mean(-1, keepdim=True), v > w))


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_a_step_may_use_what_the_list_has(expression):
    trace(Using(expression=expression))  # the trace runs the program beside the step, at other sizes too


def test_the_list_has_every_word_of_the_table():
    """Each operation of torch that has a translation occurs in some expression of the list."""
    met = set()

    class Noting(Translation):
        def _typed(self, operation):
            met.add(operation.name)
            return super()._typed(operation)

    class Watching(dict):
        def get(self, func, other=None):
            met.add(str(func).removeprefix("aten."))
            return super().get(func, other)

    for expression in EXPRESSIONS:
        cell = Using(expression=expression)
        markers = Markers(cell, 13)
        products, _ = discover(cell, markers)
        keys = markers.input_keys(products)
        step, _ = flat_step(cell, keys, products)
        builder = Builder()
        numbers = [builder.input(key, markers.width_of(key, products)) for key in keys]
        with explained(cell, markers) as calls:
            recorded = record(step, markers.values(keys, products), Watching(aten.decompositions()), calls)
            Noting(builder, markers.rows, markers.label).run(recorded, numbers)
    kinds = {kind for name, kind in translate.PLAIN.items() if name in met}
    assert kinds == set(translate.PLAIN.values())
    taken_apart = {name.partition(".")[0] for name in aten._IN_OTHER_WORDS if "backward" not in name}
    assert taken_apart <= {name.partition(".")[0] for name in met}


def test_each_refused_name_is_one_of_torchs():
    known = {function.__name__ for functions in get_overridable_functions().values() for function in functions if hasattr(function, "__name__")}
    known |= set(dir(torch)) | set(dir(torch.Tensor)) | set(dir(F)) | set(dir(torch.linalg))
    assert set(REFUSED) <= known, set(REFUSED) - known
    assert len(REFUSED) == sum(len(row.names.partition(" (")[0].split()) for row in MAY_NOT)


@pytest.mark.parametrize("expression, sort", REFUSALS.items())
def test_a_refusal_says_what_to_write_instead(expression, sort):
    with pytest.raises(TraceError) as caught:
        trace(Using(expression=expression))
    row = next(row for row in MAY_NOT if row.sort == sort)
    assert row.what in str(caught.value) and caught.value.fix == row.instead


def tables():
    """The two tables of docs/CELLS.md, from the vocabulary."""
    code = " ".join
    may = ["| what | written |", "|---|---|"] + [f"| {row.sort} | {code(f'`{expression}`' for expression in row.expressions)} |" for row in MAY]
    other = ["| what | calls | instead |", "|---|---|---|"]
    for row in MAY_NOT:
        listed, _, more = row.names.partition(" (")
        names = code(f"`{name}`" for name in listed.split()) + (f" ({more}" if more else "")
        other.append(f"| {row.sort} | {names} | {row.instead} |")
    return {"may": may, "may not": other}


def page(text):
    for name, lines in tables().items():
        rows = "\n".join(re.sub(r"`([^`]*)`", lambda match: "`" + match[1].replace("|", "\\|") + "`", line) for line in lines)
        text, found = re.subn(rf"(<!-- {name}: [^\n]* -->\n).*?(<!-- end -->)", lambda match: match[1] + rows + "\n" + match[2], text, count=1, flags=re.S)
        assert found
    return text


def test_the_page_shows_the_list():
    text = PAGE.read_text(encoding="utf-8")
    assert text == page(text), "write it again: python -m tests.program.test_vocabulary"


if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
