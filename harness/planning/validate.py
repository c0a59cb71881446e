"""What an experiment asks that its workload has not, or that no deployment could give: refused before anything."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from harness.errors import SpecError
from harness.proxies import registry as front_registry
from harness.proxies.api import Front
from harness.proxies.caching import CacheSize, check, size_of
from harness.records.variant import Variant
from harness.simulation.catalogue import Catalogue, requests
from harness.spec.event import EventSpec
from harness.spec.experiment import Experiment
from harness.spec.files import read_workload
from harness.spec.front import DIRECT, FRONT, SHIELD, CacheSpec, FrontSpec, is_front
from harness.spec.sequence import SequenceSpec
from harness.spec.topology import SERVICE, SINGLE, Topology
from harness.spec.workload import Workload
from harness.targets import registry as target_registry


def validate(experiment: Experiment, folder: Path | None) -> None:
    """Raise SpecError for the first thing that cannot be.

    That is a topology that the workload has not, an event or a placement of a service that is not there, an event that
    cannot be, a kind of front that does not exist, and what regions, caches and sequences cannot be. ``folder`` is the
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
    for name in experiment.matrix.fronts:
        if (front := experiment.front(name)) is not None:
            front_registry.make(front.kind)
    validate_deployable(experiment, sets, catalogue)
    for variant in experiment.variants:
        topology = sets[variant.topology]
        names = (*topology.services, *front_names(experiment, variant))
        most: dict[str, int] = {}
        for event in experiment.events_of(variant):
            service = _happens_to(event, variant, topology, names)
            begun = variant.replicas if service in topology.routed else 1
            _event_must_be_possible(event, service, most.setdefault(service, begun), variant, experiment)
            most[service] = max(most[service], event.replicas or 1)
    everyone = {name for topology in sets.values() for name in topology.services} | {"default", "front"}
    for name, placement in experiment.placements.items():
        if strangers := sorted(set(placement) - everyone):
            raise SpecError(
                f"placements.{name} places {strangers[0]!r}, which is no service of {experiment.workload}.",
                f"Its services are: {', '.join(sorted(everyone - {'default', 'front'}))}; and front.",
            )


def capacity(variant: Variant, spec: FrontSpec, catalogue: Catalogue | None) -> CacheSize:
    """How much each cache of that variant may hold. Raises SpecError for a share of no catalogue."""
    return size_of(spec.cache or CacheSpec(), None if catalogue is None else catalogue.bytes, variant.cache_share)


def catalogue_of(workload: Workload) -> Catalogue | None:
    """The workload's objects, if it has any."""
    return None if workload.catalogue is None else Catalogue.of(workload.catalogue)


def validate_deployable(
    experiment: Experiment, topologies: Mapping[str, Topology], catalogue: Catalogue | None
) -> None:
    """Raise SpecError for the first thing that is asked of regions, caches and sequences and cannot be.

    ``topologies`` are the workload's, ``catalogue`` its objects, None if it has none.
    """
    for name, topology in topologies.items():
        if taken := next((service for service in topology.services if is_front(service)), None):
            raise SpecError(
                f"{experiment.workload}: topology {name} has a service {taken!r}, which is what a front is called.",
                "Give the service another name.",
            )
    _must_be_there(experiment, catalogue)
    if experiment.matrix.cache_shares and not any(variant.cache_share for variant in experiment.variants):
        raise SpecError(
            "cache_shares are capacities of fronts that cache, and no variant has a front.",
            "Give fronts such as varnish, or remove cache_shares.",
        )
    for variant in experiment.variants:
        front = None if variant.front == DIRECT else _front(experiment, variant)
        if front is not None:
            _must_fit(experiment, variant, front, catalogue)
        if experiment.geography is not None:
            _must_stand_apart(experiment, variant, front, topologies[variant.topology])


def front_names(experiment: Experiment, variant: Variant) -> tuple[str, ...]:
    """What the instances of that variant's front are called; empty without one."""
    if variant.front == DIRECT:
        return ()
    geography = experiment.geography
    if geography is None or not _front(experiment, variant).policies:
        return (FRONT,)
    shield = () if geography.shield is None else (SHIELD,)
    return (*shield, *(f"{FRONT}-{region}" for region in geography.pop_regions))


def _front(experiment: Experiment, variant: Variant) -> Front:
    spec = experiment.front(variant.front)
    return front_registry.make(variant.front if spec is None else spec.kind)


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
            try:
                requests(catalogue, sequence, experiment.prefill, None if replay is None else replay.requests)
            except SpecError as error:
                raise SpecError(f"sequences.{name}: {error.what}", error.remedy) from error


def _must_fit(experiment: Experiment, variant: Variant, front: Front, catalogue: Catalogue | None) -> None:
    """The cache of a variant must be one that its front can be, and hold something."""
    spec = experiment.front(variant.front)
    if spec is None:
        return
    where = f"fronts.{variant.front}"
    if variant.cache_share is not None and not front.policies:
        raise SpecError(
            f"{where}: {front.name} caches nothing, but cache_shares give {variant.name} a capacity.",
            "Remove it from the matrix's fronts, or cache_shares.",
        )
    size = capacity(variant, spec, catalogue) if front.policies else None
    if size is not None and catalogue is not None and size.bytes < (smallest := int(catalogue.sizes.min())):
        raise SpecError(
            f"{where}: the cache of {variant.name} has {size.bytes:,} bytes, and the smallest object {smallest:,}: "
            "it could hold nothing.",
            "Give it a larger size_mib, size_share or cache_shares.",
        )
    try:
        check(front.name, front.policies, front.lacks, front.minimum_bytes, spec, size)
    except SpecError as error:
        raise SpecError(f"{where} ({variant.name}): {error.what}.", f"{error.remedy}.") from error


def _must_stand_apart(experiment: Experiment, variant: Variant, front: Front | None, topology: Topology) -> None:
    """What a geography cannot have: several replicas are refused by the experiment itself."""
    for service in (*topology.services, *([] if front is None else [FRONT])):
        target = experiment.target_of(variant, service)
        if target_registry.make(target).orchestrates:
            raise SpecError(
                f"{variant.name}: {target} keeps its instances in one network, and geography has one in each region.",
                "Use process, container or vm.",
            )
    if front is not None and front.forward:
        raise SpecError(
            f"{variant.name}: {front.name} is a forward proxy, which stands with its clients, and geography has them "
            "in several regions.",
            "Use a reverse proxy, or remove geography.",
        )


def _happens_to(event: EventSpec, variant: Variant, topology: Topology, names: Sequence[str]) -> str:
    """The service, or the instance of a front, which the event happens to there. Raises SpecError if there is none."""
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
