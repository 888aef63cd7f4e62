"""Whose kernels are loaded, which names they have, and what `clear` and the sweep may remove."""

from __future__ import annotations

import os
import shutil
import stat
import time
from pathlib import Path

import pytest

from tenuto.cell import Cell, State
from tenuto.engines import contest, trust
from tenuto.engines.cpp import cache, compiler, library

pytestmark = [pytest.mark.cpp, pytest.mark.usefixtures("fresh")]
posix = pytest.mark.skipif(not hasattr(os, "geteuid"), reason="this system has no owners and modes of files")

SOURCE = 'extern "C" int answer(void) { return 42; }\n'
ANOTHER = 4711


def build():
    return library.build("answer", SOURCE, 32)


def make_foreign(monkeypatch, *paths):
    """Makes files belong to another user: root changes their owner; without root, this process pretends to be another user."""
    if os.geteuid() == 0:
        for path in paths:
            os.chown(path, ANOTHER, ANOTHER)
    else:
        monkeypatch.setattr(os, "geteuid", lambda: ANOTHER)


@pytest.fixture
def kernel(folder):
    """A kernel in the cache."""
    build()
    (path,) = folder.glob("*.so")
    return path


def test_the_folder_is_made_for_this_user_alone(folder, kernel):
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700 and not kernel.stat().st_mode & 0o022


@posix
def test_the_folders_above_are_for_this_user_alone_whatever_the_umask(tmp_path, monkeypatch):
    before = os.umask(0)
    try:
        monkeypatch.setenv(cache.ENVIRONMENT, str(tmp_path / "a" / "b"))
        build()
    finally:
        os.umask(before)
    assert [stat.S_IMODE(place.stat().st_mode) for place in (tmp_path / "a", tmp_path / "a" / "b")] == [0o700] * 2
    assert all(not file.stat().st_mode & 0o022 for file in (tmp_path / "a" / "b").iterdir())


def test_a_kernel_copied_under_another_name_is_refused(kernel):
    other = kernel.with_name(f"lstm32-{'0' * 20}-{'0' * 8}.so")
    shutil.copy(kernel, other)
    assert cache.is_whole(kernel) and not cache.is_whole(other)


@posix
def test_a_kernel_of_another_user_is_refused(kernel, monkeypatch):
    make_foreign(monkeypatch, kernel)
    with pytest.warns(UserWarning, match="not loaded: .* belongs to another user"):
        assert not cache.is_whole(kernel)


@posix
def test_a_kernel_that_others_can_write_to_is_refused_and_built_again(kernel):
    kernel.chmod(0o666)
    with pytest.warns(UserWarning, match="not loaded: others can write to"):
        assert build().answer() == 42
    assert cache.is_whole(kernel)


@posix
def test_a_link_is_refused_and_the_kernel_is_built_again(kernel, tmp_path):
    elsewhere = tmp_path / kernel.name
    kernel.rename(elsewhere)
    kernel.symlink_to(elsewhere)
    with pytest.warns(UserWarning, match="symbolic link"):
        assert build().answer() == 42
    assert not kernel.is_symlink() and cache.is_whole(kernel)


@posix
@pytest.mark.timeout(60)
def test_a_pipe_is_refused_and_does_not_hang(kernel):
    kernel.unlink()
    os.mkfifo(kernel)
    with pytest.warns(UserWarning, match="not a plain file"):
        assert build().answer() == 42
    assert cache.is_whole(kernel)


@posix
def test_a_link_that_appears_after_the_check_is_not_followed(kernel, tmp_path, monkeypatch):
    elsewhere = tmp_path / kernel.name
    kernel.rename(elsewhere)
    kernel.symlink_to(elsewhere)
    monkeypatch.setattr(trust.Path, "is_symlink", lambda self: False)
    with pytest.raises(OSError):
        trust.read(kernel)


@posix
@pytest.mark.parametrize("place", ["the folder", "one above", "one above a link"])
@pytest.mark.parametrize("fault", ["others", "group", "owner"])
def test_a_folder_in_which_others_can_put_files_is_not_used(tmp_path, monkeypatch, place, fault):
    top = tmp_path / "top"
    folder = top / "kernels"
    folder.mkdir(parents=True)
    monkeypatch.setenv(cache.ENVIRONMENT, str(folder))
    build()
    before = sorted(file.name for file in folder.iterdir())
    if place == "one above a link":
        (tmp_path / "link").symlink_to(folder)
        monkeypatch.setenv(cache.ENVIRONMENT, str(tmp_path / "link"))
    bad = folder if place == "the folder" else top
    if fault == "owner":
        make_foreign(monkeypatch, bad)
    else:
        bad.chmod(0o777 if fault == "others" else 0o770)
    with pytest.warns(UserWarning, match="the kernel cache is not used: .*(others can write to|belongs to another user)"):
        assert cache.usable() is None
    if os.geteuid() == 0:  # only as root: otherwise this process now pretends to be another user
        loaded = build()
        assert loaded.answer() == 42 and not loaded._name.startswith(str(tmp_path.resolve() / "top"))
    assert sorted(file.name for file in folder.iterdir()) == before
    assert "another user" in cache.report().fault or "others can write" in cache.report().fault


@posix
def test_in_a_sticky_folder_others_cannot_move_what_is_ours(tmp_path, monkeypatch):
    tmp_path.chmod(0o1777)
    monkeypatch.setenv(cache.ENVIRONMENT, str(tmp_path / "kernels"))
    assert build().answer() == 42 and cache.usable() == tmp_path.resolve() / "kernels"


def test_contests_are_neither_read_nor_written_where_others_can_write(tmp_path):
    tmp_path.chmod(0o777)
    victim = tmp_path / "victim"
    victim.write_text("mine")
    file = tmp_path / "contests-01234567.json"
    contest._write(file, {"key": 1})
    assert not file.exists()
    file.symlink_to(victim)
    assert contest._read(file) == {}
    tmp_path.chmod(0o700)
    contest._write(file, {"key": 1})
    assert contest._read(file) == {"key": 1} and victim.read_text() == "mine"
    assert sorted(path.name for path in tmp_path.iterdir()) == [file.name, "victim"]


@pytest.mark.parametrize("name", ["../../escaped", "x" * 500, "", "Zelle\n#error", "a/b", "Größe", ".."])
def test_a_class_may_be_called_anything(folder, tmp_path, name):
    def step(self, x, U, s):
        return State(h=x.a + U.a @ s.h)

    cell = type("Plain", (Cell,), {"gates": "a", "state": "h", "step": step})
    cell.__name__ = cell.__qualname__ = name
    path = Path(library._build_passes(library.trace(cell()), False, 32)[0]._name)
    assert path.parent == folder.resolve() and cache._NAME.fullmatch(path.stem) and len(path.name) < 100
    assert [path.name for path in tmp_path.iterdir()] == ["kernels"]


def test_clear_removes_what_tenuto_wrote_and_nothing_else(folder, kernel):
    strangers = {
        "main.cpp": b"int main() {}\n",
        "plugin.so": b"\x7fELF" + bytes(5000),
        f"mine-{'a' * 20}-{'b' * 8}.so": b"\x7fELF" + bytes(5000),  # a name of ours, but not our content
        f"mine-{'a' * 20}-{'b' * 8}.cpp": b"int main() {}\n",
        "contests-01234567.json": b'{"name": "a file of the user"}',
        "contests-mine.json": b"{}",
        "notes.txt": b"",
    }
    for name, content in strangers.items():
        (folder / name).write_bytes(content)
    (folder / ".building-mine").mkdir()
    stale = folder / f".building-{cache._machine()}-{os.getpid()}-abcdefgh"  # left by a build that was killed, with a file in it that is not ours
    stale.mkdir()
    (stale / "thesis.txt").write_text("precious")
    shutil.copy(kernel, stale)
    os.utime(stale, (0, 0))
    contest._write(folder / "contests-76543210.json", {"key": 3})
    shutil.copy(kernel, folder / "copy.so")
    assert cache.clear() == 1
    left = {path.name for path in folder.iterdir()}
    assert left == {*strangers, "copy.so", ".building-mine", stale.name} and [path.name for path in stale.iterdir()] == ["thesis.txt"]
    assert all((folder / name).read_bytes() == content for name, content in strangers.items())


@pytest.fixture
def ended():
    """The number of a process that has ended."""
    child = os.fork()
    if child == 0:
        os._exit(0)
    os.waitpid(child, 0)
    return child


@posix
def test_builds_of_ended_processes_and_old_ones_are_swept(folder, kernel, ended):
    here, elsewhere = cache._machine(), "0" * 6

    def left_behind(machine, process, age=0.0):
        place = folder / f".building-{machine}-{process}-abcdefgh"
        place.mkdir(parents=True)
        shutil.copy(kernel, place)
        os.utime(place, (time.time() - age,) * 2)
        return place

    gone = [left_behind(here, ended), left_behind(elsewhere, ended, 2 * cache.STALE_SECONDS)]
    stay = [left_behind(here, os.getppid()), left_behind(elsewhere, ended + 1)]
    library.build("another", SOURCE, 32)
    assert not any(place.exists() for place in gone) and all(place.exists() for place in stay)


@posix
def test_temporary_folders_of_ended_processes_are_swept(tmp_path, monkeypatch, ended):
    monkeypatch.setattr(cache.tempfile, "tempdir", str(tmp_path))
    left, other = (tmp_path / f"tenuto-{cache._machine()}-{process}-abcdefgh" for process in (ended, os.getppid()))
    left.mkdir()
    other.mkdir()
    (left / f"lstm32-{'0' * 20}-{'0' * 8}.so").write_bytes(b"")
    own = cache.temporary()
    assert not left.exists() and other.exists() and stat.S_IMODE(own.stat().st_mode) == 0o700


@posix
def test_a_temporary_folder_in_which_anybody_can_move_files_is_not_used(tmp_path, monkeypatch):
    tmp_path.chmod(0o777)
    monkeypatch.setattr(cache.tempfile, "tempdir", str(tmp_path))
    with pytest.raises(OSError, match="others can write"):
        cache.temporary()


def test_a_full_cache_needs_no_compiler(folder, kernel, monkeypatch):
    monkeypatch.setenv(compiler.ENVIRONMENT, "/no/such/compiler")
    assert compiler.find() is None
    loaded = build()
    assert loaded.answer() == 42 and loaded._name == str(kernel.resolve())
