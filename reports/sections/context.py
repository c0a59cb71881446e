"""Sections on how the figures came to be: the limits in force, the host, the method."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.records.campaign import Manifest
from harness.spec.experiment import Validity
from harness.units import mib
from reports.blocks import Cell, Prose, Section, Table, Text
from reports.labels import Look, variant_label

if TYPE_CHECKING:
    from harness.analysis import Campaign

_LIMITS = {
    "min_achieved_share": ("achieved rate, of the schedule", "at least {:.1%}"),
    "max_dropped": ("dropped arrivals", "at most {:d}"),
    "max_send_lag_ms": ("send lag, 99th percentile", "at most {:g} ms, or the share below if that is more"),
    "max_send_lag_share": ("send lag, of the measured 99th percentile", "at most {:.1%}"),
    "max_generator_busy": ("generator's core busy with work", "at most {:.0%}"),
    "max_steal": ("CPU time stolen by the hypervisor", "at most {:.1%}"),
    "max_unexpected": ("responses with an unexpected status or body", "at most {:d}"),
    "max_rtt_error_ms": ("error of a round-trip time between regions", "at most {:g} ms, or the share below if more"),
    "max_rtt_error_share": ("error of a round-trip time, of what was asked for", "at most {:.0%}"),
}


def validity(campaign: Campaign) -> Section:
    limits = campaign.experiment.validity
    usual = Validity()
    listed = []
    for name in Validity.model_fields:
        title, form = _LIMITS.get(name, (name.replace("_", " "), "{}"))
        value, default = getattr(limits, name), getattr(usual, name)
        note = "default" if value == default else f"set by the experiment; the default is {_limit(form, default)}"
        listed.append((Cell(title, "head"), Cell(_limit(form, value)), Cell(note)))
    listed += [
        (Cell(name, "head"), Cell("none"), Cell("always"))
        for name in (
            "throttled periods and swapped-in pages in the window",
            "difference in the artifact's digest",
            "packets dropped by the backbone between regions",
        )
    ]
    columns = ("what", "limit", "where it comes from")
    table = Table("A trial that breaks one of these is invalid", columns, tuple(listed))
    unlimited = {
        record.variant.name: record.accelerator
        for record in campaign.records
        if record.kind == "measured" and not record.limits_enforced
    }
    names = ", ".join(variant_label(name, accelerator) for name, accelerator in unlimited.items())
    told = (
        (Text(f"This host does not let Tare enforce the CPU and memory limits of: {names}.", "empty"),) if names else ()
    )
    return Section("validity", "Validity limits in force", (table, *told))


def _limit(form: str, value: float) -> str:
    return "none" if value == 0 else form.format(value)


def provenance(campaign: Campaign, look: Look) -> Section:
    manifest = campaign.manifest
    host, embedded = manifest.host, manifest.artifact_embedded
    run = [
        ("campaign", manifest.campaign),
        ("created", manifest.created_utc),
        ("command", " ".join(manifest.command)),
        ("Tare", f"{manifest.tare_version}, commit {manifest.tare_commit}"),
        ("experiment's digest", manifest.spec_digest),
        ("quick", "yes: the experiment's own [quick] overrides apply" if manifest.quick else "no"),
        ("seed", str(manifest.seed)),
        *_artifacts(manifest),
        (
            "artifact is",
            "the app tree alone, on the host's own interpreter" if embedded else "a whole root file system",
        ),
        ("variants", ", ".join(look.labels.get(v.name, v.name) for v in manifest.variants)),
        *((f"load level {name}", text) for name, text in _rates(campaign, look)),
        ("generator's CPUs", _cpus(manifest.generator_cpus)),
        ("service's CPUs", _cpus(manifest.service_cpus)),
        *(
            (f"prepare {look.labels.get(name, name)}, untimed", f"{seconds:,.1f} s")
            for name, seconds in manifest.prepare_s.items()
        ),
    ]
    machine = [
        ("host", host.hostname),
        ("system", host.os),
        ("kernel", host.kernel),
        ("CPU", f"{host.cpu_model}, {host.cpus} CPUs"),
        ("memory", f"{mib(host.memory_total):,.0f} MiB"),
        ("swap", f"{mib(host.swap_total):,.0f} MiB" if host.swap_total else "none"),
        ("governor", host.governor),
        ("turbo", host.turbo),
        ("SMT", host.smt),
        ("virtualisation of the host", host.virtualisation),
        ("accelerator for guests", f"{_accelerator(host.accelerator)}: {host.accelerator_reason}"),
        ("cgroup version", host.cgroup_version),
        ("KSM", host.ksm),
        ("transparent huge pages", host.thp),
        ("root", "yes" if host.root else "no"),
        ("processes at the start", str(host.process_count)),
        *((name, version) for name, version in host.engines.items()),
    ]
    return Section("provenance", "Provenance", (_facts("The run", run), _facts("The machine", machine)))


def _artifacts(manifest: Manifest) -> list[tuple[str, str]]:
    """What each service and proxy was deployed from; the service of a workload that is no set has no name worth it."""
    found = []
    for name, artifact in manifest.artifacts.items():
        of = "" if len(manifest.artifacts) == 1 else f" of {name.replace('proxy:', 'proxy ')}"
        found += [(f"artifact{of}", artifact.source), (f"digest{of or ' of the artifact'}", artifact.digest)]
    return found


def _facts(caption: str, pairs: list[tuple[str, str]]) -> Table:
    listed = tuple((Cell(name, "head"), Cell(value, "long")) for name, value in pairs)
    return Table(caption, ("fact", "value"), listed)


def _rates(campaign: Campaign, look: Look) -> list[tuple[str, str]]:
    """What each load level stands for, and why."""
    levels = campaign.rates
    if levels is None:
        return []
    why = ""
    if levels.capacities_rps:
        slowest, capacity = min(levels.capacities_rps.items(), key=lambda item: item[1])
        why = f"; the slowest variant, {look.labels.get(slowest, slowest)}, has a capacity of {capacity:,.0f}/s"
    if levels.limited_by_generator:
        why += "; lowered, because the generator does not keep twice a higher rate on this host"
    return [(name, f"{rate:,.1f} requests/s{why}") for name, rate in levels.rates_rps.items()]


def _cpus(cpus: tuple[int, ...]) -> str:
    return ", ".join(str(cpu) for cpu in cpus) or "not pinned"


def _accelerator(name: str) -> str:
    return {"tcg": "tcg (emulated)", "kvm": "kvm"}.get(name, name)


def method() -> Section:
    return Section("method", "Method in short, with sources", (Prose("method.html.j2"),))
