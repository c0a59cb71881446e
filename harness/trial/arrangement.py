"""Who stands where in the lab: every instance's address and service, and the way clients take. Launches nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from harness.lab.api import LabAddress
from harness.lab.bridged import Lab
from harness.records.variant import Variant
from harness.spec.proxy import DIRECT
from harness.spec.route import Route, Way
from harness.spec.topology import launch_order, rendered
from harness.targets.api import Service, Target
from harness.trial.campaign_context import CampaignContext
from harness.trial.layout import DeploymentUnit, Layout
from harness.trial.points_of_presence import region_plans, with_proxy


def lay_out(variant: Variant, setting: CampaignContext, lab: Lab, scratch: Path) -> Layout:
    """Give every instance of ``variant`` its place. Raises DeployError when the lab is full, SpecError for a proxy that
    cannot do what is asked of it."""
    topology = setting.topologies[variant.topology]
    order = launch_order(topology, setting.specs())
    targets = {name: setting.targets[setting.experiment.target_of(variant, name)] for name in order}
    addresses = {name: _addresses(variant, name, targets[name], setting, lab) for name in order}
    hosts = {name: (str(addresses[name][0].ip), setting.members[name].spec.port) for name in order}
    places = [
        _place(name, number, at, targets[name], setting, hosts, _size(variant, name, targets[name], setting))
        for name in order
        for number, at in enumerate(addresses[name], start=1)
    ]
    direct = tuple(Route(prefix, *hosts[name]) for prefix, name in topology.routes.items())
    plain = Layout(topology, tuple(places), direct, Way(), {}, direct)
    if variant.proxy != DIRECT:
        return with_proxy(plain, variant, setting, lab, scratch)
    geography = setting.experiment.geography
    if geography is None:
        return plain
    return replace(plain, regions=region_plans(geography, lab, dict.fromkeys(geography.names, (direct,))))


def most_replicas(variant: Variant, service: str, setting: CampaignContext) -> int:
    """How many instances of a service there may be at once: at the beginning, or after an event."""
    topology = setting.topologies[variant.topology]
    asked = [
        event.replicas or 1
        for event in setting.experiment.events_of(variant)
        if event.kind == "scale" and service == (event.service or topology.route_of(event.route or "/"))
    ]
    return max([setting.replicas_of(variant, service), *asked])


def _addresses(
    variant: Variant, name: str, target: Target, setting: CampaignContext, lab: Lab
) -> tuple[LabAddress, ...]:
    if target.orchestrates:
        return (lab.address(name, spares=most_replicas(variant, name, setting) - 1),)
    count = setting.replicas_of(variant, name)
    return tuple(lab.address(_name(name, number)) for number in range(1, count + 1))


def _size(variant: Variant, name: str, target: Target, setting: CampaignContext) -> int:
    """The replicas that one launch asks its target for."""
    return setting.replicas_of(variant, name) if target.orchestrates else 1


def _name(service: str, number: int) -> str:
    return service if number == 1 else f"{service}-{number}"


def _place(
    name: str,
    number: int,
    at: LabAddress,
    target: Target,
    setting: CampaignContext,
    hosts: Mapping[str, tuple[str, int]],
    size: int,
) -> DeploymentUnit:
    member = setting.members[name]
    made = Service.of(member.artifact, member.spec, setting.experiment.limits, setting.cpus.service)
    env = tuple((key, rendered(value, hosts) if key in member.spec.env else value) for key, value in made.env)
    return DeploymentUnit(
        name=_name(name, number),
        service_name=name,
        role="service",
        target=target,
        service=replace(made, env=env, replicas=size),
        at=at,
        ask=(str(at.ip), member.spec.ready.port or member.spec.port),
        following=tuple((key, rendered(value, hosts)) for key, value in member.spec.next.items()),
    )
