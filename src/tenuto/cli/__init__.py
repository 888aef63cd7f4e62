"""The command `tenuto`: one file per command, each of which calls the public interface and computes nothing itself.

In: words typed in a shell. Out: text, files, an exit code (0 done; 1 an error, explained in words; 2 a wrong command line; 130 interrupted).
May import everything above it. Heavy packages (torch, numpy) are imported inside the commands, so that `--help` and completion answer at once.
"""

from tenuto.cli.application import app

__all__ = ["app"]
