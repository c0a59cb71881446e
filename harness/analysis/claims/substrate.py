"""Claim *substrate*."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.analysis.claims.base import (
    Claim,
    Figure,
    Finding,
    called,
    host_boot_ids,
    in_trials,
    missing,
    records_of,
    targets_of,
)
from harness.records.trial import TrialRecord

if TYPE_CHECKING:
    from harness.analysis.campaign import Campaign


def check(campaign: Campaign) -> Finding:
    """Container: the host's own kernel runs it, and no VMM process carries it. VM: a VMM does, and its CPU says so.

    The hypervisor bit alone would mislead: where the host is itself a guest, its containers see the bit too. So what
    carries the instance on the host decides, and the bit must agree for the VM. Holds under emulation, where the
    hypervisor is QEMU's software. One counterexample refutes; both halves are needed to support.
    """
    host = host_boot_ids(campaign)
    on_container, on_vm = targets_of(campaign, "container", "machine")
    seen = {
        target: [record for record in records_of(campaign, target) if record.inside and record.memory_idle]
        for target in (on_container, on_vm)
    }
    containers, guests = seen[on_container], seen[on_vm]
    figures = tuple(
        Figure(target, "virtualisation", ", ".join(sorted(_virtualisations(records))), n=len(records))
        for target, records in seen.items()
        if records
    )
    if not host:
        return Finding("not measured", "The host does not tell its boot id.", figures)
    on_host = sum(_runs_on_host(record, host) for record in containers)
    on_hypervisor = sum(_runs_on_hypervisor(record) for record in guests)
    parts = []
    if containers:
        parts.append(
            f"The container ran on the host's own kernel, without a VMM, {in_trials(on_host, len(containers))}"
        )
    if guests:
        inside = ", ".join(sorted(_virtualisations(guests)))
        parts.append(
            f"a VMM process carried the {called(campaign, on_vm)} and its CPU reported a hypervisor "
            f"{in_trials(on_hypervisor, len(guests))} "
            f"(inside: {inside}; the host itself: {campaign.manifest.host.virtualisation})"
        )
    if on_host < len(containers) or on_hypervisor < len(guests):
        return Finding("refuted", "; ".join(parts) + ".", figures)
    absent = [target for target, records in seen.items() if not records]
    if absent:
        return Finding("not measured", "; ".join([*parts, missing(campaign, absent)]) + ".", figures)
    return Finding("supported", "; ".join(parts) + ".", figures)


def _runs_on_host(record: TrialRecord, host: set[str]) -> bool:
    if record.inside is None or record.memory_idle is None:
        return False
    return record.inside.boot_id in host and "vmm" not in record.memory_idle.pss


def _runs_on_hypervisor(record: TrialRecord) -> bool:
    if record.inside is None or record.memory_idle is None:
        return False
    virtual = record.inside.hypervisor_bit or record.inside.virtualisation not in ("none", "unknown", "")
    return virtual and "vmm" in record.memory_idle.pss


def _virtualisations(records: list[TrialRecord]) -> set[str]:
    return {record.inside.virtualisation for record in records if record.inside is not None}


CLAIM = Claim(
    "substrate",
    "Containers run on the host's operating system, VMs on a hypervisor.",
    "Hypervisor bit and virtualisation seen inside, and which host processes carry the instance.",
    check,
)
