"""Programs in README and docs run, commands and links exist, numbers were measured.

A fenced `python` block of README.md or docs/ is a complete program and must run as it is; a block that is a piece of a larger
text has the word `fragment` after `python`. A speed ("3.1 ×") or a share ("97.6 %") needs `<!-- measured: bench/results/FILE.json -->` in its section.
"""

import ast
import json
import re
import runpy
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
DOCUMENTS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "SECURITY.md", *sorted((ROOT / "docs").rglob("*.md"))]
FENCE = re.compile(r"^```(\w*)([^\n]*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
QUALITY = re.compile(r"<!-- quality: made by bench/quality.py -->\n(.*?)\n<!-- quality: end -->", re.DOTALL)
SPEED = re.compile(r"<!-- speed: made by bench/cpu.py -->\n(.*?)<!-- speed: end -->", re.DOTALL)
CLAIM = re.compile(r"(\d+(?:\.\d+)?) ?([×%])")


def blocks(language: str) -> Iterator[tuple[str, str, str]]:
    """(where it is, what follows the language's name, text) of each fenced block."""
    for document in DOCUMENTS:
        text = document.read_text(encoding="utf-8")
        for match in FENCE.finditer(text):
            if match[1] == language:
                yield f"{document.relative_to(ROOT)}:{text.count(chr(10), 0, match.start()) + 1}", match[2].strip(), match[3]


@pytest.mark.parametrize("where, note, text", [pytest.param(*block, id=block[0]) for block in blocks("python")])
def test_python_in_documents_runs(where: str, note: str, text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if "fragment" in note.split():
        ast.parse(text)
        return
    program = tmp_path / "block.py"
    program.write_text(text, encoding="utf-8")
    monkeypatch.chdir(tmp_path)  # files that a block writes go there
    runpy.run_path(str(program), run_name="__main__")


def shell_lines() -> Iterator[tuple[str, str]]:
    for where, _, text in blocks("console"):
        for line in text.splitlines():
            if line.startswith("$ "):
                yield where, line[2:].partition("#")[0].strip()


def test_make_targets_in_documents_exist() -> None:
    targets = set(re.findall(r"^([a-z][\w-]*):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    wrong = []
    for where, line in shell_lines():
        words = line.split()
        if words[:1] == ["make"]:
            wrong += [f"{where}: {line}" for word in words[1:2] if "=" not in word and word not in targets]
    assert not wrong, "no such target:\n" + "\n".join(wrong)


@pytest.mark.skipif(not (ROOT / "src/tenuto/cli/__init__.py").exists(), reason="src/tenuto/cli does not exist yet")
def test_commands_in_documents_exist() -> None:
    """Each `tenuto …` line names a command that exists, with options that it has."""
    import typer
    from typer.main import get_command

    from tenuto.cli import app
    from tenuto.cli.fit_group import FitGroup

    wrong = []
    for where, line in shell_lines():
        words = line.split()
        if not words or words[0].rpartition("/")[2] != "tenuto":
            continue
        command, rest = get_command(app), words[1:]
        while rest and hasattr(command, "commands") and rest[0] in command.commands:
            command, rest = command.commands[rest[0]], rest[1:]
        takes = [command, *(command.commands.values() if isinstance(command, FitGroup) else [])]  # the file that is named says the task
        parameters = [parameter for one in takes for parameter in one.get_params(typer.Context(one))]
        options = {name for parameter in parameters for name in (*parameter.opts, *parameter.secondary_opts)}
        if hasattr(command, "commands") and not (rest and rest[0].startswith("-")):
            wrong.append(f"{where}: {line}: no such command")
        wrong += [f"{where}: {line}: no option {word}" for word in rest if word.startswith("-") and word.partition("=")[0] not in options]
    assert not wrong, "\n".join(wrong)


def numbers_in(value: object) -> Iterator[float]:
    """All numbers in JSON data."""
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        for item in value:
            yield from numbers_in(item)
    elif isinstance(value, (int, float)) and not isinstance(value, bool):
        yield float(value)


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_numbers_in_documents_were_measured(document: Path) -> None:
    wrong = []
    text = QUALITY.sub("", FENCE.sub("", document.read_text(encoding="utf-8")))
    for section in re.split(r"^## ", text, flags=re.MULTILINE):
        claimed = CLAIM.findall(section)
        sources = re.findall(r"<!-- measured: (\S+) -->", section)
        title = section.partition("\n")[0]
        if claimed and not sources:
            wrong.append(f"section {title!r} claims {claimed} and names no file of bench/results")
            continue
        measured = [number for source in sources for number in numbers_in(json.loads((ROOT / source).read_text(encoding="utf-8")))]
        for text, unit in claimed:
            digits, scale = len(text.partition(".")[2]), 100 if unit == "%" else 1
            if not any(round(number * scale, digits) == float(text) for number in measured):
                wrong.append(f"section {title!r}: {text} {unit} is in none of {sources}")
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("document, table", [("README.md", "short_table"), ("docs/MEASURED.md", "whole_table")])
def test_the_quality_tables_are_those_of_the_results(document: str, table: str) -> None:
    """`python bench/quality.py --documents` would write the same tables."""
    from bench import quality

    assert QUALITY.findall((ROOT / document).read_text(encoding="utf-8")) == [getattr(quality, table)()]


def test_the_speed_table_is_that_of_the_results() -> None:
    """Each run of `python bench/cpu.py` writes the table again."""
    from bench.speed.page import summary

    shown = SPEED.findall((ROOT / "README.md").read_text(encoding="utf-8"))
    assert shown == [summary(json.loads((ROOT / "bench/results/cpu.json").read_text(encoding="utf-8"))["sections"])]


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_links_in_documents_lead_somewhere(document: Path) -> None:
    text = FENCE.sub("", document.read_text(encoding="utf-8"))
    broken = []
    for target, place in re.findall(r"\]\(([^)#\s]*)(?:#([^)\s]+))?[^)]*\)", text):
        other = document.parent / target if target else document
        if "://" not in target and not (other.exists() and (not place or place in places_in(other))):
            broken.append(f"{target}#{place}" if place else target)
    assert not broken, f"{document.name} links to {broken}"


def places_in(document: Path) -> set[str]:
    """What can follow a link's `#`: the headings, as GitHub and the site spell them in links."""
    headings = re.findall(r"^#+ (.*)$", FENCE.sub("", document.read_text(encoding="utf-8")), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_the_environment_variables_are_those_that_the_code_reads() -> None:
    """README's table names each variable of ours that the source or a benchmark reads, and no other."""
    table = (ROOT / "README.md").read_text(encoding="utf-8").partition("## Environment variables")[2].partition("\n## ")[0]
    read = {
        name
        for folder in ("src", "bench")
        for path in (ROOT / folder).rglob("*.py")
        for name in re.findall(r"""["'](TENUTO_[A-Z_]+)["']""", path.read_text(encoding="utf-8"))
    }
    assert set(re.findall(r"`(TENUTO_[A-Z_]+)`", table)) == read
