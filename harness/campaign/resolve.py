"""What an experiment's workload and proxies resolve to: artifacts, topologies, the load. Builds what is missing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.artifacts.api import Artifact
from harness.artifacts.builders.embedded import build_embedded
from harness.artifacts.builders.from_image import build_from_image
from harness.artifacts.builders.rootfs import build_workload
from harness.errors import BuildError, SpecError, Unavailable
from harness.planning.validate import catalogue_of
from harness.proxies import certificates
from harness.proxies import registry as proxy_registry
from harness.proxies.api import Certificate, Proxy
from harness.records.campaign import ArtifactRecord
from harness.records.variant import Variant
from harness.simulation.catalogue import Catalogue
from harness.spec.experiment import Experiment
from harness.spec.files import read_workload
from harness.spec.proxy import DIRECT
from harness.spec.service import Exchange
from harness.spec.topology import SERVICE, SINGLE, Member, Topology
from harness.trial.campaign_context import Deployable


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
    return Source(members, topologies, workload.exchanges, folder / workload.locustfile, catalogue_of(workload))


def proxies_of(
    experiment: Experiment, wanted: Iterable[Variant]
) -> tuple[dict[str, Proxy], dict[str, Certificate], dict[str, BuildError | Unavailable]]:
    """The proxies of ``wanted`` by their names in the experiment, built; the user's certificates; and what cannot be.

    Raises SpecError for a certificate that cannot be used.
    """
    proxies: dict[str, Proxy] = {}
    given: dict[str, Certificate] = {}
    missing: dict[str, BuildError | Unavailable] = {}
    for name in dict.fromkeys(variant.proxy for variant in wanted if variant.proxy != DIRECT):
        spec = experiment.proxy(name)
        if spec is None:
            continue
        if spec.certificate is not None:
            given[name] = certificates.read(Path(spec.certificate))
        proxy = proxy_registry.make(spec.kind)
        try:
            proxy.prepare()
        except (BuildError, Unavailable) as error:
            missing[name] = error
            continue
        proxies[name] = proxy
    return proxies, given, missing


def artifact_records(source: Source, proxies: Mapping[str, Proxy]) -> dict[str, ArtifactRecord]:
    """Every artifact of a campaign, for its manifest."""
    found = {
        name: ArtifactRecord(digest=member.artifact.digest, source=member.artifact.source)
        for name, member in source.members.items()
    }
    for name, proxy in proxies.items():
        artifact = proxy.prepare()
        found[f"proxy:{name}"] = ArtifactRecord(digest=artifact.digest, source=artifact.source)
    return found
