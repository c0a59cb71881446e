"""Frames of regions, round-trip times, caches and policies, and what ``tare show`` makes of them."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from harness.analysis import Campaign
from harness.analysis.answer import answer
from harness.analysis.regions import farthest, nearest
from harness.output.as_json.campaign import show_json
from harness.output.terminal.campaign import show_tables
from harness.records.trial import TrialRecord
from harness.spec.event import EventSpec
from tests.unit.analysis.synthetic import make_campaign
from tests.unit.analysis.synthetic_cdn import REGIONS, make_cdn
from tests.unit.analysis.synthetic_policies import make_policies


@pytest.fixture(scope="module")
def cdn(tmp_path_factory: pytest.TempPathFactory) -> Campaign:
    return make_cdn(tmp_path_factory.mktemp("c") / "c")


@pytest.fixture(scope="module")
def policies(tmp_path_factory: pytest.TempPathFactory) -> Campaign:
    return make_policies(tmp_path_factory.mktemp("c") / "c")


def test_regions_tell_hits_from_misses(cdn: Campaign) -> None:
    frame = cdn.regions
    assert set(frame["region"]) == set(REGIONS)
    direct = frame[frame["variant"] == "container"]
    assert set(direct["cache"]) == {"all"}
    far = frame[(frame["region"] == "ap-southeast") & (frame["variant"] == "container-varnish-warm")]
    medians = far.groupby("cache")["latency_p50_ms"].median()
    assert medians["hit"] == pytest.approx(2, rel=0.4)
    assert medians["miss"] == pytest.approx(218, rel=0.02)
    sums = far.groupby("cache")["requests"].sum()
    assert sums["all"] == sums["hit"] + sums["miss"]


def test_every_region_has_its_distances(cdn: Campaign) -> None:
    frame = cdn.rtts
    own = frame[(frame["variant"] == "container-varnish-warm") & frame["own"] & (frame["role"] == "pop")]
    assert set(zip(own["region"], own["host"], strict=True)) == {(name, f"proxy-{name}") for name in REGIONS}
    assert (own["median_ms"] < 1).all()
    assert (farthest(frame), nearest(frame)) == ("ap-southeast", "us-east")
    assert farthest(frame.iloc[:0]) is nearest(frame.iloc[:0]) is None


def test_a_region_without_a_pop_is_sent_to_the_nearest(tmp_path: Path) -> None:
    campaign = make_cdn(tmp_path / "c", blocks=1)
    geography = campaign.experiment.geography
    assert geography is not None
    fewer = geography.model_copy(update={"pops": ("us-east", "ap-southeast")})
    moved = campaign.experiment.model_copy(update={"geography": fewer})
    frame = Campaign(campaign.folder, moved, campaign.null, campaign.records, campaign.trials).rtts
    mine = frame[(frame["region"] == "ap-northeast") & (frame["role"] == "pop") & frame["own"]]
    assert set(mine["host"]) == {"proxy-ap-southeast"}


def test_the_origins_count_stands_beside_the_misses(cdn: Campaign) -> None:
    frame = cdn.caches
    cached = frame[frame["caches"] == 5]
    assert (cached["excess"] == 0).all()
    assert (cached["origin_requests"] == cached["missed"] + cached["passed"]).all()
    direct = frame[frame["caches"] == 0]
    assert (direct["offload"] == 0).all()
    assert direct["hit_ratio"].isna().all()
    warm, cold = (cached[cached["proxy"] == f"varnish-{state}"] for state in ("warm", "cold"))
    assert warm["hit_ratio"].min() > 0.7 > 0.5 > cold["hit_ratio"].max()
    assert warm["offload"].min() < warm["hit_ratio"].min()


def test_metrics_and_samples_have_them_too(cdn: Campaign) -> None:
    rows = cdn.summaries[cdn.summaries["variant"] == "container-varnish-warm"]
    assert {"hit_ratio", "byte_hit_ratio", "offload", "origin_requests"} <= set(rows["metric"])
    assert set(cdn.samples["region"]) == set(REGIONS)
    assert set(cdn.samples["cache"]) == {"none", "hit", "miss", "pass"}


def test_a_killed_pop_leaves_errors_that_are_no_misses(tmp_path: Path) -> None:
    kill = EventSpec(kind="kill", service="proxy-sa-east")
    campaign = make_cdn(tmp_path / "c", blocks=1, events=(kill,))
    cached = campaign.caches[campaign.caches["caches"] > 0]
    assert (cached["errors"] > 0).all()
    assert (cached["excess"] == 0).all()
    assert set(campaign.events["instance"]) == {"proxy-sa-east"}
    assert (campaign.events["failed_during"] > 0).all()


def test_policies_stand_against_their_simulation(policies: Campaign) -> None:
    frame = policies.policies
    assert len(frame) == 6 * 2 * 2
    lru = frame[(frame["variant"] == "container-varnish-lru-1pc") & (frame["level"] == "steady")].iloc[0]
    assert (lru["simulated_policy"], lru["simulated"], lru["n"]) == ("LRU", pytest.approx(0.40), 2)
    assert lru["points"] == pytest.approx(100 * lru["hit_ratio"] - 40)
    assert lru["points_low"] <= lru["points"] <= lru["points_high"]
    assert (lru["limit_points"], lru["effective_bytes"]) == (2, 950_000)
    clfus = frame[frame["policy"] == "clfus"]
    assert set(clfus["simulated_policy"]) == {""}
    assert clfus["points"].isna().all()
    assert frame[frame["kind"] == "nginx-cache"]["limit_points"].isna().all()


def test_another_capacity_is_no_simulation_of_this_one(tmp_path: Path) -> None:
    def smaller(made: TrialRecord) -> TrialRecord:
        return replace(made, caches=tuple(replace(cache, effective_bytes=7) for cache in made.caches))

    assert make_policies(tmp_path / "c", blocks=1, change=smaller).policies["simulated"].isna().all()


def test_several_caches_are_nobodys_sequence(tmp_path: Path) -> None:
    def doubled(made: TrialRecord) -> TrialRecord:
        return replace(made, caches=made.caches * 2)

    assert make_policies(tmp_path / "c", blocks=1, change=doubled).policies.empty


def test_a_plain_campaign_has_none_of_it(tmp_path: Path) -> None:
    campaign = make_campaign(tmp_path / "c", blocks=1)
    for frame in (campaign.regions, campaign.rtts, campaign.caches, campaign.policies, campaign.simulated):
        assert frame.empty
    shown = show_json(campaign)
    assert (shown["regions"], shown["caches"], shown["policies"]) == ([], [], None)


def test_json_holds_it(cdn: Campaign, policies: Campaign) -> None:
    shown = json.loads(json.dumps(show_json(cdn), allow_nan=False))
    far = next(
        entry
        for entry in shown["regions"]
        if (entry["region"], entry["variant"]) == ("ap-southeast", "container-varnish-warm")
    )
    assert far["rtt_to_origin_asked_ms"] == 215
    assert far["pop"] == "proxy-ap-southeast"
    assert far["latency_p50_ms"]["hit"]["median"] < 5 < 200 < far["latency_p50_ms"]["miss"]["median"]
    warm = next(entry for entry in shown["caches"] if entry["variant"] == "container-varnish-warm")
    assert (warm["caches"], warm["unlike"], warm["origin_requests"]) == (5, 0, warm["fetched"])
    shown = json.loads(json.dumps(show_json(policies), allow_nan=False))
    assert len(shown["policies"]["real"]) == 24
    assert {entry["policy"] for entry in shown["policies"]["simulated"]} >= {"Belady", "S3-FIFO"}
    assert shown["policies"]["why_not"] is None


def test_tables_for_a_terminal(cdn: Campaign, policies: Campaign, capsys: pytest.CaptureFixture[str]) -> None:
    for campaign in (cdn, policies):
        for table in show_tables(campaign):
            Console(width=240).print(table)
    shown = capsys.readouterr().out
    assert "Regions (medians of the trials, 95 % intervals)" in shown
    assert "215.1 ms" in shown
    assert "0 of 3" in shown
    assert "Hit ratios against simulation at the effective capacity" in shown
    assert "LFUDA-textbook" in shown


def test_the_answer_begins_with_what_the_campaign_is_about(cdn: Campaign, policies: Campaign) -> None:
    assert answer(cdn).startswith("In ap-southeast, 215.1 ms from the origin, the median latency is 217.")
    assert "with container-varnish-warm it is 0.01" in answer(cdn)
    assert "of the requests spare the origin" in answer(cdn)
    assert answer(policies).startswith("Of steady's requests 34.0 % (container-varnish-fifo-1pc) to 56.")
