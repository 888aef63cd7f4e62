"""What holds for every test: fixed seeds, hypothesis without time limits, and skips that say why.

`cpp` and `gpu` are skipped where the machine cannot run them; `slow` is left out by `make test` and run by `make test-all`.
A plain `pytest` runs all that the machine can.
"""

import os
import shutil

import hypothesis
import numpy
import pytest
import torch

hypothesis.settings.register_profile(
    "house",
    deadline=None,  # a first example may compile or import; time is watched per test by pytest-timeout
    max_examples=25,
    derandomize=bool(os.environ.get("CI")),
    suppress_health_check=[hypothesis.HealthCheck.too_slow],
)
hypothesis.settings.load_profile("house")


def missing_compiler() -> str | None:
    """The reason why nothing can be compiled here, or None."""
    named = os.environ.get("CXX", "").split()[:1]
    if any(shutil.which(name) for name in (*named, "g++", "clang++", "c++")):
        return None
    try:
        import ziglang  # noqa: F401
    except ImportError:
        return "no C++ compiler: neither $CXX, g++, clang++, c++ nor the ziglang package"
    return None


def missing_gpu() -> str | None:
    """The reason why nothing can be executed on a GPU here, or None."""
    return None if torch.cuda.is_available() else "no GPU that torch can use"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    reasons = {"cpp": missing_compiler(), "gpu": missing_gpu()}
    for item in items:
        for marker, reason in reasons.items():
            if reason and marker in item.keywords:
                item.add_marker(pytest.mark.skip(reason=reason))


@pytest.fixture(autouse=True)
def seeded() -> None:
    """The same random numbers in every run and in any order of the tests."""
    torch.manual_seed(0)
    numpy.random.seed(0)
