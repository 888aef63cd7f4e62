"""Gives a test its own kernel cache, in the state in which a new process finds it."""

from __future__ import annotations

import pytest

from tenuto.engines import notices
from tenuto.engines.cpp import cache, compiler, library


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The folder that TENUTO_CACHE names; it does not exist yet."""
    monkeypatch.setenv(cache.ENVIRONMENT, str(tmp_path / "kernels"))
    return tmp_path / "kernels"


@pytest.fixture
def fresh(monkeypatch):
    """As in a new process: no warning was given, no compiler found or given up, no kernel loaded."""
    monkeypatch.setattr(notices, "_said", set())
    for module, name in ((compiler, "_found"), (compiler, "_given_up"), (library, "_obstacles"), (cache, "_temporary")):
        monkeypatch.setattr(module, name, {})
    monkeypatch.setattr(library, "_ready", set())
    for name in ("_loop", "_passes"):
        monkeypatch.setattr(library, name, getattr(library, name).__wrapped__)
    forget = (compiler._search.cache_clear, compiler._ask.cache_clear)
    for each in forget:
        each()
    yield
    for each in forget:
        each()


@pytest.fixture
def alone(monkeypatch):
    """No compiler anywhere."""
    monkeypatch.delenv(compiler.ENVIRONMENT, raising=False)
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr(compiler.importlib.util, "find_spec", lambda name: None)
