"""What a cell is: its maths, step and derivative, and nothing else. A digest names it; a description can be compared with that of another day.

The digest does not change with the names of variables, the order of statements, comments, lines and files, nor with what torch calls its operations.
What it is made of may change with torch, whose own formulas are part of a derivative. So where two digests differ, both programs are run on the same
numbers (below), and only a difference in what comes out is one.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import torch
from torch import Tensor

from tenuto.cell import HIDDEN, Cell, Width
from tenuto.errors import CellError
from tenuto.program.grammar import KINDS
from tenuto.program.graph import Key, Node, Program, expression, label

_HIDDEN_SIZE, _ROWS = 7, 48
_CLOSE = {"rtol": 1e-6, "atol": 1e-9, "equal_nan": True}
_CHAINS = ("add", "mul")  # in whatever order their terms are taken
_LONGEST = 160  # characters of a formula in a message
_DECLARED = ("gates", "state", "products", "parameters", "streams")


class Difference(NamedTuple):
    """Where two cells differ: what, as it was and as it is."""

    what: str
    was: str
    now: str

    def __str__(self) -> str:
        return f"{self.what} differ" + "s" * (self.what not in {f"the {name}" for name in (*_DECLARED, "heads")} or self.what == "the state")


# --- what is kept ------------------------------------------------------------------------------------------------------


def description(cell: Cell, forward: Program, backward: Program, operands: Mapping[str, str]) -> dict[str, Any]:
    """A cell's maths as plain data: digest, declarations, and the two programs as text.

    Args:
        operands: what a stack of products is called, whichever of its products comes first in the step.
    """
    declared: dict[str, Any] = {name: {each: width for each, width in cell.widths(name).items()} for name in _DECLARED}
    declared = {name: " ".join(each if width == HIDDEN else f"{each}:{width}" for each, width in of.items()) for name, of in declared.items()}
    for name in ("products", "parameters", "streams"):  # known by their names; the place of a gate or a state is its rows of the weights
        declared[name] = " ".join(sorted(declared[name].split()))
    declared |= {"heads": cell.heads, "rank": cell.rank}
    programs = {"step": _renamed(forward, operands), "derivative": _renamed(backward, operands)}
    parts = [json.dumps(declared, sort_keys=True), *(line for program in programs.values() for line in sorted(_hashes_of_results(program)))]
    digest = hashlib.sha256("\n".join(parts).encode()).hexdigest()[:32]
    return {"digest": digest, "declared": declared, **{name: _written(program) for name, program in programs.items()}}


def _renamed(program: Program, operands: Mapping[str, str]) -> Program:
    def name_of(key: Key) -> Key:
        return (key[0], operands.get(key[1], key[1])) if key[0] in ("operand", "d_operand") else key

    nodes = tuple(Node(n.kind, n.args, n.width, None if n.name is None else name_of(n.name), n.value, n.gives) for n in program.nodes)
    return Program(program.title, nodes, tuple((name_of(key), number) for key, number in program.outputs))


def _hashes_of_results(program: Program) -> Iterator[str]:
    hashes = _hashes(program)
    return (f"{role} {name} {hashes[number]}" for (role, name), number in program.outputs)


def _hashes(program: Program) -> list[str]:
    """What each value is, whatever its number: of its kind and of what its arguments are."""
    uses = Counter(arg for node in program.nodes for arg in node.args) + Counter(number for _, number in program.outputs)
    hashes: list[str] = []
    terms: list[list[str]] = []  # of a sum or a product
    for node in program.nodes:
        of_args = [hashes[arg] for arg in node.args]
        if node.kind in _CHAINS:
            like = lambda arg: program.nodes[arg].kind == node.kind and program.nodes[arg].width == node.width and uses[arg] == 1  # noqa: B023, E731
            of_args = [term for arg in node.args for term in (terms[arg] if like(arg) else [hashes[arg]])]
        terms.append(of_args)
        commutes = node.kind in KINDS and KINDS[node.kind].commutes
        whole = [node.kind, str(node.width), list(node.name or ()), repr(node.value), node.gives, sorted(of_args) if commutes else of_args]
        hashes.append(hashlib.sha256(json.dumps(whole).encode()).hexdigest())
    return hashes


def _written(program: Program) -> str:
    """A program as text: its values in order, then which of them it gives."""
    values: list[list[Any]] = []
    for node in program.nodes:
        own = list(node.name) if node.name is not None else [repr(node.value)] if node.kind == "const" else list(node.args)
        values.append([node.kind, node.width, *own])
    return json.dumps([values, [[*key, number] for key, number in program.outputs]], separators=(",", ":"))


def _read(text: str) -> Program:
    """The program that was written.

    Raises:
        ValueError, KeyError, TypeError, IndexError: the text is none, or has words that are not known here.
    """
    values, outputs = json.loads(text)
    nodes = []
    for kind, width, *own in values:
        if kind == "input":
            nodes.append(Node(kind, width=width, name=(own[0], own[1])))
        elif kind == "const":
            nodes.append(Node(kind, width=width, value=float(own[0])))
        else:
            nodes.append(Node(kind, tuple(own), width, gives=KINDS[kind].gives))
    return Program("", tuple(nodes), tuple(((role, name), number) for role, name, number in outputs))


# --- two of them -------------------------------------------------------------------------------------------------------


def require(kept: Any, now: Mapping[str, Any], name: str, since: str, fix: str) -> None:
    """Refuses a cell whose maths is not what was kept.

    Args:
        kept: a description; None (from before there was any) is like every one.
        name: the cell's, for the message. since: what was made with the cell as it was, "the run was trained".
    Raises:
        CellError: says what differs.
    """
    found = difference(kept, now)
    if found is not None:
        raise CellError(f"the cell {name} is not the one with which {since}: {found}.", expected=found.was, received=found.now, fix=fix)


def difference(kept: Any, now: Mapping[str, Any]) -> Difference | None:
    """Where the maths differs from what was kept, the first of what there is to say; None where it does not."""
    if kept is None or kept["digest"] == now["digest"]:
        return None
    for name, value in now["declared"].items():
        if kept["declared"].get(name) != value:
            return Difference(f"the {name}", str(kept["declared"].get(name)) or "none", str(value) or "none")
    try:
        pairs = [(_read(kept[part]), _read(now[part])) for part in ("step", "derivative")]
        for before, after in pairs:
            found = _first_difference(before, after)
            if found is not None:
                return found
    except (ValueError, KeyError, TypeError, IndexError):  # of a later tenuto, with words that are not known here
        return Difference("the digest", str(kept["digest"]), str(now["digest"]))
    return None


def _first_difference(before: Program, after: Program) -> Difference | None:
    if dict(before.outputs).keys() != dict(after.outputs).keys() or before.inputs.keys() != after.inputs.keys():
        return Difference("the products", *_where_they_part(_products(before), _products(after)))
    for values in _samples(before, after):
        ours, theirs = after(values, _HIDDEN_SIZE), before(values, _HIDDEN_SIZE)
        for key in theirs:
            if not torch.allclose(ours[key], theirs[key], **_CLOSE):  # type: ignore[arg-type]
                return Difference(_what(key), *_formulas(before, after, key))
    return None


def _what(key: Key) -> str:
    role, name = key
    told = {"state": f"the new state {name}", "output": "the output", "operand": f"the value that U.{name.split()[0]} is multiplied with"}
    return told.get(role, f"the derivative {label(key, new=True)}")


# --- on the same numbers -----------------------------------------------------------------------------------------------


def _samples(*programs: Program) -> Iterator[dict[Key, Tensor]]:
    """Numbers for the inputs of both: small, usual and large ones, positive ones, and those beside which a condition of either changes."""
    generator = torch.Generator().manual_seed(0)
    inputs = {key: programs[0].nodes[number].width for key, number in programs[0].inputs.items()}

    def draw(scale: float) -> dict[Key, Tensor]:
        return {key: torch.randn(_ROWS, _size(width), generator=generator, dtype=torch.float64) * scale for key, width in inputs.items()}

    for scale in (0.1, 1.0, 10.0):
        values = draw(scale)
        yield values
        yield {key: value.abs() for key, value in values.items()}
        for program in programs:
            for number, node in enumerate(program.nodes):
                if node.gives == "bool" or node.kind in ("sign", "floor"):
                    yield from _beside(Program("", program.nodes, ((("output", "output"), number),)), values, draw(scale))


def _beside(condition: Program, start: dict[Key, Tensor], end: dict[Key, Tensor]) -> Iterator[dict[Key, Tensor]]:
    """The two sides of where a value jumps on the way from one set of numbers to the other: each row's is found by halving."""

    def at(share: Tensor) -> dict[Key, Tensor]:
        return {key: value + share * (end[key] - value) for key, value in start.items()}

    def jumps(share: Tensor) -> Tensor:
        return condition(at(share), _HIDDEN_SIZE)["output", "output"][:, :1].double()

    low, high = torch.zeros(_ROWS, 1, dtype=torch.float64), torch.ones(_ROWS, 1, dtype=torch.float64)
    first = jumps(low)
    for _ in range(40):
        middle = (low + high) / 2
        before = jumps(middle) == first
        low, high = torch.where(before, middle, low), torch.where(before, high, middle)
    yield at(low - 1e-7)
    yield at(high + 1e-7)


def _size(width: Width) -> int:
    return _HIDDEN_SIZE if width == HIDDEN else int(width)


# --- in words ----------------------------------------------------------------------------------------------------------


def _formulas(before: Program, after: Program, key: Key) -> tuple[str, str]:
    """The smallest part of a result in which the programs differ, as formulas."""
    hashes = _hashes(before), _hashes(after)
    pair = dict(before.outputs)[key], dict(after.outputs)[key]
    while True:
        one, other = before.nodes[pair[0]], after.nodes[pair[1]]
        if one.kind != other.kind or one.name != other.name or not one.args:
            break
        left, right = list(one.args), list(other.args)
        for arg in one.args:  # what both have is no difference
            twin = next((each for each in right if hashes[0][arg] == hashes[1][each]), None)
            if twin is not None and (KINDS[one.kind].commutes or one.args.index(arg) == other.args.index(twin)):
                left.remove(arg)
                right.remove(twin)
        if len(left) != 1 or len(right) != 1 or not (before.nodes[left[0]].args and after.nodes[right[0]].args):
            break
        pair = left[0], right[0]
    return _where_they_part(_formula(before, pair[0]), _formula(after, pair[1]))


def _products(program: Program) -> str:
    stacks = [(name.split(), number) for (role, name), number in program.outputs if role == "operand"]
    return ", ".join(f"{' '.join(f'U.{each}' for each in names)} @ ({_formula(program, number)})" for names, number in stacks) or "none"


def _formula(program: Program, number: int, depth: int = 6) -> str:
    node = program.nodes[number]
    if node.name is not None:
        return label(node.name)
    if node.kind == "const":
        return f"{node.value:.12g}"
    if not depth:
        return "..."
    texts = {arg: _formula(program, arg, depth - 1) for arg in node.args}
    signs = {arg for arg in texts if program.nodes[arg].args and KINDS[program.nodes[arg].kind].sign and texts[arg] != "..."}
    return expression(node, {arg: f"({text})" if arg in signs and KINDS[node.kind].sign else text for arg, text in texts.items()})


def _where_they_part(was: str, now: str) -> tuple[str, str]:
    """Two texts, cut to about where they begin to differ."""
    begin = next((k for k, (a, b) in enumerate(zip(was, now)) if a != b), min(len(was), len(now)))
    start = max(0, begin - _LONGEST // 2) if max(len(was), len(now)) > _LONGEST else 0

    def cut(text: str) -> str:
        part = text[start : start + _LONGEST]
        return "..." * (start > 0) + part + "..." * (start + len(part) < len(text))

    return cut(was), cut(now)


def are_descriptions(*values: Any) -> bool:
    """Whether all of these are descriptions of maths."""
    return all(isinstance(value, Mapping) and {"digest", "declared", "step", "derivative"} <= value.keys() for value in values)
