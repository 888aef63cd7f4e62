"""The command `tenuto`: one file per command, each of which calls the public interface and computes nothing itself.

Comes in: words typed in a shell. Goes out: text, files, an exit code (0 done; 1 an error, told in words; 2 a wrong command line; 130 interrupted).
May import everything above it. What is heavy (torch, numpy) is imported inside the commands, so that `--help` and completion answer at once.
"""

from tenuto.cli.application import app

__all__ = ["app"]
