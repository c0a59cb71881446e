"""A set of fake services on a bench: each member a thread of this process, at a place of its own on loopback."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, field, replace
from ipaddress import IPv4Address
from pathlib import Path

from harness.artifacts.api import Artifact, ImageConfig
from harness.lab.api import LabAddress
from harness.lab.bridged import Lab, LoopbackLab
from harness.proxies.api import Certificate, Proxy, Rendered, Route
from harness.records.variant import Variant
from harness.simulation.catalogue import Catalogue
from harness.spec.geography import Geography
from harness.spec.proxy import ProxySpec
from harness.spec.service import Readiness, ServiceSpec
from harness.spec.topology import Member, Topology
from harness.targets.api import Service, Staged, Target
from harness.trial.campaign_context import CampaignContext, Deployable
from tests.support.fake_campaign import CPUS, Bench, experiment, free_port
from tests.support.fake_instances import Good
from tests.support.fake_instruments import FakeInstruments
from tests.support.fakes import Answer, FakeInstance, FakeTarget, healthy

SET = "shop"
CHAIN: Mapping[str, tuple[str, ...]] = {"payments": ("broker", "catalog"), "catalog": ("broker",), "broker": ()}
"""Services and what they need, in an order in which they cannot be launched."""


class WideLab(LoopbackLab):
    """Every place has an address of its own, so that replicas can have one port. ``given``: the roles, in order."""

    def __init__(self, prefix: str) -> None:
        super().__init__(prefix)
        self.given: list[str] = []
        self._next = 10

    def address(self, role: str, spares: int = 0, region: str | None = None) -> LabAddress:
        self.given.append(role)
        places = [self._place(role, region or "") for _ in range(spares + 1)]
        return replace(places[0], spares=tuple(places[1:]))

    def _place(self, role: str, region: str) -> LabAddress:
        self._next += 1
        ip = IPv4Address(f"127.0.0.{self._next}")
        return LabAddress(prefix=f"{self.prefix}-{role}", ip=ip, lab=self.prefix, region=region)


@dataclass
class WideInstruments(FakeInstruments):
    """In such a lab."""

    def lab(
        self, prefix: str, geography: Geography | None = None, cpus: frozenset[int] = frozenset()
    ) -> AbstractContextManager[Lab]:
        assert cpus or geography is None
        self.labs.append(prefix)
        return WideLab(prefix) if geography is None else self.far(prefix, geography)

    def far(self, prefix: str, geography: Geography) -> AbstractContextManager[Lab]:
        """A lab with regions: see tests.support.fake_regions."""
        raise AssertionError(f"no lab with regions was expected: {prefix}, {geography.names}")


class SetTarget(FakeTarget):
    """``kinds`` and ``answers`` are by service; of a list each launch takes the next, and good ones after the last.

    ``told``: what happened, in order. ``staged``: what is staged and neither started nor undone.
    """

    def __init__(
        self,
        kinds: Mapping[str, type[FakeInstance]] | None = None,
        answers: Mapping[str, Answer] | None = None,
        name: str = "fake",
    ) -> None:
        super().__init__()
        self.name = name
        self.kinds = dict(kinds or {})
        self.answers = dict(answers or {})
        self.told: list[str] = []
        self.staged: set[str] = set()
        self.launched: list[tuple[Service, FakeInstance]] = []

    def _stage(self, service: Service, at: LabAddress, scratch: Path, undo: ExitStack) -> Staged:
        self.told.append(f"{service.name} staged")
        undo.callback(self.staged.discard, service.name)
        self.staged.add(service.name)
        return super()._stage(service, at, scratch, undo)

    def _make(self, service: Service, at: LabAddress) -> FakeInstance:
        instance = self.kinds.get(service.name, Good)(service, at, self.answers.get(service.name, healthy))
        self.staged.discard(service.name)
        self.told.append(f"{service.name} started")
        self.launched.append((service, instance))
        return instance

    @property
    def running(self) -> list[str]:
        """The services of the instances that have not ended."""
        return [service.name for service, instance in self.launched if instance.alive()]

    def instance(self, name: str) -> FakeInstance:
        """The newest instance of that service."""
        return [instance for service, instance in self.launched if service.name == name][-1]


class FakeProxy(Proxy):
    """A reverse proxy without a package: its service is what the fake target makes of every service."""

    name = "fakeproxy"
    summary = "a proxy of the tests"
    packages = ()
    user = "root"
    port = 1
    tls_port = 1

    def __init__(self, folder: Path, log: str = "") -> None:
        self._folder = folder
        self.log = log
        self.port = self.tls_port = free_port()  # type: ignore[misc]  # of this one object
        self.routes: tuple[Route, ...] = ()

    def render(self, _spec: ProxySpec, routes: object, _certificate: Certificate | None) -> Rendered:
        return Rendered({"proxy.conf": repr(routes)}, (sys.executable,))

    def served(self, _log: str) -> dict[str, int]:
        return super().served(self.log)

    def _artifact(self, service: ServiceSpec) -> Artifact:
        config = ImageConfig((sys.executable,), tuple(service.env.items()))
        return Artifact(self.name, digest(99), self._folder, config, "the tests", True)


class FakeForwardProxy(FakeProxy):
    """One that clients name the service to."""

    name = "fakeforward"
    forward = True


def digest(number: int) -> str:
    return f"sha256:{number:064x}"


def member(**changes: object) -> Member:
    """One that listens on a free port."""
    return Member.model_validate({"port": free_port(), "ready": Readiness(path="/health", timeout_s=5), **changes})


def chain(**changes: Mapping[str, object]) -> dict[str, Member]:
    """The members of CHAIN; ``changes`` are by service."""
    made = {name: member(needs=needs, **changes.get(name, {})) for name, needs in CHAIN.items()}
    assert len({each.port for each in made.values()}) == len(made)
    return made


def topology_of(members: Mapping[str, Member], **changes: object) -> Topology:
    """All of them; clients reach the first at ``/pay`` and ``catalog`` everywhere else."""
    data = {"services": tuple(members), "routes": {"/pay": next(iter(members)), "/": "catalog"}}
    return Topology.model_validate({**data, **changes})


@dataclass(kw_only=True)
class SetBench(Bench):
    """A bench whose workload is a set."""

    members: Mapping[str, Member]
    topology: Topology
    proxies: dict[str, Proxy] = field(default_factory=dict)
    certificates: dict[str, Certificate] = field(default_factory=dict)
    catalogue: Catalogue | None = None

    @property
    def deployables(self) -> dict[str, Deployable]:
        return {
            name: Deployable(spec, artifact_of(name, number, spec, self.path))
            for number, (name, spec) in enumerate(self.members.items(), start=1)
        }

    def service_of(self, name: str) -> Service:
        """What is launched of that member, its environment as the file has it."""
        made = self.deployables[name]
        return Service.of(made.artifact, made.spec, self.spec.limits, CPUS.service)

    @property
    def setting(self) -> CampaignContext:
        return replace(
            super().setting,
            members=self.deployables,
            topologies={SET: self.topology},
            proxies=self.proxies,
            certificates=self.certificates,
            catalogue=self.catalogue,
        )

    @property
    def variant(self) -> Variant:
        return self.spec.variants[0]


def artifact_of(name: str, number: int, spec: Member, folder: Path) -> Artifact:
    env = {"PATH": os.defpath, "HOME": "/", **spec.env}
    return Artifact(name, digest(number), folder, ImageConfig((sys.executable,), tuple(env.items())), "the tests", True)


def set_bench(
    path: Path,
    *targets: Target,
    members: Mapping[str, Member] | None = None,
    topology: Mapping[str, object] | None = None,
    matrix: Mapping[str, object] | None = None,
    **changes: object,
) -> SetBench:
    """CHAIN over these targets; ``topology``, ``matrix`` and ``changes`` replace keys of those tables."""
    chosen = targets or (SetTarget(),)
    everyone = members or chain()
    names = [target.name for target in chosen]
    table = {"targets": names, "topologies": [SET], **(matrix or {})}
    baseline = changes.pop("baseline", f"{SET}-{names[0]}")
    spec = experiment(names, matrix=table, baseline=baseline, **changes)
    return SetBench(
        path,
        spec,
        {target.name: target for target in chosen},
        WideInstruments(),
        members=everyone,
        topology=topology_of(everyone, **(topology or {})),
    )
