"""The report of a run: its numbers are those of the run, it loads nothing from outside, and no name in the data becomes markup."""

import base64
import re
import shutil
import struct
import zlib

import numpy as np
import pytest

from tenuto.errors import RunError
from tenuto.report import build_report
from tenuto.runs.folder import read_run, write_run
from tests.pages.fitted import HOSTILE, RUNS
from tests.pages.page import Page

LONE = "classify, one unit, one epoch, no test part"
FROM_HOSTILE_DATA = ["classify, hostile names", "tag", "text", "translate", "language"]


@pytest.fixture
def page_of(fitted):
    """The page of a run by the run's name."""
    return lambda name: Page(build_report(fitted(name).folder).read_text(encoding="utf-8"))


@pytest.fixture
def copy(fitted, tmp_path):
    """A copy of a run that may be changed."""
    return shutil.copytree(fitted("classify").folder, tmp_path / "copy", ignore=shutil.ignore_patterns("report.html"))


def charts(page):
    return [svg.attributes for svg in page.all("svg") if svg.attributes.get("aria-hidden") != "true"]


def test_the_report_lies_in_the_run_folder(copy):
    before = {path.name for path in copy.iterdir()}
    assert build_report(copy) == copy / "report.html"
    assert {path.name for path in copy.iterdir()} == before | {"report.html"}


def test_its_numbers_are_those_of_the_run(fitted, page_of):
    run, page = fitted("classify"), page_of("classify")
    classes, predicted = ["class 0", "class 1", "class 2"], run.model.predict(run.x).tolist()
    right = sum(said == true for said, true in zip(predicted, run.y))
    assert page.all("div", "score")[0].text.startswith(f"{100 * right / 6:.1f} %of 6 test sequences right95 % interval ")
    counted = [[sum(pair == (true, said) for pair in zip(run.y, predicted)) for said in classes] for true in classes]
    assert page.table("true class", *classes) == [[true, *map(str, row)] for true, row in zip(classes, counted)]
    by_class = {row[0]: row for row in page.table("class", "precision", "recall", "F1")}
    for index, name in enumerate(classes):
        recall = counted[index][index] / sum(counted[index])
        assert by_class[name][2] == ("0 %" if recall == 0 else "100 %" if recall == 1 else f"{100 * recall:.1f} %") and by_class[name][-1] == "2"
    mistakes = {(row[0], row[1], row[2]) for row in page.table("sequence", "true class", "taken for")}
    assert mistakes == {(str(index), true, said) for index, (true, said) in enumerate(zip(run.y, predicted)) if true != said}
    evaluation = read_run(run.folder).evaluation
    low, high = (f"{100 * share:.1f} %" for share in evaluation["results"]["test"]["accuracy_interval"])
    weights = sum(parameter.numel() for parameter in run.model.network_.parameters())
    best = 1 + min(range(3), key=lambda index: run.model.metrics_[index]["validation_loss"])
    reasons = [row["reason"] for row in evaluation["engine"]["reasons"] if row["reason"]]
    digests = [evaluation["data"][name]["sha256"] for name in ("train", "validation", "test")]
    for said in (f"{low} to {high}", f"{best}of 3; ", f"{weights:,}numbers", evaluation["engine"]["shape"], evaluation["versions"]["torch"], *reasons, *digests):
        assert said in page.text, said


def test_the_learning_curves_are_those_of_the_metrics(fitted, page_of):
    losses = [line["validation_loss"] for line in fitted("classify").model.metrics_]
    said = next(chart["aria-label"] for chart in charts(page_of("classify")) if chart["aria-label"].startswith("Loss by epoch"))
    first, last = re.search(r"validation goes from (\S+) to ([^,]+),", said).groups()
    assert (float(first), float(last)) == (pytest.approx(losses[0], rel=0.01), pytest.approx(losses[-1], rel=0.01))


def test_without_a_test_set_it_shows_validation(page_of):
    page = page_of(LONE)
    assert "validation sequences right" in page.text and "Loss on validation" in page.text
    assert "test sequences" not in page.text


@pytest.mark.parametrize("name", RUNS)
def test_it_needs_nothing_from_outside(fitted, page_of, name):
    page = page_of(name)
    assert not page.all("script") and not page.all("iframe")
    assert not re.search(r"@import|url\(|https?://|//[a-z]+\.[a-z]+/", (fitted(name).folder / "report.html").read_text(encoding="utf-8"))
    for element in page.elements:
        assert not [key for key in element.attributes if key.startswith("on")], element
        for key in ("src", "href", "xlink:href", "action", "data", "poster", "srcset"):
            assert element.attributes.get(key, "#").startswith(("#", "data:")), element


@pytest.mark.parametrize("name", FROM_HOSTILE_DATA)
def test_hostile_names_stay_text(page_of, name):
    page = page_of(name)
    for words in HOSTILE if name != "language" else [HOSTILE[0], HOSTILE[3]]:
        assert words in page.text, words
    assert all(image.attributes["src"].startswith("data:image/png;base64,") for image in page.all("img"))


@pytest.mark.parametrize("name", RUNS)
def test_it_can_be_read_without_seeing(page_of, name):
    page = page_of(name)
    assert page.all("html")[0].attributes["lang"] == "en"
    assert all(image.attributes.get("alt", "").strip() for image in page.all("img"))
    drawn = [(chart["role"], chart["aria-label"].partition(" by ")[0]) for chart in charts(page)]
    assert {("img", "Loss"), ("img", "Gradient norm")} <= set(drawn)
    ids = [element.attributes["id"] for element in page.elements if "id" in element.attributes]
    assert len(ids) == len(set(ids))
    for element in page.elements:
        assert element.attributes.get("aria-labelledby", ids[0]) in ids
        if element.attributes.get("href", "").startswith("#"):
            assert element.attributes["href"][1:] in ids
    assert [element.tag for element in page.elements].count("h1") == 1


def test_heat_maps_are_pictures_of_the_values(fitted, page_of):
    sizes = []
    for image in page_of("classify").all("img"):
        data = base64.b64decode(image.attributes["src"].removeprefix("data:image/png;base64,"))
        assert data[:8] == b"\x89PNG\r\n\x1a\n"
        columns, rows = struct.unpack(">II", data[16:24])
        length = struct.unpack(">I", data[33:37])[0]
        assert len(zlib.decompress(data[41 : 41 + length])) == rows * (4 * columns + 1)
        sizes.append((rows, columns))
    run = fitted("classify")
    steps = [len(run.x[int(example["id"])]) for example in run.model.evaluation_["examples"]]
    assert sizes == [size for length in steps for size in ((2, length), (4, length), (4, length))]  # channels; units forward; backward


@pytest.mark.parametrize("count, kind", [(2, "table"), (20, "table"), (41, "picture")])
def test_many_classes(page_of, count, kind):
    page = page_of(f"classify, {count} classes")
    assert len(page.all("table", "confusion")) == (kind == "table") and len(page.all("img", "matrix")) == (kind == "picture")
    assert ("Most often confused" in page.text) == (count > 14)
    assert f"told {count} classes apart after training on " in page.text


def test_one_epoch_is_drawn_as_dots(page_of):
    page = page_of(LONE)
    assert [chart["aria-label"].partition(" by ")[0] for chart in charts(page)] == ["Loss", "Accuracy", "Balanced accuracy", "Macro F1", "Gradient norm"]  # a constant learning rate has no chart
    assert page.all("circle", "dot") and not page.all("path", "line")


def test_an_older_report_is_replaced_and_a_broken_run_leaves_it(copy):
    (copy / "report.html").write_text("old")
    build_report(copy)
    assert (copy / "report.html").read_text(encoding="utf-8") != "old"
    (copy / "report.html").write_text("old")
    (copy / "metrics.jsonl").write_text("{}\n")
    with pytest.raises(RunError, match="its digest differs"):
        build_report(copy)
    assert (copy / "report.html").read_text() == "old"


def test_what_an_evaluation_lacks_is_named(fitted, tmp_path):
    run = read_run(fitted("classify").folder)
    evaluation = {**run.evaluation, "speed": {}}
    folder = write_run(tmp_path / "run", config=run.config, tensors=run.tensors(), metrics=run.metrics, evaluation=evaluation)
    with pytest.raises(RunError, match="lacks something that its report shows") as error:
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
