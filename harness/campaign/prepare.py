"""From a request to a campaign that can run: which targets this host has, the artifact, its packagings, the folder.

Everything slow and untimed happens here, before the first trial.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from harness import __version__
from harness.campaign.provenance import host_record, tare_commit
from harness.campaign.resolve import Source, artifact_records, proxies_of, source_of
from harness.clock import NS_PER_S, now_ns, utc_now
from harness.errors import BuildError, SpecError, TareError, Unavailable
from harness.host import accelerator
from harness.host.cpus import CpuSplit, split_cpus
from harness.host.facts import HostFacts
from harness.planning.choice import chosen_variants, targets_of
from harness.planning.plan import Plan, plan
from harness.planning.validate import validate
from harness.proxies.api import Certificate, Proxy
from harness.proxies.registry import capabilities as proxy_capabilities
from harness.records.campaign import Manifest, UnavailableTarget
from harness.records.capabilities import Capabilities
from harness.records.variant import Variant
from harness.spec.experiment import Experiment
from harness.spec.files import spec_digest
from harness.store.folder import CampaignFolder
from harness.targets.api import Target
from harness.targets.registry import capabilities as target_capabilities
from harness.targets.registry import make
from harness.trial.campaign_context import CampaignContext
from harness.trial.instrument_factory import RealInstruments

Say = Callable[[str], None]
"""Told what is being prepared, a line each time."""


@dataclass(frozen=True, slots=True)
class Request:
    """What was asked for. ``only``: a glob over variants' names; ``out``: the campaign's folder, if it was named."""

    experiment: Experiment
    workload_folder: Path | None
    command: tuple[str, ...]
    quick: bool = False
    only: str | None = None
    out: Path | None = None


def begin(request: Request, host: HostFacts, say: Say) -> tuple[Plan, CampaignContext]:
    """Prepare everything and make the campaign's folder. Raises SpecError, Unavailable, BuildError or StoreError."""
    experiment = request.experiment
    if request.out is not None:
        CampaignFolder.must_be_new(request.out)
    wanted = chosen_variants(experiment, request.only)
    validate(experiment, request.workload_folder)
    cpus = split_cpus(host.cpus, experiment.limits.cpus)
    obstacle = _must_embed(host)
    embedded = experiment.image is None and obstacle is not None
    if experiment.geography is not None and obstacle is not None:
        raise Unavailable(f"Regions need the lab's bridges: {obstacle[0]}.", obstacle[1])
    ready = _prepare(experiment, wanted, request.workload_folder, host, say, embedded=embedded)
    name = f"{datetime.now().strftime('%Y%m%d-%H%M%S')}-{experiment.name}-{secrets.token_hex(3)}"
    path = request.out or Path("results") / name
    manifest = Manifest(
        campaign=name,
        created_utc=utc_now(),
        tare_version=__version__,
        tare_commit=tare_commit(),
        command=request.command,
        experiment=experiment.model_dump(mode="json"),
        spec_digest=spec_digest(experiment),
        seed=experiment.seed,
        quick=request.quick,
        host=host_record(host, accelerator.cached() or _NO_GUEST),
        generator_cpus=tuple(sorted(cpus.generator)),
        service_cpus=tuple(sorted(cpus.service)),
        artifacts=artifact_records(ready.source, ready.proxies),
        routes={name: dict(topology.routes) for name, topology in ready.source.topologies.items()},
        artifact_embedded=embedded,
        workload_folder=os.path.relpath(request.workload_folder, path.resolve()) if request.workload_folder else None,
        variants=ready.variants,
        unavailable=tuple(ready.missing),
        prepare_s=dict(ready.seconds),
        capabilities=Capabilities(target_capabilities(), proxy_capabilities()),
    )
    folder = CampaignFolder.create(path, manifest)
    return plan(experiment, ready.variants), _setting(experiment, ready, cpus, folder, embedded=embedded)


def resume(path: Path, host: HostFacts, say: Say) -> tuple[Plan, CampaignContext]:
    """The rest of a campaign. Raises StoreError if it is none, Unavailable if this host is not the one it began on.

    The artifacts must be the same to the byte: SpecError otherwise.
    """
    folder = CampaignFolder.open(path)
    manifest = folder.manifest
    _must_be_same_host(manifest, host)
    experiment = folder.experiment()
    workload = (path / manifest.workload_folder).resolve() if manifest.workload_folder else None
    planned = {variant.name for variant in manifest.variants}
    wanted = tuple(variant for variant in experiment.variants if variant.name in planned)
    embedded = manifest.artifact_embedded
    ready = _prepare(experiment, wanted, workload, host, say, embedded=embedded)
    if ready.missing:
        raise _nothing_usable(ready.missing)
    now = artifact_records(ready.source, ready.proxies)
    for name, then in manifest.artifacts.items():
        if now[name].digest != then.digest:
            what = name.removeprefix("proxy:") if name.startswith("proxy:") else experiment.workload
            raise SpecError(
                f"{what} has changed since {path} began: its artifact is another one now.",
                "Restore what was changed, or begin a new campaign.",
            )
    cpus = CpuSplit(frozenset(manifest.generator_cpus), frozenset(manifest.service_cpus))
    return plan(experiment, ready.variants), _setting(experiment, ready, cpus, folder, embedded=embedded)


_AS_ROOT = "sudo -E tare run …"
_NO_GUEST = accelerator.Accelerator("none", "no virtual machine was asked for", False)


def _must_embed(host: HostFacts) -> tuple[str, str] | None:
    """Why a workload's own root file system cannot be built or entered here, and the fix; None where it can."""
    if not host.root:
        return "this user is not root", _AS_ROOT
    if not host.cgroup_writable:
        return "no control group can be made on this host", "tare doctor"
    if "mmdebstrap" not in host.tools:
        return "mmdebstrap is not installed", "tare provision"
    return None


@dataclass(frozen=True, slots=True)
class _Ready:
    """What is left of what was wanted once everything slow is done, and why the rest is not."""

    source: Source
    variants: tuple[Variant, ...]
    targets: Mapping[str, Target]
    proxies: Mapping[str, Proxy]
    certificates: Mapping[str, Certificate]
    missing: Sequence[UnavailableTarget]
    seconds: Mapping[str, float]


def _prepare(
    experiment: Experiment,
    wanted: tuple[Variant, ...],
    folder: Path | None,
    host: HostFacts,
    say: Say,
    *,
    embedded: bool,
) -> _Ready:
    """Find the usable targets, build the artifacts and the proxies, derive every packaging.

    What cannot be made takes the variants out that need it, and says so. Raises Unavailable if nothing is left.
    """
    targets, missing = _usable(experiment, wanted, host, embedded)

    def left() -> tuple[Variant, ...]:
        kept = tuple(each for each in wanted if set(targets_of(experiment, each)) <= targets.keys())
        if not kept:
            raise _nothing_usable(missing)
        return kept

    say(f"Preparing the artifact of {experiment.workload}")
    source = source_of(experiment, folder, left(), embedded=embedded)
    proxies, given, without = proxies_of(experiment, left())
    for name, error in without.items():
        say(f"proxy {name} cannot be prepared: {error.what}")
        missing.append(UnavailableTarget(target=name, reason=error.what, fix=error.remedy))
    wanted = tuple(each for each in wanted if each.proxy not in without)
    seconds: dict[str, float] = {}
    artifacts = (*source.artifacts, *(proxy.prepare() for proxy in proxies.values()))
    for name, target in list(targets.items()):
        say(f"Preparing {name}")
        begun_ns = now_ns()
        try:
            for artifact in artifacts:
                target.prepare(artifact)
        except (BuildError, Unavailable) as error:
            say(f"{name} cannot be prepared: {error.what}")
            missing.append(UnavailableTarget(target=name, reason=error.what, fix=error.remedy))
            del targets[name]
            continue
        seconds[name] = (now_ns() - begun_ns) / NS_PER_S
    return _Ready(source, left(), targets, proxies, given, missing, seconds)


def _usable(
    experiment: Experiment, wanted: Sequence[Variant], host: HostFacts, embedded: bool
) -> tuple[dict[str, Target], list[UnavailableTarget]]:
    targets: dict[str, Target] = {}
    missing: list[UnavailableTarget] = []
    for name in dict.fromkeys(target for variant in wanted for target in targets_of(experiment, variant)):
        target = make(name)
        found = target.available(host)
        if found.usable and not embedded and not host.root:
            reason = "only root can give it a root file system of its own"
            missing.append(UnavailableTarget(target=name, reason=reason, fix=_AS_ROOT))
        elif found.usable and embedded and not target.takes_embedded:
            reason, fix = _must_embed(host) or ("the campaign began without one", "begin a new campaign")
            missing.append(UnavailableTarget(target=name, reason=f"it needs a root file system: {reason}", fix=fix))
        elif found.usable or (embedded and target.takes_embedded):
            targets[name] = target
        else:
            missing.append(UnavailableTarget(target=name, reason=found.reason, fix=found.fix))
    return targets, missing


def _setting(
    experiment: Experiment, ready: _Ready, cpus: CpuSplit, folder: CampaignFolder, *, embedded: bool
) -> CampaignContext:
    return CampaignContext(
        experiment=experiment,
        members=ready.source.members,
        topologies=ready.source.topologies,
        targets=ready.targets,
        proxies=ready.proxies,
        certificates=ready.certificates,
        exchanges=ready.source.exchanges,
        locustfile=ready.source.locustfile,
        cpus=cpus,
        folder=folder,
        instruments=RealInstruments(loopback=embedded),
        catalogue=ready.source.catalogue,
    )


def _nothing_usable(missing: Sequence[UnavailableTarget]) -> TareError:
    return Unavailable(
        "This host cannot run what was asked for: "
        + "; ".join(f"{each.target}: {each.reason}" for each in missing)
        + ".",
        "; ".join(dict.fromkeys(each.fix for each in missing if each.fix)) or "tare doctor",
    )


def _must_be_same_host(manifest: Manifest, host: HostFacts) -> None:
    then = (manifest.host.hostname, manifest.host.cpu_model, manifest.host.kernel)
    now = (host.hostname, host.cpu_model, host.kernel)
    if then != now:
        raise Unavailable(
            f"The campaign began on another machine or kernel: {', '.join(then)}; this is {', '.join(now)}.",
            "Resume it there, or begin a new campaign here.",
        )
    if not set(manifest.generator_cpus) | set(manifest.service_cpus) <= os.sched_getaffinity(0):
        raise Unavailable(
            "The campaign's CPUs may not be used now.", "Give this process the same CPUs again: taskset -p"
        )
