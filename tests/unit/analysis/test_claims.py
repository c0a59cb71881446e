from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from harness.analysis import Campaign, ClaimResult
from harness.analysis.claims import CLAIMS, decide
from harness.records.campaign import UnavailableTarget
from harness.records.instance import Digests
from harness.records.memory import MemoryView
from harness.records.trial import TrialRecord
from harness.units import MIB
from tests.unit.analysis.synthetic import failed, invalid, make_campaign
from tests.unit.analysis.synthetic_records import HOST_BOOT

Make = Callable[..., Campaign]
PLAIN = CLAIMS[:6]
"""Those that every campaign shows."""


@pytest.fixture
def make(tmp_path: Path) -> Make:
    def build(**options: object) -> Campaign:
        return make_campaign(tmp_path / "campaign", **{"with_samples": False, "blocks": 4, **options})

    return build


def claim(campaign: Campaign, name: str) -> ClaimResult:
    return next(result for result in decide(campaign) if result.id == name)


def on(target: str, **changes: Any) -> Callable[[TrialRecord], TrialRecord]:
    """Change what attempts on ``target`` recorded."""
    return lambda made: replace(made, **changes) if made.variant.target == target else made


def inside(target: str, **changes: Any) -> Callable[[TrialRecord], TrialRecord]:
    def change(made: TrialRecord) -> TrialRecord:
        if made.variant.target != target or made.inside is None:
            return made
        return replace(made, inside=replace(made.inside, **changes))

    return change


def starts(target: str, seconds: list[float]) -> Callable[[TrialRecord], TrialRecord]:
    def change(made: TrialRecord) -> TrialRecord:
        if made.variant.target != target or made.startup is None:
            return made
        total_ns = int(seconds[made.block - 1] * 1e9)
        return replace(made, startup=replace(made.startup, total_ns=total_ns))

    return change


def memory(target: str, pss_mib: list[float]) -> Callable[[TrialRecord], TrialRecord]:
    def change(made: TrialRecord) -> TrialRecord:
        if made.variant.target != target:
            return made
        view = MemoryView(pss={"vmm": int(pss_mib[made.block - 1] * MIB)}, guest_ram_touched=1 * MIB)
        return replace(made, memory_idle=view)

    return change


def test_the_six_claims_in_order(make: Make) -> None:
    results = decide(make())
    assert [result.id for result in results] == [
        "kernel",
        "isolation",
        "startup",
        "resources",
        "substrate",
        "portability",
    ]
    for result, stated in zip(results, PLAIN, strict=True):
        assert (result.claim, result.decided_by) == (stated.text, stated.decided_by)
        assert result.evidence.endswith(".")


@pytest.mark.parametrize("accelerator", ["kvm", "tcg"])
@pytest.mark.parametrize("name", ["kernel", "isolation", "substrate", "portability"])
def test_facts_hold_under_emulation_too(make: Make, name: str, accelerator: str) -> None:
    result = claim(make(accelerator=accelerator), name)
    assert result.verdict == "supported"
    assert result.figures


@pytest.mark.parametrize("name", [claim.id for claim in PLAIN if claim.id != "portability"])
def test_without_a_vm_it_is_not_measured_and_says_why(make: Make, name: str) -> None:
    gone = UnavailableTarget(target="vm", reason="libvirt is not installed.", fix="tare provision")
    result = claim(make(variants=("process", "container"), unavailable=(gone,)), name)
    assert result.verdict == "not measured"
    assert "no vm (libvirt is not installed)" in result.evidence.lower()


@pytest.mark.parametrize("name", [claim.id for claim in PLAIN])
@pytest.mark.parametrize("blocks", [0, 2])
def test_process_alone_or_nothing_at_all_is_not_measured(make: Make, name: str, blocks: int) -> None:
    assert claim(make(variants=("process",), blocks=blocks), name).verdict == "not measured"


@pytest.mark.parametrize("name", [claim.id for claim in PLAIN])
def test_failed_trials_alone_are_not_measured(make: Make, name: str) -> None:
    assert claim(make(change=failed), name).verdict == "not measured"


def test_invalid_trials_still_show_facts_but_no_figures(make: Make) -> None:
    campaign = make(change=invalid)
    assert claim(campaign, "kernel").verdict == "supported"
    assert claim(campaign, "startup").verdict == "not measured"
    assert "4 tried" in claim(campaign, "startup").evidence


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("kernel", inside("container", boot_id="another")),
        ("kernel", inside("vm", boot_id=HOST_BOOT)),
        ("isolation", inside("container", sees_host_processes=True)),
        ("isolation", inside("vm", sees_host_processes=True)),
        ("isolation", inside("vm", boot_id=HOST_BOOT)),
        ("substrate", inside("vm", hypervisor_bit=False, virtualisation="none")),
        ("substrate", on("vm", memory_idle=MemoryView(pss={"app": 5}))),
        ("substrate", on("container", memory_idle=MemoryView(pss={"vmm": 5}))),
        ("portability", on("vm", digests=Digests(expected="sha256:a", observed="sha256:b"))),
        ("portability", on("container", responses={"GET /": "200 sha256:ff"})),
    ],
)
def test_one_counterexample_refutes(make: Make, name: str, change: Callable[[TrialRecord], TrialRecord]) -> None:
    assert claim(make(change=change), name).verdict == "refuted"


def test_a_refuting_half_refutes_without_the_other(make: Make) -> None:
    campaign = make(variants=("process", "container"), change=inside("container", boot_id="another"))
    assert claim(campaign, "kernel").verdict == "refuted"


def test_two_kernels_of_one_release_are_told_apart(make: Make) -> None:
    assert claim(make(change=inside("vm", kernel_release="6.1.0-host")), "kernel").verdict == "supported"


def test_a_campaign_resumed_after_a_reboot_has_two_host_boots(make: Make) -> None:
    def rebooted(made: TrialRecord) -> TrialRecord:
        changed = inside("container", boot_id="second boot")(made) if made.block > 2 else made
        return inside("process", boot_id="second boot")(changed) if made.block > 2 else changed

    assert claim(make(change=rebooted), "kernel").verdict == "supported"


@pytest.mark.parametrize(
    ("accelerator", "change", "verdict"),
    [
        ("kvm", starts("vm", [70, 75, 80, 72]), "supported"),
        ("kvm", starts("vm", [3, 3.1, 2.9, 3]), "refuted"),
        ("kvm", starts("vm", [50, 70, 61, 58]), "not resolved"),
        ("tcg", starts("vm", [70, 75, 80, 72]), "emulated only"),
        ("tcg", starts("vm", [3, 3.1, 2.9, 3]), "emulated only"),
        ("tcg", starts("container", [70, 75, 80, 72]), "refuted"),
    ],
)
def test_startup(make: Make, accelerator: str, change: Callable[[TrialRecord], TrialRecord], verdict: str) -> None:
    result = claim(make(accelerator=accelerator, change=change), "startup")
    assert result.verdict == verdict
    assert "VM to container" in result.evidence
    assert ("(emulated)" in result.evidence) == (accelerator == "tcg")


def test_one_trial_resolves_nothing(make: Make) -> None:
    campaign = make(accelerator="kvm", blocks=1)
    assert claim(campaign, "startup").verdict == "not resolved"
    assert "one trial" in claim(campaign, "startup").evidence
    assert claim(campaign, "resources").verdict == "not resolved"


@pytest.mark.parametrize(
    ("accelerator", "change", "verdict"),
    [
        ("kvm", None, "supported"),
        ("kvm", memory("vm", [10, 11, 10, 9]), "refuted"),
        ("kvm", memory("vm", [20, 90, 50, 40]), "not resolved"),
        ("kvm", on("vm", cpu=None), "not measured"),
        ("tcg", None, "emulated only"),
        ("tcg", memory("vm", [10, 11, 10, 9]), "emulated only"),
    ],
)
def test_resources(
    make: Make, accelerator: str, change: Callable[[TrialRecord], TrialRecord] | None, verdict: str
) -> None:
    assert claim(make(accelerator=accelerator, change=change), "resources").verdict == verdict


def test_the_guests_own_ram_is_told_where_the_emulators_decides_nothing(make: Make) -> None:
    evidence = claim(make(levels_rps=(50.0, 100.0)), "resources").evidence
    assert "guest's touched RAM alone is 4." in evidence


def test_portability_needs_responses(make: Make) -> None:
    def silent(made: TrialRecord) -> TrialRecord:
        return replace(made, responses={})

    result = claim(make(change=silent), "portability")
    assert result.verdict == "not measured"
    assert "no exchanges" in result.evidence
