"""What a claim is, and what its check may ask of a campaign."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from harness.analysis.frames import accelerator_of
from harness.records.capabilities import Family
from harness.records.instance import InsideView
from harness.records.trial import TrialRecord

if TYPE_CHECKING:
    from harness.analysis.campaign import Campaign

Verdict = Literal["supported", "refuted", "not resolved", "emulated only", "not measured"]


def always(_: Campaign) -> bool:
    """What the first six claims are about occurs in every campaign, if only as a target that was not there."""
    return True


@dataclass(frozen=True, slots=True)
class Figure:
    """One piece of evidence. ``low`` and ``high`` are the ends of its interval, None where there is none."""

    variant: str
    name: str
    value: float | str
    low: float | None = None
    high: float | None = None
    n: int = 1


@dataclass(frozen=True, slots=True)
class Finding:
    """What the check of a claim found."""

    verdict: Verdict
    evidence: str
    figures: tuple[Figure, ...] = ()


@dataclass(frozen=True, slots=True)
class Claim:
    """A claim, the measurement that decides it, and the check that does."""

    id: str
    text: str
    decided_by: str
    check: Callable[[Campaign], Finding]
    occurs: Callable[[Campaign], bool] = always
    """Whether the campaign touches what the claim is about; a claim that it does not touch is not shown."""


@dataclass(frozen=True, slots=True)
class ClaimResult:
    """A claim with this campaign's verdict and evidence: one or two sentences with figures and intervals."""

    id: str
    claim: str
    decided_by: str
    verdict: Verdict
    evidence: str
    figures: tuple[Figure, ...]


def records_of(campaign: Campaign, target: str) -> list[TrialRecord]:
    """Every measured attempt on ``target``, valid or not.

    What an instance *is* (its kernel, what it sees, its content) does not depend on whether the host was quiet while it
    was measured, so facts are also taken from attempts whose figures do not count.
    """
    return [record for record in campaign.records if record.kind == "measured" and record.variant.target == target]


def insides(campaign: Campaign, target: str) -> list[InsideView]:
    """What was seen from inside each instance on ``target`` that was looked into."""
    return [record.inside for record in records_of(campaign, target) if record.inside is not None]


def host_boot_ids(campaign: Campaign) -> set[str]:
    """The host's boot ids during the campaign: the manifest's, and those that bare processes saw.

    A campaign that was resumed after a reboot has several.
    """
    known = {campaign.manifest.host.boot_id} | {
        inside.boot_id for inside in insides(campaign, *targets_of(campaign, "process"))
    }
    return known - {"unknown", ""}


def topologies(campaign: Campaign) -> list[str]:
    """Every topology of the campaign, in the order of its variants."""
    return list(dict.fromkeys(variant.topology for variant in campaign.manifest.variants))


def targets_of(campaign: Campaign, *families: Family) -> tuple[str, ...]:
    """The target that stands for each of the families; where none does, the family's name, which no trial has."""
    return tuple(campaign.manifest.capabilities.of_family(family) or family for family in families)


def variants_on(campaign: Campaign, *targets: str) -> tuple[str | None, ...]:
    """One variant on each of the targets, alike but for the target; never the second of an A/A pair.

    All of them have a trial that counts. Where the targets have no such combination in common, those of the first
    target that has any, and None for the others.
    """
    counted = set(campaign.counted["variant"])
    found: dict[tuple[str, str, int], dict[str, str]] = {}
    for variant in campaign.manifest.variants:
        if variant.target in targets and not variant.aa and variant.name in counted:
            key = (variant.topology, variant.proxy, variant.replicas)
            found.setdefault(key, {}).setdefault(variant.target, variant.name)
    best = max(found.values(), key=len, default={})
    return tuple(best.get(target) for target in targets)


def emulated(campaign: Campaign, target: str) -> bool:
    """Whether every instance on ``target`` was emulated in software."""
    found = {accelerator_of(record) for record in records_of(campaign, target)}
    return "tcg" in found and "kvm" not in found


def called(campaign: Campaign, target: str) -> str:
    """The target for a sentence: every one that shows an emulated machine says so."""
    name = "VM" if (target,) == targets_of(campaign, "machine") else target
    return f"{name} (emulated)" if emulated(campaign, target) else name


def missing(campaign: Campaign, targets: Iterable[str]) -> str:
    """Why these targets have no evidence, for a sentence: unavailable with the reason, or not one trial that serves."""
    reasons = {entry.target: entry.reason for entry in campaign.manifest.unavailable}

    def why(target: str) -> str:
        if target in reasons:
            return f"no {target} ({reasons[target].rstrip('.')})"
        if tried := len(records_of(campaign, target)):
            return f"no trial of the {called(campaign, target)} serves as evidence ({tried} tried)"
        return f"no {target} was measured"

    return "; ".join(why(target) for target in targets)


def in_trials(holds: int, of: int) -> str:
    return f"in {holds} of {of} trials" if of != 1 else f"in {holds} of 1 trial"
