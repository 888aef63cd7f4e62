"""The groups of commands `tenuto fit` and `tenuto tune`. With `--config FILE`, `--from RUN` and `--resume RUN` the task need not be typed: the file has it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from typer.core import TyperGroup

from tenuto.cli.configuration import configuration_of, read_toml

TAKES_TASK = ("--config", "--from", "--resume")


class FitGroup(TyperGroup):
    """A group of commands, one for each task. If the command line begins with an option that names a file, the task in that file is put before it."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if args and not ctx.resilient_parsing and args[0].partition("=")[0] in TAKES_TASK:
            args = self._with_task(ctx, args)
        return super().parse_args(ctx, args)

    def file_of(self, option: str, value: str) -> Path:
        """The configuration that `--config FILE`, `--from RUN` or `--resume RUN` names."""
        return Path(value) if option == "--config" else configuration_of(Path(value))

    def _with_task(self, ctx: Any, args: list[str]) -> list[str]:
        """The arguments `--from RUN ...` with the task put first: `TASK --from RUN ...`."""
        from tenuto.cli.tasks import task_of_command
        from tenuto.errors import ArgumentError

        option, equals, value = args[0].partition("=")
        used = 1 if equals else 2
        if len(args) < used:
            return args  # the parser says what is missing
        value = value if equals else args[1]
        if args[used : used + 1] and args[used] in self.commands:  # the task was typed after the option
            return [args[used], *args[:used], *args[used + 1 :]]
        path = self.file_of(option, value)
        data = read_toml(path)
        if "task" not in data:
            raise ArgumentError(
                f"{path} does not say which task it is for.",
                expected=" | ".join(f'task = "{name}"' for name in self.commands),
                fix=f"add such a line, or name the task: tenuto {ctx.info_name} TASK {option} {value}",
            )
        return [task_of_command(str(data["task"])).command, *args]
