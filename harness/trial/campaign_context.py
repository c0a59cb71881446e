"""What stays the same for every trial of a campaign."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from harness.artifacts.api import Artifact
from harness.host.cpus import CpuSplit
from harness.proxies.api import Certificate, Proxy
from harness.records.variant import Variant
from harness.simulation.catalogue import Catalogue
from harness.spec.experiment import Experiment
from harness.spec.service import Exchange
from harness.spec.topology import Member, Topology
from harness.store.folder import CampaignFolder
from harness.targets.api import Target
from harness.trial.instrument_factory import Instruments


@dataclass(frozen=True, slots=True)
class Deployable:
    """A service of the workload with the artifact that it is deployed from."""

    spec: Member
    artifact: Artifact


@dataclass(frozen=True, slots=True)
class CampaignContext:
    """``members``: the workload's services by name. ``proxies`` and ``certificates`` (the user's): by the proxy's name
    in the experiment; one without a certificate of the user's gets its own in each trial. ``catalogue``: the objects
    of the workload, if it has any.
    """

    experiment: Experiment
    members: Mapping[str, Deployable]
    topologies: Mapping[str, Topology]
    targets: Mapping[str, Target]
    proxies: Mapping[str, Proxy]
    certificates: Mapping[str, Certificate]
    exchanges: tuple[Exchange, ...]
    locustfile: Path | None
    cpus: CpuSplit
    folder: CampaignFolder
    instruments: Instruments
    catalogue: Catalogue | None = None

    def specs(self) -> dict[str, Member]:
        """The workload's services as its file describes them."""
        return {name: member.spec for name, member in self.members.items()}

    def digest_of(self, topology: str) -> str:
        """The digest of all that a topology's services are deployed from."""
        return set_digest({name: self.members[name].artifact.digest for name in self.topologies[topology].services})

    def replicas_of(self, variant: Variant, service: str) -> int:
        """How many instances a service of that variant begins with: services that clients reach are replicated."""
        return variant.replicas if service in self.topologies[variant.topology].routed else 1


def set_digest(digests: Mapping[str, str]) -> str:
    """One digest for several services: a single one's itself, else ``sha256:`` over the sorted names and digests."""
    if len(digests) == 1:
        return next(iter(digests.values()))
    lines = "".join(f"{name} {digest}\n" for name, digest in sorted(digests.items()))
    return "sha256:" + hashlib.sha256(lines.encode()).hexdigest()
