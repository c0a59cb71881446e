"""What an experiment's workload and fronts resolve to: artifacts, topologies, the load. Builds what is missing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.artifacts.api import Artifact
from harness.artifacts.embedded import build_embedded
from harness.artifacts.from_image import build_from_image
from harness.artifacts.rootfs import build_workload
from harness.cache.catalogue import Catalogue
from harness.deployment.possible import front_names, must_be_possible
from harness.deployment.setting import Deployable
from harness.errors import BuildError, SpecError, Unavailable
from harness.proxies import certificates
from harness.proxies import registry as front_registry
from harness.proxies.api import Certificate, Front
from harness.spec.event import EventSpec
from harness.spec.experiment import Experiment
from harness.spec.files import read_workload
from harness.spec.front import DIRECT
from harness.spec.matrix import Variant
from harness.spec.service import Exchange
from harness.spec.topology import SERVICE, SINGLE, Member, Topology
from harness.spec.workload import Workload
from harness.store.campaign_records import ArtifactRecord
from harness.targets import registry as target_registry


@dataclass(frozen=True, slots=True)
class Source:
    """What the experiment's workload resolves to, whatever it is. ``members``: those of the wanted topologies."""

    members: Mapping[str, Deployable]
    topologies: Mapping[str, Topology]
    exchanges: tuple[Exchange, ...]
    locustfile: Path | None
    catalogue: Catalogue | None = None

    @property
    def artifacts(self) -> tuple[Artifact, ...]:
        """Each artifact once."""
        return tuple({member.artifact.digest: member.artifact for member in self.members.values()}.values())


def source_of(experiment: Experiment, folder: Path | None, wanted: Sequence[Variant], *, embedded: bool) -> Source:
    """The source of what ``wanted`` deploys. Raises SpecError, Unavailable or BuildError."""
    if experiment.image is not None:
        if experiment.service is None:
            raise SpecError("An image workload needs a [service] table.", "Add it, with at least: port = <number>.")
        given = experiment.service
        member = Member(**{name: getattr(given, name) for name in type(given).model_fields})
        deployable = Deployable(member, build_from_image(experiment.image, given))
        topologies = {SINGLE: Topology(services=(SERVICE,), routes={"/": SERVICE})}
        return Source({SERVICE: deployable}, topologies, (), None)
    if folder is None:
        raise SpecError(
            f"The folder of workload {experiment.workload!r} is not known.", "Run it again from its experiment."
        )
    workload = read_workload(folder)
    names = dict.fromkeys(variant.topology for variant in wanted)
    topologies = {name: workload.sets[name] for name in names}
    if embedded and workload.service is None:
        raise Unavailable(
            f"{experiment.workload} is a set of services, and those need root file systems of their own.",
            "sudo -E tare run …",
        )
    build = build_embedded if embedded else build_workload
    services = dict.fromkeys(service for topology in topologies.values() for service in topology.services)
    members = {name: Deployable(workload.members[name], build(folder, workload, name)) for name in services}
    return Source(members, topologies, workload.exchanges, folder / workload.locustfile, _catalogue(workload))


def _catalogue(workload: Workload) -> Catalogue | None:
    return None if workload.catalogue is None else Catalogue.of(workload.catalogue)


def must_be_known(experiment: Experiment, folder: Path | None) -> None:
    """Raise SpecError for a topology that the workload has not, an event or a placement of a service that is not there,
    an event that cannot be, a kind of front that does not exist, and what regions, caches and sequences cannot be."""
    sets = {SINGLE: Topology(services=(SERVICE,), routes={"/": SERVICE})}
    catalogue = None
    if folder is not None:
        workload = read_workload(folder)
        sets, catalogue = workload.sets, _catalogue(workload)
    for name in experiment.matrix.topologies:
        if name not in sets:
            raise SpecError(
                f"{experiment.workload} has no topology {name!r}.", f"Its topologies are: {', '.join(sets)}."
            )
    for name in experiment.matrix.fronts:
        if (front := experiment.front(name)) is not None:
            front_registry.make(front.kind)
    must_be_possible(experiment, sets, catalogue)
    for variant in experiment.variants:
        topology = sets[variant.topology]
        names = (*topology.services, *front_names(experiment, variant))
        most: dict[str, int] = {}
        for event in experiment.events_of(variant):
            service = _happens_to(event, variant, topology, names)
            begun = variant.replicas if service in topology.routed else 1
            _must_be_possible(event, service, most.setdefault(service, begun), variant, experiment)
            most[service] = max(most[service], event.replicas or 1)
    everyone = {name for topology in sets.values() for name in topology.services} | {"default", "front"}
    for name, placement in experiment.placements.items():
        if strangers := sorted(set(placement) - everyone):
            raise SpecError(
                f"placements.{name} places {strangers[0]!r}, which is no service of {experiment.workload}.",
                f"Its services are: {', '.join(sorted(everyone - {'default', 'front'}))}; and front.",
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


def _must_be_possible(event: EventSpec, service: str, most: int, variant: Variant, experiment: Experiment) -> None:
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


def fronts_of(
    experiment: Experiment, wanted: Iterable[Variant]
) -> tuple[dict[str, Front], dict[str, Certificate], dict[str, BuildError | Unavailable]]:
    """The fronts of ``wanted`` by their names in the experiment, built; the user's certificates; and what cannot be.

    Raises SpecError for a certificate that cannot be used.
    """
    fronts: dict[str, Front] = {}
    given: dict[str, Certificate] = {}
    missing: dict[str, BuildError | Unavailable] = {}
    for name in dict.fromkeys(variant.front for variant in wanted if variant.front != DIRECT):
        spec = experiment.front(name)
        if spec is None:
            continue
        if spec.certificate is not None:
            given[name] = certificates.read(Path(spec.certificate))
        front = front_registry.make(spec.kind)
        try:
            front.prepare()
        except (BuildError, Unavailable) as error:
            missing[name] = error
            continue
        fronts[name] = front
    return fronts, given, missing


def artifact_records(source: Source, fronts: Mapping[str, Front]) -> dict[str, ArtifactRecord]:
    """Every artifact of a campaign, for its manifest."""
    found = {
        name: ArtifactRecord(digest=member.artifact.digest, source=member.artifact.source)
        for name, member in source.members.items()
    }
    for name, front in fronts.items():
        artifact = front.prepare()
        found[f"front:{name}"] = ArtifactRecord(digest=artifact.digest, source=artifact.source)
    return found
