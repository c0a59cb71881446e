"""The sections on regions, caches and policies."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from harness.analysis import Campaign, load
from harness.records.trial import TrialRecord
from harness.spec.event import EventSpec
from reports.blocks import Chart, Group, Section, Table, Text
from reports.charts import NothingToDraw, miss_ratio_chart, real_against_simulated, region_distances, region_ecdf
from reports.html import render
from reports.labels import Look
from reports.sections import all_sections
from reports.sections.cdn import caches, regions
from reports.sections.policies import policies
from reports.tables import too_many_cells
from tests.unit.analysis.synthetic import failed
from tests.unit.analysis.synthetic_cdn import REGIONS, make_cdn
from tests.unit.analysis.synthetic_policies import Policies, make_policies
from tests.unit.reports.folders import Made, write_campaign

MINE = ["regions", "caches", "policies"]


@pytest.fixture(scope="module")
def cdn(tmp_path_factory: pytest.TempPathFactory) -> Campaign:
    kill = EventSpec(kind="kill", service="proxy-ap-southeast")
    return make_cdn(tmp_path_factory.mktemp("c") / "c", events=(kill,))


@pytest.fixture(scope="module")
def replays(tmp_path_factory: pytest.TempPathFactory) -> Campaign:
    return make_policies(tmp_path_factory.mktemp("c") / "c")


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


def words(section: Section | None) -> str:
    assert section is not None
    return " ".join(block.text for block in section.blocks if isinstance(block, Text))


def texts(table: Table) -> list[list[str]]:
    return [[cell.text for cell in row] for row in table.rows]


def ids(campaign: Campaign) -> list[str]:
    return [section.id for section in all_sections(campaign, look_of(campaign)) if section.id in MINE]


def test_each_campaign_has_its_own(cdn: Campaign, replays: Campaign, tmp_path: Path) -> None:
    assert ids(load(write_campaign(tmp_path / "c", Made(blocks=1)))) == []
    assert ids(cdn) == ["regions", "caches"]
    assert ids(replays) == ["caches", "policies"]
    assert ids(make_cdn(tmp_path / "failed", blocks=1, change=failed)) == []


def test_regions_are_drawn_by_distance_with_what_was_asked(cdn: Campaign) -> None:
    figure = region_distances(cdn.rtts)
    assert list(figure.layout.yaxis.ticktext) == ["us-east", "eu-central", "sa-east", "ap-northeast", "ap-southeast"]
    named = {trace.name: trace for trace in figure.data if trace.name}
    assert named["to the origin"].x[0] == pytest.approx(0.1, abs=0.1)
    assert max(named["to its point of presence"].x) < 1
    assert max(named["as asked"].x) == 215


def test_a_curve_for_each_region_tells_hits_from_misses(cdn: Campaign) -> None:
    section = regions(cdn, look_of(cdn))
    drawn = charts(section)
    assert len(drawn) == 1 + len(REGIONS)
    figure = next(chart.figure for chart in drawn if chart.caption.startswith("ap-southeast"))
    assert figure is not None
    assert [trace.name for trace in figure.data] == [
        "container",
        "container-varnish-cold, hits",
        "container-varnish-cold, misses",
        "container-varnish-warm, hits",
        "container-varnish-warm, misses",
    ]
    assert [trace.line.dash for trace in figure.data][1:] == ["solid", "dot"] * 2
    direct, _, _, warm, _ = figure.data
    assert min(direct.x) > 200 > 20 > max(warm.x)


def test_the_tables_have_each_regions_distances_and_latencies(cdn: Campaign) -> None:
    distances, latencies = tables(regions(cdn, look_of(cdn)))
    far = texts(distances)[-1]
    assert far[:3] == ["ap-southeast (the farthest)", "1", "215.00"]
    assert far[5] == "proxy-ap-southeast"
    rows = [row for row in texts(latencies) if row[0] == "ap-southeast"]
    assert [row[1] for row in rows] == ["container", "container-varnish-cold", "container-varnish-warm"]
    assert rows[0][4:6] == ["-", "-"]
    assert rows[2][2].startswith("origin 215.1, PoP 0.1")
    assert " + " in rows[2][6]


def test_it_says_which_is_warm_and_which_is_cold(cdn: Campaign) -> None:
    said = words(regions(cdn, look_of(cdn)))
    assert "Warm, filled with the first 1,000 requests of the sequence before the load: container-varnish-warm." in said
    assert "Cold, empty when the load began: container-varnish-cold." in said


def test_caches_are_held_against_the_origin(cdn: Campaign, tmp_path: Path) -> None:
    section = caches(cdn, look_of(cdn))
    assert "counted exactly what the caches fetched, in each of 6 trials with caches" in words(section)
    kept, balance = tables(section)
    assert [row[1] for row in texts(kept)] == ["varnish LRU, 5 of them"] * 2
    assert [row[0] for row in texts(balance)] == ["container", "container-varnish-cold", "container-varnish-warm"]
    assert {row[4] for row in texts(balance)} == {"0 of 3"}
    assert all(chart.figure is not None for chart in charts(section))
    off = make_cdn(tmp_path / "off", blocks=2, excess=3)
    assert "in 4 of 4 trials with caches: +12 requests in all" in words(caches(off, look_of(off)))


def test_an_origin_that_does_not_count_is_said_to(tmp_path: Path) -> None:
    def uncounted(made: TrialRecord) -> TrialRecord:
        return replace(made, origin=None)

    campaign = make_cdn(tmp_path / "c", blocks=1, change=uncounted)
    section = caches(campaign, look_of(campaign))
    assert "The origin did not count" in words(section)
    assert tables(section)[1].rows == ()


def test_policies_have_a_chart_each_sequence_and_a_row_each_cache(replays: Campaign) -> None:
    section = policies(replays, look_of(replays))
    drawn = charts(section)
    assert len(drawn) == 2 * 3
    real, by_requests, by_bytes = drawn[:3]
    assert real.figure is not None
    assert by_requests.figure is not None
    assert by_bytes.figure is not None
    # Twelve variants, ten of them with a simulation.
    assert len(real.figure.data) == 12 + 10
    names = [trace.name for trace in by_requests.figure.data]
    assert names == ["LRU", "FIFO", "LFUDA-textbook", "S3-FIFO", "Belady", "real caches"]
    assert "catalogue" in by_requests.figure.layout.xaxis.title.text
    assert list(by_requests.figure.data[0].x) == [1.0, 10.0]
    (table,) = tables(section)
    row = next(row for row in texts(table) if row[0] == "container-squid-lru-1pc, steady")
    assert row[1] == "LRU"
    assert row[3] == "40.00 %"
    assert row[4].startswith("-0.5")
    assert "Paced, because they make room only now and then: squid-lfuda, squid-lru;" in words(section)
    assert row[5] == "2"
    clfus = next(row for row in texts(table) if row[0] == "container-ats-clfus-1pc, steady")
    assert clfus[1:2] + clfus[3:6] == ["none", "-", "-", "-"]
    assert "A note." in words(section)


def test_without_a_simulation_it_says_how_to_get_one(tmp_path: Path) -> None:
    campaign = make_policies(tmp_path / "c", blocks=1, why_not="no libCacheSim")
    section = policies(campaign, look_of(campaign))
    assert "There are no simulated ratios: no libCacheSim. To get it: install it" in words(section)
    assert len(charts(section)) == 2
    nobody = make_policies(tmp_path / "d", blocks=1, simulated={})
    assert "nothing was simulated" in words(policies(nobody, look_of(nobody)))


def test_what_cannot_be_drawn_says_why(cdn: Campaign, replays: Campaign) -> None:
    look = look_of(cdn)
    with pytest.raises(NothingToDraw, match="round-trip time"):
        region_distances(cdn.rtts.iloc[:0])
    with pytest.raises(NothingToDraw, match="requests from this region"):
        region_ecdf(cdn.samples.iloc[:0], look)
    with pytest.raises(NothingToDraw, match="replayed this sequence"):
        real_against_simulated(replays.policies.iloc[:0], look)
    with pytest.raises(NothingToDraw, match="No policy"):
        miss_ratio_chart(replays.simulated.iloc[:0])


def test_capacities_are_shades_of_their_proxies_hue(replays: Campaign) -> None:
    look = look_of(replays)
    families = {look.families[name] for name in look.order}
    assert families == {"varnish-lru", "varnish-fifo", "squid-lru", "squid-lfuda", "nginx-lru", "ats-clfus"}
    assert look.order[:2] == ("container-varnish-lru-1pc", "container-varnish-lru-10pc")
    assert look.colours[look.order[0]] != look.colours[look.order[1]]
    assert Look.of(replays.trials).order == look.order


def test_eight_policies_at_three_sizes_on_two_sequences_fit_a_file(tmp_path: Path) -> None:
    proxies = [*Policies().proxies, ("squid-gdsf", "squid-cache", "gdsf"), ("ats-lru", "trafficserver", "lru")]
    ratios = {name: 0.3 + 0.02 * place for place, (name, *_) in enumerate(proxies)}
    campaign = make_policies(
        tmp_path / "c", proxies=proxies, hit_ratios=ratios, shares=(0.001, 0.01, 0.1), requests=500, warmup=100
    )
    look = look_of(campaign)
    assert too_many_cells(campaign, look)
    assert len(render(campaign)) < 6_000_000
    sections = {section.id: section for section in all_sections(campaign, look)}
    assert "tare show --json" in words(sections["comparison"])
    assert "tare show --json" in words(sections["trials"])
    assert len(charts(sections["startup"])) == 1
    assert len(tables(sections["policies"])[0].rows) == 48


def test_the_whole_is_a_page(cdn: Campaign, replays: Campaign) -> None:
    for campaign in (cdn, replays):
        html = render(campaign)
        assert html.count("<h2") == len(all_sections(campaign, look_of(campaign)))
        assert len(html) < 6_000_000
