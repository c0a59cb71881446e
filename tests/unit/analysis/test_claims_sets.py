"""The claims on sets, proxies and orchestrators: each verdict from evidence that is known."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from harness.analysis import Campaign, ClaimResult
from harness.analysis.claims import CLAIMS, decide
from harness.analysis.claims.functions import route_of
from harness.records.trial import TrialRecord
from harness.spec.event import EventSpec
from tests.unit.analysis.synthetic import failed, make_campaign
from tests.unit.analysis.synthetic_sets import make_sets

Make = Callable[..., Campaign]
KILL, SCALE = EventSpec(kind="kill", service="svc"), EventSpec(kind="scale", service="svc", replicas=3)
SWARM: dict[str, Any] = {
    "topologies": ("single",),
    "targets": ("swarm",),
    "proxies": ("direct",),
    "events": (KILL, SCALE),
}
PROXIES: dict[str, Any] = {"topologies": ("single",), "events": (KILL,), "proxies": ("direct", "nginx")}


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """A campaign of the shop, reached directly unless told otherwise."""
    return lambda **options: make_sets(tmp_path / "c", **{"proxies": ("direct",), **options})


def claim(campaign: Campaign, name: str) -> ClaimResult:
    return next(result for result in decide(campaign) if result.id == name)


def of(topology: str, **changes: Any) -> Callable[[TrialRecord], TrialRecord]:
    """Change what attempts on a topology recorded."""
    return lambda made: replace(made, **changes) if made.variant.topology == topology else made


def event(kind: str, change: Callable[[TrialRecord], bool], **changes: Any) -> Callable[[TrialRecord], TrialRecord]:
    """Change what these attempts' events of a kind recorded."""

    def changed(made: TrialRecord) -> TrialRecord:
        if not change(made):
            return made
        return replace(made, events=tuple(replace(e, **changes) if e.kind == kind else e for e in made.events))

    return changed


def always(_: TrialRecord) -> bool:
    return True


def of_sets(campaign: Campaign) -> list[str]:
    """The claims about sets, proxies and events that it shows, in the order of ``CLAIMS``."""
    shown = {result.id for result in decide(campaign)}
    return [claim.id for claim in CLAIMS[6:] if claim.id in shown]


def test_a_campaign_shows_only_the_claims_that_it_touches(make: Make, tmp_path: Path) -> None:
    plain = make_campaign(tmp_path / "plain", blocks=1)
    assert len(decide(plain)) == 6
    assert of_sets(make(blocks=1, proxies=("direct", "nginx"))) == [
        "independent change",
        "fault containment",
        "polyglot",
        "reverse proxy",
        "one system",
    ]


def test_swarm_and_squid_bring_their_own_claims(make: Make) -> None:
    campaign = make(blocks=1, **{**SWARM, "proxies": ("direct", "squid")})
    assert of_sets(campaign) == ["orchestration", "forward proxy"]


def test_what_was_not_measured_comes_last(make: Make) -> None:
    verdicts = [result.verdict == "not measured" for result in decide(make(blocks=2, proxies=("direct", "nginx")))]
    assert verdicts == sorted(verdicts)
    assert len(set(verdicts)) == 2


def test_every_claims_evidence_is_one_sentence_or_two(make: Make) -> None:
    for result in decide(make(blocks=2, proxies=("direct", "nginx"), targets=("container", "vm"), replicas=(1, 3))):
        assert result.evidence.endswith(".")
        assert len(result.evidence) < 900
        assert all(figure.n >= 1 for figure in result.figures)


def test_independent_change_is_supported_where_the_monolith_fails_more(make: Make) -> None:
    result = claim(make(), "independent change")
    assert result.verdict == "supported"
    assert "failed 0 (0 to 0) requests of the other functions (auth_login, catalog_item and catalog_list)" in (
        result.evidence
    )
    assert "replacing monolith-container 1.000 s" in result.evidence


def test_a_change_that_fails_nothing_anywhere_resolves_nothing(make: Make) -> None:
    assert claim(make(down_s={"kill": 2.0, "replace": 0.0}), "independent change").verdict == "not resolved"


def test_one_block_resolves_no_change(make: Make) -> None:
    result = claim(make(blocks=1), "independent change")
    assert result.verdict == "not resolved"
    assert "(one trial)" in result.evidence


def test_a_set_whose_change_costs_the_other_functions_more_refutes(make: Make) -> None:
    campaign = make()
    frame = campaign.event_requests
    change = (frame["kind"] == "replace") & frame["moment"].isin(["during", "after"])
    whole = frame["variant"].str.startswith("monolith")
    frame.loc[change, "failed"] = frame.loc[change, "requests"].where(~whole, 0)
    assert claim(campaign, "independent change").verdict == "refuted"


def test_without_the_monolith_neither_is_measured(make: Make) -> None:
    campaign = make(topologies=("microservices", "polyglot"))
    for name in ("independent change", "fault containment"):
        assert claim(campaign, name).verdict == "not measured"
    assert "no monolith was killed beside it" in claim(campaign, "fault containment").evidence


def test_tasks_that_do_not_tell_are_said_to(make: Make) -> None:
    campaign = make()
    campaign.event_requests["task"] = "browse"
    result = claim(campaign, "fault containment")
    assert result.verdict == "not measured"
    assert "tasks named for what they ask for" in result.evidence


def test_fault_containment(make: Make) -> None:
    result = claim(make(), "fault containment")
    assert result.verdict == "supported"
    assert "0.0 % (0.0 to 0.0) of the requests for the other functions failed" in result.evidence
    assert "against 100.0 % (100.0 to 100.0) in monolith-container" in result.evidence


def test_a_fault_that_spreads_refutes(make: Make) -> None:
    campaign = make()
    frame = campaign.event_requests
    hit = (frame["variant"] == "microservices-container") & (frame["kind"] == "kill") & (frame["moment"] == "during")
    frame.loc[hit, "failed"] = frame.loc[hit, "requests"] // 2
    assert claim(campaign, "fault containment").verdict == "refuted"


def test_a_kill_that_nobody_noticed_resolves_nothing(make: Make) -> None:
    campaign = make()
    campaign.event_requests["failed"] = 0
    result = claim(campaign, "fault containment")
    assert result.verdict == "not resolved"
    assert "nobody noticed that payments was down" in result.evidence


def test_emulated_machines_alone_decide_neither(make: Make) -> None:
    campaign = make(targets=("vm",), proxies=("direct",))
    for name in ("independent change", "fault containment"):
        assert claim(campaign, name).verdict == "emulated only"
        assert "microservices-vm (emulated)" in claim(campaign, name).evidence


def test_polyglot(make: Make) -> None:
    result = claim(make(), "polyglot")
    assert result.verdict == "supported"
    assert "microservices (with payments) and polyglot (with payments-node)" in result.evidence


def test_another_status_of_the_other_technology_refutes(make: Make) -> None:
    changed = of("polyglot", responses={"GET /": "500 sha256:" + "ab" * 32})
    result = claim(make(change=changed), "polyglot")
    assert result.verdict == "refuted"
    assert "GET /" in result.evidence


@pytest.mark.parametrize(
    "options",
    [
        {"topologies": ("monolith", "microservices")},
        {"change": of("polyglot", responses={})},
        {"change": lambda made: failed(made) if made.variant.topology == "polyglot" else made},
    ],
)
def test_without_both_technologies_polyglot_is_not_measured(make: Make, options: dict[str, Any]) -> None:
    assert claim(make(**options), "polyglot").verdict == "not measured"


def test_orchestration(make: Make) -> None:
    result = claim(make(**SWARM), "orchestration")
    assert result.verdict == "supported"
    assert "on swarm svc was healed in 2.000 s (2.000 to 2.000), 3 of 3 times" in result.evidence.replace("On", "on")
    assert "svc was scaled in 3.000 s" in result.evidence


@pytest.mark.parametrize(
    ("change", "verdict"),
    [
        (event("kill", always, recovered_ns=None), "refuted"),
        (event("scale", lambda made: made.block == 1, recovered_ns=None), "not resolved"),
    ],
)
def test_what_is_not_healed_is_said(make: Make, change: Callable[[TrialRecord], TrialRecord], verdict: str) -> None:
    assert claim(make(**SWARM, change=change), "orchestration").verdict == verdict


def test_orchestration_needs_healing_and_scaling(make: Make) -> None:
    result = claim(make(**{**SWARM, "events": (KILL,)}), "orchestration")
    assert result.verdict == "not measured"
    assert "Not measured: scale." in result.evidence


def test_a_kill_that_was_not_to_end_is_no_failure_to_heal(make: Make) -> None:
    stays = EventSpec(kind="kill", service="svc", again=False)
    result = claim(make(**{**SWARM, "events": (stays,)}), "orchestration")
    assert (result.verdict, result.evidence) == ("not measured", "No event that was to end happened there.")


def test_reverse_proxy(make: Make) -> None:
    result = claim(make(**{**PROXIES, "proxies": ("direct", "nginx", "haproxy")}, replicas=(1, 3)), "reverse proxy")
    assert result.verdict == "supported"
    assert "each of 3 replicas got 33.3 % to 33.3 % of the requests" in result.evidence
    assert "of the requests failed while one was down" in result.evidence
    names = {figure.name for figure in result.figures}
    assert {"latency_p50_ms added to container at 100 rps", "share of svc-3"} <= names


@pytest.mark.parametrize(
    ("options", "verdict"),
    [
        ({"replicas": (1,)}, "not measured"),
        ({"replicas": (1, 3), "spread": (0.9, 0.1, 0.0)}, "refuted"),
        ({"replicas": (1, 3), "change": failed}, "not measured"),
    ],
)
def test_reverse_proxy_needs_every_replica(make: Make, options: dict[str, Any], verdict: str) -> None:
    assert claim(make(**PROXIES, **options), "reverse proxy").verdict == verdict


def test_forward_proxy(make: Make) -> None:
    result = claim(make(**{**PROXIES, "proxies": ("direct", "squid")}), "forward proxy")
    assert result.verdict == "supported"
    assert (
        "direct path was closed in 3 of 3 attempts (EHOSTUNREACH); a forbidden destination got 403 in 3 of 3"
        in result.evidence
    )
    assert "through container-squid: latency +" in result.evidence


@pytest.mark.parametrize(
    ("checks", "verdict"),
    [
        ({"direct": "connected", "forbidden": "403"}, "refuted"),
        ({"direct": "ECONNREFUSED", "forbidden": "403"}, "refuted"),
        ({"direct": "timed out", "forbidden": "403"}, "supported"),
        ({"direct": "EHOSTUNREACH", "forbidden": "200"}, "refuted"),
        ({"direct": "EHOSTUNREACH"}, "not measured"),
        ({}, "not measured"),
    ],
)
def test_a_forward_proxy_that_lets_pass(make: Make, checks: dict[str, str], verdict: str) -> None:
    campaign = make(**{**PROXIES, "proxies": ("direct", "squid")}, change=of("single", path_checks=checks))
    assert claim(campaign, "forward proxy").verdict == verdict


def test_one_system(make: Make) -> None:
    result = claim(make(proxies=("nginx",)), "one system")
    assert result.verdict == "supported"
    assert "One entry point served every function in microservices-container-nginx" in result.evidence
    assert "an event reached its consumer after" in result.evidence
    assert "of 1 of 4 functions all" in result.evidence


def test_one_system_needs_an_entry_and_messages(make: Make) -> None:
    direct = make()
    assert "no set behind one entry point" in claim(direct, "one system").evidence

    def unheard(made: TrialRecord) -> TrialRecord:
        return replace(made, propagation_ms=())

    silent = make_sets(direct.path.parent / "silent", proxies=("nginx",), change=unheard)
    assert claim(silent, "one system").verdict == "not measured"
    assert "no event's propagation was measured" in claim(silent, "one system").evidence


def test_a_part_whose_loss_is_the_loss_of_all_refutes_one_system(make: Make) -> None:
    campaign = make(proxies=("nginx",))
    frame = campaign.event_requests
    frame.loc[frame["moment"] == "during", "failed"] = frame["requests"]
    assert claim(campaign, "one system").verdict == "refuted"


@pytest.mark.parametrize(
    ("task", "route"),
    [
        ("pay", "/payments"),
        ("catalog_list#2", "/catalog"),
        ("auth_login", "/auth"),
        ("GET /catalog/items/[id]", "/catalog"),
        ("browse", None),
        ("GET /elsewhere", None),
    ],
)
def test_a_tasks_name_tells_what_it_asks_for(task: str, route: str | None) -> None:
    assert route_of(task, ("/auth", "/catalog", "/payments")) == route
    assert route_of(task, ("/",)) in (None, "/")
