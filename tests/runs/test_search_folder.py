"""The folder of a search: tenuto still makes the page of one that an earlier version wrote."""

import shutil
from pathlib import Path

from tenuto.report import build_report
from tenuto.runs.search_folder import read_search

BEFORE = Path(__file__).with_name("before")


def test_an_earlier_search_is_still_read(tmp_path):
    search = read_search(BEFORE)
    assert (search["task"], search["best"], [trial["options"]["hidden_size"] for trial in search["trials"]]) == ("classify", 1, [4, 2])
    shutil.copytree(BEFORE, tmp_path / "search")
    assert "Every trial" in build_report(tmp_path / "search").read_text(encoding="utf-8")
