"""Axes, line charts and the wording of numbers: round ticks, gaps where a value is not finite, nothing outside the frame."""

import math
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tenuto.pages.axis import axis_for, tick_text, whole_axis
from tenuto.pages.heat_map import similar_rows_together
from tenuto.pages.line_chart import HEIGHT, WIDTH, Level, LineChart, Series
from tenuto.pages.wording import duration, number, percent

finite = st.floats(-1e12, 1e12).filter(lambda v: v == 0 or abs(v) > 1e-12)


@given(st.lists(finite, min_size=1, max_size=20), st.booleans())
def test_an_axis_holds_its_values(values, logarithmic):
    axis = axis_for(values, logarithmic=logarithmic)
    shown = [v for v in values if v > 0] if axis.logarithmic else values
    slack = 1e-6 * max(abs(axis.low), abs(axis.high))
    assert axis.low < axis.high
    assert all(axis.low - slack <= v <= axis.high + slack for v in shown)
    assert 2 <= len(axis.ticks) <= 12
    assert list(axis.ticks) == sorted(set(axis.ticks))
    assert all(0 <= axis.place(v) <= 1 for v in values)


@pytest.mark.parametrize("values", [[], [math.nan], [math.inf], [0.0, 0.0], [5.0], [1e-9, 1.0000000000000003e-09], [1e-15, 2e-15]])
def test_an_axis_without_a_range(values):
    axis = axis_for(values)
    assert axis.low < axis.high


@given(st.integers(1, 10_000), st.integers(0, 5))
def test_whole_axes_have_whole_ticks(last, first):
    axis = whole_axis(last, first=first)
    assert all(float(tick).is_integer() for tick in axis.ticks)
    assert all(axis.low <= tick <= axis.high for tick in axis.ticks)


def test_tick_texts_differ():
    axis = axis_for([0.0004, 0.0011])
    assert len({tick_text(tick) for tick in axis.ticks}) == len(axis.ticks)


def chart(values, **options):
    return LineChart(title="Loss", x=list(range(1, len(values) + 1)), series=[Series("validation", values)], **options)


def test_a_value_that_is_not_finite_leaves_a_gap():
    svg = str(chart([1.0, 2.0, math.nan, 3.0, 1.0]).svg())
    assert len(re.findall(r'<path class="line first"', svg)) == 2
    assert "nan" not in svg


def test_a_lone_value_is_a_dot():
    svg = str(chart([1.0]).svg())
    assert '<circle class="dot first"' in svg and "<path" not in svg


def test_nothing_to_draw_is_no_error():
    assert "<svg" in str(chart([]).svg())
    assert "<svg" in str(chart([math.nan, math.inf], logarithmic=True).svg())


@given(st.lists(st.floats(1e-9, 1e9), min_size=2, max_size=30), st.booleans())
def test_lines_stay_in_the_frame(values, logarithmic):
    svg = str(chart(values, logarithmic=logarithmic, upright=(2, "best"), levels=[Level(1.0)]).svg())
    for path in re.findall(r'<path class="line first" d="M([^"]+)"', svg):
        for point in path.split("L"):
            across, down = map(float, point.split())
            assert 0 <= across <= WIDTH and 0 <= down <= HEIGHT


def test_the_description_has_the_numbers():
    svg = str(chart([2.0, 0.25, 0.5]).svg())
    assert "Loss by epoch: validation goes from 2 to 0.5, lowest 0.25 at epoch 2, highest 2 at 1." in svg


def test_a_zero_on_a_logarithmic_axis_leaves_a_gap():
    svg = str(chart([1.0, 10.0, 0.0, 100.0, 10.0], logarithmic=True).svg())
    assert len(re.findall(r'<path class="line first"', svg)) == 2


def test_rows_that_move_alike_become_neighbours():
    time = np.linspace(0, 6, 40)
    rows = np.stack([np.sin(time), np.cos(time), 1.01 * np.sin(time), 0.99 * np.cos(time)])
    order = similar_rows_together(rows).tolist()
    assert sorted(order) == [0, 1, 2, 3]
    assert abs(order.index(0) - order.index(2)) == 1 and abs(order.index(1) - order.index(3)) == 1
    assert similar_rows_together(np.zeros((1, 3))).tolist() == [0]


@given(st.floats(allow_nan=True, allow_infinity=True))
def test_every_number_can_be_written(value):
    words = number(value)
    if math.isfinite(value):
        assert float(words.replace(",", "").replace(" × 10", "e").translate(str.maketrans("⁻⁰¹²³⁴⁵⁶⁷⁸⁹", "-0123456789"))) == pytest.approx(value, rel=0.006)
        assert float(tick_text(value / 2).replace("k", "e3")) == pytest.approx(value / 2, rel=0.5)  # large and small numbers have one digit
    assert (words in ("not a number", "infinite", "minus infinite", "–")) == (not math.isfinite(value))
    assert (duration(abs(value)) == "–") == (not math.isfinite(value))


def test_a_share_is_not_rounded_up_to_all():
    assert percent(0.9999999) == "99.9 %" and percent(1.0) == "100 %" and percent(0.0) == "0 %"
    assert percent(1.3) == "130.0 %" and percent(1.0004) == "100.0 %" and percent(12.0, 0) == "1200 %"  # word error rates may be above 1


def test_values_show_at_every_place_of_a_short_line_and_at_some_of_a_long_one():
    for count in (1, 7, 500):
        svg = LineChart("Loss", list(range(1, count + 1)), [Series("training", [float(one) for one in range(count)])]).svg()
        assert svg.count('class="column"') == min(count, 40)
        assert f">epoch {count}<" in svg and ">epoch 1<" in svg


def test_places_with_names_have_bars_and_charts_can_share_an_axis():
    named = LineChart("Left over", [1, 2, 3], [Series("median", [1.0, math.nan, 3.0], dots=True, low=[0.0, math.nan, 2.0], high=[2.0, math.nan, 4.0])], x_name="month", x_names=["Jan", "Feb", "<Mar>"])
    svg = str(named.svg())
    bars = re.findall(r'<rect class="band first" x="([\d.]+)" y="([\d.]+)" width="([\d.]+)" height="([\d.]+)"', svg)
    assert len(bars) == 2 and bars[0][3] == bars[1][3] and ">Jan</text>" in svg and "&lt;Mar&gt;" in svg and "lowest 1 at Jan, highest 3 at &lt;Mar&gt;" in svg
    long = LineChart("Left over", list(range(1, 25)), [Series("median", [0.0] * 24)], x_names=[f"{hour}:00" for hour in range(24)])
    assert re.findall(r'text-anchor="middle">(\d+:00)</text>', str(long.svg())) == [f"{hour}:00" for hour in range(0, 24, 2)]
    low, high = (chart(values, room_for=(0.0, 10.0)) for values in ([1.0, 2.0], [8.0, 9.0]))
    assert all(">10</text>" in str(one.svg()) and ">0</text>" in str(one.svg()) for one in (low, high))
