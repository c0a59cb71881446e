"""The claims on distance, cache fill and policies: each verdict from evidence that is known."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from harness.analysis import Campaign, ClaimResult
from harness.analysis.claims import decide
from harness.records.cache import OriginCount
from harness.records.trial import TrialRecord
from tests.unit.analysis.synthetic import failed, invalid, make_campaign
from tests.unit.analysis.synthetic_cdn import make_cdn
from tests.unit.analysis.synthetic_policies import make_policies

Make = Callable[..., Campaign]
CLAIMS = {"distance", "cache fill", "policies"}
REAL = {"varnish-lru": 0.40, "varnish-fifo": 0.34, "squid-lru": 0.395, "squid-lfuda": 0.46}
PROXIES = (("varnish-lru", "varnish", "lru"), ("varnish-fifo", "varnish", "fifo"))


@pytest.fixture
def cdn(tmp_path: Path) -> Make:
    return lambda **options: make_cdn(tmp_path / "c", **options)


@pytest.fixture
def policies(tmp_path: Path) -> Make:
    """Two proxies at one size on one sequence, unless told otherwise."""
    few: dict[str, Any] = {"proxies": PROXIES, "shares": (0.01,), "sequences": ("steady",), "hit_ratios": REAL}
    return lambda **options: make_policies(tmp_path / "c", **few | options)


def claim(campaign: Campaign, name: str) -> ClaimResult:
    return next(result for result in decide(campaign) if result.id == name)


def counting(change: Callable[[int, TrialRecord], int]) -> Callable[[TrialRecord], TrialRecord]:
    """Another count at the origin, from the right one and the attempt."""

    def changed(made: TrialRecord) -> TrialRecord:
        assert made.origin is not None
        requests = change(made.origin.requests, made) if made.caches else made.origin.requests
        return replace(made, origin=OriginCount(requests=requests, bytes=0))

    return changed


def test_a_campaign_shows_only_those_that_it_touches(cdn: Make, tmp_path: Path) -> None:
    assert not CLAIMS & {result.id for result in decide(make_campaign(tmp_path / "plain", blocks=1))}
    assert CLAIMS & {result.id for result in decide(cdn(blocks=1))} == {"distance", "cache fill"}
    replays = make_policies(tmp_path / "p", blocks=1, proxies=PROXIES, shares=(0.01,), sequences=("steady",))
    assert CLAIMS & {result.id for result in decide(replays)} == {"cache fill", "policies"}
    assert "reverse proxy" not in {result.id for result in decide(replays)}


def test_distance(cdn: Make) -> None:
    result = claim(cdn(), "distance")
    assert result.verdict == "supported"
    assert "The farthest region, ap-southeast, is 215.1 ms from the origin" in result.evidence
    assert "With warm PoPs (container-varnish-warm) it is 2." in result.evidence
    assert "with cold PoPs (container-varnish-cold) it is 217." in result.evidence
    assert "a quarter" in result.decided_by
    ratio = next(
        figure for figure in result.figures if figure.name.endswith("over direct") and "warm" in figure.variant
    )
    assert isinstance(ratio.value, float)
    assert ratio.low is not None
    assert ratio.high is not None
    assert ratio.low < ratio.value < ratio.high < 0.25
    assert ratio.n == 3


@pytest.mark.parametrize(
    ("options", "verdict"),
    [
        ({"blocks": 1}, "not resolved"),
        ({"hits": {"varnish-cold": 0.4, "varnish-warm": 0.2}}, "refuted"),
        ({"target": "vm"}, "emulated only"),
        ({"proxies": ("varnish-warm",)}, "not measured"),
        ({"change": failed}, "not measured"),
    ],
)
def test_distance_is_decided_by_warm_pops(cdn: Make, options: dict[str, Any], verdict: str) -> None:
    assert claim(cdn(**options), "distance").verdict == verdict


def test_a_pop_that_helps_less_than_said_resolves_nothing(cdn: Make) -> None:
    campaign = cdn()
    frame = campaign.regions
    warm = (frame["variant"] == "container-varnish-warm") & (frame["cache"] == "all")
    frame.loc[warm, "latency_p50_ms"] = 100.0
    assert claim(campaign, "distance").verdict == "not resolved"


def test_without_a_warm_pop_it_says_so(cdn: Make) -> None:
    evidence = claim(cdn(proxies=("direct", "varnish-cold")), "distance").evidence
    assert evidence.startswith("No PoP was warm when the load began. With cold PoPs")


def test_a_region_that_is_not_slower_far_away_refutes(cdn: Make) -> None:
    campaign = cdn()
    frame = campaign.regions
    near = (frame["variant"] == "container") & (frame["region"] == "us-east")
    frame.loc[near, "latency_p50_ms"] = 500.0
    assert claim(campaign, "distance").verdict == "refuted"


def test_cache_fill(cdn: Make) -> None:
    result = claim(cdn(), "cache fill")
    assert result.verdict == "supported"
    assert "equal in each of 3 trials" in result.evidence
    assert "of misses (13" in result.evidence
    assert {"requests that the origin counted", "requests that the caches fetched", "offload"} <= {
        figure.name for figure in result.figures
    }


@pytest.mark.parametrize(
    ("options", "verdict", "words"),
    [
        ({"excess": 2}, "not resolved", "differ in 3 of 3 trials (unexplained)"),
        ({"excess": -5}, "not resolved", "(unexplained)"),
        ({"excess": -5, "shield": "eu-central"}, "supported", "explained by a shield"),
        ({"blocks": 1}, "not resolved", "(one trial)"),
        ({"change": counting(lambda *_: 10_000)}, "refuted", "unexplained"),
        ({"hits": {"varnish-cold": 0.0, "varnish-warm": 1.0}}, "refuted", "too few were hits"),
        ({"change": lambda made: replace(made, origin=None)}, "not measured", "counts its requests"),
    ],
)
def test_cache_fill_is_decided_by_counts(cdn: Make, options: dict[str, Any], verdict: str, words: str) -> None:
    result = claim(cdn(**options), "cache fill")
    assert (result.verdict, words in result.evidence) == (verdict, True), result.evidence


def test_hits_that_are_no_faster_than_misses_refute(cdn: Make) -> None:
    campaign = cdn()
    campaign.caches["hit_p50_ms"] = 2 * campaign.caches["miss_p50_ms"]
    assert claim(campaign, "cache fill").verdict == "refuted"


def test_policies(policies: Make) -> None:
    result = claim(policies(), "policies")
    assert result.verdict == "supported"
    assert "2 of 2 real caches, policies and sizes keep what their simulation keeps" in result.evidence
    assert "no valid trial" not in result.evidence
    assert "varnish LRU against FIFO at 1 % of steady: +6." in result.evidence
    assert any(figure.name.startswith("points of hit ratio above LRU simulated") for figure in result.figures)


@pytest.mark.parametrize(
    ("options", "verdict", "words"),
    [
        ({"blocks": 1}, "supported", "(one trial)"),
        ({"hit_ratios": REAL | {"varnish-fifo": 0.30}}, "refuted", "1 of 2 real caches"),
        ({"hit_ratios": REAL | {"varnish-fifo": 0.32}, "jitter": 0.005}, "not resolved", "real caches"),
        (
            {"hit_ratios": REAL | {"varnish-fifo": 0.40}, "simulated": {"LRU": 0.39, "FIFO": 0.39}},
            "not resolved",
            "0 of 1",
        ),
        ({"proxies": PROXIES[:1]}, "not resolved", "no cache was measured with two policies"),
        ({"why_not": "no libCacheSim."}, "not measured", "not simulated: no libCacheSim. To get them: install it"),
        ({"simulated": {}}, "not measured", "tare run --resume"),
        ({"simulated": {"Belady": 0.6}}, "not measured", "not simulated at the capacities"),
        ({"change": failed}, "not measured", "No trial that counts replays"),
    ],
)
def test_policies_are_decided_against_simulation(
    policies: Make, options: dict[str, Any], verdict: str, words: str
) -> None:
    result = claim(policies(**options), "policies")
    assert (result.verdict, words in result.evidence) == (verdict, True), result.evidence


def test_caches_without_a_valid_trial_are_not_passed_over(policies: Make) -> None:
    def change(record: TrialRecord) -> TrialRecord:
        if record.variant.proxy != "varnish-fifo":
            return record
        return invalid(record) if record.level == "steady" else replace(failed(record), caches=())

    result = claim(policies(change=change, sequences=("steady", "scans")), "policies")
    assert "2 of 2 real caches" in result.evidence
    assert "2 more had no valid trial" in result.evidence


def test_lfuda_has_more_room(policies: Make) -> None:
    squid = (("squid-lru", "squid-cache", "lru"), ("squid-lfuda", "squid-cache", "lfuda"))
    far = {"squid-lru": 0.40, "squid-lfuda": 0.485}
    result = claim(policies(proxies=squid, hit_ratios=far, jitter=0.0), "policies")
    assert result.verdict == "supported"
    assert "squid-cache LFUDA at 1 % of steady: 48.5" in result.evidence


def test_caches_that_decide_nothing_are_said_to(policies: Make) -> None:
    nginx = (("nginx-lru", "nginx-cache", "lru"),)
    result = claim(policies(proxies=nginx, hit_ratios={"nginx-lru": 0.4}), "policies")
    assert result.verdict == "not measured"
    assert "whose policy decides" in result.evidence
    assert result.figures


def test_every_claims_evidence_is_short(tmp_path: Path) -> None:
    for result in (*decide(make_cdn(tmp_path / "c")), *decide(make_policies(tmp_path / "p"))):
        assert result.evidence.endswith(".")
        assert len(result.evidence) < 900
        assert all(figure.n >= 1 for figure in result.figures)
