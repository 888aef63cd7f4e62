"""What users install: the wheel and sdist have all that they need and nothing more, and the wheel alone runs `tenuto`."""

import os
import re
import subprocess
import sys
import sysconfig
import tarfile
import venv
import zipfile
from email.parser import Parser
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "src" / "tenuto"
VERSION = re.search(r'^version = "(.+)"$', (ROOT / "pyproject.toml").read_text(encoding="utf-8"), re.MULTILINE)[1]


def run(*command: str | Path, cwd: Path) -> str:
    """The command's standard output; if it fails, the failure shows its whole output."""
    environment = {key: value for key, value in os.environ.items() if key not in ("PYTHONPATH", "PYTHONHOME")}
    result = subprocess.run([str(part) for part in command], cwd=cwd, env=environment, capture_output=True, text=True, check=False)
    assert result.returncode == 0, f"{command}\n{result.stdout}\n{result.stderr}"
    return result.stdout


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the sdist and the wheel made from that sdist, as `make build` makes them, but without the isolated environment."""
    folder = tmp_path_factory.mktemp("dist")
    run(sys.executable, "-m", "build", "--no-isolation", "--outdir", folder, ROOT, cwd=folder)
    return folder


@pytest.fixture(scope="module")
def wheel(built: Path) -> Path:
    return built / f"tenuto-{VERSION}-py3-none-any.whl"


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The `bin` folder of an environment that holds this wheel, and sees the packages (torch, …) of the running Python, but not the source tree."""
    home = tmp_path_factory.mktemp("elsewhere") / "environment"
    venv.create(home, with_pip=False, symlinks=True)
    python = home / "bin" / "python"
    run(sys.executable, "-m", "pip", "--python", python, "install", "--quiet", "--no-deps", "--no-index", wheel, cwd=home)
    packages = run(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))", cwd=home).strip()
    # A path file inside the other environment is not followed, so its editable tenuto stays invisible.
    (Path(packages) / "outer.pth").write_text(sysconfig.get_path("purelib") + "\n" + sysconfig.get_path("platlib") + "\n", encoding="utf-8")
    return home / "bin"


def test_the_wheel_holds_the_package_and_nothing_else(wheel: Path) -> None:
    names = {name for name in zipfile.ZipFile(wheel).namelist() if not name.startswith(f"tenuto-{VERSION}.dist-info/")}
    tracked = {
        path.relative_to(PACKAGE.parent).as_posix()
        for path in PACKAGE.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts and path.suffix != ".pyc"
    }
    assert names == tracked
    assert "tenuto/py.typed" in names
    assert not [name for name in names if name.endswith((".so", ".o", ".pkl", ".pt"))]


def test_the_sdist_can_be_built_and_tested(built: Path) -> None:
    with tarfile.open(built / f"tenuto-{VERSION}.tar.gz") as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert {"pyproject.toml", "README.md", "LICENSE", "CHANGELOG.md", "Makefile", "tests/conftest.py", "src/tenuto/py.typed"} <= names
    assert not [name for name in names if name.startswith((".venv", "runs/", ".git/"))]


def test_the_metadata_lets_users_choose_their_torch(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        metadata = Parser().parsestr(archive.read(f"tenuto-{VERSION}.dist-info/METADATA").decode())
    needed = [requirement for requirement in metadata.get_all("Requires-Dist") if "extra ==" not in requirement]
    torch = [requirement for requirement in needed if re.match(r"torch\b", requirement)]
    assert len(torch) == 1 and "==" not in torch[0] and "@" not in torch[0]
    assert {re.match(r"[\w-]+", requirement)[0] for requirement in needed} == {"torch", "numpy", "safetensors", "typer", "rich", "jinja2", "tomli"}
    assert metadata["License-Expression"] == "Apache-2.0"


def test_each_extra_is_told_of_in_the_readme() -> None:
    """An extra is there for code that exists; those of the developers are told of in CONTRIBUTING and the Makefile."""
    listed = re.search(r"\[project\.optional-dependencies\]\n(.*?)\n\[", (ROOT / "pyproject.toml").read_text(encoding="utf-8"), re.DOTALL)[1]
    told = re.findall(r"^\| `tenuto\[(\w+)\]`", (ROOT / "README.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert sorted(re.findall(r"^(\w+) = ", listed, re.MULTILINE)) == sorted([*told, "bench", "dev", "docs"])


def test_what_a_package_index_shows_has_links_that_work_there(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        metadata = Parser().parsestr(archive.read(f"tenuto-{VERSION}.dist-info/METADATA").decode())
    shown = metadata.get_payload()
    assert metadata["Description-Content-Type"] == "text/markdown" and shown.startswith("# tenuto")
    targets = re.findall(r"\]\(([^)\s]+)\)", re.sub(r"^```.*?^```", "", shown, flags=re.MULTILINE | re.DOTALL))
    assert [target for target in targets if not target.startswith(("https://", "#"))] == []
    repository = dict(entry.split(", ") for entry in metadata.get_all("Project-URL"))["Repository"]
    named = [target.partition("/main/")[2].partition("#")[0] for target in targets if target.startswith(repository) and "/main/" in target]
    assert named and all((ROOT / path).exists() for path in named)
    assert "https://raw.githubusercontent.com/tenuto/tenuto/main/docs/images/report.png" in targets


def test_the_version_is_written_once(installed: Path) -> None:
    found = run(installed / "python", "-c", "import tenuto; print(tenuto.__version__)", cwd=installed)
    assert found.strip() == VERSION


@pytest.mark.skipif(not (PACKAGE / "cli" / "__init__.py").exists(), reason="src/tenuto/cli does not exist yet")
def test_the_wheel_alone_runs(installed: Path, tmp_path: Path) -> None:
    where = run(installed / "python", "-c", "import tenuto; print(tenuto.__file__)", cwd=tmp_path).strip()
    assert Path(where).is_relative_to(installed.parent), f"tenuto came from {where}"
    assert VERSION in run(installed / "tenuto", "--version", cwd=tmp_path)
    assert "fit" in run(installed / "tenuto", "--help", cwd=tmp_path)
