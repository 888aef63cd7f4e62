"""Machines without a home folder, or where nothing can be written or loaded: kernels go to the next folder, and one warning says why."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import warnings
from pathlib import Path

import pytest

from tenuto.engines.cpp import cache, library

pytestmark = [pytest.mark.cpp, pytest.mark.usefixtures("fresh")]

SOURCE = 'extern "C" int answer(void) { return 42; }\n'


def build(kind="answer"):
    return library.build(kind, SOURCE, 32)


def in_a_process(code, **changes):
    """What another Python process prints, in an environment with these changes; None removes a variable."""
    environment = {name: text for name, text in {**os.environ, **changes}.items() if text is not None}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return done


HOMELESS = f"""
import os, pwd
def unknown(number):
    raise KeyError(number)
pwd.getpwuid = unknown
from tenuto.engines.cpp import cache, library
assert cache.folder() is None and cache.report().folder is None and cache.clear() == 0
for kind in ("first", "second"):
    library_ = library.build(kind, {SOURCE!r}, 32)
    assert library_.answer() == 42
print(os.path.dirname(library_._name))
"""


@pytest.mark.parametrize("home", [None, ""])
def test_no_home_and_a_temporary_folder_that_ends_with_the_process(home):
    done = in_a_process(HOMELESS, HOME=home, TENUTO_CACHE=None, XDG_CACHE_HOME="relative")
    assert done.stderr.count("the kernel cache is not used: there is no home folder") == 1, done.stderr
    assert "tenuto-" in done.stdout and not os.path.exists(done.stdout.strip())


def test_which_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.delenv(cache.ENVIRONMENT, raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "caches"))
    assert cache.folder() == tmp_path / "caches" / "tenuto" / "kernels"
    monkeypatch.setenv("XDG_CACHE_HOME", "caches")
    assert cache.folder() == tmp_path / "home" / ".cache" / "tenuto" / "kernels"
    monkeypatch.setenv(cache.ENVIRONMENT, "~/kernels")
    assert cache.folder() == tmp_path / "home" / "kernels"
    monkeypatch.setenv(cache.ENVIRONMENT, "~nobody-of-this-name/kernels")
    with pytest.warns(UserWarning, match="TENUTO_CACHE='~nobody-of-this-name/kernels' names a home folder that does not exist"):
        assert cache.usable() is None


def test_a_relative_folder_means_the_same_after_a_change_of_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(cache.ENVIRONMENT, f"kernels of {tmp_path.name}")
    first = cache.folder()
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert cache.folder() == first == tmp_path / f"kernels of {tmp_path.name}"
    assert build().answer() == 42 and not list(Path().iterdir())


def test_a_folder_with_a_space_and_letters_of_any_kind(tmp_path, monkeypatch):
    monkeypatch.setenv(cache.ENVIRONMENT, str(tmp_path / "mes noyaux é \udcff"))
    assert build().answer() == 42 and cache.report().kernels == 1


def assert_elsewhere(folder, match):
    """Checks that two kernels are built and work, and that one warning says why they are not in the folder."""
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        loaded = [build(kind) for kind in ("first", "second")]
    assert [each.answer() for each in loaded] == [42, 42]
    assert not any(each._name.startswith(str(folder.resolve())) for each in loaded)
    (text,) = [str(each.message) for each in said if each.category is UserWarning]
    assert match in text and "ach process compiles" in text
    assert not folder.is_dir() or not list(folder.iterdir())


def test_a_folder_that_is_a_file(tmp_path, monkeypatch):
    blocker = tmp_path / "file"
    blocker.write_text("not a folder")
    monkeypatch.setenv(cache.ENVIRONMENT, str(blocker / "kernels"))  # a file in the way, since permissions do not stop root
    assert_elsewhere(blocker / "kernels", "is not a folder")


@pytest.mark.parametrize("call", ["mkdir", "replace"])
@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS, errno.EACCES])
def test_a_folder_that_is_full_or_read_only(folder, monkeypatch, call, number):
    folder.mkdir()
    true_mkdir, true_replace = os.mkdir, os.replace

    def refuse(path):
        if str(path).startswith(str(folder.resolve())):
            raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "mkdir", lambda path, *mode: (call == "mkdir" and refuse(path)) or true_mkdir(path, *mode))
    monkeypatch.setattr(os, "replace", lambda source, target: (call == "replace" and refuse(target)) or true_replace(source, target))
    assert_elsewhere(folder, os.strerror(number))


def test_a_full_disk_as_the_compiler_sees_it(folder, monkeypatch):
    true_compile = library.compiler.Compiler.compile

    def compile(self, source, target, include, defines):
        if target.startswith(str(folder.resolve())):
            raise library.EngineError("g++ could not build a kernel (exit code 1)", received="No space left on device")
        true_compile(self, source, target, include, defines)

    monkeypatch.setattr(library.compiler.Compiler, "compile", compile)
    assert_elsewhere(folder, "could not build a kernel")


def test_a_file_system_mounted_noexec(folder, monkeypatch):
    true_statvfs = os.statvfs

    class NoPrograms:
        f_flag = os.ST_NOEXEC

    monkeypatch.setattr(os, "statvfs", lambda path: NoPrograms if str(path).startswith(str(folder.parent)) else true_statvfs(path))
    assert_elsewhere(folder, "mounted noexec")


def test_a_folder_from_which_nothing_can_be_loaded(folder, monkeypatch):
    true_load = library.ctypes.CDLL

    def load(path):
        if path.startswith(str(folder.resolve())):
            raise OSError(f"{path}: failed to map segment from shared object")
        return true_load(path)

    monkeypatch.setattr(library.ctypes, "CDLL", load)
    assert_elsewhere(folder, "cannot be loaded")


def test_a_forked_child_has_a_temporary_folder_of_its_own():
    code = """
import os
from tenuto.engines.cpp import cache
mine = cache.temporary()
child = os.fork()
if child == 0:
    other = cache.temporary()
    cache._remove_at_exit(mine, os.getppid())
    cache._remove_at_exit(other, os.getpid())
    os._exit(0 if other != mine and mine.is_dir() and not other.exists() else 1)
print(os.waitpid(child, 0)[1], mine.is_dir(), mine)
"""
    status, there, place = in_a_process(code).stdout.split(maxsplit=2)
    assert (status, there) == ("0", "True") and not os.path.exists(place.strip())
