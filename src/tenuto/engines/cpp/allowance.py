"""How much memory this process may use: the machine's, or the limit of the container or job that it runs in."""

from __future__ import annotations

import os
from pathlib import Path, PurePosixPath


def allowed_bytes(root: Path = Path("/")) -> int | None:
    """The smallest of the machine's memory and the limits of this process's control groups (Linux, versions 1 and 2); None: unknown.

    Args:
        root: where proc and sys are.
    """
    limits = _limits(root)
    try:
        limits.append(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
    except (AttributeError, ValueError, OSError):
        pass  # Windows has no sysconf; other systems may lack these names
    return min(limits, default=None)


def _limits(root: Path) -> list[int]:
    """The limits of the groups that this process is in and of those around them.

    A container sees its own group at the top of the tree, whatever path it is told, so it is normal that some of these folders do not exist.
    """
    try:
        lines = (root / "proc/self/cgroup").read_text(encoding="utf-8").splitlines()
    except OSError:
        return []
    groups, found = root / "sys/fs/cgroup", []
    for line in lines:
        number, controllers, path = line.split(":", 2)
        if number == "0":
            places = [(tree, "memory.max") for tree in (groups, groups / "unified")]
        elif "memory" in controllers.split(","):
            places = [(groups / "memory", "memory.limit_in_bytes")]
        else:
            continue
        inside = PurePosixPath(path.lstrip("/"))
        found += [_number(tree / group / name) for tree, name in places for group in (inside, *inside.parents)]
    return [limit for limit in found if limit is not None]


def _number(file: Path) -> int | None:
    try:
        text = file.read_text(encoding="utf-8").strip()
    except OSError:
        return None
    return int(text) if text.isdigit() else None  # "max": no limit
