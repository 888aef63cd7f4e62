"""The report of a run: its numbers are the run's, it needs nothing from outside, and no name in the data becomes markup."""

import base64
import re
import struct
import zlib
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from tenuto.errors import RunError
from tenuto.report import build_report
from tests.pages.sample_run import sample_evaluation, write_sample_run

HOSTILE = ['<script>alert("x")</script>', "\"><img src=x onerror=alert('y')>", "{{ 7 * 7 }}", "Ünïcode & café </style>"]
WITHOUT_END = {"meta", "link", "img", "br", "hr", "input", "rect", "line", "circle", "path", "ellipse"}


class Page(HTMLParser):
    """Elements with their attributes, text by id of the enclosing section, and whether every element is closed in turn."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.open: list[str] = []
        self.text = ""
        self.tables: list[list[list[str]]] = []
        self.feed(text)
        self.close()
        assert self.open == [], f"never closed: {self.open}"

    def handle_starttag(self, tag, attributes):
        self.elements.append((tag, {name: value or "" for name, value in attributes}))
        if tag == "table":
            self.tables.append([])
        if tag == "tr":
            self.tables[-1].append([])
        if tag in ("td", "th"):
            self.tables[-1][-1].append("")
        if tag not in WITHOUT_END:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.elements.append((tag, {name: value or "" for name, value in attributes}))

    def handle_endtag(self, tag):
        assert self.open and self.open[-1] == tag, f"</{tag}> closes {self.open[-3:]}"
        self.open.pop()

    def handle_data(self, data):
        if self.open and self.open[-1] != "style":
            self.text += data
        if "td" in self.open or "th" in self.open:
            self.tables[-1][-1][-1] += data.strip()

    def all(self, tag: str) -> list[dict[str, str]]:
        return [attributes for name, attributes in self.elements if name == tag]


def build(folder: Path, *arguments, **options) -> str:
    return build_report(write_sample_run(folder, *arguments, **options)).read_text(encoding="utf-8")


def test_the_report_lies_in_the_run_folder(tmp_path):
    path = build_report(write_sample_run(tmp_path / "run"))
    assert path == tmp_path / "run" / "report.html"
    assert not [name for name in path.parent.iterdir() if name.name.endswith(".partial")]


def test_its_numbers_are_those_of_the_run(tmp_path):
    evaluation = sample_evaluation([str(index) for index in range(1, 10)])
    result = evaluation["results"]["test"]
    page = Page(build(tmp_path / "run"))
    assert f"{100 * result['accuracy']:.1f} %" in page.text
    assert f"of {result['sequences']} test sequences right" in page.text
    assert "95 % interval 96.2 % to 99.1 %" in page.text
    assert "30" in page.text and "of 40; early stopping" in page.text
    confusion = next(table for table in page.tables if "true class" in table[0][0])
    assert [[int(cell) for cell in row[1:]] for row in confusion[1:]] == result["confusion"]
    classes = next(table for table in page.tables if table[0][:2] == ["class", "precision"])
    for row, known in zip(classes[1:], result["classes"], strict=True):
        assert row[0] == known["name"] and int(row[-1]) == known["support"]
        assert row[2] == ("100 %" if known["recall"] == 1 else f"{100 * known['recall']:.1f} %")
    for said in ("0123456789abcdef" * 4, "vendor", "no C++ compiler was found", "clip_norm", "20,873", "T 29, B 32, I 12, H 64", "2.13.0+cpu"):
        assert said in page.text, said


def test_without_a_test_set_it_shows_validation(tmp_path):
    page = Page(build(tmp_path / "run", with_test=False))
    assert "validation sequences right" in page.text and "Loss on validation" in page.text
    assert "test sequences" not in page.text


@pytest.mark.parametrize("options", [{}, {"bidirectional": True}, {"hidden": 1}], ids=str)
def test_it_needs_nothing_from_outside(tmp_path, options):
    text = build(tmp_path / "run", **options)
    page = Page(text)
    assert not page.all("script") and not page.all("iframe")
    assert not re.search(r"@import|url\(|https?://|//[a-z]+\.[a-z]+/", text)
    for tag, attributes in page.elements:
        assert not [name for name in attributes if name.startswith("on")], (tag, attributes)
        for name in ("src", "href", "xlink:href", "action", "data", "poster", "srcset"):
            assert attributes.get(name, "#").startswith(("#", "data:")), (tag, attributes)


def test_hostile_names_stay_text(tmp_path):
    evaluation = sample_evaluation(HOSTILE)
    evaluation["data"]["train"]["name"] = HOSTILE[0]
    evaluation["engine"]["table"] = HOSTILE[1]
    page = Page(build(tmp_path / "run", HOSTILE, changes={"data": evaluation["data"], "engine": evaluation["engine"]}))
    assert not page.all("script")
    assert all("onerror" not in image for image in page.all("img"))
    for name in HOSTILE:
        assert name in page.text
    assert not [attributes for _, attributes in page.elements if "onerror" in attributes]


def test_it_can_be_read_without_seeing(tmp_path):
    page = Page(build(tmp_path / "run"))
    assert page.all("html")[0]["lang"] == "en"
    assert all(image.get("alt", "").strip() for image in page.all("img"))
    charts = [svg for svg in page.all("svg") if svg.get("aria-hidden") != "true"]
    assert len(charts) == 4
    assert all(svg["role"] == "img" and "goes from" in svg["aria-label"] for svg in charts)
    ids = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    for _, attributes in page.elements:
        assert attributes.get("aria-labelledby", ids[0]) in ids
        if attributes.get("href", "").startswith("#"):
            assert attributes["href"][1:] in ids
    assert [tag for tag, _ in page.elements].count("h1") == 1


def test_heat_maps_are_pictures_of_the_values(tmp_path):
    page = Page(build(tmp_path / "run"))
    sizes = []
    for image in page.all("img"):
        data = base64.b64decode(image["src"].removeprefix("data:image/png;base64,"))
        assert data[:8] == b"\x89PNG\r\n\x1a\n"
        columns, rows = struct.unpack(">II", data[16:24])
        length = struct.unpack(">I", data[33:37])[0]
        assert len(zlib.decompress(data[41 : 41 + length])) == rows * (4 * columns + 1)
        sizes.append((rows, columns))
    assert sizes == [(12, 14), (64, 14), (12, 19), (64, 19), (12, 24), (64, 24)]


@pytest.mark.parametrize("count, kind", [(2, "table"), (20, "table"), (41, "picture")])
def test_many_classes(tmp_path, count, kind):
    page = Page(build(tmp_path / "run", [f"class {index}" for index in range(count)]))
    matrices = [table for table in page.all("table") if "confusion" in table.get("class", "")]
    assert len(matrices) == (1 if kind == "table" else 0)
    assert ("Most often confused" in page.text) == (count > 14)


def test_one_epoch_and_values_not_known(tmp_path):
    folder = write_sample_run(tmp_path / "run", changes={"examples": []}, epochs=1)
    page = Page(build_report(folder).read_text(encoding="utf-8"))
    assert "What it keeps in mind" not in page.text
    assert len([svg for svg in page.all("svg") if svg.get("aria-hidden") != "true"]) == 3  # a constant learning rate needs no chart
    assert not page.all("path") or "line" not in page.all("path")[0].get("class", "")


def test_an_older_report_is_replaced_and_a_broken_run_leaves_it(tmp_path):
    folder = write_sample_run(tmp_path / "run")
    (folder / "report.html").write_text("old")
    build_report(folder)
    assert (folder / "report.html").read_text() != "old"
    (folder / "report.html").write_text("old")
    (folder / "metrics.jsonl").write_text("{}\n")
    with pytest.raises(RunError, match="its digest differs"):
        build_report(folder)
    assert (folder / "report.html").read_text() == "old"


def test_what_an_evaluation_lacks_is_named(tmp_path):
    folder = write_sample_run(tmp_path / "run", changes={"speed": {}})
    with pytest.raises(RunError, match="lacks what its report shows") as error:
        build_report(folder)
    assert "KeyError" in str(error.value) and "train the model again" in str(error.value)


def test_no_run_no_report(tmp_path):
    with pytest.raises(RunError, match="there is no run folder"):
        build_report(tmp_path / "nothing")
    assert list(tmp_path.iterdir()) == []


def test_a_picture_keeps_sign_and_strength():
    from tenuto.pages.heat_map import ABOVE, BELOW, heat_map_address

    data = base64.b64decode(heat_map_address(np.array([[-1.0, 0.0, 2.0, np.nan]]), 1.0).partition(",")[2])
    length = struct.unpack(">I", data[33:37])[0]
    pixels = np.frombuffer(zlib.decompress(data[41 : 41 + length])[1:], dtype=np.uint8).reshape(4, 4)
    assert tuple(pixels[0]) == (*BELOW, 255) and tuple(pixels[2]) == (*ABOVE, 255)
    assert pixels[1, 3] == 0 and pixels[3, 3] == 0
