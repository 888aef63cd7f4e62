"""The tables that Python fills have the fields that the loop reads: kernels/loop.h and tables.py agree, struct by struct and name by name."""

from __future__ import annotations

import ctypes
import re

from tenuto.engines.cpp import library, tables

HEADER = re.sub(r"//.*", "", (library.KERNELS / "loop.h").read_text(encoding="utf-8"))
NUMBERS = {"int64_t"}
ADDRESSES = {"PassFunction"}  # the type of a function's address; other addresses are declared with a star


def structs() -> dict[str, list[tuple[str, str]]]:
    """The structs of loop.h: each field's name, and what it is: "number", "address", or another struct's name."""
    found = re.findall(r"\bstruct (\w+) \{(.*?)\};", HEADER, re.DOTALL)
    return {name: [field for declaration in body.split(";") for field in fields(declaration)] for name, body in found}


def fields(declaration: str) -> list[tuple[str, str]]:
    """`const real *a, *b` and its like, as fields."""
    if not declaration.strip():
        return []
    first, *others = declaration.split(",")
    base, stars, name = re.fullmatch(r"\s*((?:const\s+)?\w+)([\s*]*?(?:const)?[\s*]*)\b(\w+)\s*", first).groups()
    base = base.removeprefix("const").strip()
    found = [(name, stars)] + [(other.strip(" *\n"), other) for other in others]
    return [(name, "address" if "*" in stars or base in ADDRESSES else "number" if base in NUMBERS else base) for name, stars in found]


def enums() -> list[list[str]]:
    """The names of each enum of loop.h, in order."""
    return [re.findall(r"\w+", body) for body in re.findall(r"\benum\s*\w*\s*\{(.*?)\}", HEADER, re.DOTALL)]


def test_every_struct_has_its_table_field_by_field() -> None:
    kinds = {ctypes.c_int64: "number", ctypes.c_void_p: "address", tables.List: "List"}
    ours = {
        name: [(field, kinds[kind]) for field, kind in value._fields_]
        for name, value in vars(tables).items()
        if isinstance(value, type) and issubclass(value, ctypes.Structure)
    }
    assert ours == structs() and len(ours) == 13


def test_the_names_stand_for_the_same_numbers() -> None:
    reductions = {"sum": "REDUCE_SUM", "mean": "REDUCE_MEAN", "amax": "REDUCE_MAXIMUM"}
    named = sorted(tables.REDUCTIONS, key=tables.REDUCTIONS.__getitem__)
    assert [tables.REDUCTIONS[name] for name in named] == list(range(len(named)))
    assert enums() == [tables.RULES, [f"KIND_{kind.upper()}" for kind in tables.KINDS], [reductions[name] for name in named], tables.ACTIONS]


def test_a_field_that_is_moved_or_of_another_kind_is_found() -> None:
    assert fields("const int64_t *a, *b") == [("a", "address"), ("b", "address")]
    assert fields("  int64_t a, b") == [("a", "number"), ("b", "number")]
    assert fields("real* const* target") == [("target", "address")] and fields("real** to") == [("to", "address")]
    assert fields("PassFunction function") == [("function", "address")] and fields("List a, b") == [("a", "List"), ("b", "List")]
