"""The rules of the house (how the source is laid out), checked on the source text: who imports whom, how files are named, what is public.

"""

import ast
import importlib
import inspect
import os
import re
import subprocess
import sys
from functools import lru_cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "src" / "tenuto"
SOURCES = sorted(PACKAGE.rglob("*.py"))
TESTS = sorted(path for path in (ROOT / "tests").rglob("*.py"))

# Reading order: a room imports the rooms above it, itself, and nothing below. Rooms on one line do not import each other.
ROOMS = [
    ["tongues"],
    ["errors", "process", "place", "operation"],
    ["choices", "scalars", "encoding"],
    ["files", "activations", "declaration"],
    ["cell"],
    ["cells"],
    ["program"],
    ["engines"],
    ["layers"],
    ["data"],
    ["measures"],
    ["train"],
    ["runs"],
    ["networks", "scores", "pages"],
    ["tasks"],
    ["explain", "distill"],
    ["compare", "compress", "diagnose", "export"],
    ["serve", "report", "adapters"],
    ["keras"],
    ["cli"],
]
LEVEL = {room: level for level, rooms in enumerate(ROOMS) for room in rooms}

# Upward imports that are allowed, each inside a function, each with its reason.
MEANT = {
    ("tenuto.cell", "tenuto.cells"),  # a cell is read back from data by its name, so the zoo must be known by then
}


@lru_cache(maxsize=None)
def parsed(text: str) -> ast.Module:
    """The tree of a source text; many rules read the same one."""
    return ast.parse(text)


def folders(room: str) -> set[str]:
    """The folders of a room that hold code."""
    return {path.parent.name for path in (PACKAGE / room).glob("*/*.py")}


def engines() -> set[str]:
    """The files and folders of `engines/` in which a class has the three methods of an engine."""
    found = set()
    for path in (PACKAGE / "engines").rglob("*.py"):
        for node in ast.walk(parsed(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ClassDef) and "Protocol" not in map(ast.unparse, node.bases):
                if {"supports", "forward", "backward"} <= {each.name for each in node.body if isinstance(each, ast.FunctionDef)}:
                    found.add(path.relative_to(PACKAGE / "engines").with_suffix("").parts[0])
    return found


# Inside these rooms these files or folders do not import each other; the lists are read from the disk. (Every engine may call the reference.)
SIBLINGS = {"engines": engines() - {"reference"}, "tasks": folders("tasks"), "data": folders("data")}
OPTIONAL = {
    "keras", "tensorflow", "jax", "matplotlib", "pandas", "pyarrow", "sklearn", "scipy", "soundfile", "onnx",
    "onnxruntime", "openvino", "captum", "triton", "ziglang", "accelerate", "optuna", "ray", "tensorboard", "ruptures", "shap", "aalpy",
    "statsmodels", "narwhals", "polars", "utilsforecast", "soxr", "kaldi_native_fbank", "jiwer",
}  # fmt: skip
# torch itself imports these, so tenuto cannot avoid them.
LOADED_BY_TORCH = {"triton"}
FORBIDDEN_NAMES = {"utils", "util", "helpers", "helper", "common", "misc"}


def module_name(path: Path) -> str:
    """`src/tenuto/cells/lstm.py` is "tenuto.cells.lstm"; an `__init__.py` is its folder."""
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imported_modules(path: Path, text: str | None = None) -> list[tuple[int, str]]:
    """(line, absolute module name) of every import in the file, or in a text that could be its content; also those inside functions.

    `from tenuto import x` counts as "tenuto.x" where x is a module of ours, since that module is what it loads.
    """
    package = module_name(path).split(".")
    if path.name != "__init__.py":
        package = package[:-1]
    found = []
    for node in ast.walk(parsed(path.read_text(encoding="utf-8") if text is None else text)):
        if isinstance(node, ast.Import):
            found += [(node.lineno, name.name) for name in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = ".".join(package[: len(package) - node.level + 1]) if node.level else ""
            module = ".".join(part for part in (base, node.module or "") if part)
            for name in node.names:
                child = PACKAGE.parent.joinpath(*module.split("."), name.name)
                is_module = child.is_dir() or child.with_suffix(".py").exists()
                found.append((node.lineno, f"{module}.{name.name}" if is_module else module))
    return found


def room_of(module: str) -> str | None:
    """The room of a module of ours; None for `tenuto` itself and for other packages."""
    parts = module.split(".")
    return parts[1] if parts[0] == "tenuto" and len(parts) > 1 else None


def relative(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("path", SOURCES, ids=relative)
def test_imports_go_downward_only(path: Path) -> None:
    room = room_of(module_name(path))
    if room is None:
        return  # src/tenuto/__init__.py names what is public, from everywhere
    assert room in LEVEL, f"src/tenuto/{room} has no place in the reading order: add it to ROOMS and to docs/ARCHITECTURE.md"
    wrong = []
    for line, module in imported_modules(path):
        other = room_of(module)
        if other in (None, room) or (module_name(path), module) in MEANT:
            continue
        if LEVEL.get(other, len(ROOMS)) >= LEVEL[room]:
            wrong.append(f"{relative(path)}:{line} ({room}) imports {module}")
        if room == "cells" and other not in ("cell", "activations", "errors", "choices", "tongues"):
            wrong.append(f"{relative(path)}:{line}: a cell imports cell.py and activations.py and nothing else of ours, not {module}")
    assert not wrong, "imports go downward only:\n" + "\n".join(wrong)


def imports_of_siblings(path: Path, text: str | None = None) -> list[str]:
    """The imports of a file from a sibling of its folder, or from the room as a whole, which re-exports the siblings."""
    parts = module_name(path).split(".")
    siblings = SIBLINGS.get(parts[1], set()) if len(parts) > 2 else set()
    if len(parts) < 3 or parts[2] not in siblings:
        return []
    wrong = []
    for line, module in imported_modules(path, text):
        other = module.split(".")
        if other[:2] == parts[:2] and (len(other) == 2 or other[2] in siblings - {parts[2]}):
            wrong.append(f"{relative(path)}:{line} imports {module}")
    return wrong


@pytest.mark.parametrize("room", sorted(SIBLINGS))
def test_siblings_do_not_import_each_other(room: str) -> None:
    wrong = [breach for path in SOURCES if room_of(module_name(path)) == room for breach in imports_of_siblings(path)]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize(
    ("place", "planted"),
    [
        ("tasks/tag/page.py", "from tenuto.tasks.text.page import headline"),
        ("tasks/tag/page.py", "from tenuto.tasks import text"),
        ("tasks/tag/page.py", "def late():\n    from tenuto.tasks import TextClassifier"),
        ("tasks/tag/page.py", "from ..text import page"),
        ("data/text/text.py", "import tenuto.data.sequences.ts"),
        ("data/pairs/__init__.py", "from tenuto.data import Sequences"),
        ("engines/vendor.py", "from tenuto.engines.cpp.engine import Cpp"),
    ],
)
def test_a_planted_import_of_a_sibling_is_found(place: str, planted: str) -> None:
    assert len(imports_of_siblings(PACKAGE / place, planted)) == 1
    assert not imports_of_siblings(PACKAGE / place, "from tenuto.errors import DataError\nimport tenuto.files")


def test_templates_have_names_of_their_own() -> None:
    """A section names its template without a folder, so of two templates with the same name one would hide the other."""
    names = [path.name for path in PACKAGE.rglob("templates/*")]
    assert names and len(names) == len(set(names)), sorted(name for name in set(names) if names.count(name) > 1)


def test_the_program_knows_no_layers_of_torch() -> None:
    wrong = [
        f"{relative(path)}:{line} imports {module}"
        for path in SOURCES
        if room_of(module_name(path)) == "program"
        for line, module in imported_modules(path)
        if module == "torch.nn" or module.startswith("torch.nn.")
    ]
    assert not wrong, "\n".join(wrong)


def test_only_the_adapter_imports_keras() -> None:
    wrong = [
        f"{relative(path)}:{line}"
        for path in SOURCES
        for line, module in imported_modules(path)
        if module.split(".")[0] == "keras" and not (module_name(path) == "tenuto.adapters.keras" or room_of(module_name(path)) == "keras")
    ]
    assert not wrong, f"keras is imported by adapters/keras.py and tenuto/keras alone, not by {wrong}"


def test_optional_packages_are_imported_where_they_are_used() -> None:
    """Not at the top of a module; except Keras, which adapters/keras.py and keras/ cannot do without."""
    wrong = []
    for path in SOURCES:
        if module_name(path) == "tenuto.adapters.keras" or room_of(module_name(path)) == "keras":
            continue
        for node in parsed(path.read_text(encoding="utf-8")).body:
            names = [name.name for name in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) and not node.level else []
            wrong += [f"{relative(path)}:{node.lineno} {name}" for name in names if name.split(".")[0] in OPTIONAL]
    assert not wrong, f"import these inside the function that needs them: {wrong}"


def test_import_tenuto_is_light() -> None:
    """It loads no optional package, starts no other program (so it compiles nothing) and writes no file."""
    script = (
        "import sys, torch\n"
        "seen = []\n"
        "def watch(event, arguments):\n"
        "    if event in ('subprocess.Popen', 'os.system', 'os.posix_spawn', 'os.fork', 'os.exec'):\n"
        "        seen.append((event, str(arguments[0])))\n"
        "    if event == 'open' and isinstance(arguments[1], str) and set(arguments[1]) & set('wax+'):\n"
        "        seen.append((event, str(arguments[0])))\n"
        "before = set(sys.modules)\n"
        "sys.addaudithook(watch)\n"
        "import tenuto\n"
        "[getattr(tenuto, name) for name in tenuto.__all__]\n"
        "print(seen)\n"
        "print(sorted({name.split('.')[0] for name in set(sys.modules) - before}))\n"
    )
    environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1", "PYTHONWARNINGS": "error"}
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, env=environment, check=False)
    assert result.returncode == 0, result.stderr
    events, loaded = result.stdout.splitlines()
    assert events == "[]", f"import tenuto did: {events}"
    heavy = (OPTIONAL - LOADED_BY_TORCH) & set(ast.literal_eval(loaded))
    assert not heavy, f"import tenuto loaded {sorted(heavy)}"


def test_file_names_say_what_is_inside() -> None:
    wrong = [
        relative(path)
        for path in [*SOURCES, *TESTS]
        for part in (*path.relative_to(ROOT).parent.parts, path.stem)
        if part in FORBIDDEN_NAMES or re.search(r"_v\d+$", part)
    ]
    assert not wrong, f"name these after the one thing that they hold: {wrong}"


@pytest.mark.parametrize("path", [*SOURCES, *TESTS], ids=relative)
def test_long_files_say_why(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    lines = text.count("\n")
    header = ast.get_docstring(parsed(text)) or ""
    assert lines <= 400 or "one story" in header, (
        f"{relative(path)} has {lines} lines: split it, or say in its header why it is one story (with these two words)"
    )
    if path.is_relative_to(PACKAGE / "cells") and path.name != "__init__.py":
        for node in parsed(text).body:
            if isinstance(node, ast.ClassDef):
                size = (node.end_lineno or 0) - node.lineno + 1
                assert size <= 60, f"{relative(path)}: {node.name} has {size} lines; a cell of the zoo has at most 60"


@pytest.mark.parametrize("path", SOURCES, ids=relative)
def test_every_file_says_what_it_is(path: Path) -> None:
    tree = parsed(path.read_text(encoding="utf-8"))
    assert ast.get_docstring(tree), f"{relative(path)} has no docstring at its head"


@pytest.mark.parametrize("path", [*SOURCES, *TESTS], ids=relative)
def test_no_code_is_loaded_as_data(path: Path) -> None:
    """No pickle, no eval or exec of a string, no torch.load that could run what it reads."""
    wrong = []
    for node in ast.walk(parsed(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call):
            name = ast.unparse(node.func)
            keywords = {keyword.arg: ast.unparse(keyword.value) for keyword in node.keywords}
            if name in ("eval", "exec"):
                wrong.append(f"{relative(path)}:{node.lineno} {name}")
            if name == "torch.load" and keywords.get("weights_only") != "True":
                wrong.append(f"{relative(path)}:{node.lineno} torch.load without weights_only=True")
            if name in ("numpy.load", "np.load") and keywords.get("allow_pickle", "False") != "False":
                wrong.append(f"{relative(path)}:{node.lineno} {name} with allow_pickle")
    if path in SOURCES:
        pickles = {"pickle", "cPickle", "dill", "cloudpickle", "joblib", "marshal", "shelve"}
        wrong += [f"{relative(path)}:{line} {module}" for line, module in imported_modules(path) if module.split(".")[0] in pickles]
    assert not wrong, "\n".join(wrong)


def public_modules() -> list[str]:
    """Modules whose `__all__` names what users may rely on."""
    return [module_name(path) for path in SOURCES if re.search(r"^__all__\b", path.read_text(encoding="utf-8"), re.MULTILINE)]


@pytest.mark.parametrize("name", public_modules())
def test_public_names_are_documented_and_tested(name: str) -> None:
    """Every name in `__all__` exists, has a docstring if it can, and occurs in a test other than this one."""
    module = importlib.import_module(name)
    words = set(re.findall(r"\w+", "\n".join(path.read_text(encoding="utf-8") for path in TESTS if path != Path(__file__))))
    wrong = []
    for public in module.__all__:
        value = getattr(module, public, None)
        if value is None:
            wrong.append(f"{name}.{public} does not exist")
        elif (inspect.isclass(value) or inspect.isroutine(value)) and value.__module__.split(".")[0] == "tenuto":
            document = value.__doc__ if inspect.isroutine(value) else vars(value).get("__doc__")
            if not (document or "").strip():
                wrong.append(f"{name}.{public} has no docstring of its own")
            if public not in words and not public.startswith("__"):
                wrong.append(f"{name}.{public} occurs in no test")
    assert not wrong, "\n".join(wrong)


def test_nothing_committed_names_the_machine_it_was_written_on() -> None:
    """No text file of the project has an absolute path of somebody's machine or the address of a package index."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False)
    if listed.returncode:
        pytest.skip("not a git clone")
    # Written so that the pattern does not match this line.
    forbidden = re.compile(r"[/]work/|[/]root/|[/]home/\w+/|[.][.]/shared|pypi[.]org|pytorch[.]org/whl|[/]tmp/\w")
    wrong = []
    for name in filter(None, listed.stdout.split("\0")):
        path = ROOT / name
        if not path.is_file() or path.stat().st_size > 1_000_000 or b"\0" in path.read_bytes()[:8192]:
            continue
        for number, line in enumerate(path.read_text(encoding="utf-8", errors="replace").splitlines(), start=1):
            if forbidden.search(line):
                wrong.append(f"{name}:{number}: {line.strip()[:100]}")
    assert not wrong, "\n".join(wrong)
