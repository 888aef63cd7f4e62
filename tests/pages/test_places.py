"""No page tells where its maker keeps files, and the command in its foot makes the page again from where it was made, whatever the folder is called."""

import html
import os
import re
import shlex
import shutil
import sys
from pathlib import Path

import pytest

from tenuto.pages.option_value import option_value
from tenuto.pages.places import near, report_command, shown, without_places
from tenuto.pages.search import build_search_report
from tenuto.report import build_report
from tenuto.runs.folder import read_run, write_run
from tenuto.runs.search_folder import write_search
from tests.cli.test_commands import SMALL, run, write_table
from tests.pages.fitted import RUNS
from tests.pages.test_search import SEARCH

NAMES = ["run", "my runs/first one", "it's", 'a "quoted" one', "-dash", "$HOME", "über; ls", "a  b", "x&<y>"]


def said(page):
    """Text and attributes of a page, without pictures and what a language model wrote."""
    return html.unescape(re.sub(r"<div class=\"writing.*?</div>|data:image/png;base64,[^\"]*|<style>.*?</style>", "", Path(page).read_text(encoding="utf-8"), flags=re.DOTALL))


def foot(page):
    """What the foot says in words, and its command as a shell reads it."""
    words, command = re.fullmatch(r".*<footer>(.*?)<code>(.*?)</code>.*", Path(page).read_text(encoding="utf-8"), flags=re.DOTALL).groups()
    return words, shlex.split(html.unescape(command))


def absolute_paths(text):
    return re.findall(r"(?<![\w.~/<>\-])(?:/[\w.\-]+){2,}", text)


def tells(page, *places):
    """What a page tells of these folders, of this user's and this program's, and of any other."""
    text = said(page)
    known = {os.path.expanduser("~"), os.getcwd(), sys.prefix, str(Path(page).resolve().parent), *map(str, places)}
    return sorted(place for place in known if place.count("/") > 1 and place in text) + absolute_paths(text)


@pytest.mark.parametrize("name", RUNS)
def test_no_page_of_a_run_has_an_absolute_path(fitted, name):
    assert tells(build_report(fitted(name).folder)) == []


@pytest.mark.parametrize("inside", [True, False])
def test_paths_given_as_absolute_ones_are_not_told(tmp_path, monkeypatch, inside):
    (tmp_path / "data").mkdir()
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path if inside else "/")
    data = write_table(tmp_path / "data" / "walks of 2026.csv")
    run("fit", "classify", data, "--test", data, "-o", tmp_path / "run", *SMALL)
    page = tmp_path / "run" / "report.html"
    assert str(tmp_path) in (tmp_path / "run" / "evaluation.json").read_text()
    assert tells(page, tmp_path) == [] and ("data/walks of 2026.csv" if inside else "walks of 2026.csv") in said(page)


def test_what_engines_and_options_say_of_folders_is_shortened(fitted, tmp_path):
    told = read_run(fitted("classify").folder)
    reasons = [{"engine": "cpp", "runs": False, "reason": f"no compiler in {tmp_path}/bin, nor in /opt/tools/bin."}]
    training = {**told.evaluation["training"], "options": {**told.evaluation["training"]["options"], "vectors": "/srv/all vectors/glove.txt"}}
    evaluation = {**told.evaluation, "engine": {**told.evaluation["engine"], "reasons": reasons, "table": reasons[0]["reason"]}, "training": training}
    folder = write_run(tmp_path / "run", config=told.config, tensors=told.tensors(), metrics=told.metrics, evaluation=evaluation)
    assert tells(build_report(folder), tmp_path) == []
    assert "no compiler in bin, nor in bin." in said(folder / "report.html") and "glove.txt" in said(folder / "report.html")


def test_no_page_of_a_search_has_an_absolute_path(tmp_path):
    options = {"epochs": 3, "data": f"{tmp_path}/my walks.csv", "cells": [f"{tmp_path}/own.py:Mine"], "quiet": True}
    trials = [*SEARCH["trials"][:3], {**SEARCH["trials"][3], "reason": f"{tmp_path}/checkpoints/one could not be written."}, *SEARCH["trials"][4:]]
    write_search(tmp_path, {**SEARCH, "options": options, "trials": trials})
    page = build_search_report(tmp_path)
    assert tells(page, tmp_path) == []
    assert "my walks.csv" in said(page) and "own.py:Mine" in said(page) and "one could not be written." in said(page) and ">yes<" in page.read_text(encoding="utf-8")


@pytest.fixture
def made(fitted, tmp_path, monkeypatch):
    """A function from the name of a folder to the page of a run in it; the program stands in a folder beside."""
    (tmp_path / "work" / "here").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "work" / "here")

    def make(name):
        folder = Path(name)
        shutil.copytree(fitted("classify").folder, folder, ignore=shutil.ignore_patterns("report.html"))
        return build_report(folder)

    return make


@pytest.mark.parametrize("name", NAMES)
def test_the_command_in_the_foot_works_where_the_page_was_made(made, name):
    page = made(name)
    words, command = foot(page)
    page.unlink()
    assert run(*command[1:]).stdout.strip() == str(page) and page.is_file()
    assert command[0] == "tenuto" and "in this folder" not in words


def test_the_command_of_a_run_elsewhere(made, tmp_path, monkeypatch):
    for name, wanted in (("../runs/one", "../runs/one"), (tmp_path / "work" / "here" / "two", "two"), (tmp_path / "three", "../../three")):
        page = made(name)
        assert foot(page)[1] == ["tenuto", "report", wanted]
        assert tells(page, tmp_path) == []
    (tmp_path / "link").symlink_to(tmp_path / "work" / "here")
    assert foot(build_report(tmp_path / "link" / "two"))[1][1:] in (["report", "two"], ["report", "../../link/two"])


@pytest.mark.parametrize("there", ["/", "/usr"])
def test_a_command_that_would_tell_the_whole_path_is_typed_in_the_folder(made, monkeypatch, tmp_path, there):
    folder = made("run").parent.resolve()
    monkeypatch.chdir(there)
    page = build_report(folder)
    words, command = foot(page)
    if there == "/usr":
        assert "in this folder" in words and tells(page, tmp_path) == []
        monkeypatch.chdir(folder)
    page.unlink()
    run(*command[1:])
    assert page.is_file()


def test_a_home_is_not_told(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path / "homes" / "me"))
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    assert near(tmp_path / "homes" / "me" / "runs" / "x") is None and shown(tmp_path / "homes" / "me" / "walks.csv") == "walks.csv"
    assert report_command(tmp_path / "homes" / "me" / "runs") == ("tenuto report .", True)
    assert near(tmp_path / "data" / "walks.csv") == "../data/walks.csv"
    (tmp_path / "homes" / "me" / "work").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "homes" / "me" / "work")
    assert near(tmp_path / "homes" / "me" / "runs" / "x") == "../runs/x"


@pytest.mark.parametrize(
    "text, wanted",
    [
        ("no compiler in /opt/gcc/bin: give one", "no compiler in bin: give one"),
        (r"C:\Users\me\set.csv is gone", "set.csv is gone"),
        ("half and/or 3/4, /ae/ and https://a.b/c/d stay", "half and/or 3/4, /ae/ and https://a.b/c/d stay"),
        ("(/srv/a/b)", "(b)"),
        ("", ""),
    ],
)
def test_paths_within_a_text(text, wanted):
    assert without_places(text) == wanted


def test_an_option_is_told_without_its_folder():
    assert [option_value(value) for value in ("/srv/my sets/a.csv", ["/srv/x/a.csv", "b.csv"], "a/b", {"k": "/srv/x/y"})] == ["a.csv", "a.csv, b.csv", "a/b", '{"k": "y"}']
