"""Files and folders as a page names them: never by an absolute path, since a page is given to others, and the folders of whoever made it are nobody's business."""

from __future__ import annotations

import os
import re
from pathlib import Path

from tenuto.tongues import typed_path

# An absolute path of two names or more within a text; a path of Windows too.
_ABSOLUTE = re.compile(r"""(?<![\w.~/\\-])(?:/|[A-Za-z]:[\\/])(?:[^\s/\\'"`:,;()<>|\[\]{}]+[/\\])+[^\s/\\'"`,;()<>|\[\]{}]+""")
_DRIVE = re.compile(r"[A-Za-z]:[\\/]")


def near(path: str | Path) -> str | None:
    """A path from the folder where the page is made; None where that would spell out an absolute path: from the root of the file system, or through a home folder.

    A relative path stays as it was typed.
    """
    text, here = os.fspath(path), os.getcwd()
    if _DRIVE.match(text) and not os.path.isabs(text):  # written on Windows, read elsewhere
        return None
    whole = os.path.abspath(text)
    if not _apart(whole, here):
        return os.path.normpath(text) if not os.path.isabs(text) else os.path.relpath(whole, here)
    real = os.path.realpath(text)  # the current folder has no symbolic links in it, but the path may
    return None if _apart(real, here) else os.path.relpath(real, here)


def shown(path: str | Path) -> str:
    """A path for a reader: from where the page is made, else only the last name.

    Example:
        >>> shown("walks.csv"), shown("/proc/self/walks.csv")
        ('walks.csv', 'walks.csv')
    """
    found, here = near(path), os.getcwd()
    at_root = here == os.path.dirname(here)  # from there, the whole path is the way
    return re.split(r"[/\\]", os.fspath(path).rstrip("/\\"))[-1] if found is None or at_root else found


def without_places(text: str) -> str:
    """A text in which every absolute path is as `shown` gives it.

    Example:
        >>> without_places("no kernel in /proc/self/kernels, but 3/4 and /ae/ stay")
        'no kernel in kernels, but 3/4 and /ae/ stay'
    """
    here, home = os.getcwd(), os.path.expanduser("~")
    for folder, instead in ((here, ""), (home, "~/")):
        if folder.count(os.sep) > 1:  # a folder with spaces in its name too
            text = text.replace(folder + os.sep, instead)
    return _ABSOLUTE.sub(lambda found: shown(found[0]), text)


def report_command(folder: str | Path) -> tuple[str, bool]:
    """The command that makes a folder's page again, and whether it has to be typed in that folder, not where the page is made now."""
    name = near(folder)
    inside = name is None
    return f"tenuto report {typed_path('.' if name is None else name)}", inside


def _apart(path: str, here: str) -> bool:
    """Whether the way from one folder to the other would tell all of the path: from the root of the file system, or from above the home folder."""
    try:
        common = os.path.commonpath([path, here])
    except ValueError:  # on two drives
        return True
    home = os.path.expanduser("~")
    homes = os.path.join(path, "").startswith(os.path.join(home, "")) and home.startswith(os.path.join(common, ""))
    return common != here and (common == os.path.dirname(common) or homes)
