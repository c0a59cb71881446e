from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from harness.analysis import Campaign
from harness.output.as_json.campaign import show_json
from harness.output.terminal.campaign import show_tables
from harness.records.campaign import UnavailableTarget
from harness.records.trial import TrialRecord
from tests.unit.analysis.synthetic import failed, invalid, make_campaign

GONE = UnavailableTarget(target="swarm", reason="no [bold] swarm", fix="docker swarm init")


def spoiled(made: TrialRecord) -> TrialRecord:
    if made.block == 1 and made.variant.name == "vm":
        return failed(made)
    return invalid(made) if made.block == 2 and made.variant.name == "container" else made


@pytest.fixture(scope="module")
def campaign(tmp_path_factory: pytest.TempPathFactory) -> Campaign:
    path = tmp_path_factory.mktemp("c") / "c"
    return make_campaign(path, aa="process", levels_rps=(50.0, 100.0), change=spoiled, unavailable=(GONE,))


@pytest.fixture(scope="module")
def shown(campaign: Campaign) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads(json.dumps(show_json(campaign), allow_nan=False))
    return loaded


def cell(shown: dict[str, Any], name: str, level: str) -> dict[str, Any]:
    found = [entry for entry in shown["variants"] if entry["name"] == name and entry["level"] == level]
    assert len(found) == 1
    only: dict[str, Any] = found[0]
    return only


def test_the_contracts_keys_are_there(shown: dict[str, Any]) -> None:
    assert {"campaign", "schema", "host", "experiment", "variants", "claims"} <= shown.keys()
    assert shown["host"]["accelerator"] == "tcg"
    wanted = {"workload", "topology", "target", "proxy", "accelerator", "artifact_digest", "trials", "valid", "metrics"}
    for entry in shown["variants"]:
        assert wanted <= entry.keys()
    wanted = {"startup_s", "memory_mib", "cpu_ms_per_request", "latency_p50_ms", "latency_p90_ms", "latency_p99_ms"}
    for entry in shown["variants"]:
        assert wanted | {"achieved_rps"} <= entry["metrics"].keys()
        for metric in entry["metrics"].values():
            assert {"median", "low", "high", "n", "ratio"} == metric.keys()
            assert metric["low"] <= metric["median"] <= metric["high"]


def test_one_entry_per_cell(shown: dict[str, Any]) -> None:
    assert len(shown["variants"]) == 4 * 2


def test_ratios_name_what_they_are_to(shown: dict[str, Any]) -> None:
    assert cell(shown, "process", "50 rps")["metrics"]["startup_s"]["ratio"] is None
    vm = cell(shown, "vm", "50 rps")
    ratio = vm["metrics"]["startup_s"]["ratio"]
    assert ratio["to"] == "process"
    assert ratio["low"] <= ratio["median"] <= ratio["high"]
    assert ratio["verdict"] == "worse"
    assert cell(shown, "process-aa", "50 rps")["metrics"]["startup_s"]["ratio"]["to"] == "process"


def test_what_does_not_count_is_counted_and_listed(shown: dict[str, Any]) -> None:
    vm, container = cell(shown, "vm", "50 rps"), cell(shown, "container", "100 rps")
    assert (vm["trials"], vm["attempts"], vm["valid"]) == (5, 5, 4)
    assert (container["trials"], container["valid"]) == (5, 4)
    assert container["metrics"]["startup_s"]["n"] == 4
    assert [entry["variant"] for entry in shown["failed"]] == ["vm", "vm"]
    assert shown["failed"][0]["remedy"]
    assert [entry["reasons"] for entry in shown["invalid"]] == [["steal 3.0 % of the window, limit 2 %"]] * 2
    assert shown["unavailable"] == [{"target": "swarm", "reason": "no [bold] swarm", "fix": "docker swarm init"}]


def test_emulated_stands_beside_the_vm_alone(shown: dict[str, Any]) -> None:
    assert {entry["name"]: entry["emulated"] for entry in shown["variants"]} == {
        "process": False,
        "container": False,
        "vm": True,
        "process-aa": False,
    }
    assert cell(shown, "vm", "50 rps")["accelerator"] == "tcg"


def test_before_any_trial_the_variants_are_listed(tmp_path: Path) -> None:
    shown: dict[str, Any] = show_json(make_campaign(tmp_path / "c", blocks=0))
    assert [(entry["name"], entry["level"], entry["trials"]) for entry in shown["variants"]] == [
        ("process", None, 0),
        ("container", None, 0),
        ("vm", None, 0),
    ]
    assert shown["variants"][0]["metrics"] == {}


def test_tables_for_a_terminal(campaign: Campaign) -> None:
    out = io.StringIO()
    console = Console(file=out, width=400)
    tables = show_tables(campaign)
    for table in tables:
        console.print(table)
    text = out.getvalue()
    assert [str(table.title).split(" at ")[0] for table in tables] == [
        "Claims",
        "Figures",
        "Figures",
        "Trials",
        "Invalid and failed attempts",
        "Unavailable on this host",
    ]
    assert "vm (emulated)" in text
    assert "not resolved" in text
    assert "no [bold] swarm" in text
    assert "The service ended with exit code 1." in text
