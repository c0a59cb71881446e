"""What an experiment asks that its workload has not, or that no deployment could give: refused before anything."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from harness.errors import SpecError
from harness.proxies import registry as proxy_registry
from harness.proxies.api import Proxy
from harness.proxies.caching import CacheSize, check, size_of
from harness.records.variant import Variant
from harness.spec.event import EventSpec
from harness.spec.experiment import Experiment
from harness.spec.files import read_workload
from harness.spec.proxy import DIRECT, PROXY, SHIELD, CacheSpec, ProxySpec, is_proxy
from harness.spec.sequence import SequenceSpec
from harness.spec.topology import SERVICE, SINGLE, Topology
from harness.spec.workload import Workload
from harness.targets import registry as target_registry

if TYPE_CHECKING:
    from harness.simulation.catalogue import Catalogue


def validate(experiment: Experiment, folder: Path | None) -> None:
    """Raise SpecError for the first thing that cannot be.

    That is a topology that the workload has not, an event or a placement of a service that is not there, an event that
    cannot be, a kind of proxy that does not exist, and what regions, caches and sequences cannot be. ``folder`` is the
    workload's; None for an image.
    """
    sets = {SINGLE: Topology(services=(SERVICE,), routes={"/": SERVICE})}
    catalogue = None
    if folder is not None:
        workload = read_workload(folder)
        sets, catalogue = workload.sets, catalogue_of(workload)
    for name in experiment.matrix.topologies:
        if name not in sets:
            raise SpecError(
                f"{experiment.workload} has no topology {name!r}.", f"Its topologies are: {', '.join(sets)}."
            )
    for name in experiment.matrix.proxies:
        if (proxy := experiment.proxy(name)) is not None:
            proxy_registry.make(proxy.kind)
    validate_deployable(experiment, sets, catalogue)
    for variant in experiment.variants:
        topology = sets[variant.topology]
        names = (*topology.services, *proxy_names(experiment, variant))
        most: dict[str, int] = {}
        for event in experiment.events_of(variant):
            service = _happens_to(event, variant, topology, names)
            begun = variant.replicas if service in topology.routed else 1
            _event_must_be_possible(event, service, most.setdefault(service, begun), variant, experiment)
            most[service] = max(most[service], event.replicas or 1)
    everyone = {name for topology in sets.values() for name in topology.services} | {"default", "proxy"}
    for name, placement in experiment.placements.items():
        if strangers := sorted(set(placement) - everyone):
            raise SpecError(
                f"placements.{name} places {strangers[0]!r}, which is no service of {experiment.workload}.",
                f"Its services are: {', '.join(sorted(everyone - {'default', 'proxy'}))}; and proxy.",
            )


def capacity(variant: Variant, spec: ProxySpec, catalogue: Catalogue | None) -> CacheSize:
    """How much each cache of that variant may hold. Raises SpecError for a share of no catalogue."""
    return size_of(spec.cache or CacheSpec(), None if catalogue is None else catalogue.bytes, variant.cache_share)


def catalogue_of(workload: Workload) -> Catalogue | None:
    """The workload's objects, if it has any."""
    if workload.catalogue is None:
        return None
    # Here, so that only an experiment with a catalogue waits for numpy to load.
    from harness.simulation.catalogue import Catalogue

    return Catalogue.of(workload.catalogue)


def validate_deployable(
    experiment: Experiment, topologies: Mapping[str, Topology], catalogue: Catalogue | None
) -> None:
    """Raise SpecError for the first thing that is asked of regions, caches and sequences and cannot be.

    ``topologies`` are the workload's, ``catalogue`` its objects, None if it has none.
    """
    for name, topology in topologies.items():
        if taken := next((service for service in topology.services if is_proxy(service)), None):
            raise SpecError(
                f"{experiment.workload}: topology {name} has a service {taken!r}, which is what a proxy is called.",
                "Give the service another name.",
            )
    _must_be_there(experiment, catalogue)
    if experiment.matrix.cache_shares and not any(variant.cache_share for variant in experiment.variants):
        raise SpecError(
            "cache_shares are capacities of proxies that cache, and no variant has a proxy.",
            "Give proxies such as varnish, or remove cache_shares.",
        )
    for variant in experiment.variants:
        proxy = None if variant.proxy == DIRECT else _proxy(experiment, variant)
        if proxy is not None:
            _must_fit(experiment, variant, proxy, catalogue)
        if experiment.geography is not None:
            _must_stand_apart(experiment, variant, proxy, topologies[variant.topology])


def proxy_names(experiment: Experiment, variant: Variant) -> tuple[str, ...]:
    """What the instances of that variant's proxy are called; empty without one."""
    if variant.proxy == DIRECT:
        return ()
    geography = experiment.geography
    if geography is None or not _proxy(experiment, variant).policies:
        return (PROXY,)
    shield = () if geography.shield is None else (SHIELD,)
    return (*shield, *(f"{PROXY}-{region}" for region in geography.pop_regions))


def _proxy(experiment: Experiment, variant: Variant) -> Proxy:
    spec = experiment.proxy(variant.proxy)
    return proxy_registry.make(variant.proxy if spec is None else spec.kind)


def _must_be_there(experiment: Experiment, catalogue: Catalogue | None) -> None:
    """The sequences' objects, and their traces."""
    if experiment.sequences and catalogue is None:
        raise SpecError(
            f"sequences ask for the objects of a catalogue, and {experiment.workload} has none.",
            "Use a workload with a [catalogue], such as static, or remove sequences.",
        )
    replay = experiment.load.replay
    for name, sequence in experiment.sequences.items():
        if not isinstance(sequence, SequenceSpec):
            if not Path(sequence.trace).is_file():
                raise SpecError(f"sequences.{name}: there is no trace {sequence.trace}.", "Name a file.")
        elif catalogue is not None:
            from harness.simulation.catalogue import requests

            try:
                requests(catalogue, sequence, experiment.prefill, None if replay is None else replay.requests)
            except SpecError as error:
                raise SpecError(f"sequences.{name}: {error.what}", error.remedy) from error


def _must_fit(experiment: Experiment, variant: Variant, proxy: Proxy, catalogue: Catalogue | None) -> None:
    """The cache of a variant must be one that its proxy can be, and hold something."""
    spec = experiment.proxy(variant.proxy)
    if spec is None:
        return
    where = f"proxies.{variant.proxy}"
    if variant.cache_share is not None and not proxy.policies:
        raise SpecError(
            f"{where}: {proxy.name} caches nothing, but cache_shares give {variant.name} a capacity.",
            "Remove it from the matrix's proxies, or cache_shares.",
        )
    size = capacity(variant, spec, catalogue) if proxy.policies else None
    if size is not None and catalogue is not None and size.bytes < (smallest := int(catalogue.sizes.min())):
        raise SpecError(
            f"{where}: the cache of {variant.name} has {size.bytes:,} bytes, and the smallest object {smallest:,}: "
            "it could hold nothing.",
            "Give it a larger size_mib, size_share or cache_shares.",
        )
    try:
        check(proxy.name, proxy.policies, proxy.lacks, proxy.minimum_bytes, spec, size)
    except SpecError as error:
        raise SpecError(f"{where} ({variant.name}): {error.what}.", f"{error.remedy}.") from error


def _must_stand_apart(experiment: Experiment, variant: Variant, proxy: Proxy | None, topology: Topology) -> None:
    """What a geography cannot have: several replicas are refused by the experiment itself."""
    for service in (*topology.services, *([] if proxy is None else [PROXY])):
        target = experiment.target_of(variant, service)
        if target_registry.make(target).orchestrates:
            raise SpecError(
                f"{variant.name}: {target} keeps its instances in one network, and geography has one in each region.",
                "Use process, container or vm.",
            )
    if proxy is not None and proxy.forward:
        raise SpecError(
            f"{variant.name}: {proxy.name} is a forward proxy, which stands with its clients, and geography has them "
            "in several regions.",
            "Use a reverse proxy, or remove geography.",
        )


def _happens_to(event: EventSpec, variant: Variant, topology: Topology, names: Sequence[str]) -> str:
    """The service, or the instance of a proxy, which the event happens to there. Raises SpecError if there is none."""
    if event.service is not None:
        if event.service not in names:
            raise SpecError(
                f"An event happens to {event.service!r}, which {variant.name} does not have.",
                f"It has: {', '.join(names)}. Give route instead, or targets.",
            )
        return event.service
    try:
        return topology.route_of(event.route or "/")
    except ValueError as error:
        raise SpecError(f"An event of {variant.name}: {error}.", "Give one of the topology's routes.") from error


def _event_must_be_possible(
    event: EventSpec, service: str, most: int, variant: Variant, experiment: Experiment
) -> None:
    """Raise SpecError for an event of a replica that there never is (``most``: so many at once before it), and for one
    that needs an orchestrator where there is none."""
    if event.replica > most:
        raise SpecError(
            f"An event happens to replica {event.replica} of {service}, of which {variant.name} has {most}.",
            "Give a smaller replica, more of them in the matrix, or targets.",
        )
    target = experiment.target_of(variant, service)
    if event.kind == "scale" and not target_registry.make(target).orchestrates:
        raise SpecError(
            f"{variant.name} cannot scale {service}: no orchestrator keeps it on {target}.",
            'Deploy it on swarm, or give the event targets = ["<a placement with swarm>"].',
        )
