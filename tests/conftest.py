"""What holds for every test: fixed seeds, hypothesis without time limits, and skips that say why.

`cpp` and `gpu` are skipped where the machine cannot run them; `slow` is left out by `make test` and run by `make test-all`.
A plain `pytest` runs all that the machine can.
"""

import os
import signal
from functools import lru_cache

import hypothesis
import numpy
import pytest
import torch
import typer.main

hypothesis.settings.register_profile(
    "house",
    deadline=None,  # a first example may compile or import; pytest-timeout limits the time of each test
    max_examples=25,
    derandomize=bool(os.environ.get("CI")),
    suppress_health_check=[hypothesis.HealthCheck.too_slow],
)
hypothesis.settings.load_profile("house")
signal.signal(signal.SIGINT, signal.default_int_handler)  # in a shell's background job SIGINT is ignored, and so would be every Ctrl-C that a test sends


def missing_compiler() -> str | None:
    """The reason why nothing can be compiled here, or None; the engine itself is asked."""
    from tenuto.engines.cpp import compiler

    return None if compiler.find() else compiler.missing()


def missing_gpu() -> str | None:
    """The reason why nothing can be executed on a GPU here, or None."""
    return None if torch.cuda.is_available() else "no GPU that torch can use"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for marker, missing in {"cpp": missing_compiler, "gpu": missing_gpu}.items():
        marked = [item for item in items if marker in item.keywords]
        reason = missing() if marked else None
        for item in marked:
            if reason:
                item.add_marker(pytest.mark.skip(reason=reason))


@pytest.fixture(autouse=True)
def seeded() -> None:
    """The same random numbers in every run and in any order of the tests."""
    torch.manual_seed(0)
    numpy.random.seed(0)


@pytest.fixture(autouse=True, scope="session")
def one_command_line():
    """typer's test runner makes all commands anew at each call, which takes as long as most of them run; ours stay the same."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("typer.testing._get_command", lru_cache(maxsize=8)(typer.main.get_command))
        yield


@pytest.fixture(scope="module")
def reference_engine():
    """For files that check how calls reach the engines, not the engines: the one that needs no compiler runs, unless a test says otherwise."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TENUTO_ENGINE", "reference")
        yield
