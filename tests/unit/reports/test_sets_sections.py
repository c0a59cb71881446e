"""The sections on services, proxies and events, and a report of many variants."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from harness.analysis import Campaign, load
from harness.analysis.answer import answer
from harness.records.trial import TrialRecord
from harness.spec.event import EventSpec
from reports.blocks import Chart, Group, Section, Table, Text
from reports.charts import NothingToDraw, added_latency, event_timeline, ratio_rows
from reports.html import render
from reports.labels import Look
from reports.sections import all_sections
from reports.sections.events import events
from reports.sections.sets import proxies, services
from tests.unit.analysis.synthetic_sets import make_sets
from tests.unit.reports.folders import Made, write_campaign


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Campaign:
    return make_sets(
        tmp_path_factory.mktemp("c") / "c", topologies=("monolith", "microservices"), targets=("process", "vm")
    )


@pytest.fixture(scope="module")
def behind_proxies(tmp_path_factory: pytest.TempPathFactory) -> Campaign:
    kill = EventSpec(kind="kill", service="svc")
    path = tmp_path_factory.mktemp("c") / "c"
    return make_sets(
        path, topologies=("single",), replicas=(1, 3), events=(kill,), proxies=("direct", "nginx", "squid")
    )


def look_of(campaign: Campaign) -> Look:
    return Look.of(campaign.trials, campaign.manifest.variants)


def tables(section: Section | None) -> list[Table]:
    assert section is not None
    return [block for block in section.blocks if isinstance(block, Table)]


def charts(section: Section | None) -> list[Chart]:
    assert section is not None
    found = []
    for block in section.blocks:
        found += [block] if isinstance(block, Chart) else list(block.charts) if isinstance(block, Group) else []
    return found


def texts(table: Table) -> list[list[str]]:
    return [[cell.text for cell in row] for row in table.rows]


def test_a_plain_campaign_has_none_of_them(tmp_path: Path) -> None:
    campaign = load(write_campaign(tmp_path / "c", Made(blocks=1)))
    ids = {section.id for section in all_sections(campaign, look_of(campaign))}
    assert not ids & {"services", "proxies", "events"}


def test_every_instance_has_a_row_and_an_emulated_one_says_so(shop: Campaign) -> None:
    (table,) = tables(services(shop, look_of(shop)))
    rows = texts(table)
    assert [row[1] for row in rows if row[0] == "microservices-process-nginx"] == [
        "auth",
        "catalog",
        "payments",
        "broker",
        "proxy (proxy)",
    ]
    for row in rows:
        assert ("(emulated)" in row[0]) == ("vm" in row[0]) == ("(emulated)" in row[2])
        assert "not measured" not in row


def test_a_mixed_set_says_emulated_of_the_instance_and_of_the_whole(tmp_path: Path) -> None:
    def mixed(made: TrialRecord) -> TrialRecord:
        parts = (
            replace(one, accelerator="tcg", target="vm") if one.name == "payments" else one for one in made.instances
        )
        return replace(made, instances=tuple(parts))

    campaign = make_sets(tmp_path / "c", topologies=("microservices",), proxies=("direct",), blocks=1, change=mixed)
    (table,) = tables(services(campaign, look_of(campaign)))
    assert {row[0] for row in texts(table)} == {"microservices-container (emulated)"}
    assert [row[2] for row in texts(table)] == ["container", "container", "vm (emulated)", "container"]


def test_proxies_show_what_they_add_and_each_replicas_share(behind_proxies: Campaign) -> None:
    section = proxies(behind_proxies, look_of(behind_proxies))
    added, shares = tables(section)
    assert [row[0] for row in texts(added)] == [
        "container-nginx", "container-nginx-x3", "container-squid", "container-squid-x3",
    ]  # fmt: skip
    assert all(row[1] == "container" and row[3].startswith("+") for row in texts(added))
    assert ["container-nginx-x3", "svc-2", "33.3 %", "33.3 % (33.3 to 33.3)", "3"] in texts(shares)
    assert [chart.figure is not None for chart in charts(section)] == [True, True]


def test_an_event_is_drawn_for_every_variant_with_its_begin_and_its_end(shop: Campaign) -> None:
    section = events(shop, look_of(shop))
    drawn = charts(section)
    assert len(drawn) == 8 * 2
    figure = next(chart.figure for chart in drawn if chart.caption.startswith("monolith-vm (emulated): monolith"))
    assert figure is not None
    assert [line.x0 for line in figure.layout.shapes] == [0, 2.0]
    answered, _, failed = figure.data
    during = [at for at, value in zip(failed.x, failed.y, strict=True) if value > 0]
    assert min(during) == 0.125
    assert max(during) == 1.875
    assert all(value == 0 for at, value in zip(answered.x, answered.y, strict=True) if 0 < at < 2)


def test_the_events_table_counts_what_failed(shop: Campaign) -> None:
    counts, by_task = tables(events(shop, look_of(shop)))
    kill = next(row for row in texts(counts) if row[0] == "microservices-process" and row[1] == "kill payments")
    assert kill[2:4] == ["2.000 s (2.000 to 2.000)", "3 of 3"]
    assert kill[4].startswith("0 + ")
    assert not kill[5].startswith("0 + ")
    assert by_task.folded
    assert {row[3] for row in texts(by_task)} == {"catalog_list", "catalog_item", "auth_login", "pay"}


def test_an_event_that_never_ended_says_so(tmp_path: Path) -> None:
    stays = EventSpec(kind="kill", service="svc", again=False)
    campaign = make_sets(tmp_path / "c", topologies=("single",), proxies=("direct",), events=(stays,), blocks=1)
    section = events(campaign, look_of(campaign))
    assert "no correct response while it was watched" in charts(section)[0].caption
    assert texts(tables(section)[0])[0][2:4] == ["none seen", "0 of 1"]


def test_with_many_variants_tables_turn_and_charts_are_split(shop: Campaign) -> None:
    look = look_of(shop)
    assert look.crowded
    sections = {section.id: section for section in all_sections(shop, look)}
    (figures,) = [table for table in tables(sections["startup"]) if table.caption.startswith("Startup:")]
    assert figures.columns == ("variant", "Startup to the first correct response, s")
    assert len(figures.rows) == 8
    curves = charts(sections["latency"])
    assert len(curves) == 2 * 2
    assert all(chart.figure is not None and len(chart.figure.data) <= 2 * 6 for chart in curves)
    assert all(len(chart.figure.data) == 7 for chart in charts(sections["comparison"]) if chart.figure is not None)
    assert tables(sections["comparison"])[0].folded
    finding = next(block.text for block in sections["startup"].blocks if isinstance(block, Text))
    assert "5 others lie between the last two" in finding
    assert len(answer(shop)) < 900
    assert "7 variants take from" in answer(shop)


def test_what_cannot_be_drawn_says_why(shop: Campaign) -> None:
    look = look_of(shop)
    with pytest.raises(NothingToDraw, match="with a proxy"):
        added_latency(shop.proxies.iloc[:0], "latency_p50_ms", look)
    with pytest.raises(NothingToDraw, match="monolith-process"):
        event_timeline(shop.timeline.iloc[:0], shop.events, "monolith-process", look)
    with pytest.raises(NothingToDraw, match="Nothing was compared"):
        ratio_rows(shop.comparisons.iloc[:0], "startup_s", look)


def test_the_whole_is_a_page(behind_proxies: Campaign) -> None:
    html = render(behind_proxies)
    assert html.count("<h2") == len(all_sections(behind_proxies, look_of(behind_proxies)))
    assert "Change, failure, scale" in html
    assert len(html) < 6_000_000
