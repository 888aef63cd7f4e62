"""A command line of tenuto, run in this process."""

from __future__ import annotations

from typing import Any

from typer.testing import CliRunner, Result

from tenuto.cli import app


def run(*words: object, code: int | None = None, text: Any = None) -> Result:
    """The result of a command line, its standard output and standard error apart.

    Args:
        code: the exit code that it must have; None where the test looks at it. text: what stands at its standard input.
    """
    result = CliRunner().invoke(app, [str(word) for word in words], input=text)
    assert code is None or result.exit_code == code, f"exit code {result.exit_code}\n{result.output}\n{result.exception!r}"
    return result


def done(*words: object, code: int = 0, text: Any = None) -> Result:
    """As `run`, of a command line that ends well, or as `code` says."""
    return run(*words, code=code, text=text)
