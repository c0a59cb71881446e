"""What an experiment asks of regions, caches and sequences that no deployment could give: refused before anything."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from harness.cache.catalogue import Catalogue, requests
from harness.deployment.presence import capacity
from harness.errors import SpecError
from harness.proxies import registry as front_registry
from harness.proxies.api import Front
from harness.proxies.caching import check
from harness.spec.experiment import Experiment
from harness.spec.front import DIRECT, FRONT, SHIELD, is_front
from harness.spec.matrix import Variant
from harness.spec.sequence import SequenceSpec
from harness.spec.topology import Topology
from harness.targets import registry as target_registry


def must_be_possible(experiment: Experiment, topologies: Mapping[str, Topology], catalogue: Catalogue | None) -> None:
    """Raise SpecError for the first thing that cannot be.

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
