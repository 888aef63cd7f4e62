"""The runs that pages are made of, each fitted once."""

import pytest

from tests.pages.fitted import RUNS


@pytest.fixture(scope="session")
def fitted(tmp_path_factory):
    """The run of a name in `RUNS`. A test that changes its folder makes a copy first."""
    known = {}

    def run(name):
        if name not in known:
            known[name] = RUNS[name](tmp_path_factory.mktemp("runs") / "run")
        return known[name]

    return run
