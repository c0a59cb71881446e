"""Regions, points of presence and the origin through the command line: two regions 40 ms apart, Varnish, real load."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from harness.clock import NS_PER_MS, NS_PER_S
from harness.records.trial import EventRecord, TrialRecord
from harness.store.folder import CampaignFolder
from tests.support.command import tare

pytestmark = [pytest.mark.alone, pytest.mark.timeout(1500)]

RTT_MS = 40.0

EXPERIMENT = """
name = "cdn"
question = "Does a near copy help?"
workload = "static"
baseline = "{baseline}"
repeats = 1
settle_s = 0
prefill = 1000
[matrix]
targets = ["process"]
proxies = {proxies}
[proxies.cold]
kind = "varnish"
[proxies.warm]
kind = "varnish"
warm = true
[proxies.stale]
kind = "varnish"
warm = true
cache = {{ ttl_s = 1, stale_if_error_s = 60 }}
[geography]
origin = "home"
regions = {{ home = {{}}, far = {{}} }}
links = [{{ between = ["home", "far"], rtt_ms = 40 }}]
[sequences.zipf]
requests = 10000
objects = 300
exponent = 1.0
[limits]
memory_mib = 256
[load]
rates_rps = [60]
warmup_s = 1
duration_s = 5
capacity_s = 1
null_steps = 2
closed_users = 8
timeout_s = 5
{events}
[validity] # this is not about figures, and the host may be busy with other tests
min_achieved_share = 0.01
max_send_lag_ms = 60_000
max_generator_busy = 1
max_steal = 1
max_rtt_error_ms = 10_000
"""


def run(folder: Path, proxies: list[str], events: str = "") -> tuple[dict[str, TrialRecord], CampaignFolder]:
    """Run it with these proxies: the last attempt of each proxy, all of which must have ended well; and its folder."""
    file = folder / "cdn.toml"
    baseline = "process" if proxies[0] == "direct" else f"process-{proxies[0]}"
    file.write_text(EXPERIMENT.format(baseline=baseline, proxies=proxies, events=events), "utf-8")
    ended = tare(folder / "t", "run", file, "--out", folder / "campaign")
    assert ended.code == 0, ended.err + ended.out
    campaign = CampaignFolder.open(folder / "campaign")
    found = {record.variant.proxy: record for record in campaign.trials()}
    assert [record.failure for record in found.values() if record.failure] == []
    return found, campaign


def milliseconds(requests: pd.DataFrame) -> pd.Series[float]:
    return (requests["done_ns"] - requests["intended_ns"]) / NS_PER_MS


def of(requests: pd.DataFrame, **wanted: str) -> pd.DataFrame:
    """Those that have all of these words."""
    for column, word in wanted.items():
        requests = requests[requests[column] == word]
    return requests


def test_a_near_copy_spares_clients_the_distance_and_the_origin_the_requests(tmp_path: Path) -> None:
    found, campaign = run(tmp_path, ["direct", "cold", "warm"])
    samples = {proxy: campaign.samples(record) for proxy, record in found.items()}
    far = {proxy: milliseconds(of(each, region="far", phase="measured")) for proxy, each in samples.items()}
    # Whoever is answered before the distance has not crossed it.
    assert far["direct"].min() >= RTT_MS
    assert far["warm"].min() < RTT_MS

    for proxy, record in found.items():
        # To the request: what the caches lacked is what the origin was asked for.
        words = samples[proxy]["cache"].value_counts()
        assert record.origin is not None
        assert record.origin.requests == words["none" if proxy == "direct" else "miss"], (proxy, words)
        hosts = ["origin"] if proxy == "direct" else ["origin", "proxy-home", "proxy-far"]
        assert [each.name for each in record.instances] == hosts
        rtts = {(rtt.region, rtt.host): rtt for rtt in record.rtts}
        assert set(rtts) == {(region, host) for region in ("home", "far") for host in hosts}
        assert rtts["far", "origin"].asked_ms == RTT_MS
        assert rtts["far", "origin"].median_ms >= RTT_MS
        assert record.backbone is not None
        assert (record.backbone.dropped, record.backbone.packets > 0) == (0, True)
        assert [cache.instance for cache in record.caches] == hosts[1:]
        assert len(of(samples[proxy], outcome="ok")) == len(samples[proxy]), "every body was the right one"
    assert set(samples["direct"]["region"]) == {"home", "far"}
    assert of(samples["warm"], cache="hit").shape[0] > of(samples["cold"], cache="hit").shape[0]


EVENTS = """
[[events]]
kind = "kill"
service = "proxy-far"
down_s = 2
before_s = 1
watch_s = 12
[[events]]
kind = "kill"
route = "/"
down_s = 3
before_s = 1
watch_s = 8
"""


def between(requests: pd.DataFrame, begin_ns: float, end_ns: float) -> pd.DataFrame:
    return requests[(requests["intended_ns"] >= begin_ns) & (requests["intended_ns"] < end_ns)]


def while_down(requests: pd.DataFrame, event: EventRecord) -> pd.DataFrame:
    """From a moment after the act, when who was connected has noticed, until it answered again."""
    assert event.recovered_ns is not None
    return between(requests, event.begin_ns + NS_PER_S / 2, event.recovered_ns)


def test_a_dead_point_of_presence_is_gone_round_and_what_is_stale_outlives_the_origin(tmp_path: Path) -> None:
    found, campaign = run(tmp_path, ["warm", "stale"], EVENTS)
    for proxy, record in found.items():
        samples = campaign.samples(record)
        edge, origin = record.events
        assert (edge.instance, origin.instance) == ("proxy-far", "origin")
        assert edge.recovered_ns is not None
        assert record.origin is None, "an origin that died has forgotten what it counted"

        far = of(samples, region="far")
        gone = of(while_down(far, edge), outcome="ok")
        assert len(gone) > 10
        assert milliseconds(gone).min() > RTT_MS * 0.9, "they go to the next nearest"
        back = of(between(far, edge.watched_until_ns - 2 * NS_PER_S, edge.watched_until_ns), outcome="ok")
        assert milliseconds(back).min() < RTT_MS, "and return"
        assert len(of(between(far, edge.watched_from_ns, edge.watched_until_ns), outcome="error")) > 0
        home = between(of(samples, region="home"), edge.watched_from_ns, edge.watched_until_ns)
        assert len(of(home, outcome="ok")) == len(home), "nobody else notices"

        down = while_down(samples, origin)
        words = of(down, outcome="ok")["cache"].value_counts()
        print(f"\n{proxy}, while the origin is down: {words.to_dict()}, {down['status'].value_counts().to_dict()}")
        if proxy == "stale":
            assert words["stale"] > 10
        else:
            assert words["hit"] > 10
        failed = down[down["outcome"] != "ok"]
        assert set(failed["status"]) <= {0, 502, 503, 504}, "what is not there is refused, never wrong"
