"""What ``tare show`` tells of sets, proxies and events."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from harness.analysis import Campaign
from harness.output.as_json.campaign import show_json
from harness.output.terminal.campaign import show_tables
from tests.unit.analysis.synthetic import make_campaign
from tests.unit.analysis.synthetic_sets import make_sets


@pytest.fixture(scope="module")
def campaign(tmp_path_factory: pytest.TempPathFactory) -> Campaign:
    path = tmp_path_factory.mktemp("c") / "c"
    return make_sets(path, topologies=("monolith", "microservices"), targets=("container", "vm"), replicas=(1, 3))


@pytest.fixture(scope="module")
def shown(campaign: Campaign) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads(json.dumps(show_json(campaign), allow_nan=False))
    return loaded


def test_a_variant_tells_its_replicas_and_instances(shown: dict[str, Any]) -> None:
    by_name = {entry["name"]: entry for entry in shown["variants"]}
    assert by_name["microservices-vm-nginx-x3"]["replicas"] == 3
    instances = {entry["name"]: entry for entry in by_name["microservices-vm-nginx-x3"]["instances"]}
    assert instances["payments-2"]["service"] == "payments"
    assert instances["proxy"]["role"] == "proxy"
    assert {entry["accelerator"] for entry in instances.values()} == {"tcg"}
    metrics = instances["payments-2"]["metrics"]
    assert metrics.keys() == {"startup_s", "ready_after_s", "memory_mib", "memory_load_mib", "cpu_ms_per_request"}
    assert all(value > 0 for value in metrics.values())


def test_a_set_with_an_emulated_instance_is_emulated(tmp_path: Path) -> None:
    def mixed(made: Any) -> Any:
        parts = [replace(one, accelerator="tcg") if one.name == "auth" else one for one in made.instances]
        return replace(made, instances=tuple(parts))

    made = make_sets(tmp_path / "c", topologies=("microservices",), proxies=("direct",), blocks=1, change=mixed)
    assert made.label("microservices-container") == "microservices-container (emulated)"
    assert set(made.trials["accelerator"]) == {"tcg"}


def test_a_proxy_tells_what_it_adds_and_how_it_spreads(shown: dict[str, Any]) -> None:
    assert len(shown["proxies"]) == 2 * 2 * 2
    by_name = {entry["variant"]: entry for entry in shown["proxies"]}
    found = by_name["monolith-container-nginx-x3"]
    assert (found["direct"], found["kind"], found["replicas"]) == ("monolith-container", "nginx", 3)
    for metric in ("latency_p50_ms", "latency_p99_ms"):
        assert {"median", "low", "high", "n", "verdict"} == found["added"][metric].keys()
    assert found["added"]["latency_p50_ms"]["low"] < 0.4 < found["added"]["latency_p50_ms"]["high"]
    assert found["served"]["min_share"] == pytest.approx(1 / 3)
    assert len(found["served"]["trials"]) == 3
    assert by_name["monolith-vm-nginx"]["emulated"]


def test_an_event_tells_its_time_and_its_counts(shown: dict[str, Any]) -> None:
    kill = next(e for e in shown["events"] if e["variant"] == "microservices-container" and e["kind"] == "kill")
    assert (kill["service"], kill["trials"], kill["recovered"]) == ("payments", 3, 3)
    assert kill["down_s"] == {"median": 2.0, "low": 2.0, "high": 2.0, "n": 3}
    assert kill["before"]["failed"] == 0 < kill["during"]["failed"] < kill["during"]["requests"]
    assert len(shown["events"]) == 12 * 2


def test_a_plain_campaign_has_neither(tmp_path: Path) -> None:
    shown = show_json(make_campaign(tmp_path / "c", blocks=1))
    assert (shown["proxies"], shown["events"]) == ([], [])


def test_tables_for_a_terminal(campaign: Campaign) -> None:
    out = io.StringIO()
    console = Console(file=out, width=300)
    for table in show_tables(campaign):
        console.print(table)
    text = out.getvalue()
    titles = [str(table.title).split(" (")[0] for table in show_tables(campaign)]
    assert titles == [
        "Claims",
        "Figures at 100 rps",
        "Instances",
        "Proxies: latency added to direct",
        "Events",
        "Trials",
    ]
    assert "payments-3" in text
    assert "vm (emulated)" in text
    assert "33.3% to 33.3%" in text
    assert "2.000 s (2.000 to 2.000)" in text
    assert "3 of 3" in text
