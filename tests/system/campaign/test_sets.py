"""Sets of services, proxies and events through the command line, on the real engines."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from harness.records.trial import TrialRecord
from tests.support.command import ROOT, Ended, tare, trials

pytestmark = [pytest.mark.alone, pytest.mark.timeout(1500)]

EXPERIMENT = """
name = "sets"
question = "Do sets work?"
workload = "{workload}"
baseline = "{baseline}"
repeats = 1
settle_s = 0
{matrix}
[limits]
memory_mib = 256
[load]
rates_rps = [40]
warmup_s = 0.5
duration_s = 2
capacity_s = 0.5
null_steps = 2
closed_users = 2
timeout_s = 5
{events}
[validity] # this is not about figures, and the host may be busy with other tests
min_achieved_share = 0.01
max_send_lag_ms = 60_000
max_generator_busy = 1
max_steal = 1
"""


def run(folder: Path, **parts: str) -> tuple[Ended, Path]:
    """Run an experiment of these parts; how it ended, and its campaign."""
    file = folder / "sets.toml"
    file.write_text(EXPERIMENT.format(**{"workload": "shop", "events": "", **parts}), "utf-8")
    return tare(folder / "t", "run", file, "--out", folder / "campaign"), folder / "campaign"


def shown(folder: Path, campaign: Path) -> dict[str, object]:
    ended = tare(folder / "show", "show", campaign, "--json")
    assert ended.code == 0
    found: dict[str, object] = json.loads(ended.out)
    return found


def last(campaign: Path) -> dict[str, TrialRecord]:
    """The last attempt of each variant, all of which must have ended well."""
    found = {record.variant.name: record for record in trials(campaign)}
    assert [record.failure for record in found.values() if record.failure] == []
    return found


MATRIX = """
[matrix]
topologies = ["monolith", "microservices"]
targets = ["process", "container", "mixed"]
proxies = ["direct", "nginx"]
exclude = [
  { target = "mixed", topology = "monolith" },
  { target = "mixed", proxy = "nginx" },
  { target = "process", topology = "monolith" },
  { target = "container", topology = "monolith", proxy = "nginx" },
]
[placements.mixed]
default = "container"
payments = "process"
"""
EVENTS = """
[[events]]
kind = "kill"
route = "/payments"
before_s = 1
watch_s = 4
[[events]]
kind = "replace"
route = "/payments"
before_s = 1
watch_s = 4
"""


def test_a_shop_in_one_piece_and_in_several_behind_a_proxy_and_placed_apart(tmp_path: Path) -> None:
    ended, campaign = run(tmp_path, baseline="monolith-container", matrix=MATRIX, events=EVENTS)
    assert ended.code == 0, ended.err
    found = last(campaign)
    assert set(found) == {
        "monolith-container",
        "microservices-process",
        "microservices-process-nginx",
        "microservices-container",
        "microservices-container-nginx",
        "microservices-mixed",
    }
    for name, record in found.items():
        assert record.startup is not None
        assert record.startup.phases[-1].name == "first transaction", name
        services = {each.service for each in record.instances}
        own = {"monolith"} if "monolith" in name else {"auth", "catalog", "payments"}
        assert services == own | {"broker"} | ({"proxy"} if "nginx" in name else set())
        assert record.memory_load is not None
        parts = [each.memory_load for each in record.instances if each.memory_load is not None]
        assert record.memory_load.pss["app"] == sum(part.pss["app"] for part in parts)
        assert [event.kind for event in record.events] == ["kill", "replace"]
        assert all(event.recovered_ns is not None for event in record.events), name
        assert record.propagation_ms, name
    targets = {each.service: each.target for each in found["microservices-mixed"].instances}
    assert targets == {"broker": "container", "auth": "container", "catalog": "container", "payments": "process"}
    assert found["microservices-process"].artifact_digest == found["microservices-mixed"].artifact_digest
    assert len({frozenset(record.responses.items()) for record in found.values()}) == 1, "all answer alike"
    assert set(found["microservices-container-nginx"].served) == {"auth", "catalog", "payments"}

    summary = shown(tmp_path, campaign)
    claims = {claim["id"]: claim["verdict"] for claim in summary["claims"]}  # type: ignore[attr-defined]  # it is JSON
    assert {"independent change", "fault containment", "one system"} <= set(claims)
    assert summary["events"]


PROXIES = """
[proxies.tls]
kind = "nginx"
tls = true
[matrix]
targets = ["container"]
proxies = ["haproxy", "squid", "tls"]
replicas = [1, 3]
exclude = [{ proxy = "squid", replicas = 3 }, { proxy = "tls", replicas = 3 }, { proxy = "haproxy", replicas = 1 }]
"""


def test_proxies_spread_encrypt_and_refuse(tmp_path: Path) -> None:
    ended, campaign = run(tmp_path, workload="hello", baseline="container-tls", matrix=PROXIES)
    assert ended.code == 0, ended.err
    found = last(campaign)
    served = found["container-haproxy-x3"].served
    total = sum(served.values())
    assert set(served) == {"svc", "svc-2", "svc-3"}
    assert all(abs(count / total - 1 / 3) < 0.03 for count in served.values()), served
    assert found["container-squid"].path_checks["forbidden"] == "403"
    assert found["container-squid"].path_checks["direct"] != "connected"
    assert "ssl_certificate" in (campaign / "trials/b1-03-container-tls-a1").parent.joinpath(
        next(path.name for path in (campaign / "trials").glob("*-tls-a*")), "nginx.conf"
    ).read_text("utf-8")


ONE = '[matrix]\ntopologies = ["microservices"]\ntargets = ["process"]\n'


def test_a_broker_that_never_starts_is_named_with_its_last_words(tmp_path: Path) -> None:
    """And the rest of the set is gone with it."""
    workloads = tmp_path / "workloads"
    shutil.copytree(ROOT / "workloads/shop", workloads / "shop", ignore=shutil.ignore_patterns("node_modules"))
    file = workloads / "shop" / "workload.toml"
    text = file.read_text("utf-8")
    broken = text.replace('"--config", "/app/nats.conf"', '"--config", "/app/no-such.conf"')
    assert broken != text
    file.write_text(broken, "utf-8")
    benches = tmp_path / "benches"
    benches.mkdir()
    ended, campaign = run(benches, baseline="microservices-process", matrix=ONE)
    assert ended.code == 1
    failures = [record.failure for record in trials(campaign)]
    assert failures
    for failure in failures:
        assert failure is not None
        assert failure.what.startswith("the service ended before it answered")
        assert "no-such.conf" in failure.logs
        assert "[broker]" in failure.logs


@pytest.mark.parametrize(
    ("parts", "what"),
    [
        ({"matrix": ONE.replace("microservices", "nanoservices")}, "'nanoservices'"),
        (
            {"matrix": ONE + 'proxies = ["direct", "traefik"]\n'},
            "'traefik'",
        ),
        (
            {"matrix": ONE, "events": '[[events]]\nkind = "kill"\nservice = "monolith"\n'},
            "'monolith'",
        ),
    ],
)
def test_what_cannot_be_meant_is_refused_before_anything_is_built(
    tmp_path: Path, parts: dict[str, str], what: str
) -> None:
    baseline = "nanoservices-process" if "nano" in parts["matrix"] else "microservices-process"
    ended, campaign = run(tmp_path, baseline=baseline, **parts)
    assert ended.code == 2
    assert what in ended.complaint[0]
    assert not campaign.exists()
