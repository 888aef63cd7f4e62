"""What the pages show, whatever was trained: colours by share, one scale and one order in a page, texts of mistakes, per cent everywhere, and no empty card."""

import base64
import re
import struct
import zlib

import numpy as np
import pytest

from tenuto.pages.confusion import cells, confusion
from tenuto.pages.heat_map import similar_rows_together
from tenuto.pages.line_chart import Level, LineChart, Series
from tenuto.pages.search import build_search_report
from tenuto.report import build_report
from tenuto.runs.folder import read_run, write_run
from tenuto.runs.search_folder import write_search
from tests.pages.fitted import HOSTILE, RUNS
from tests.pages.page import Page
from tests.pages.test_search import SEARCH, entry


@pytest.fixture
def page_of(fitted):
    return lambda name: Page(build_report(fitted(name).folder).read_text(encoding="utf-8"))


@pytest.fixture
def changed(fitted, tmp_path):
    """The page of a run whose evaluation was changed by a function."""

    def page(name, change):
        run = read_run(fitted(name).folder)
        change(run.evaluation)
        folder = write_run(tmp_path / "run", config=run.config, tensors=run.tensors(), metrics=run.metrics, evaluation=run.evaluation, overwrite=True)
        return Page(build_report(folder).read_text(encoding="utf-8"))

    return page


def pixels(image):
    """[rows, columns, 4] of a picture in a page."""
    data = base64.b64decode(image.attributes["src"].removeprefix("data:image/png;base64,"))
    columns, rows = struct.unpack(">II", data[16:24])
    length = struct.unpack(">I", data[33:37])[0]
    lines = np.frombuffer(zlib.decompress(data[41 : 41 + length]), dtype=np.uint8).reshape(rows, 4 * columns + 1)
    return lines[:, 1:].reshape(rows, columns, 4)


def values(image, limit):
    """[rows, columns]: what a picture says; as exact as its pixels are."""
    found = pixels(image).astype(float)
    return limit * (found[..., 3] / 255) ** (1 / 0.8) * np.where(found[..., 2] > found[..., 0], -1, 1)


# --- confusion matrices ----------------------------------------------------------------------------------------------------


def test_a_cell_is_coloured_by_its_share_of_the_true_class():
    """Two errors of 370 are pale, also where there are no others."""
    matrix = np.array([[184, 2], [0, 184]])
    (right, wrong), (none, all_right) = cells(matrix)
    assert (right["share"], wrong["share"], none["share"], all_right["share"]) == (pytest.approx(184 / 186, abs=1e-3), pytest.approx(2 / 186, abs=1e-3), 0, 1)
    assert [cell["kind"] for cell in (right, wrong, none)] == ["right", "wrong", "none"]
    assert cells(np.array([[0, 0], [1, 3]]))[0][0]["share"] == 0  # a class that does not occur


@pytest.mark.parametrize("classes", [2, 41, 60])
def test_a_picture_of_a_matrix_has_the_shares_too(classes):
    matrix = np.full((classes, classes), 1) + 9 * np.eye(classes, dtype=int)
    picture = confusion(matrix, [str(number) for number in range(classes)], 1, "class")["picture"]
    image = type("Image", (), {"attributes": {"src": picture}})
    expected = (1 - 2 * np.eye(classes)) * matrix / matrix.sum(1, keepdims=True)
    assert values(image, 1.0) == pytest.approx(expected, abs=0.01)


@pytest.mark.parametrize("name, what", [("classify", "class"), ("text", "class"), ("tag", "tag"), ("classify, 41 classes", "class")])
def test_a_matrix_has_a_legend(page_of, name, what):
    legend = [scale.text for scale in page_of(name).all("p", "scale") if "Share of the true" in scale.text]
    assert legend == [f"Share of the true {what}:0 %100 % right0 %100 % wrong"]


# --- heat maps ---------------------------------------------------------------------------------------------------------------


def test_hidden_states_of_a_page_share_their_scale_and_the_order_of_their_rows(fitted, page_of):
    examples, page = fitted("classify").model.evaluation_["examples"], page_of("classify")
    assert len(examples) > 1
    states = [np.array(example["hidden"], dtype=float).T for example in examples]
    limit = float(re.search(r"States: −([\d.]+?)\1\n", page.text)[1])
    sizes = np.abs(np.concatenate([rows.ravel() for rows in states]))
    assert limit == pytest.approx(np.percentile(sizes, 99.5, method="lower"), rel=0.06)
    images = page.all("img")
    for direction, (first, last) in enumerate(((0, 4), (4, 8))):
        order = similar_rows_together(np.concatenate([rows[first:last] for rows in states], axis=1))
        for place, rows in enumerate(states):
            said = values(images[3 * place + 1 + direction], limit)
            assert said == pytest.approx(np.clip(rows[first:last][order], -limit, limit), abs=0.02 * limit)


def test_inputs_name_their_channels(page_of):
    page = page_of("classify")
    assert [names.text for names in page.all("div", "row-names")] == ["levelnoise"] * len(page.all("div", "strips"))
    assert "−2.52.5 standard deviations" in page.text
    assert page_of("classify, hostile names").all("div", "row-names")[0].text == "".join(HOSTILE)


def test_many_channels_are_named_in_a_list(changed):
    def wider(evaluation):
        evaluation["channels"] = [{**evaluation["channels"][0], "name": f"sensor {number}"} for number in range(30)]
        for example in evaluation["examples"]:
            example["input"] = [[row[0]] * 29 + [None] for row in example["input"]]

    page = changed("classify", wider)
    assert not page.all("div", "row-names") and "The 30 channels, from top to bottom" in page.text and "sensor 28, sensor 29" in page.text
    assert "A missing value has no colour." in page.text


def test_one_large_value_does_not_make_all_others_pale(changed):
    def spike(evaluation):
        evaluation["examples"][0]["hidden"][0][0] = 1e6

    assert float(re.search(r"States: −([\d.]+?)\1\n", changed("classify", spike).text)[1]) < 2


def test_attention_of_a_page_shares_its_scale(fitted, page_of):
    examples, page = fitted("translate").model.evaluation_["examples"], page_of("translate")
    weights = [np.array(example["attention"], dtype=float) for example in examples if example["attention"]]
    limit = float(re.search(r"Weight:0 %([\d.]+) %", page.text)[1]) / 100
    assert limit == pytest.approx(max(matrix.max() for matrix in weights), rel=0.06)
    for image, matrix in zip(page.all("img"), weights, strict=True):
        assert -values(image, limit) == pytest.approx(np.minimum(matrix, limit), abs=0.02)


def test_words_are_coloured_only_where_their_weights_differ(changed):
    def equal(evaluation):
        for example in evaluation["examples"]:
            example["weights"] = [1 / len(example["tokens"])] * len(example["tokens"])

    page = changed("text", equal)
    assert {word.attributes["style"] for word in page.all("i") if word.attributes.get("style", "").startswith("--share")} == {"--share:0.00"}
    assert "Share of the features" not in page.text


# --- mistakes ------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["text", "tag"])
def test_mistakes_show_their_text(fitted, page_of, name):
    run, page = fitted(name), page_of(name)
    result = run.model.evaluation_["results"]["test"]
    mistakes = result["mistakes"] if name == "text" else result["labels"]["mistakes"]
    assert mistakes and [row[0] for row in page.table("text" if name == "text" else "sentence", "true class")[1::2]] == [" ".join(run.x[int(one["id"])]) for one in mistakes]


def test_long_mistakes_are_cut(changed):
    def longer(evaluation):
        evaluation["results"]["test"]["mistakes"][0]["text"] = "a very long story " * 30 + "END"

    page = changed("text", longer)
    shown = page.table("text", "true class")[1][0]
    assert shown.startswith("a very long story") and shown.endswith("…") and len(shown) < 310


def test_runs_that_kept_no_texts_have_their_page(changed):
    def older(evaluation):
        for one in evaluation["results"]["test"]["mistakes"]:
            del one["text"]

    assert len(changed("text", older).table("text", "true class")[0]) == 4


# --- cards -----------------------------------------------------------------------------------------------------------------------


def empty_cards(page):
    """The cards in which nothing is but headings and notes: no picture, no text, no row of a table besides its head."""
    found = []
    for card in page.all("figure", "card") + page.all("div", "card"):
        rows = sum(one.tag == "tr" for one in card.inside) - sum(one.tag == "thead" for one in card.inside)
        telling = any(one.tag in ("svg", "img", "dd", "li", "figure") or (one.tag in ("div", "p") and {"writing", "sentence"} & set(one.attributes.get("class", "").split())) for one in card.inside)
        if rows < 1 and not telling:
            found.append(card.text.strip())
    return found


@pytest.mark.parametrize("name", RUNS)
def test_no_card_is_empty(page_of, name):
    page = page_of(name)
    assert empty_cards(page) == []
    for section in page.all("section"):
        assert any("card" in one.attributes.get("class", "").split() for one in section.inside), section.text[:40]


def test_cards_without_content_go(changed):
    def perfect(evaluation):
        result = evaluation["results"]["test"]
        size = len(result["confusion"])
        result["confusion"] = (5 * np.eye(size, dtype=int)).tolist()
        result["labels"]["mistakes"], evaluation["examples"] = [], []
        result["spans"] = {**result["spans"], "kinds": []}

    page = changed("tag", perfect)
    assert empty_cards(page) == [] and "Most often confused" not in page.text and "Most confident mistakes" not in page.text and "Spans by kind" not in page.text

    def unread(evaluation):
        result = evaluation["results"]["test"]
        result["by_length"], result["coverage"], result["mistakes"] = [], {**result["coverage"], "least_read": []}, []

    page = changed("translate", unread)
    assert empty_cards(page) == [] and "By length" not in page.text and "What the attention read" in page.text


# --- per cent ------------------------------------------------------------------------------------------------------------------------


def shares_as_numbers(page):
    """Charts of shares whose axis is not in per cent."""
    titles = ("Accuracy", "Span F1", "Wholly right", "Accuracy of the sentences' classes")
    charts = [chart for chart in page.all("svg", "chart") if chart.attributes["aria-label"].partition(" by ")[0] in titles]
    return [chart.attributes["aria-label"] for chart in charts if not {"0 %", "100 %", "50 %", "60 %", "80 %"} & set(ticks(chart)) or "%" not in chart.attributes["aria-label"]], len(charts)


def ticks(chart):
    return [one.text for one in chart.inside if one.tag == "text" and one.attributes["class"] == "tick"]


@pytest.mark.parametrize("name, charts", [("classify", 1), ("text", 1), ("tag", 3), ("translate", 1), ("language", 0)])
def test_shares_are_per_cent_in_charts_too(page_of, name, charts):
    assert shares_as_numbers(page_of(name)) == ([], charts)


def test_the_head_says_f1_as_the_tables_do(fitted, page_of):
    for name in ("classify", "text"):
        share = fitted(name).model.evaluation_["results"]["test"]["macro_f1"]
        assert f"Macro F1{100 * share:.1f} %" in page_of(name).text.replace("\n", "")


@pytest.mark.parametrize("metric, per_cent", [("validation_accuracy", True), ("validation_loss", False)])
def test_a_search_s_charts_are_as_its_head(tmp_path, metric, per_cent):
    write_search(tmp_path, {**SEARCH, "metric": metric})
    page = Page(build_search_report(tmp_path).read_text(encoding="utf-8"))
    charts = page.all("svg", "chart")
    assert len(charts) == 6
    for chart in charts:
        assert any("%" in tick for tick in ticks(chart)) == per_cent, chart.attributes["aria-label"]
        assert ("%" in chart.attributes["aria-label"]) == per_cent


def test_a_single_share_has_an_axis_of_shares():
    for value in (0.0, 0.4, 1.0):
        drawn = str(LineChart("Accuracy", [1], [Series("validation", [value])], share=True).svg())
        labels = [float(tick) for tick in re.findall(r'text-anchor="end">(-?[\d.]+) %<', drawn)]
        assert labels and min(labels) >= 0 and max(labels) <= 100


# --- searches --------------------------------------------------------------------------------------------------------------------------


def test_any_values_that_were_searched_have_a_page(tmp_path):
    """Numbers that are alike when they are rounded, and values that are no single words."""
    space = {"rate": [0.0012341, 0.0012342], "pooling": [["mean"], ["mean", "max"]], "cell": ["a_cell_with_a_very_long_name_indeed", "gru"], "tied": [True, False, None]}
    options = [{name: content[number % len(content)] for name, content in space.items()} for number in range(6)]
    trials = [{**entry(number, "complete", 0.1 * number), "options": one} for number, one in enumerate(options, 1)]
    write_search(tmp_path, {**SEARCH, "space": space, "base": options[0], "trials": trials})
    page = Page(build_search_report(tmp_path).read_text(encoding="utf-8"))
    assert "a_cell_with_a_very_long_name_indeed" in page.text and "mean, max" in page.text
    assert any("…" in tick for chart in page.all("svg", "chart") for tick in ticks(chart))


# --- charts ------------------------------------------------------------------------------------------------------------------------------


def test_a_band_and_named_levels_are_drawn():
    chart = LineChart(
        "Loss by memory", [1, 4, 16, 250], [Series("zero state", [3.0, 2.0, 1.5, 1.2], low=[2.8, 1.9, 1.4, 1.1], high=[3.2, 2.1, 1.6, float("nan")])],
        x_name="tokens read", x_logarithmic=True, levels=[Level(1.0, "carried"), Level(4.0, "nothing")],
    )  # fmt: skip
    page = Page(str(chart.svg()))
    svg = page.all("svg")[0]
    assert len(page.all("path", "band")) == 1 and page.all("path", "band")[0].attributes["d"].count("L") == 5  # the last end is not known
    places = [float(point.split()[0]) for point in page.all("path", "line")[0].attributes["d"].removeprefix("M").split("L")]
    assert places[2] - places[1] == pytest.approx(places[1] - places[0], abs=0.2)  # equal ratios are equally far apart
    assert [label.text for label in page.all("text", "mark-label")] == ["carried 1", "nothing 4"]
    heights = [float(line.attributes["y1"]) for line in page.all("line", "mark")]
    assert heights[0] > heights[1] and "zero state 2 (1.9 to 2.1)" in page.text and "tokens read, logarithmic" in page.text
    assert "carried 1; nothing 4." in svg.attributes["aria-label"]
    assert {"1", "2", "5", "10", "100"} <= set(ticks(svg))


def test_a_language_model_s_page_has_its_loss_by_memory(fitted, page_of):
    page, result = page_of("language"), fitted("language").model.evaluation_["results"]["test"]
    chart = next(chart for chart in page.all("svg", "chart") if chart.attributes["aria-label"].startswith("Loss by memory"))
    assert [one for one in chart.inside if one.attributes.get("class") == "band first"]
    levels = [one.text for one in chart.inside if one.attributes.get("class") == "mark-label"]
    assert levels == [f"state carried {result['loss']:.3g}", f"nothing read {result['memory']['without']:.3g}"]
    assert f"over {result['memory']['stretches']} stretches of the text, in which {result['memory']['windows']} windows begin" in page.text


def test_runs_of_earlier_versions_have_their_curve(changed):
    def older(evaluation):
        for result in evaluation["results"].values():
            del result["memory"]
        evaluation["results"]["test"]["by_position"] = {"position": [1, 2, 4], "loss": [3.0, None, 2.0]}

    page = changed("language", older)
    chart = next(chart for chart in page.all("svg", "chart") if chart.attributes["aria-label"].startswith("Loss by memory"))
    assert not [one for one in chart.inside if "band" in one.attributes.get("class", "")]
