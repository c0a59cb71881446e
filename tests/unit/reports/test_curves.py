"""The page of miss-ratio curves and its charts."""

from __future__ import annotations

import json

import pandas as pd
import pytest

from reports.charts import NothingToDraw
from reports.charts.miss_ratios import miss_ratio_chart
from reports.curves import render_curves
from tests.unit.reports.test_html import Page
from tests.unit.simulation.curves import NAMES, curves


def test_each_policy_is_a_line_over_the_sizes() -> None:
    figure = miss_ratio_chart(curves().frame())
    assert [line.name for line in figure.data] == list(NAMES)
    assert list(figure.data[0].x) == pytest.approx([0.1, 1, 10])
    assert list(figure.data[0].y) == pytest.approx([0.9, 0.8, 0.7])
    looks = {(line.line.color, line.line.dash, line.marker.symbol) for line in figure.data}
    assert len(looks) == len(NAMES)
    assert figure.layout.xaxis.type == "log"
    by_bytes = miss_ratio_chart(curves().frame(), "byte_miss_ratio")
    assert list(by_bytes.data[0].y) == pytest.approx([0.95, 0.85, 0.75])


def test_nothing_is_drawn_of_nothing() -> None:
    with pytest.raises(NothingToDraw):
        miss_ratio_chart(pd.DataFrame(columns=["policy"]))


def test_the_page_holds_all_it_needs_and_its_texts_are_inert() -> None:
    page = Page(render_curves(curves(source="<script>alert(1)</script>.csv")))
    assert page.open == []
    assert page.charts == 2
    assert all(link.startswith(("#", "data:")) for link in [*page.links, *page.resources])
    assert {link.removeprefix("#") for link in page.links} <= set(page.ids)
    text = " ".join(page.texts)
    assert "<script>alert(1)</script>.csv" in text
    assert "1,000,000 requests for 5,000 objects" in text
    assert "0.90000" in text
    assert "2 bad records were left out: line 3: it is empty; line 9: it is empty" in text
    figures = [json.loads(body) for kind, body in page.scripts if kind.get("type") == "application/json"]
    assert len(figures) == 3
