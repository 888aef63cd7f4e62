"""Each file in a run's or a search's folder is named in one place, which loads no torch."""

import ast
import subprocess
import sys
from pathlib import Path

import tenuto
from tenuto.runs import names
from tenuto.train import checkpoint, lock, search

SOURCES = Path(tenuto.__file__).parent
KNOWN = {value for name, value in vars(names).items() if name.isupper()} | {checkpoint.FILE, lock.FILE, search.JOURNAL}
HOMES = {SOURCES / "runs" / "names.py", *(SOURCES / "train" / f"{name}.py" for name in ("checkpoint", "lock", "search"))}


def named_again(tree: ast.AST) -> list[tuple[int, str]]:
    """(line, name) of each text that is the name of such a file; "checkpoint" and "distill", words of their own, are not looked for."""
    texts = [node for node in ast.walk(tree) if isinstance(node, ast.Constant) and node.value in KNOWN - {names.CHECKPOINTS, names.TAUGHT}]
    return [(node.lineno, node.value) for node in texts]


def test_each_file_is_named_in_one_place():
    found = {path: named_again(ast.parse(path.read_text(encoding="utf-8"))) for path in sorted(SOURCES.rglob("*.py")) if path not in HOMES}
    assert {path: lines for path, lines in found.items() if lines} == {}
    assert named_again(ast.parse("page = folder / 'report.html'")) == [(1, "report.html")]


def test_the_names_load_no_torch():
    script = "import sys; import tenuto.runs.names, tenuto.cli.configuration; assert not {'torch', 'numpy'} & set(sys.modules)"
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0
